//! `provider "atlas"`: which Docker daemon, which images.

use async_trait::async_trait;
use tfplugin::{
    Attribute, DataSource, Diagnostics, EphemeralResource, Function, Nesting, Provider, Resource,
    Schema, Type, Value,
};

use crate::configured::Configured;
use crate::{data_sources, ephemeral, functions, resources};

/// The provider.
pub(crate) struct Atlas;

#[async_trait]
impl Provider for Atlas {
    type Data = Configured;

    fn schema(&self) -> Schema {
        Schema::new(
            "Builds simulated global platforms on one machine's Docker: k3d clusters, networks, \
             bridges between clusters, LocalStack in every region, and CockroachDB across them.",
        )
        .attribute(
            "docker_host",
            Attribute::optional(
                Type::String,
                "The Docker daemon: `unix:///path`, `tcp://host:port`. Default: `DOCKER_HOST`, then \
                 `unix:///var/run/docker.sock`.",
            ),
        )
        .attribute(
            "docker_cert_path",
            Attribute::optional(
                Type::String,
                "Folder with `ca.pem`, `cert.pem` and `key.pem` for a daemon behind TLS. Default: \
                 `DOCKER_CERT_PATH`.",
            ),
        )
        .attribute(
            "docker_tls_verify",
            Attribute::optional(
                Type::Bool,
                "Whether to speak TLS with the daemon. Default: whether `DOCKER_TLS_VERIFY` is set.",
            ),
        )
        .attribute(
            "region",
            Attribute::optional(
                Type::String,
                "A name for what this provider configuration stands for, when there is one alias per \
                 region. Atlas itself does nothing with it.",
            ),
        )
        .attribute(
            "images",
            Attribute::optional(Type::String, "Images to use where a resource names none.").nested(
                Nesting::Single,
                [
                    (
                        "node",
                        Attribute::optional(
                            Type::String,
                            "Servers and agents. Default: `ATLAS_NODE_IMAGE`, then \
                             `docker.io/rancher/k3s:v1.33.4-k3s1`.",
                        ),
                    ),
                    (
                        "loadbalancer",
                        Attribute::optional(
                            Type::String,
                            "Load balancers. Default: `ATLAS_LOADBALANCER_IMAGE`, then \
                             `ghcr.io/k3d-io/k3d-proxy:5.8.3`.",
                        ),
                    ),
                    (
                        "localstack",
                        Attribute::optional(
                            Type::String,
                            "LocalStack servers. Default: `ATLAS_LOCALSTACK_IMAGE`, then \
                             `docker.io/localstack/localstack:4.9.2`.",
                        ),
                    ),
                    (
                        "replicator",
                        Attribute::optional(
                            Type::String,
                            "Replicators beside them. Default: `ATLAS_REPLICATOR_IMAGE`, then \
                             `atlas/replicator:1`.",
                        ),
                    ),
                    (
                        "cockroachdb",
                        Attribute::optional(
                            Type::String,
                            "CockroachDB nodes. Default: `ATLAS_COCKROACHDB_IMAGE`, then \
                             `docker.io/cockroachdb/cockroach:v25.4.11`.",
                        ),
                    ),
                ],
            ),
        )
    }

    async fn configure(&self, config: &Value) -> Result<Configured, Diagnostics> {
        Ok(Configured::new(config))
    }

    fn resources(&self) -> Vec<Box<dyn Resource<Configured>>> {
        vec![
            Box::new(resources::network::Network),
            Box::new(resources::cluster::Cluster),
            Box::new(resources::bridge::Bridge),
            Box::new(resources::localstack::LocalStack),
            Box::new(resources::localstack_alias::Alias),
            Box::new(resources::cockroachdb_region::Region),
            Box::new(resources::cockroachdb_cluster::Cluster),
            Box::new(resources::cockroachdb_database::Database),
        ]
    }

    fn data_sources(&self) -> Vec<Box<dyn DataSource<Configured>>> {
        vec![
            Box::new(data_sources::cluster::Cluster),
            Box::new(data_sources::clusters::Clusters),
            Box::new(data_sources::docker::DockerDaemon),
            Box::new(data_sources::cockroachdb_survival::Survival),
        ]
    }

    fn ephemeral_resources(&self) -> Vec<Box<dyn EphemeralResource<Configured>>> {
        vec![
            Box::new(ephemeral::Kubeconfig),
            Box::new(ephemeral::Credentials),
        ]
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        vec![Box::new(functions::RegionCidrs)]
    }
}
