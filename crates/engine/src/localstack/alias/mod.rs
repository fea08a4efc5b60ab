//! A regional alias: an audit bucket and a transaction queue in one region of an endpoint, and what carries them
//! to a peer region.

mod carried;
mod desired;
mod execute;
mod mark;
mod observe;
mod plan;
mod spec;

pub use carried::uncarried;
pub use desired::{BEGUN, QueueKind, queue_names};
pub use execute::{admit, admit_delete, apply, delete, remove_queue};
pub use mark::MARK;
pub use observe::{Observed, gives_no_answer, observe};
pub use plan::{Plan, Step, plan};
pub use spec::{
    BucketSpec, DEFAULT_MAX_RECEIVE, DEFAULT_RETENTION, DEFAULT_VISIBILITY, QueueSpec,
    ReplicationSpec, Spec, is_fifo_name,
};
