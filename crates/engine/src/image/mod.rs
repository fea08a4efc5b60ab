//! Images of the Docker daemon, carried into the nodes of a cluster.
//!
//! Images are compared by the digest of their configuration, which `docker save` and containerd's import
//! keep; tags can move. They are streamed from daemon to node without a file in between.

mod execute;
mod observe;
mod plan;
mod spec;

pub use execute::apply;
pub use observe::{NodeImages, Observed, observe};
pub use plan::{Step, plan};
pub use spec::{Spec, canonical};
