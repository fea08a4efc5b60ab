//! Where every node is on the transit network, and by which routes the others are reached.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::bridge::observe::{ClusterView, Observed};
use crate::bridge::script::Routes;
use crate::bridge::spec::Spec;
use crate::cidr;
use crate::error::{Error, Result};

/// Every node's address on the transit network: the one it has, else the lowest that is free.
pub(super) fn addresses(
    spec: &Spec,
    observed: &Observed,
    members: &BTreeMap<&String, &ClusterView>,
) -> Result<BTreeMap<String, Ipv4Addr>> {
    let all = || members.values().flat_map(|view| &view.nodes);
    let mut taken: BTreeSet<Ipv4Addr> = spec.subnet.hosts().next().into_iter().collect();
    if let Some(network) = &observed.network {
        taken.extend(network.addresses.values());
    }
    taken.extend(all().filter_map(|node| node.address));
    let mut found = BTreeMap::new();
    for node in all() {
        let address = match node.address.filter(|address| spec.subnet.contains(address)) {
            Some(address) => address,
            None => cidr::first_free(spec.subnet, &taken).ok_or_else(|| Error::Unexpected {
                what: format!("the bridge's subnet {}", spec.subnet),
                reason: "it has no free address left. Use a larger subnet".to_owned(),
            })?,
        };
        taken.insert(address);
        found.insert(node.name.clone(), address);
    }
    Ok(found)
}

pub(super) fn routes(
    own: &str,
    view: &ClusterView,
    members: &BTreeMap<&String, &ClusterView>,
    addresses: &BTreeMap<String, Ipv4Addr>,
) -> Routes {
    let mut routes = Routes {
        gateway: view.gateway,
        ..Routes::default()
    };
    for (name, peer) in members.iter().filter(|(name, _)| name.as_str() != own) {
        let _ = name;
        for node in &peer.nodes {
            if let (Some(pods), Some(&via)) = (node.pods, addresses.get(&node.name)) {
                routes.via.push((pods, via));
            }
        }
        // The rest of the cluster's pods (nodes that join later), and its Services: by its first
        // node, which forwards within its cluster.
        let first = peer
            .nodes
            .iter()
            .find(|node| node.name.contains("-server-"))
            .or(peer.nodes.first());
        if let Some(&via) = first.and_then(|node| addresses.get(&node.name)) {
            for net in [peer.cluster_cidr, peer.service_cidr] {
                if !routes.via.iter().any(|(known, _)| *known == net) {
                    routes.via.push((net, via));
                }
            }
        }
        routes
            .untranslated
            .push((view.cluster_cidr, peer.cluster_cidr));
    }
    routes
}
