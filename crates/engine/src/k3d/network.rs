//! The network that a cluster's nodes are on.

use super::work::Work;
use crate::context::Context;
use crate::docker::{DockerNetwork, NetworkSpec};
use crate::error::{Error, Remedy, Result};
use crate::labels::{self, labels};
use crate::network::explained;

/// Attempts at a subnet of Docker's choice; another program may take it in between.
const SUBNET_ATTEMPTS: u32 = 5;

impl Work<'_> {
    /// The cluster's network, made where it is missing, and whether it outlives the cluster.
    pub(super) async fn network(&self) -> Result<(DockerNetwork, bool)> {
        let docker = &self.cx.docker;
        let name = self.spec.network_name();
        let found = docker.network(&name).await?;
        if let Some(network) = found {
            let own = network.labels.get(labels::CLUSTER_OF_NETWORK) == Some(&self.spec.name);
            let external = self
                .observed
                .filter(|o| !o.nodes.is_empty())
                .map_or(!own, |o| o.network_external);
            let fits = self.spec.subnet.is_none() || self.spec.subnet == network.subnet;
            // Left by an interrupted run: one that wanted another subnet, or that only asked Docker for
            // a free one and never put a node on it.
            let stale = own && !fits && self.observed.is_none_or(|o| o.nodes.is_empty());
            let probe = own && network.labels.contains_key(labels::ATLAS_PROBE);
            if !stale && !probe {
                return Ok((network, external));
            }
            docker.remove_network(&name).await?;
        } else if self.spec.network.is_some() && self.observed.is_none_or(|o| o.nodes.is_empty()) {
            return Err(Error::NotFound {
                kind: "network",
                remedy: Remedy::CreateNetwork { name: name.clone() },
                name,
            });
        }
        let subnet = self.spec.subnet.or_else(|| self.last_subnet());
        self.cx.tell(&format!("creating network {name}"));
        let work = create_network(self.cx, &self.spec.name, &name, subnet);
        Ok((
            self.cx
                .guard("creating the cluster's network", work)
                .await?,
            false,
        ))
    }

    /// The subnet of a network that is gone, from the label that nodes carry.
    fn last_subnet(&self) -> Option<ipnet::Ipv4Net> {
        self.observed?
            .server()?
            .label(labels::NETWORK_IPRANGE)?
            .parse()
            .ok()
    }
}

async fn create_network(
    cx: &Context,
    cluster: &str,
    name: &str,
    subnet: Option<ipnet::Ipv4Net>,
) -> Result<DockerNetwork> {
    let mut request = NetworkSpec {
        name: name.to_owned(),
        subnet,
        gateway: None,
        labels: labels([
            (labels::APP, labels::APP_VALUE),
            (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
            (labels::CLUSTER_OF_NETWORK, cluster),
        ]),
    };
    let mut attempts = 0;
    loop {
        if subnet.is_none() {
            // Fixed addresses need a subnet by word. Docker picks one that is free, and gets it told.
            let mut probe = request.clone();
            probe.subnet = None;
            probe
                .labels
                .insert(labels::ATLAS_PROBE.to_owned(), "true".to_owned());
            cx.docker.create_network(&probe).await?;
            request.subnet = cx
                .docker
                .network(name)
                .await?
                .and_then(|network| network.subnet);
            cx.docker.remove_network(name).await?;
        }
        attempts += 1;
        match cx.docker.create_network(&request).await {
            Err(Error::Docker { message, .. })
                if subnet.is_none()
                    && attempts < SUBNET_ATTEMPTS
                    && message.contains("overlaps") => {}
            Err(error) => return Err(explained(cx, name, subnet, error).await),
            Ok(_) => break,
        }
    }
    cx.docker
        .network(name)
        .await?
        .ok_or_else(|| Error::NotFound {
            kind: "network",
            name: name.to_owned(),
            remedy: Remedy::TryAgain {
                why: "It was removed right after it was created".to_owned(),
            },
        })
}
