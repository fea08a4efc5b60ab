//! A region's nodes, as containers or elsewhere.

mod execute;
mod observe;
mod plan;
mod spec;

pub use execute::{admit, admit_new, apply, delete};
pub use observe::{Member, Observed, list, observe};
pub(super) use observe::{ask, published};
pub use plan::{Plan, Step, differences, plan, warning};
pub use spec::{DEFAULT_CERTIFICATE_DAYS, NodeSpec, Placement, Resources, Spec};
