//! What may be asked of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::error::{Problem, Remedy};
use crate::network::name_problem;
use crate::path::FieldPath;

/// The port on 127.0.0.1 where none is given: LocalStack's own.
pub const DEFAULT_PORT: u16 = 4566;
/// The services where none are given.
pub const DEFAULT_SERVICES: [&str; 4] = ["s3", "sqs", "iam", "sts"];

/// URLs of queues then carry the host by which the server was asked.
pub(super) const DYNAMIC_URLS: &str = "SQS_ENDPOINT_STRATEGY=dynamic";

/// Variables that other attributes decide.
const RESERVED: [&str; 4] = [
    "SERVICES",
    "PERSISTENCE",
    "GATEWAY_LISTEN",
    "LOCALSTACK_VOLUME_DIR",
];

/// A server as a user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The Docker network that it is on.
    pub network: String,
    /// Image of the server.
    pub image: String,
    /// AWS's names of the services that it runs.
    pub services: BTreeSet<String>,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Fixed address on the network; `None` leaves it to Docker.
    pub address: Option<Ipv4Addr>,
    /// Whether its state is kept in a volume.
    pub persistence: bool,
    /// More environment variables. They may hold secrets.
    pub environment: BTreeMap<String, String>,
    /// The replicator beside it.
    pub replicator: Option<Replicator>,
}

/// A replicator as a user wants it.
#[derive(Clone, PartialEq, Eq)]
pub struct Replicator {
    /// Its image.
    pub image: String,
    /// Endpoints of the other regions, as containers on the network see them.
    pub peers: Vec<String>,
    /// AWS's names of the regions whose queues it serves.
    pub regions: Vec<String>,
    /// Port on 127.0.0.1 for its metrics.
    pub metrics_port: Option<u16>,
    /// Access key for its own endpoint and the peers'.
    pub access_key: String,
    /// The secret of it.
    pub secret_key: String,
}

impl std::fmt::Debug for Replicator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replicator")
            .field("image", &self.image)
            .field("peers", &self.peers)
            .field("regions", &self.regions)
            .field("metrics_port", &self.metrics_port)
            .finish_non_exhaustive()
    }
}

/// The server's container, and its volume.
pub fn container_name(name: &str) -> String {
    format!("atlas-localstack-{name}")
}

/// A volume with nothing in it, which is there until a server has answered on the server's own volume. What is in that
/// one before is nobody's.
pub(super) fn unserved_name(name: &str) -> String {
    format!("{}.unserved", container_name(name))
}

/// The replicator's container.
pub fn replicator_name(name: &str) -> String {
    format!("atlas-localstack-{name}-replicator")
}

/// The endpoint as this machine sees it.
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The endpoint as containers on the network see it.
pub fn internal_endpoint(name: &str) -> String {
    format!("http://{}:{DEFAULT_PORT}", container_name(name))
}

impl Spec {
    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let host_name = self.name.len() <= 30
            && self
                .name
                .starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && self
                .name
                .ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && self
                .name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !host_name {
            problems.push(Problem::new(
                FieldPath::of("name"),
                format!("{:?} cannot be part of a host name.", self.name),
                "Use 1 to 30 lower-case letters, digits and dashes, with a letter or digit at both ends.",
            ));
        }
        if self.network != "bridge" {
            problems.extend(name_problem(&self.network, &FieldPath::of("network")));
        } else if self.replicator.is_some() || self.address.is_some() {
            problems.push(Problem::new(
                FieldPath::of("network"),
                "Docker's own network \"bridge\" does not support names or fixed addresses.",
                Remedy::UseOwnNetwork,
            ));
        }
        if self.image.is_empty() {
            problems.push(Problem::new(
                FieldPath::of("image"),
                "the image name is empty.",
                "Set one, or leave it out.",
            ));
        }
        if self.services.is_empty() {
            problems.push(Problem::new(
                FieldPath::of("services"),
                "the list of services is empty.",
                "Name at least one, for instance s3, or leave it out.",
            ));
        }
        for service in &self.services {
            let good = !service.is_empty()
                && service
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            if !good {
                problems.push(Problem::new(
                    FieldPath::of("services"),
                    format!("{service:?} is not a valid service name."),
                    "Use the AWS CLI's names, for instance s3 or sqs.",
                ));
            }
        }
        for name in self.environment.keys() {
            let bare = name.strip_prefix("LOCALSTACK_").unwrap_or(name);
            if RESERVED.contains(&name.as_str()) || RESERVED.contains(&bare) {
                problems.push(Problem::new(
                    FieldPath::of("environment").name(name),
                    format!("{name} is set by another argument or by the image."),
                    "Use services or persistence instead.",
                ));
            } else if name.is_empty() || name.contains(['=', '\0']) {
                problems.push(Problem::new(
                    FieldPath::of("environment"),
                    format!("{name:?} is not a valid variable name."),
                    "Use letters, digits and underscores.",
                ));
            }
        }
        if let Some(replicator) = &self.replicator {
            problems.extend(replicator.problems(self.port));
        }
        problems
    }
}

impl Replicator {
    fn problems(&self, port: u16) -> Vec<Problem> {
        let path = FieldPath::of("replicator");
        let mut problems = Vec::new();
        for (position, peer) in self.peers.iter().enumerate() {
            problems.extend(url_problem(
                peer,
                &path.clone().name("peers").index(position),
            ));
        }
        if self.regions.is_empty() {
            problems.push(Problem::new(
                path.clone().name("regions"),
                "the list of regions is empty.",
                "Name at least one, for instance us-east-1.",
            ));
        }
        for (position, region) in self.regions.iter().enumerate() {
            problems.extend(region_problem(
                region,
                &path.clone().name("regions").index(position),
            ));
        }
        if self.metrics_port == Some(port) {
            problems.push(Problem::new(
                path.name("metrics_port"),
                format!("{port} is already the server's port."),
                "Use a different port for each.",
            ));
        }
        problems
    }
}

/// What is wrong with the URL of an endpoint.
pub(crate) fn url_problem(url: &str, path: &FieldPath) -> Option<Problem> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let good = rest.is_some_and(|rest| {
        let authority = rest.trim_end_matches('/');
        !authority.is_empty()
            && !authority.contains(['/', '?', '#', '@', ' ', ','])
            && !authority.starts_with(':')
    });
    (!good).then(|| {
        Problem::new(
            path.clone(),
            format!("{url:?} is not a valid endpoint."),
            "Use scheme, host and port, for instance http://127.0.0.1:4566.",
        )
    })
}

/// What is wrong with the name of a region. Regions that AWS does not have are LocalStack's to refuse.
pub(crate) fn region_problem(region: &str, path: &FieldPath) -> Option<Problem> {
    let parts: Vec<&str> = region.split('-').collect();
    let good = parts.len() >= 3
        && parts[..parts.len() - 1]
            .iter()
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase()))
        && parts
            .last()
            .is_some_and(|last| !last.is_empty() && last.chars().all(|c| c.is_ascii_digit()));
    (!good).then(|| {
        Problem::new(
            path.clone(),
            format!("{region:?} is not a valid region."),
            "Use AWS's name, for instance us-east-1 or eu-central-1.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What makes a specification wrong.
    type Break = Box<dyn Fn(&mut Spec)>;

    pub(in super::super) fn spec() -> Spec {
        Spec {
            name: "us".into(),
            network: "net".into(),
            image: "localstack:1".into(),
            services: DEFAULT_SERVICES.map(str::to_owned).into(),
            port: 4566,
            address: None,
            persistence: true,
            environment: BTreeMap::new(),
            replicator: Some(Replicator {
                image: "replicator:1".into(),
                peers: vec!["http://atlas-localstack-eu:4566".into()],
                regions: vec!["us-east-1".into()],
                metrics_port: None,
                access_key: "test".into(),
                secret_key: "sesame".into(),
            }),
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let replicator = |change: fn(&mut Replicator)| {
            move |spec: &mut Spec| {
                if let Some(one) = &mut spec.replicator {
                    change(one);
                }
            }
        };
        let table: Vec<(&str, Break)> = vec![
            ("name", Box::new(|spec| spec.name = "US".into())),
            ("network", Box::new(|spec| spec.network = "a/b".into())),
            ("network", Box::new(|spec| spec.network = "bridge".into())),
            ("services", Box::new(|spec| spec.services.clear())),
            (
                "services",
                Box::new(|spec| spec.services = ["S 3".to_owned()].into()),
            ),
            (
                "environment.SERVICES",
                Box::new(|spec| spec.environment = [("SERVICES".into(), "s3".into())].into()),
            ),
            (
                "environment.LOCALSTACK_PERSISTENCE",
                Box::new(|spec| {
                    spec.environment = [("LOCALSTACK_PERSISTENCE".into(), "1".into())].into();
                }),
            ),
            (
                "replicator.peers[0]",
                Box::new(replicator(|one| one.peers = vec!["eu:4566".into()])),
            ),
            (
                "replicator.regions[0]",
                Box::new(replicator(|one| one.regions = vec!["Frankfurt".into()])),
            ),
            (
                "replicator.metrics_port",
                Box::new(replicator(|one| one.metrics_port = Some(4566))),
            ),
        ];
        assert_eq!(spec().problems(), []);
        for (path, change) in table {
            let mut bad = spec();
            change(&mut bad);
            let problems = bad.problems();
            assert_eq!(problems.len(), 1, "{path}: {problems:?}");
            assert_eq!(problems[0].path.to_string(), path);
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", spec()).contains("sesame"));
    }
}
