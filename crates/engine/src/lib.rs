//! The world as Atlas knows it: Docker networks, k3d clusters and the bridges between them.
//!
//! Every kind of thing has the same four rooms:
//!
//! - `spec`: what a user may ask for, and what is refused before anything changes;
//! - `observe`: what the world says, read back from Docker and the Kubernetes API;
//! - `plan`: a pure function from the two to steps, each with a sentence for a person;
//! - `execute`: the steps carried out, concurrently where they do not depend on each other.
//!
//! There is no state of our own. What Docker cannot tell is kept in labels under
//! [`labels::ATLAS_PREFIX`], which the k3d CLI preserves, so that k3d, Terraform and Ansible can take
//! turns on one cluster.
//!
//! Invariants: only [`docker`] knows bollard, only [`aws`] the AWS SDK; plans do no I/O; no secret is part of an error, a
//! summary or a log line.

pub mod aws;
pub mod begun;
pub mod bridge;
pub mod cidr;
pub mod cockroachdb;
pub mod context;
mod difference;
pub mod docker;
pub mod error;
mod handover;
pub mod image;
pub mod images;
pub mod k3d;
pub mod kubeconfig;
pub mod labels;
pub mod local_path;
pub mod localstack;
mod lock;
pub mod network;
pub mod obtainable;
mod pace;
pub mod path;
mod ports;
pub mod presence;
mod ready;
pub mod remedy;
pub mod size;

pub use context::{Context, Scope, Warned, Warning};
pub use error::{Error, Problem, Result};
pub use path::FieldPath;
pub use remedy::{Remedy, Words};
