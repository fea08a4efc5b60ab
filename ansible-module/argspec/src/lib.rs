//! Ansible modules without Python.
//!
//! Ansible runs a module that is a binary with one argument, the path of a JSON file; the module prints
//! one JSON object. Everything that `AnsibleModule` does for a Python module is then the module's own
//! duty, and is done here:
//!
//! - [`Spec`]: what options there are, in the words of Ansible's argument specs;
//! - [`validate`]: accepts, coerces and refuses as Ansible's validator does, in its words;
//! - [`Secrets`]: what must not be shown, taken out of everything that is printed;
//! - [`Invocation`] and [`Answer`]: the arguments file and the result;
//! - [`python`]: how Python writes values, for messages.
//!
//! Measured against ansible-core 2.19; `tests/differential.rs` compares both validators.

mod answer;
mod coerce;
mod invocation;
pub mod python;
mod secrets;
mod spec;
mod validate;

pub use answer::{Answer, Diff, Failure};
pub use invocation::{Internal, Invocation};
pub use secrets::Secrets;
pub use spec::{Kind, Opt, RequiredIf, Rules, Spec};
pub use validate::{Problem, Validated, validate};
