//! What a configured provider hands to its resources: the daemon, connected to when it is first needed,
//! and the images where a resource names none.

use atlas_engine::docker::{Docker, DockerConfig};
use atlas_engine::{Context, Result};
use tfplugin::{Operation, Value};
use tokio::sync::OnceCell;

/// The published images, where nothing else is said.
const NODE_IMAGE: &str = "docker.io/rancher/k3s:v1.33.4-k3s1";
const LOAD_BALANCER_IMAGE: &str = "ghcr.io/k3d-io/k3d-proxy:5.8.3";

/// A configured provider.
pub(crate) struct Configured {
    docker: DockerConfig,
    connection: OnceCell<Docker>,
    pub(crate) node_image: String,
    pub(crate) load_balancer_image: String,
}

impl Configured {
    /// What a provider's configuration says, then the environment, then the published images.
    pub(crate) fn new(config: &Value) -> Self {
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
        Self {
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
        }
    }

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
