//! What a member that gives no answer would say, out of what the others were told of it.
//!
//! While a cluster is stopped, or its Kubernetes API hangs, nobody can ask it for its nodes' pods or for the address of
//! its DNS. But the other members' routes lead to those pods, and their DNS asks that address. So their routes and names
//! are compared, and mended, as if it had answered.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::observe::{ClusterView, Observed};
use super::{script, zones};

/// The bridge with that filled in.
pub(super) fn recalled(observed: &Observed) -> Observed {
    let mut completed = observed.clone();
    for (name, view) in &mut completed.clusters {
        if view.server.is_some() {
            continue;
        }
        let others = || observed.clusters.iter().filter(|(other, _)| *other != name);
        let pods = pods(view, others().map(|(_, other)| other));
        for node in &mut view.nodes {
            let known = node.address.and_then(|address| pods.get(&address));
            node.pods = node.pods.or(known.copied());
        }
        let mut told = others().filter_map(|(_, other)| other.stub_zones.as_deref());
        if let Some(known) = told.clone().find_map(|blocks| zones::dns_of(blocks, name)) {
            view.dns = Some(known.to_owned());
        } else if observed.recorded.contains(name) && told.next().is_some() {
            // They were told of all members that have names.
            view.dns = None;
        }
    }
    completed
}

/// The pods behind each of the cluster's transit addresses, as the others' routes have it.
fn pods<'a>(
    view: &ClusterView,
    others: impl Iterator<Item = &'a ClusterView>,
) -> BTreeMap<Ipv4Addr, Ipv4Net> {
    let scripts = others
        .flat_map(|other| &other.nodes)
        .filter_map(|node| node.script.as_deref());
    let of_one_node = |net: &Ipv4Net| *net != view.cluster_cidr && view.cluster_cidr.contains(net);
    let routes = scripts
        .flat_map(script::routes)
        .filter(|(net, _)| of_one_node(net));
    routes.map(|(net, via)| (via, net)).collect()
}
