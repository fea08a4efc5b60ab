//! Ephemeral resources: credentials for one run, never stored.

mod cockroachdb_credentials;
mod kubeconfig;

pub(crate) use cockroachdb_credentials::Credentials;
pub(crate) use kubeconfig::Kubeconfig;
