//! What is done once for all regions: `init`, settings, and where system ranges are.

mod execute;
mod observe;
mod plan;
mod spec;

pub(super) use execute::respread;
pub use execute::{admit, admit_delete, apply, create, delete};
pub use observe::{Observed, is_secure, observe};
pub(super) use observe::{ask, tables};
pub use plan::{Plan, Step, is_same, plan};
pub use spec::Spec;
