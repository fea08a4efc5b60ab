//! What a configured provider hands to its resources: the daemon, connected to when it is first needed,
//! and the images where a resource names none.

use atlas_engine::docker::{Docker, DockerConfig};
use atlas_engine::{Context, Result, images};
use tfplugin::{Operation, Value};
use tokio::sync::OnceCell;

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
        let image = |name: &str| text(config.get("images").get(name));
        Self {
            docker: DockerConfig {
                host: text(config.get("docker_host")),
                cert_path: text(config.get("docker_cert_path")).map(Into::into),
                tls: config.get("docker_tls_verify").as_bool(),
            },
            connection: OnceCell::new(),
            node_image: image("node").unwrap_or_else(images::node),
            load_balancer_image: image("loadbalancer").unwrap_or_else(images::load_balancer),
        }
    }

    /// For validation, which asks nobody: the usual images and no daemon.
    pub(crate) fn unconnected() -> Self {
        Self {
            docker: DockerConfig::default(),
            connection: OnceCell::new(),
            node_image: images::node(),
            load_balancer_image: images::load_balancer(),
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
