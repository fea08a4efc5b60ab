//! Reads a server back from Docker.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::health::{self, Health};
use super::spec::{
    DEFAULT_PORT, DYNAMIC_URLS, Replicator, Spec, container_name, replicator_name, unserved_name,
};
use crate::context::Context;
use crate::docker::{ImageDefaults, Node};
use crate::error::Result;
use crate::labels;
use crate::network::address;

/// Where the replicator serves its metrics.
pub(super) const METRICS_PORT: u16 = 9565;

/// A server as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its container; `None` where there is none, though a volume or a replicator may be left.
    pub server: Option<Node>,
    /// What it was made with.
    pub found: Option<Spec>,
    /// The replicator's container.
    pub replicator: Option<Node>,
    /// The volume with its state.
    pub volume: Option<String>,
    /// Whether no server has answered on this volume yet, so that nothing can be in it.
    pub is_unserved: bool,
    /// Whether what it holds outlives its container; `None` where neither it nor its image tells.
    pub keeps: Option<bool>,
    /// Its answer; `None` where it does not run or does not answer.
    pub health: Option<Health>,
    /// Its address on its network: the fixed one where it has one, else the present.
    pub address: Option<Ipv4Addr>,
}

impl Observed {
    /// Whether there is a container or a volume of it.
    pub(super) fn exists(&self) -> bool {
        self.server.is_some() || self.replicator.is_some() || self.volume.is_some()
    }

    /// Whether nothing is left of it, not even what an interrupted destroy has noted.
    pub fn is_gone(&self) -> bool {
        !self.exists() && !self.is_unserved
    }

    /// Whether all that is there was made by Atlas.
    pub fn is_ours(&self, name: &str) -> bool {
        [&self.server, &self.replicator]
            .into_iter()
            .flatten()
            .all(|node| node.label(labels::ATLAS_LOCALSTACK) == Some(name))
    }
}

/// Names of all servers that Atlas made.
pub async fn list(cx: &Context) -> Result<Vec<String>> {
    cx.guard("listing LocalStack servers", async {
        let label = format!("{}=server", labels::ATLAS_LOCALSTACK_ROLE);
        let found = cx.docker.containers(&[label]).await?;
        let names = found
            .iter()
            .filter_map(|node| node.label(labels::ATLAS_LOCALSTACK))
            .map(str::to_owned);
        Ok(names.collect())
    })
    .await
}

/// The server of this name.
pub async fn observe(cx: &Context, name: &str) -> Result<Observed> {
    cx.guard("reading a LocalStack server", async {
        let volume_label = format!("{}={name}", labels::ATLAS_LOCALSTACK);
        let (own, beside) = (container_name(name), replicator_name(name));
        let (server, replicator, volumes) = tokio::try_join!(
            cx.docker.container(&own),
            cx.docker.container(&beside),
            cx.docker.volumes(std::slice::from_ref(&volume_label)),
        )?;
        let mut observed = Observed {
            server,
            replicator,
            is_unserved: volumes.contains(&unserved_name(name)),
            volume: volumes.into_iter().find(|volume| *volume == own),
            ..Observed::default()
        };
        if let Some(server) = &observed.server {
            let defaults = cx.docker.image_defaults(&server.image_id).await?;
            let defaults = defaults.unwrap_or_default();
            let found = read(name, server, observed.replicator.as_ref(), &defaults);
            if server.state.running {
                observed.health = health::ask(cx, &own).await?;
            }
            let health = observed.health.as_ref();
            let present = server.networks.get(&found.network).copied().flatten();
            observed.address = present.or_else(|| address::fixed(Some(server), &found.network));
            observed.keeps = if found.persistence {
                health.and_then(Health::keeps)
            } else {
                Some(false)
            };
            observed.found = Some(found);
        }
        Ok(observed)
    })
    .await
}

/// What a container was made with.
fn read(name: &str, server: &Node, replicator: Option<&Node>, defaults: &ImageDefaults) -> Spec {
    let label = server.label(labels::ATLAS_LOCALSTACK_NETWORK);
    let network = label
        .filter(|network| server.networks.contains_key(*network))
        .or_else(|| server.networks.keys().next().map(String::as_str))
        .unwrap_or_default();
    let services = server.env_value("SERVICES").unwrap_or_default();
    Spec {
        name: name.to_owned(),
        network: network.to_owned(),
        image: server.image.clone(),
        services: services
            .split(',')
            .filter(|service| !service.is_empty())
            .map(str::to_owned)
            .collect(),
        port: server.published(DEFAULT_PORT).unwrap_or_default(),
        address: address::asked(server, network),
        persistence: server.env_value("PERSISTENCE") == Some("1"),
        environment: environment(server, defaults),
        replicator: replicator.map(read_replicator),
    }
}

/// The variables that the user gave, and those that somebody else did: what is neither Atlas's nor the image's.
fn environment(server: &Node, defaults: &ImageDefaults) -> BTreeMap<String, String> {
    let given = server.label(labels::ATLAS_LOCALSTACK_ENVIRONMENT);
    let given: Option<BTreeSet<String>> = given.and_then(|list| serde_json::from_str(list).ok());
    // Without its image nothing tells the image's own from others.
    let is_known = given.is_none() || !defaults.env.is_empty();
    let is_kept = |line: &str, key: &str| {
        let is_ours = ["SERVICES", "PERSISTENCE"].contains(&key) || line == DYNAMIC_URLS;
        let is_given = given.as_ref().is_some_and(|given| given.contains(key));
        is_given || (is_known && !is_ours && !defaults.env.contains(line))
    };
    let lines = server.env.iter();
    let pairs = lines.filter_map(|line| Some((line.as_str(), line.split_once('=')?)));
    pairs
        .filter(|(line, (key, _))| is_kept(line, key))
        .map(|(_, (key, value))| (key.to_owned(), value.to_owned()))
        .collect()
}

fn read_replicator(node: &Node) -> Replicator {
    let text = |key: &str| node.env_value(key).unwrap_or_default().to_owned();
    let list = |key: &str| -> Vec<String> {
        text(key)
            .split(',')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    Replicator {
        image: node.image.clone(),
        peers: list("ATLAS_REPLICATOR_PEERS"),
        regions: list("ATLAS_REPLICATOR_REGIONS"),
        metrics_port: node.published(METRICS_PORT),
        access_key: text("AWS_ACCESS_KEY_ID"),
        secret_key: text("AWS_SECRET_ACCESS_KEY"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose image sets `OF_IMAGE=1`, with these variables and the names of those that the user gave.
    fn read_back(lines: &[&str], given: Option<&str>) -> BTreeMap<String, String> {
        let all = ["SERVICES=s3", "PERSISTENCE=1", DYNAMIC_URLS];
        let server = Node {
            env: all.iter().chain(lines).map(ToString::to_string).collect(),
            labels: given
                .map(|given| {
                    let name = labels::ATLAS_LOCALSTACK_ENVIRONMENT.to_owned();
                    (name, given.to_owned())
                })
                .into_iter()
                .collect(),
            ..Node::default()
        };
        let defaults = ImageDefaults {
            env: ["OF_IMAGE=1".to_owned()].into(),
            ..ImageDefaults::default()
        };
        environment(&server, &defaults)
    }

    fn pairs(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        all.iter().map(owned).collect()
    }

    #[test]
    fn a_variable_that_the_image_has_too_is_the_users_where_the_user_gave_it() {
        let image_alone = read_back(&["OF_IMAGE=1"], Some("[]"));
        assert_eq!(image_alone, pairs(&[]));
        let both = read_back(&["OF_IMAGE=1"], Some(r#"["OF_IMAGE"]"#));
        assert_eq!(both, pairs(&[("OF_IMAGE", "1")]));
        let ours = read_back(&[], Some(r#"["SQS_ENDPOINT_STRATEGY"]"#));
        assert_eq!(ours, pairs(&[("SQS_ENDPOINT_STRATEGY", "dynamic")]));
    }

    #[test]
    fn what_somebody_else_set_is_seen_with_and_without_the_label() {
        for given in [None, Some("[]")] {
            let found = read_back(&["OF_IMAGE=1", "DEBUG=1"], given);
            assert_eq!(found, pairs(&[("DEBUG", "1")]), "{given:?}");
        }
    }

    #[test]
    fn of_a_server_whose_image_is_gone_the_label_tells() {
        let server = Node {
            env: ["PATH=/bin".to_owned(), "DEBUG=1".to_owned()].into(),
            labels: labels::labels([(labels::ATLAS_LOCALSTACK_ENVIRONMENT, r#"["DEBUG"]"#)]),
            ..Node::default()
        };
        let found = environment(&server, &ImageDefaults::default());
        assert_eq!(found, pairs(&[("DEBUG", "1")]));
    }
}
