//! What a configured provider hands to its resources: the daemon, connected to when it is first needed,
//! and the images where a resource names none.

use std::sync::Arc;
use std::time::Duration;

use atlas_engine::docker::{Docker, DockerConfig};
use atlas_engine::{Context, Error, FieldPath, Result, Warned, images};
use tfplugin::{AttributePath, Operation, Value};
use tokio::sync::OnceCell;

use crate::translate::Reader;

/// How long a look at the world may take where the user sets no timeout: planning, importing, data sources.
const LOOK: Duration = Duration::from_secs(120);

/// A configured provider.
pub(crate) struct Configured {
    docker: DockerConfig,
    /// Whether all that says which daemon is meant is known.
    is_decided: bool,
    connection: OnceCell<Docker>,
    pub(crate) node_image: String,
    pub(crate) load_balancer_image: String,
    pub(crate) localstack_image: String,
    pub(crate) replicator_image: String,
    pub(crate) cockroachdb_image: String,
    /// Whether the configuration says nothing of load balancers' images.
    pub(crate) load_balancer_image_is_default: bool,
    /// Of which images the configuration says what is not known yet.
    undecided_images: Vec<&'static str>,
}

/// The images that the configuration may name.
const IMAGES: [&str; 5] = [
    "node",
    "loadbalancer",
    "localstack",
    "replicator",
    "cockroachdb",
];

impl Configured {
    /// What a provider's configuration says, then the environment, then the published images.
    pub(crate) fn new(config: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let image = |name: &str| text(config.get("images").get(name));
        let of_daemon = ["docker_host", "docker_cert_path", "docker_tls_verify"];
        Self {
            is_decided: of_daemon.iter().all(|name| config.get(name).is_known()),
            docker: DockerConfig {
                host: text(config.get("docker_host")),
                // What cannot be expanded was refused when the configuration was validated.
                cert_path: Reader::default().local_path(
                    config.get("docker_cert_path"),
                    &FieldPath::of("docker_cert_path"),
                ),
                tls: config.get("docker_tls_verify").as_bool(),
            },
            connection: OnceCell::new(),
            node_image: image("node").unwrap_or_else(images::node),
            load_balancer_image_is_default: image("loadbalancer").is_none(),
            load_balancer_image: image("loadbalancer").unwrap_or_else(images::load_balancer),
            localstack_image: image("localstack").unwrap_or_else(images::localstack),
            replicator_image: image("replicator").unwrap_or_else(images::replicator),
            cockroachdb_image: image("cockroachdb").unwrap_or_else(images::cockroachdb),
            undecided_images: IMAGES
                .into_iter()
                .filter(|name| config.get("images").get(name).is_unknown())
                .collect(),
        }
    }

    /// For validation, which asks nobody: the usual images and no daemon.
    pub(crate) fn unconnected() -> Self {
        Self {
            docker: DockerConfig::default(),
            is_decided: true,
            connection: OnceCell::new(),
            node_image: images::node(),
            load_balancer_image: images::load_balancer(),
            localstack_image: images::localstack(),
            replicator_image: images::replicator(),
            cockroachdb_image: images::cockroachdb(),
            load_balancer_image_is_default: true,
            undecided_images: Vec::new(),
        }
    }

    /// The same with a daemon that nobody reaches, for tests.
    #[cfg(test)]
    pub(crate) fn unreachable(mut self) -> Self {
        self.docker.host = Some("unix:///nowhere/docker.sock".to_owned());
        self
    }

    /// Whether it is not known yet which load balancers there are to be.
    pub(crate) fn has_undecided_balancer(&self) -> bool {
        self.undecided_images.contains(&"loadbalancer")
    }

    /// One of the images, as a plan may say it where a resource names none: not before it is known.
    pub(crate) fn planned_image(&self, name: &str, image: &str) -> Value {
        if self.undecided_images.contains(&name) {
            Value::Unknown
        } else {
            Value::string(image)
        }
    }

    /// Whether it is known which daemon is meant. While planning it may hang on what is yet to be made:
    /// then nothing can be looked at, and what the state says stands.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_decided
    }

    /// A context for one operation, limited to a look; connects at the first call.
    pub(crate) async fn context(&self, operation: &Operation<Self>) -> Result<Context> {
        if !self.is_decided {
            return Err(Error::Undecided);
        }
        let connecting = self
            .connection
            .get_or_try_init(|| Docker::connect(&self.docker));
        let docker = tokio::select! {
            connected = connecting => connected?.clone(),
            () = operation.cancel.cancelled() => {
                return Err(Error::Cancelled {
                    during: "connecting to the Docker daemon".to_owned(),
                });
            }
        };
        Ok(Context::new(docker)
            .with_cancel(operation.cancel.clone())
            .with_warned(warned(operation))
            .with_timeout(LOOK))
    }
}

/// Hands what the engine warns of to the user.
pub(crate) fn warned(operation: &Operation<Configured>) -> Warned {
    let warnings = operation.warnings.clone();
    Arc::new(move |warning| {
        warnings.push(AttributePath::root(), warning.summary, warning.detail);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfplugin::Provider as _;

    #[test]
    fn what_hangs_on_something_unknown_is_not_decided() {
        let schema = crate::provider::Atlas.schema();
        let mut config = schema.empty();
        assert!(Configured::new(&config).is_decided());
        config.set("region", Value::Unknown);
        assert!(Configured::new(&config).is_decided());
        config.set("docker_host", Value::Unknown);
        assert!(!Configured::new(&config).is_decided());
    }

    #[test]
    fn an_image_that_is_not_known_yet_is_not_planned() {
        let mut config = crate::provider::Atlas.schema().empty();
        let planned = |config: &Value| {
            let configured = Configured::new(config);
            let image = configured.node_image.clone();
            configured.planned_image("node", &image)
        };
        config.set("images", Value::object([("node", Value::string("a:1"))]));
        assert_eq!(planned(&config), Value::string("a:1"));
        config.set("images", Value::object([("node", Value::Unknown)]));
        assert_eq!(planned(&config), Value::Unknown);
        config.set("images", Value::Unknown);
        assert_eq!(planned(&config), Value::Unknown);
    }

    #[test]
    fn the_daemons_certificates_may_lie_below_the_home_folder() {
        let mut config = crate::provider::Atlas.schema().empty();
        config.set("docker_cert_path", Value::string("~/certs"));
        let wanted = std::env::home_dir().map(|home| home.join("certs"));
        assert_eq!(Configured::new(&config).docker.cert_path, wanted);
    }
}
