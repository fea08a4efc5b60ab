//! A Docker bridge network with an explicit subnet, so that nodes can have addresses that stay.

pub(crate) mod address;
mod execute;
mod observe;
pub(crate) mod place;
mod plan;
mod remove;
mod room;
mod spec;

pub(crate) use execute::explained;
pub use execute::{Admitted, admit, begun, create, delete};
pub use observe::{list, observe};
pub use plan::{Difference, differences, refuse_use, user_labels};
pub(crate) use remove::remove;
pub use room::{Hindrance, foresee, overlapping};
pub(crate) use room::{Patience, until_free};
pub use spec::{Spec, name_problem, refuse_overlap};
