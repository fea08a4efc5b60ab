//! A Docker bridge network with an explicit subnet, so that nodes can have addresses that stay.

mod execute;
mod observe;
pub(crate) mod place;
mod plan;
mod spec;

pub use execute::{Admitted, admit, begun, create, delete};
pub use observe::observe;
pub use plan::{Difference, differences, user_labels};
pub use spec::{Spec, name_problem, refuse_overlap};
