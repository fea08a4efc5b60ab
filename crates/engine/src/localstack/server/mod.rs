//! A LocalStack server: a container on a Docker network, its volume, and on request a replicator beside it.

mod content;
mod execute;
mod health;
mod observe;
mod plan;
mod serving;
pub(crate) mod spec;

pub use execute::{Admitted, Content, admit, admit_delete, admit_new, apply, begun, delete};
pub use health::Health;
pub use observe::{Observed, list, observe};
pub use plan::{Plan, Step, differences, images, plan};
pub use spec::{
    DEFAULT_PORT, DEFAULT_SERVICES, Replicator, Spec, container_name, endpoint, internal_endpoint,
    replicator_name,
};
