//! Published ports: which container carries each, and where the load balancer forwards it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::desired::{DesiredNode, Resolver};
use super::filter::{NodeRef, Suffix};
use super::spec::{Filtered, Port};
use super::{API_PORT, Role};
use crate::docker::{PortKey, Published};
use crate::error::{Problem, Remedy};
use crate::path::FieldPath;

impl Resolver<'_> {
    /// Gives a port to the container that publishes it.
    pub(super) fn publish(
        &mut self,
        item: &Filtered<Port>,
        nodes: &mut BTreeMap<NodeRef, DesiredNode>,
        upstreams: &mut BTreeMap<PortKey, BTreeSet<String>>,
    ) {
        let port = &item.value;
        if port.container_port == 0 || port.host_port == Some(0) {
            self.refuse(
                item.path.clone(),
                "port 0 cannot be published.",
                "Use 1 to 65535.",
            );
            return;
        }
        if !["tcp", "udp"].contains(&port.protocol.as_str()) {
            self.refuse(
                item.path.clone().name("protocol"),
                format!("{:?} is not a valid protocol.", port.protocol),
                "Use tcp or udp.",
            );
            return;
        }
        let filters = self.filters(item);
        let direct = filters
            .iter()
            .any(|(filter, _)| filter.suffix == Some(Suffix::Direct));
        let plain: Vec<_> = filters
            .iter()
            .filter(|(filter, _)| !filter.is_load_balancer())
            .cloned()
            .collect();
        let targets: BTreeSet<NodeRef> = if plain.is_empty() {
            [Role::Server, Role::Agent]
                .into_iter()
                .flat_map(|role| self.all(role))
                .collect()
        } else {
            let mut found = BTreeSet::new();
            for (filter, path) in &plain {
                match filter.nodes(self.spec.servers, self.spec.agents, path) {
                    Ok(nodes) => found.extend(nodes),
                    Err(problem) => self.problems.push(problem),
                }
            }
            found
                .into_iter()
                .filter(|(role, _)| *role != Role::LoadBalancer)
                .collect()
        };
        let key = PortKey {
            port: port.container_port,
            protocol: port.protocol.clone(),
        };
        let published = Published {
            address: Some(port.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))),
            port: port.host_port,
        };
        let carrier = if direct {
            if targets.len() != 1 {
                self.refuse(
                    item.path.clone().name("node_filters"),
                    format!(
                        "a direct port needs exactly one node, but {} are named.",
                        targets.len()
                    ),
                    "Name one node, or remove :direct to use the load balancer.",
                );
                return;
            }
            targets.first().copied()
        } else if self.spec.load_balancer {
            upstreams
                .entry(key.clone())
                .or_default()
                .extend(self.names(&targets.iter().copied().collect::<Vec<_>>()));
            Some((Role::LoadBalancer, 0))
        } else {
            self.refuse(
                item.path.clone(),
                "the cluster has no load balancer to publish the port.",
                Remedy::Unset {
                    field: FieldPath::of("k3d").name("disable_load_balancer"),
                    or: "Name one node with :direct".to_owned(),
                },
            );
            return;
        };
        if !direct && key.port == API_PORT && key.protocol == "tcp" {
            self.refuse(
                item.path.clone().name("container_port"),
                format!("port {API_PORT} is the port of the Kubernetes API."),
                "Use kube_api to publish the API on another port.",
            );
            return;
        }
        if let Some(node) = carrier.and_then(|carrier| nodes.get_mut(&carrier)) {
            let bound = node.ports.entry(key).or_default();
            if bound.contains(&published) && published.port.is_some() {
                self.problems.push(Problem::new(
                    item.path.clone(),
                    "the same port is published twice.",
                    "Remove one of the two.",
                ));
            } else {
                bound.push(published);
                bound.sort();
            }
        }
    }
}
