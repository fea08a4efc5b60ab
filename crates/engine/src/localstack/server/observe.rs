//! Reads a server back from Docker.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::health::{self, Health};
use super::spec::{DEFAULT_PORT, Replicator, Spec, container_name, replicator_name};
use crate::context::Context;
use crate::docker::{ImageDefaults, Node};
use crate::error::Result;
use crate::labels;

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
    /// Its answer; `None` where it does not run or does not answer.
    pub health: Option<Health>,
    /// Its present address on its network.
    pub address: Option<Ipv4Addr>,
}

impl Observed {
    /// Whether nothing of it is left.
    pub fn is_gone(&self) -> bool {
        self.server.is_none() && self.replicator.is_none() && self.volume.is_none()
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
            volume: volumes.into_iter().next(),
            ..Observed::default()
        };
        if let Some(server) = &observed.server {
            let defaults = cx.docker.image_defaults(&server.image_id).await?;
            let found = read(name, server, observed.replicator.as_ref(), &defaults);
            observed.address = server.networks.get(&found.network).copied().flatten();
            observed.found = Some(found);
            if server.state.running {
                observed.health = health::ask(cx, &own).await?;
            }
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
    let mut environment: BTreeMap<String, String> = server
        .env
        .iter()
        .filter(|line| !defaults.env.contains(*line))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let services = environment.remove("SERVICES").unwrap_or_default();
    environment.remove("PERSISTENCE");
    if environment.get("SQS_ENDPOINT_STRATEGY").map(String::as_str) == Some("dynamic") {
        environment.remove("SQS_ENDPOINT_STRATEGY");
    }
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
        address: server.static_addresses.get(network).copied(),
        persistence: server.env_value("PERSISTENCE") == Some("1"),
        environment,
        replicator: replicator.map(read_replicator),
    }
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
