//! Managed resources.

pub(crate) mod bridge;
pub(crate) mod cluster;
mod cluster_kubeconfig;
mod cluster_plan;
mod cluster_schema;
mod cluster_spec;
pub(crate) mod cockroachdb_cluster;
pub(crate) mod cockroachdb_database;
pub(crate) mod cockroachdb_region;
mod going;
pub(crate) mod localstack;
pub(crate) mod localstack_alias;
#[cfg(test)]
mod mistakes;
pub(crate) mod network;
#[cfg(test)]
mod planning;

pub(crate) use cluster_kubeconfig::store_credentials;
pub(crate) use cluster_schema::{COMPUTED, nodes_attribute};
pub(crate) use cluster_spec::computed;
