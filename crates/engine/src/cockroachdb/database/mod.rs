//! Databases that live in several regions.

mod execute;
mod observe;
mod plan;
mod spec;

pub use execute::{admit, admit_delete, apply, create, delete};
pub(super) use observe::using;
pub use observe::{Observed, observe};
pub use plan::{Plan, Step, plan, warning};
pub use spec::{Placement, Shape, Spec, Survival};
