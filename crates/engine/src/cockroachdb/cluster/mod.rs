//! What is done once for all regions: `init`, settings, and where system ranges are.

mod execute;
mod observe;
mod plan;
mod spec;

pub(super) use execute::respread;
pub use execute::{admit, apply, delete};
pub(super) use observe::tables;
pub use observe::{Observed, observe};
pub use plan::{Plan, Step, is_same, plan};
pub use spec::Spec;
