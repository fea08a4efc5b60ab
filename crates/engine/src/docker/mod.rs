//! The Docker daemon: the only part of Atlas that knows bollard.
//!
//! Calls are thin; what they add is the name of the operation and the object in every error, and
//! the answer to "what now" where Docker's own words leave one guessing.

mod archive;
mod container;
mod events;
mod exec;
mod hint;
mod host;
mod image;
mod logs;
mod network;
mod runtime;
mod volume;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;

use crate::context::Context;
use crate::error::{Error, Result};

pub use archive::File;
pub use container::{ContainerSpec, Node, PortKey, Published, State};
pub(crate) use events::{Departures, LOOK_AGAIN};
pub use exec::Output;
pub use host::{ABOUT_CERTIFICATES, ABOUT_HOST, ABOUT_TLS};
pub use image::ImageDefaults;
pub(crate) use image::Obtainable;
pub use network::{DockerNetwork, NetworkSpec};
pub use runtime::{Devices, Runtime, Ulimit};

/// The oldest API that will do: Docker 20.10 (host-gateway, cgroup version in `info`).
pub const OLDEST_API: &str = "1.41";
/// Seconds after which a single request without an answer is given up, where its operation has no time limit.
const REQUEST_TIMEOUT: u64 = 120;
/// What a call may take beyond its operation's time: whoever waits for the operation has more to tell, and comes first.
const LAST_CALL: Duration = Duration::from_secs(10);

/// How to reach a daemon. Empty fields fall back to Docker's own environment variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerConfig {
    /// `unix:///path`, `tcp://host:port`, `http://host:port` or `ssh://user@host`; default `DOCKER_HOST`, then the context
    /// that Docker's command line uses, then the usual sockets.
    pub host: Option<String>,
    /// Folder with `ca.pem`, `cert.pem` and `key.pem`; default `DOCKER_CERT_PATH`.
    pub cert_path: Option<PathBuf>,
    /// Whether to speak TLS; default: `DOCKER_TLS_VERIFY` is set and not empty.
    pub tls: Option<bool>,
}

/// All containers with a label (`key=value`), running or not, by name.
pub async fn containers(cx: &Context, label: &str) -> Result<Vec<Node>> {
    let labels = [label.to_owned()];
    cx.guard("listing containers", cx.docker.containers(&labels))
        .await
}

/// The last lines of a container's log; empty where there is none.
pub async fn last_lines(cx: &Context, container: &str) -> Result<String> {
    let read = async { Ok(cx.docker.last_lines(container).await) };
    cx.guard(&format!("reading the log of {container}"), read)
        .await
}

/// Which daemon is spoken to.
///
/// # Errors
/// What Docker says.
pub async fn about(cx: &Context) -> Result<About> {
    cx.guard("asking Docker about itself", cx.docker.about())
        .await
}

/// A connection to one daemon; clones share it.
#[derive(Clone)]
pub struct Docker {
    client: Arc<bollard::Docker>,
    /// Until when calls may take; `None` leaves them the usual time.
    until: Option<tokio::time::Instant>,
    endpoint: Arc<str>,
    id: Arc<tokio::sync::OnceCell<String>>,
}

/// What a daemon says of itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct About {
    /// The address that is used.
    pub endpoint: String,
    /// The engine's version, for instance `28.1.1`.
    pub version: String,
    /// The newest API it speaks.
    pub api_version: String,
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
}

impl Docker {
    /// Connects and negotiates the API version.
    ///
    /// # Errors
    /// [`Error::Connect`] names the endpoint that was tried; [`Error::DaemonTooOld`].
    pub async fn connect(config: &DockerConfig) -> Result<Self> {
        let settings = host::resolve(config);
        let failed = |reason: String| Error::Connect {
            endpoint: settings.endpoint.clone(),
            reason: match &settings.transport {
                host::Transport::Ssh(address) => {
                    format!(
                        "{reason} (by {}). {}",
                        settings.source,
                        host::ssh_advice(address)
                    )
                }
                _ => format!("{reason} (by {})", settings.source),
            },
        };
        let client = match &settings.transport {
            host::Transport::Unix(path) => {
                bollard::Docker::connect_with_unix(path, REQUEST_TIMEOUT, API_DEFAULT_VERSION)
            }
            host::Transport::Http(address) => {
                bollard::Docker::connect_with_http(address, REQUEST_TIMEOUT, API_DEFAULT_VERSION)
            }
            host::Transport::Tls {
                address,
                certificates,
            } => bollard::Docker::connect_with_ssl(
                address,
                &certificates.join("key.pem"),
                &certificates.join("cert.pem"),
                &certificates.join("ca.pem"),
                REQUEST_TIMEOUT,
                API_DEFAULT_VERSION,
            ),
            host::Transport::Ssh(address) => bollard::Docker::connect_with_ssh(
                address,
                REQUEST_TIMEOUT,
                API_DEFAULT_VERSION,
                None,
            ),
            host::Transport::Unsupported(reason) => return Err(failed(reason.clone())),
        }
        .map_err(|error| failed(plain(&error)))?;
        let version = client
            .version()
            .await
            .map_err(|error| failed(plain(&error)))?;
        let found = version.api_version.unwrap_or_default();
        if host::api_number(&found) < host::api_number(OLDEST_API) {
            return Err(Error::DaemonTooOld {
                endpoint: settings.endpoint,
                found,
                needed: OLDEST_API,
            });
        }
        let client = client
            .negotiate_version()
            .await
            .map_err(|error| failed(plain(&error)))?;
        Ok(Self {
            client: Arc::new(client),
            until: None,
            endpoint: settings.endpoint.into(),
            id: Arc::default(),
        })
    }

    /// The same daemon for an operation that ends then: a call without an answer is given up a little later, whatever it
    /// is, and never before.
    #[must_use]
    pub(crate) fn ending(mut self, end: Option<tokio::time::Instant>) -> Self {
        self.until = end;
        self
    }

    /// The client for one call.
    fn api(&self) -> bollard::Docker {
        let left = self.until.map(|end| {
            let now = tokio::time::Instant::now();
            end.saturating_duration_since(now) + LAST_CALL
        });
        let client = bollard::Docker::clone(&self.client);
        client.with_timeout(left.unwrap_or(Duration::from_secs(REQUEST_TIMEOUT)))
    }

    /// The address that is used.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The machine that the daemon is on, where it is another one than this.
    pub fn other_machine(&self) -> Option<String> {
        host::other_machine(&self.endpoint)
    }

    /// Whether the daemon shares this machine's network, so that local ports can be checked.
    pub fn is_local(&self) -> bool {
        self.endpoint.starts_with("unix://")
    }

    /// The daemon's own id, which is the same whichever way it is reached. Asked once.
    pub(crate) async fn id(&self) -> Result<String> {
        let asked = || async {
            let found = self.api().info().await;
            let found =
                found.map_err(|error| self.failed("ask the id of", &self.endpoint, error))?;
            // A daemon without one is known by the address alone.
            Ok(found.id.unwrap_or_else(|| self.endpoint.to_string()))
        };
        self.id.get_or_try_init(asked).await.cloned()
    }

    /// Version and platform.
    async fn about(&self) -> Result<About> {
        let version = self
            .api()
            .version()
            .await
            .map_err(|error| self.failed("ask the version of", &self.endpoint, error))?;
        Ok(About {
            endpoint: self.endpoint.to_string(),
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            os: version.os.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
        })
    }

    /// What a call about one object came to; `None` where there is no such object.
    fn unless_gone<T>(
        &self,
        operation: &'static str,
        object: &str,
        result: Result<T, bollard::errors::Error>,
    ) -> Result<Option<T>> {
        match result.map_err(|error| self.failed(operation, object, error)) {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Turns a client error into ours.
    fn failed(
        &self,
        operation: &'static str,
        object: &str,
        error: bollard::errors::Error,
    ) -> Error {
        match error {
            bollard::errors::Error::DockerResponseServerError {
                status_code,
                message,
            } => {
                let hint = hint::hint(&message);
                Error::Docker {
                    operation,
                    object: object.to_owned(),
                    status: status_code,
                    message,
                    hint,
                }
            }
            bollard::errors::Error::HyperResponseError { .. }
            | bollard::errors::Error::HyperLegacyError { .. }
            | bollard::errors::Error::SocketNotFoundError(_) => Error::Connect {
                endpoint: self.endpoint.to_string(),
                reason: format!("{operation} {object}: {}", plain(&error)),
            },
            other => Error::Docker {
                operation,
                object: object.to_owned(),
                status: 0,
                message: plain(&other),
                hint: String::new(),
            },
        }
    }
}

/// An error with its causes in one line.
fn plain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_may_take_as_long_as_its_operation_and_little_longer() {
        let client = bollard::Docker::connect_with_http(
            "http://127.0.0.1:1",
            REQUEST_TIMEOUT,
            API_DEFAULT_VERSION,
        );
        let docker = Docker {
            client: Arc::new(client.unwrap()),
            until: None,
            endpoint: "".into(),
            id: Arc::default(),
        };
        assert_eq!(docker.api().timeout().as_secs(), REQUEST_TIMEOUT);
        let now = tokio::time::Instant::now();
        for (seconds, least, most) in [(600, 605, 610), (5, 13, 15), (0, 9, 10)] {
            let limited = docker
                .clone()
                .ending(Some(now + Duration::from_secs(seconds)));
            let allowed = limited.api().timeout().as_secs();
            assert!((least..=most).contains(&allowed), "{seconds}: {allowed}");
        }
    }
}
