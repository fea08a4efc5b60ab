//! A region's nodes, as containers or elsewhere.

mod admit;
mod container;
mod execute;
mod observe;
mod plan;
mod remove;
mod spec;
mod wait;

pub use admit::{Admitted, admit, admit_new};
pub use execute::apply;
pub(super) use observe::ask;
pub use observe::{Member, Observed, list, observe};
pub use plan::{Around, Plan, Step, differences, plan, warning};
pub use remove::{admit_delete, delete, delete_begun};
pub use spec::{DEFAULT_CERTIFICATE_DAYS, NodeSpec, Placement, Resources, Spec};
