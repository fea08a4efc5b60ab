//! `provider "atlas"`: which Docker daemon, which images.

use async_trait::async_trait;
use atlas_engine::docker::{Docker, DockerConfig};
use atlas_engine::{Context, Result};
use tfplugin::{
    Attribute, DataSource, Diagnostics, EphemeralResource, Function, Nesting, Operation, Provider,
    Resource, Schema, Type, Value,
};
use tokio::sync::OnceCell;

use crate::{data_sources, ephemeral, functions, resources};

/// The published images, where nothing else is said.
const NODE_IMAGE: &str = "docker.io/rancher/k3s:v1.33.4-k3s1";
const LOAD_BALANCER_IMAGE: &str = "ghcr.io/k3d-io/k3d-proxy:5.8.3";

/// The provider.
pub(crate) struct Atlas;

/// A configured provider.
pub(crate) struct Configured {
    docker: DockerConfig,
    connection: OnceCell<Docker>,
    pub(crate) node_image: String,
    pub(crate) load_balancer_image: String,
}

impl Configured {
    /// For validation, which asks nobody: the usual images and no daemon.
    pub(crate) fn unconnected() -> Self {
        Self {
            docker: DockerConfig::default(),
            connection: OnceCell::new(),
            node_image: NODE_IMAGE.to_owned(),
            load_balancer_image: LOAD_BALANCER_IMAGE.to_owned(),
        }
    }

    /// A context for one operation; connects at the first call.
    pub(crate) async fn context(&self, operation: &Operation<Self>) -> Result<Context> {
        let docker = self
            .connection
            .get_or_try_init(|| Docker::connect(&self.docker))
            .await?;
        Ok(Context::new(docker.clone()).with_cancel(operation.cancel.clone()))
    }
}

#[async_trait]
impl Provider for Atlas {
    type Data = Configured;

    fn schema(&self) -> Schema {
        Schema::new(
            "Builds simulated global platforms on one machine's Docker: k3d clusters, networks, and \
             bridges between clusters.",
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
                ],
            ),
        )
    }

    async fn configure(&self, config: &Value) -> Result<Configured, Diagnostics> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let image = |name: &str, variable: &str, default: &str| {
            text(config.get("images").get(name))
                .or_else(|| {
                    std::env::var(variable)
                        .ok()
                        .filter(|image| !image.is_empty())
                })
                .unwrap_or_else(|| default.to_owned())
        };
        Ok(Configured {
            docker: DockerConfig {
                host: text(config.get("docker_host")),
                cert_path: text(config.get("docker_cert_path")).map(Into::into),
                tls: config.get("docker_tls_verify").as_bool(),
            },
            connection: OnceCell::new(),
            node_image: image("node", "ATLAS_NODE_IMAGE", NODE_IMAGE),
            load_balancer_image: image(
                "loadbalancer",
                "ATLAS_LOADBALANCER_IMAGE",
                LOAD_BALANCER_IMAGE,
            ),
        })
    }

    fn resources(&self) -> Vec<Box<dyn Resource<Configured>>> {
        vec![
            Box::new(resources::network::Network),
            Box::new(resources::cluster::Cluster),
            Box::new(resources::bridge::Bridge),
        ]
    }

    fn data_sources(&self) -> Vec<Box<dyn DataSource<Configured>>> {
        vec![
            Box::new(data_sources::cluster::Cluster),
            Box::new(data_sources::clusters::Clusters),
            Box::new(data_sources::docker::DockerDaemon),
        ]
    }

    fn ephemeral_resources(&self) -> Vec<Box<dyn EphemeralResource<Configured>>> {
        vec![Box::new(ephemeral::Kubeconfig)]
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        vec![Box::new(functions::RegionCidrs)]
    }
}
