//! Which daemon is meant, by the rules of Docker's own command line.

use std::path::PathBuf;

use super::DockerConfig;

/// Docker's default.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// How to speak to the daemon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A socket file.
    Unix(String),
    /// Plain HTTP.
    Http(String),
    /// TLS with a client certificate.
    Tls {
        address: String,
        certificates: PathBuf,
    },
    /// Not spoken; the reason.
    Unsupported(String),
}

/// A decided endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) endpoint: String,
    pub(super) transport: Transport,
}

/// Applies configuration, environment and default, in this order.
pub(super) fn resolve(config: &DockerConfig, env: impl Fn(&str) -> Option<String>) -> Settings {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let endpoint = config
        .host
        .clone()
        .filter(|host| !host.is_empty())
        .or_else(|| set("DOCKER_HOST"))
        .unwrap_or_else(|| DEFAULT_HOST.to_owned());
    let tls = config
        .tls
        .unwrap_or_else(|| set("DOCKER_TLS_VERIFY").is_some());
    let certificates = config
        .cert_path
        .clone()
        .or_else(|| set("DOCKER_CERT_PATH").map(PathBuf::from))
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")))
        .unwrap_or_else(|| PathBuf::from(".docker"));
    let transport = match endpoint.split_once("://") {
        Some(("unix", path)) => Transport::Unix(path.to_owned()),
        Some(("tcp" | "http", _)) if !tls => Transport::Http(endpoint.clone()),
        Some(("tcp" | "https" | "http", _)) => Transport::Tls {
            address: endpoint.clone(),
            certificates,
        },
        _ => Transport::Unsupported(
            "only unix://, tcp://, http:// and https:// addresses are supported".to_owned(),
        ),
    };
    Settings {
        endpoint,
        transport,
    }
}

/// An API version as a number that can be compared; 0 where it makes no sense.
pub(super) fn api_number(version: &str) -> u32 {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    parts.next().unwrap_or(0) * 1000 + parts.next().unwrap_or(0)
}

/// What to do about some of Docker's messages.
pub(super) fn hint(message: &str) -> String {
    let hints = [
        (
            "port is already allocated",
            "choose another host_port, or stop what uses it",
        ),
        (
            "address already in use",
            "choose another host_port, or stop what uses it",
        ),
        (
            "Address already in use",
            "the address is given to another container of this network",
        ),
        (
            "Pool overlaps",
            "choose a subnet that no other Docker network uses (`docker network ls`)",
        ),
        (
            "has active endpoints",
            "disconnect or remove the containers on it first; where there are none, Docker has miscounted, and counts \
             anew when its daemon is restarted",
        ),
        ("no such image", "pull or build the image first"),
        (
            "operation not permitted",
            "privileged containers must be allowed by the daemon",
        ),
    ];
    hints
        .iter()
        .find(|(part, _)| message.contains(part))
        .map(|(_, advice)| format!(". Advice: {advice}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn the_default_is_the_usual_socket() {
        let settings = resolve(&DockerConfig::default(), with(&[]));
        assert_eq!(
            settings.transport,
            Transport::Unix("/var/run/docker.sock".into())
        );
    }

    #[test]
    fn configuration_wins_over_the_environment() {
        let config = DockerConfig {
            host: Some("unix:///a.sock".into()),
            ..Default::default()
        };
        let settings = resolve(&config, with(&[("DOCKER_HOST", "tcp://b:2375")]));
        assert_eq!(settings.endpoint, "unix:///a.sock");
    }

    #[test]
    fn tls_is_spoken_when_the_environment_asks() {
        let env = &[
            ("DOCKER_HOST", "tcp://b:2376"),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", "/certs"),
        ];
        let settings = resolve(&DockerConfig::default(), with(env));
        assert_eq!(
            settings.transport,
            Transport::Tls {
                address: "tcp://b:2376".into(),
                certificates: "/certs".into()
            }
        );
    }

    #[test]
    fn api_versions_compare_as_numbers() {
        assert!(api_number("1.9") < api_number("1.41"));
        assert!(api_number("1.51") > api_number("1.41"));
    }
}
