//! Terraform's plugin protocol, version 6.
//!
//! A provider is a program that Terraform starts, and that answers gRPC calls over a local socket. This
//! crate is all of that but the provider: the handshake, mutual TLS with the one client that is allowed
//! in, schemas, values, diagnostics, and the translation between the wire and the traits [`Provider`],
//! [`Resource`], [`DataSource`], [`EphemeralResource`] and [`Function`].
//!
//! ```no_run
//! # use tfplugin::{Provider, Schema, Value, Diagnostics, Warnings};
//! struct Null;
//!
//! #[async_trait::async_trait]
//! impl Provider for Null {
//!     type Data = ();
//!     fn schema(&self) -> Schema {
//!         Schema::new("Does nothing.")
//!     }
//!     async fn configure(&self, _config: &Value, _warnings: &Warnings) -> Result<(), Diagnostics> {
//!         Ok(())
//!     }
//! }
//!
//! # async fn run() -> std::process::ExitCode {
//! tfplugin::serve(&["registry.terraform.io/example/null"], Null).await
//! # }
//! ```
//!
//! Facts of the wire were taken from Terraform's published protocol and go-plugin's handshake, and
//! checked against Terraform 1.11.

#[cfg(test)]
mod arbitrary;
mod contract;
mod defaults;
mod diagnostics;
mod dynamic;
mod handshake;
mod json;
mod logging;
mod msgpack;
mod panics;
mod path;
mod private;
pub mod proto;
mod provider;
mod schema;
mod server;
mod settle;
mod tls;
mod types;
mod value;
mod walk;
mod write_only;

pub use diagnostics::{Diagnostic, Diagnostics, Severity, Warnings};
pub use handshake::serve;
pub use path::{AttributePath, Step};
pub use private::{Private, PrivateKey};
pub use provider::{
    DataSource, EphemeralResource, Function, FunctionError, FunctionSignature, Opened, Operation,
    Outcome, Parameter, PlanRequest, Planned, Provider, Resource,
};
pub use schema::{Attribute, Block, NestedBlock, Nesting, Schema};
pub use types::Type;
pub use value::{Number, Value};
