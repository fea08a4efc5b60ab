//! The whole world under test, by the programs that users run.
//!
//! A test opens a [`Sandbox`]: a name prefix, addresses and ports that no other test has, and a guard
//! that removes every Docker object of that prefix when the test ends, however it ends. Through it a
//! test drives real [`Terraform`] (or OpenTofu), real [`Ansible`], the real [`K3d`] command line, [`Docker`] and
//! [`Kubectl`]; a [`FaultProxy`] on the daemon's socket makes single calls fail.
//!
//! Nothing here asserts by itself except what must hold after *every* step: a plan after an apply is
//! empty, and nothing is left after a destroy. Errors carry the whole output of the command that
//! failed, because a test that fails once a month must be understood from its log; where it took too long, also what
//! its processes waited for and what the test's containers had said.

mod ansible;
mod aws;
pub mod bank;
pub mod cockroach;
mod command;
mod dice;
mod docker;
mod evidence;
mod faces;
mod fault_proxy;
mod hcl;
mod k3d;
mod kubectl;
mod naming;
mod peer;
mod plan;
mod playbook;
mod printed;
mod processes;
mod regions;
mod sandbox;
mod settings;
mod slot;
mod terraform;

pub use ansible::{Ansible, Played, TaskResult, ansible_program, module_binary};
pub use aws::Aws;
pub use command::{Finished, Run, Running};
pub use dice::Dice;
pub use docker::{Container, Docker, Objects};
pub use faces::{Face, Faces};
pub use fault_proxy::{Call, Fault, FaultProxy, Pattern};
pub use hcl::Cluster;
pub use k3d::{K3d, K3dVersion};
pub use kubectl::Kubectl;
pub use peer::Peers;
pub use plan::{Diagnostic, Diagnostics, Plan};
pub use playbook::{Playbook, Recap};
pub use printed::{AtHome, CodeBlock, code_blocks, files_below};
pub use processes::descendant_running;
pub use regions::{REPLICATOR_MEMORY, Region, Regions, Seen, outbox};
pub use sandbox::{Sandbox, eventually};
pub use settings::Settings;
pub use terraform::Terraform;
