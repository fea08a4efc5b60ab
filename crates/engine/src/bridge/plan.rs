//! What stands between a bridge as wanted and as it is. Pure: no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::network_name;
use super::observe::{ClusterView, NodeView, Observed};
use super::script::{self, Routes};
use super::spec::Spec;
use crate::cidr;
use crate::error::{Error, Problem, Result};
use crate::path::FieldPath;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the transit network.
    CreateNetwork {
        /// Its name in Docker.
        network: String,
    },
    /// Put a node on it.
    Attach {
        /// The container.
        node: String,
        /// Its address there.
        address: Ipv4Addr,
    },
    /// Give a node its script and run it.
    Route {
        /// The container.
        node: String,
        /// Whether it runs, so that the script can.
        running: bool,
        /// The script.
        script: String,
    },
    /// Take routes and attachment back.
    Leave {
        /// The container.
        node: String,
        /// Whether it runs.
        running: bool,
    },
    /// Tell a cluster's DNS of the members, or of none.
    Names {
        /// The cluster.
        cluster: String,
        /// The server to ask.
        server: String,
        /// Server blocks; `None` takes them back.
        zones: Option<String>,
    },
}

impl Step {
    /// A sentence for a person: what is wrong.
    pub fn summary(&self) -> String {
        match self {
            Self::CreateNetwork { network } => format!("network {network} is missing"),
            Self::Attach { node, .. } => format!("node {node} is not on the bridge"),
            Self::Route { node, .. } => format!("routes of node {node} are missing"),
            Self::Leave { node, .. } => format!("node {node} leaves the bridge"),
            Self::Names {
                cluster,
                zones: Some(_),
                ..
            } => {
                format!("the DNS of cluster {cluster} does not know all members")
            }
            Self::Names { cluster, .. } => {
                format!("the DNS of cluster {cluster} forgets the bridge")
            }
        }
    }
}

/// What has to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Attributes that cannot be changed in place.
    pub replace: Vec<&'static str>,
    /// What can, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.replace.is_empty() && self.steps.is_empty()
    }
}

/// Compares what is wanted with what is. Members that do not exist yet are left out.
///
/// # Errors
/// [`Error::Invalid`] where networks overlap or the specification makes no sense.
pub fn plan(spec: &Spec, observed: &Observed) -> Result<Plan> {
    crate::error::refuse(spec.problems())?;
    let spec = spec.informed(observed);
    crate::error::refuse(spec.problems())?;
    crate::error::refuse(connected_already(&spec, observed))?;
    let mut plan = Plan::default();
    match &observed.network {
        None => plan.steps.push(Step::CreateNetwork {
            network: network_name(&spec.name),
        }),
        Some(network) if network.subnet != Some(spec.subnet) => plan.replace.push("subnet"),
        Some(_) => {}
    }
    let declared: Vec<&str> = spec
        .members
        .iter()
        .map(|member| member.cluster.as_str())
        .collect();
    let wanted: BTreeSet<&str> = declared.iter().copied().collect();
    let members: BTreeMap<&String, &ClusterView> = observed
        .clusters
        .iter()
        .filter(|(name, _)| wanted.contains(name.as_str()))
        .collect();
    let addresses = addresses(&spec, observed, &members)?;
    // While a member does not answer, its nodes' pods are not known: what leads there already stays.
    let blind = members.values().any(|view| view.server.is_none());
    // Where a node is to be attached that is not there, or anew.
    let attaching = |node: &NodeView| {
        let address = addresses.get(&node.name).copied();
        address.filter(|address| {
            !node.attached || node.address != Some(*address) || observed.network.is_none()
        })
    };
    for (name, view) in &members {
        for node in &view.nodes {
            if let Some(address) = attaching(node) {
                plan.steps.push(Step::Attach {
                    node: node.name.clone(),
                    address,
                });
            }
        }
        for node in &view.nodes {
            let routes = routes(name, view, &members, &addresses);
            let script = routes.script(&spec.name, &declared);
            let knows_members = node.script.as_deref().and_then(script::members)
                == Some(declared.iter().map(|&name| name.to_owned()).collect());
            let set = (blind && knows_members)
                || (node.script.as_ref() == Some(&script)
                    && (!node.running || routes.are_set(&node.table)));
            // Its routes go with the interface that it had there.
            if !set || !node.attached || attaching(node).is_some() {
                plan.steps.push(Step::Route {
                    node: node.name.clone(),
                    running: node.running,
                    script,
                });
            }
        }
    }
    for (_, view) in observed
        .clusters
        .iter()
        .filter(|(name, _)| !wanted.contains(name.as_str()))
    {
        let leaving = view
            .nodes
            .iter()
            .filter(|node| node.attached || node.script.is_some());
        plan.steps.extend(leaving.map(|node| Step::Leave {
            node: node.name.clone(),
            running: node.running,
        }));
    }
    plan.steps.extend(names(&spec, observed, &members));
    Ok(plan)
}

/// Two clusters have one way to each other: a second bridge between them would take the first one's
/// routes over.
fn connected_already(spec: &Spec, observed: &Observed) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (other, clusters) in &observed.others {
        let on_both = spec.members.iter().enumerate();
        let on_both: Vec<_> = on_both
            .filter(|(_, member)| clusters.contains(&member.cluster))
            .collect();
        if let [(_, one), (position, another), ..] = on_both.as_slice() {
            problems.push(Problem::new(
                FieldPath::of("clusters").index(*position),
                format!(
                    "{:?} and {:?} are connected by the bridge {other:?} already.",
                    one.cluster, another.cluster
                ),
                "Two bridges may share one cluster, not two: add clusters to that bridge, or remove it \
                 first.",
            ));
        }
    }
    problems
}

/// Every node's address on the transit network: the one it has, else the lowest that is free.
fn addresses(
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
                reason: "it has no free address left; use a larger one".to_owned(),
            })?,
        };
        taken.insert(address);
        found.insert(node.name.clone(), address);
    }
    Ok(found)
}

fn routes(
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

fn names(spec: &Spec, observed: &Observed, members: &BTreeMap<&String, &ClusterView>) -> Vec<Step> {
    let zones: Vec<(String, String)> = members
        .iter()
        .filter_map(|(name, view)| Some(((*name).clone(), view.dns.clone()?)))
        .collect();
    let blind = members.values().any(|view| view.server.is_none());
    let mut steps = Vec::new();
    for (name, view) in &observed.clusters {
        let Some(server) = view.server.clone() else {
            continue;
        };
        // CoreDNS refuses a zone that is defined twice: what another bridge told it stands.
        let own: Vec<(String, String)> = zones
            .iter()
            .filter(|(zone, _)| !view.other_zones.contains(zone))
            .cloned()
            .collect();
        let wanted = (spec.dns && members.contains_key(name) && !own.is_empty())
            .then(|| script::stub_zones(&own));
        let there = view.stub_zones.as_deref().map(script::zones_of);
        let names_all = there.is_some_and(|there| own.iter().all(|(zone, _)| there.contains(zone)));
        if view.stub_zones != wanted && !(blind && wanted.is_some() && names_all) {
            steps.push(Step::Names {
                cluster: name.clone(),
                server,
                zones: wanted,
            });
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::super::spec::Member;
    use super::*;

    fn view(cluster: &str, pods: &str, services: &str) -> ClusterView {
        let node = |index: u8| NodeView {
            name: format!(
                "k3d-{cluster}-{}",
                if index == 0 {
                    "server-0".to_owned()
                } else {
                    format!("agent-{}", index - 1)
                }
            ),
            running: true,
            attached: false,
            address: None,
            pods: Some(format!("{}.{index}.0/24", &pods[..5]).parse().unwrap()),
            script: None,
            table: String::new(),
        };
        ClusterView {
            cluster_cidr: pods.parse().unwrap(),
            service_cidr: services.parse().unwrap(),
            gateway: Some(Ipv4Addr::new(172, 20, 0, 1)),
            server: Some(format!("k3d-{cluster}-server-0")),
            dns: Some("10.45.0.10".into()),
            stub_zones: None,
            other_zones: BTreeSet::new(),
            nodes: vec![node(0), node(1)],
        }
    }

    fn observed() -> Observed {
        Observed {
            clusters: BTreeMap::from([
                ("us".to_owned(), view("us", "10.44.0.0/16", "10.45.0.0/16")),
                ("eu".to_owned(), view("eu", "10.46.0.0/16", "10.47.0.0/16")),
            ]),
            ..Observed::default()
        }
    }

    fn spec() -> Spec {
        let member = |cluster: &str| Member {
            cluster: cluster.into(),
            cluster_cidr: None,
            service_cidr: None,
        };
        Spec {
            name: "world".into(),
            subnet: "172.31.0.0/24".parse().unwrap(),
            members: vec![member("us"), member("eu")],
            dns: true,
        }
    }

    #[test]
    fn every_node_gets_its_own_address_and_routes_to_every_peer() {
        let plan = plan(&spec(), &observed()).unwrap();
        let addresses: BTreeSet<_> = plan
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Attach { address, .. } => Some(*address),
                _ => None,
            })
            .collect();
        assert_eq!(addresses.len(), 4);
        let script = plan
            .steps
            .iter()
            .find_map(|step| match step {
                Step::Route { node, script, .. } if node == "k3d-us-server-0" => {
                    Some(script.clone())
                }
                _ => None,
            })
            .unwrap();
        for net in [
            "10.46.0.0/24",
            "10.46.1.0/24",
            "10.46.0.0/16",
            "10.47.0.0/16",
        ] {
            assert!(
                script.contains(&format!("ip route replace {net} via ")),
                "{net} in {script}"
            );
        }
    }

    /// The world after a plan was carried out.
    fn done(mut observed: Observed) -> Observed {
        let first = plan(&spec(), &observed).unwrap();
        observed.network = Some(crate::docker::DockerNetwork {
            name: network_name("world"),
            id: String::new(),
            driver: "bridge".into(),
            subnet: Some(spec().subnet),
            gateway: None,
            labels: BTreeMap::new(),
            addresses: std::collections::HashMap::new(),
        });
        for step in first.steps {
            for view in observed.clusters.values_mut() {
                for node in &mut view.nodes {
                    match &step {
                        Step::Attach {
                            node: name,
                            address,
                        } if *name == node.name => {
                            node.attached = true;
                            node.address = Some(*address);
                        }
                        Step::Route {
                            node: name, script, ..
                        } if *name == node.name => {
                            node.script = Some(script.clone());
                            node.table = script
                                .lines()
                                .filter_map(|line| line.trim().strip_prefix("ip route replace "))
                                .map(|route| format!("{route} dev eth1\n"))
                                .collect();
                        }
                        _ => {}
                    }
                }
                if let Step::Names { server, zones, .. } = &step
                    && view.server.as_ref() == Some(server)
                {
                    view.stub_zones.clone_from(zones);
                }
            }
        }
        observed
    }

    #[test]
    fn what_was_done_needs_no_doing() {
        let done = done(observed());
        assert_eq!(plan(&spec(), &done).unwrap(), Plan::default());
    }

    #[test]
    fn a_member_that_does_not_answer_changes_nothing_for_the_others() {
        let mut world = done(observed());
        let sick = world.clusters.get_mut("eu").unwrap();
        sick.server = None;
        sick.stub_zones = None;
        for node in &mut sick.nodes {
            node.pods = None;
        }
        assert_eq!(plan(&spec(), &world).unwrap(), Plan::default());
    }

    #[test]
    fn a_member_made_anew_joins_again() {
        let mut world = done(observed());
        let anew = view("eu", "10.46.0.0/16", "10.47.0.0/16");
        world.clusters.insert("eu".into(), anew);
        world.recorded = vec!["us".to_owned(), "eu".to_owned()];
        let found = super::super::spec_of("world", &world).unwrap();
        assert_eq!(found.members.len(), 2);
        let steps = plan(&spec(), &world).unwrap().steps;
        let attached = steps.iter().filter(
            |step| matches!(step, Step::Attach { node, .. } if node.starts_with("k3d-eu-")),
        );
        assert_eq!(attached.count(), 2, "{steps:?}");
    }

    #[test]
    fn a_member_that_is_gone_for_the_moment_is_not_forgotten() {
        let mut world = done(observed());
        world.clusters.remove("eu");
        world.recorded = vec!["us".to_owned(), "eu".to_owned()];
        let found = super::super::spec_of("world", &world).unwrap();
        let names: Vec<_> = found
            .members
            .iter()
            .map(|one| one.cluster.as_str())
            .collect();
        assert_eq!(names, ["us", "eu"]);
        let steps = plan(&found, &world).unwrap().steps;
        for step in &steps {
            if let Step::Route { script, .. } = step {
                assert_eq!(script::members(script).unwrap(), ["us", "eu"]);
            }
        }
    }

    #[test]
    fn a_zone_that_another_bridge_defines_is_not_defined_twice() {
        let mut observed = observed();
        let us = observed.clusters.get_mut("us").unwrap();
        us.other_zones = BTreeSet::from(["us".to_owned()]);
        let steps = plan(&spec(), &observed).unwrap().steps;
        let zones = steps.iter().find_map(|step| match step {
            Step::Names { cluster, zones, .. } if cluster == "us" => zones.as_deref(),
            _ => None,
        });
        let zones = script::zones_of(zones.unwrap());
        assert_eq!(zones, BTreeSet::from(["eu".to_owned()]));
    }

    #[test]
    fn a_second_bridge_between_the_same_clusters_is_refused_with_its_name() {
        let mut observed = observed();
        let both = BTreeSet::from(["us".to_owned(), "eu".to_owned()]);
        observed.others.insert("old".to_owned(), both);
        let text = plan(&spec(), &observed).unwrap_err().to_string();
        for part in ["\"us\"", "\"eu\"", "\"old\"", "clusters[1]"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn clusters_that_overlap_in_the_world_are_refused() {
        let mut observed = observed();
        observed
            .clusters
            .insert("eu".into(), view("eu", "10.44.0.0/16", "10.47.0.0/16"));
        let text = plan(&spec(), &observed).unwrap_err().to_string();
        assert!(text.contains("\"us\"") && text.contains("\"eu\""), "{text}");
    }
}
