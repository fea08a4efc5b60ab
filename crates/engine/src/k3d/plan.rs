//! What stands between a cluster as wanted and as it is. Pure: no I/O.
//!
//! Servers hold the cluster's data, so whatever differs on one forces replacement, which needs the
//! user's consent. Agents and the load balancer hold none: they are made anew in place.

use std::collections::BTreeSet;

use super::desired::{Desired, DesiredNode, api_host, api_host_ip, desired};
use super::observe::Observed;
use super::read::{index_of, kube_api, settled, user_part};
use super::spec::Spec;
use super::{Role, node_name};
use crate::docker::Node;
use crate::error::{Error, Result};
use crate::labels;

/// An attribute that cannot be changed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// The attribute or block.
    pub field: &'static str,
    /// What the cluster has; empty for secrets.
    pub before: String,
    /// What is wanted; empty for secrets.
    pub after: String,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the cluster's network.
    CreateNetwork {
        /// Its name.
        network: String,
    },
    /// Put a node back on the cluster's network.
    Reattach {
        /// The container.
        node: String,
    },
    /// Remove a node, drained first if it is an agent that runs.
    RemoveNode {
        /// The container.
        node: String,
        /// Why.
        reason: String,
    },
    /// Make and start a node.
    CreateNode {
        /// The container.
        node: String,
        /// Its role.
        role: Role,
    },
    /// Start a node that is there but does not run.
    StartNode {
        /// The container.
        node: String,
        /// Its role.
        role: Role,
        /// Docker's word for its state.
        status: String,
    },
    /// Stop a node that runs.
    StopNode {
        /// The container.
        node: String,
    },
    /// Tell the load balancer where to forward.
    Forward,
}

impl Step {
    /// A sentence for a person, in the present tense: what is wrong, or what will be done.
    pub fn summary(&self) -> String {
        match self {
            Self::CreateNetwork { network } => format!("network {network} is missing"),
            Self::Reattach { node } => format!("node {node} is not on the cluster's network"),
            Self::RemoveNode { node, reason } => format!("node {node} goes: {reason}"),
            Self::CreateNode { node, .. } => format!("node {node} is missing"),
            Self::StartNode { node, status, .. } => format!("node {node} is {status}"),
            Self::StopNode { node } => format!("node {node} is running"),
            Self::Forward => "the load balancer forwards to other nodes than it should".to_owned(),
        }
    }
}

impl Step {
    /// What it is done to: a container, or the network; empty for forwarding.
    pub fn node(&self) -> &str {
        match self {
            Self::CreateNetwork { network } => network,
            Self::Reattach { node }
            | Self::RemoveNode { node, .. }
            | Self::CreateNode { node, .. }
            | Self::StartNode { node, .. }
            | Self::StopNode { node } => node,
            Self::Forward => "",
        }
    }
}

/// What has to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whether there is no cluster of this name yet.
    pub create: bool,
    /// What cannot be changed in place.
    pub replace: Vec<Replace>,
    /// What can, in order of stages: network, removals, creations, starts, forwarding.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.create && self.replace.is_empty() && self.steps.is_empty()
    }
}

/// What must be started or stopped, and nothing else, so that all nodes run or none does.
pub fn plan_power(observed: &Observed, running: bool) -> Plan {
    let nodes = observed.nodes.iter();
    let steps = nodes
        .filter(|(_, node)| node.state.running != running)
        .map(|(role, node)| {
            let (role, name) = (*role, node.name.clone());
            if running {
                Step::StartNode {
                    node: name,
                    role,
                    status: node.state.status.clone(),
                }
            } else {
                Step::StopNode { node: name }
            }
        });
    Plan {
        steps: steps.collect(),
        ..Plan::default()
    }
}

/// Compares what is wanted with what is.
///
/// # Errors
/// [`Error::Invalid`] where the specification makes no sense.
pub fn plan(spec: &Spec, observed: Option<&Observed>) -> Result<Plan> {
    let spec = &settled(spec, observed);
    let desired = desired(spec).map_err(Error::Invalid)?;
    let create_all = || {
        let nodes = desired.nodes.iter();
        nodes.map(|node| Step::CreateNode {
            node: node.name.clone(),
            role: node.role,
        })
    };
    let Some(observed) = observed else {
        let mut steps = Vec::new();
        if spec.network.is_none() {
            steps.push(Step::CreateNetwork {
                network: spec.network_name(),
            });
        }
        steps.extend(create_all());
        return Ok(Plan {
            create: true,
            replace: Vec::new(),
            steps,
        });
    };
    let mut steps = Vec::new();
    if observed.network.is_none() {
        steps.push(Step::CreateNetwork {
            network: observed.network_name.clone(),
        });
    }
    let Some(server) = observed.server() else {
        // The data went with the server; what is left of the cluster is of no use to a new one.
        let left = observed.nodes.iter().map(|(_, node)| Step::RemoveNode {
            node: node.name.clone(),
            reason: "the cluster's server is gone".to_owned(),
        });
        steps.extend(left);
        steps.extend(create_all());
        return Ok(Plan {
            create: false,
            replace: Vec::new(),
            steps,
        });
    };
    let replace = replacements(spec, &desired, observed, server);
    let mut removed = BTreeSet::new();
    let mut created = Vec::new();
    agents(
        spec,
        &desired,
        observed,
        &mut steps,
        &mut removed,
        &mut created,
    );
    balancer(&desired, observed, &mut steps, &mut removed, &mut created);
    for (_, node) in observed
        .nodes
        .iter()
        .filter(|(_, node)| !removed.contains(&node.name))
    {
        let attached = observed
            .network
            .as_ref()
            .is_some_and(|network| node.networks.contains_key(&network.name));
        if !attached {
            steps.push(Step::Reattach {
                node: node.name.clone(),
            });
        }
    }
    steps.extend(created);
    for (role, node) in &observed.nodes {
        if !node.state.running && !removed.contains(&node.name) {
            let status = node.state.status.clone();
            steps.push(Step::StartNode {
                node: node.name.clone(),
                role: *role,
                status,
            });
        }
    }
    let balancer_stays = observed
        .of_role(Role::LoadBalancer)
        .any(|node| !removed.contains(&node.name));
    if balancer_stays
        && observed.upstreams.as_ref().is_some_and(|found| {
            let known: BTreeSet<&String> = desired.nodes.iter().map(|node| &node.name).collect();
            let mut found = found.clone();
            // Nodes that the k3d CLI added are none of our business.
            for names in found.values_mut() {
                let there =
                    |name: &String| observed.nodes.iter().any(|(_, node)| node.name == *name);
                names.retain(|name| known.contains(name) || !there(name) || removed.contains(name));
            }
            found != desired.upstreams
        })
    {
        steps.push(Step::Forward);
    }
    Ok(Plan {
        create: false,
        replace,
        steps,
    })
}

fn agents(
    spec: &Spec,
    desired: &Desired,
    observed: &Observed,
    steps: &mut Vec<Step>,
    removed: &mut BTreeSet<String>,
    created: &mut Vec<Step>,
) {
    let mut kept: Vec<(Option<u32>, &Node)> = observed
        .numbered(Role::Agent)
        .map(|node| (index_of(&spec.name, Role::Agent, &node.name), node))
        .collect();
    // Those with k3d's own names first, by number; the last ones go first.
    kept.sort_by_key(|(index, node)| (index.is_none(), *index, node.name.clone()));
    let wanted = spec.agents as usize;
    for (_, node) in kept.split_off(wanted.min(kept.len())) {
        removed.insert(node.name.clone());
        let reason = format!("{wanted} agents are wanted");
        steps.push(Step::RemoveNode {
            node: node.name.clone(),
            reason,
        });
    }
    for (_, node) in kept.iter().filter(|(index, _)| index.is_some()) {
        let Some(want) = desired
            .of_role(Role::Agent)
            .find(|want| want.name == node.name)
        else {
            continue;
        };
        let have = user_part(observed, Role::Agent, node);
        if let Some(reason) = difference(want, &have) {
            removed.insert(node.name.clone());
            steps.push(Step::RemoveNode {
                node: node.name.clone(),
                reason: format!("its {reason} changes"),
            });
            created.push(Step::CreateNode {
                node: node.name.clone(),
                role: Role::Agent,
            });
        }
    }
    let taken: BTreeSet<u32> = kept.iter().filter_map(|(index, _)| *index).collect();
    let free = (0..).filter(|index| !taken.contains(index));
    for index in free.take(wanted.saturating_sub(kept.len())) {
        let node = node_name(&spec.name, Role::Agent, index);
        created.push(Step::CreateNode {
            node,
            role: Role::Agent,
        });
    }
}

fn balancer(
    desired: &Desired,
    observed: &Observed,
    steps: &mut Vec<Step>,
    removed: &mut BTreeSet<String>,
    created: &mut Vec<Step>,
) {
    let Some(want) = desired.of_role(Role::LoadBalancer).next() else {
        return;
    };
    let create = Step::CreateNode {
        node: want.name.clone(),
        role: Role::LoadBalancer,
    };
    match observed.of_role(Role::LoadBalancer).next() {
        None => created.push(create),
        Some(node) => {
            let have = user_part(observed, Role::LoadBalancer, node);
            if let Some(reason) = difference(want, &have) {
                removed.insert(node.name.clone());
                let reason = format!("its {reason} change");
                steps.push(Step::RemoveNode {
                    node: node.name.clone(),
                    reason,
                });
                created.push(create);
            }
        }
    }
}

/// The first thing in which two nodes differ.
pub(super) fn difference(want: &DesiredNode, have: &DesiredNode) -> Option<&'static str> {
    let checks = [
        ("image", !same_image(&want.image, &have.image)),
        ("ports", want.ports != have.ports),
        (
            "k3s arguments",
            want.role != Role::LoadBalancer && want.args != have.args,
        ),
        ("environment", want.env != have.env),
        ("labels", want.labels != have.labels),
        ("volumes", want.binds != have.binds),
        ("memory limit", want.memory != have.memory),
    ];
    checks
        .into_iter()
        .find(|(_, differs)| *differs)
        .map(|(what, _)| what)
}

fn replacements(
    spec: &Spec,
    desired: &Desired,
    observed: &Observed,
    server: &Node,
) -> Vec<Replace> {
    let mut found = Vec::new();
    let mut differ = |field: &'static str, before: String, after: String| {
        if before != after {
            found.push(Replace {
                field,
                before,
                after,
            });
        }
    };
    let have = user_part(observed, Role::Server, server);
    let Some(want) = desired.of_role(Role::Server).next() else {
        return found;
    };
    let servers = observed.of_role(Role::Server).count();
    differ("servers", servers.to_string(), spec.servers.to_string());
    if !same_image(&want.image, &have.image) {
        differ("image", have.image.clone(), want.image.clone());
    }
    differ(
        "network",
        observed.network_name.clone(),
        spec.network_name(),
    );
    if let (Some(subnet), Some(network)) = (spec.subnet, &observed.network) {
        let before = network
            .subnet
            .map(|net| net.to_string())
            .unwrap_or_default();
        differ("subnet", before, subnet.to_string());
    }
    differ(
        "cluster_cidr",
        have.args.cluster_cidr.to_string(),
        want.args.cluster_cidr.to_string(),
    );
    differ(
        "service_cidr",
        have.args.service_cidr.to_string(),
        want.args.service_cidr.to_string(),
    );
    let token = server
        .label(labels::TOKEN)
        .or_else(|| server.env_value("K3S_TOKEN"));
    if spec
        .token
        .as_ref()
        .is_some_and(|wanted| Some(wanted.reveal()) != token)
    {
        differ("token", "one secret".to_owned(), "another".to_owned());
    }
    let api = kube_api(observed);
    let before = (api.host.clone(), api.host_ip, api.host_port);
    let before_host = before
        .0
        .unwrap_or_else(|| before.1.map(|ip| ip.to_string()).unwrap_or_default());
    differ("kube_api", before_host, api_host(spec));
    differ(
        "kube_api",
        before.1.map(|ip| ip.to_string()).unwrap_or_default(),
        api_host_ip(spec).to_string(),
    );
    if let Some(port) = spec.kube_api.host_port {
        differ(
            "kube_api",
            before.2.map(|port| port.to_string()).unwrap_or_default(),
            port.to_string(),
        );
    }
    let list = |items: &BTreeSet<String>| items.iter().cloned().collect::<Vec<_>>().join(" ");
    differ("k3s", have.args.extra.join(" "), want.args.extra.join(" "));
    differ(
        "k3s",
        list(&have.args.node_labels),
        list(&want.args.node_labels),
    );
    differ("volume", list(&have.binds), list(&want.binds));
    let names = |items: &std::collections::BTreeMap<String, String>| format!("{:?}", items.keys());
    if have.env != want.env {
        // Values may be secrets: only names are shown.
        differ(
            "env",
            format!("{} before", names(&have.env)),
            format!("{} after", names(&want.env)),
        );
    }
    differ(
        "label",
        format!("{:?}", have.labels),
        format!("{:?}", want.labels),
    );
    differ(
        "port",
        format!("{:?}", have.ports),
        format!("{:?}", want.ports),
    );
    differ("runtime", have.memory.to_string(), want.memory.to_string());
    let balanced = server.label(labels::LOADBALANCER).is_some();
    differ(
        "k3d",
        format!("load balancer: {balanced}"),
        format!("load balancer: {}", spec.load_balancer),
    );
    let volume = server.label(labels::IMAGE_VOLUME).is_some();
    differ(
        "k3d",
        format!("image volume: {volume}"),
        format!("image volume: {}", spec.image_volume),
    );
    if observed.is_ours() {
        let injected = !server.extra_hosts.is_empty();
        differ(
            "k3d",
            format!("host alias: {injected}"),
            format!("host alias: {}", spec.host_ip_injection),
        );
    }
    found
}

/// The blocks of a specification.
const BLOCKS: [&str; 8] = [
    "kube_api", "port", "volume", "env", "label", "k3s", "k3d", "runtime",
];

impl Observed {
    /// Whether the servers run this image.
    pub fn same_image(&self, image: &str) -> bool {
        self.server()
            .is_some_and(|server| same_image(&server.image, image))
    }

    /// The blocks (`kube_api`, `port`, `volume`, `env`, `label`, `k3s`, `k3d`, `runtime`) in which the
    /// cluster differs from a specification, whatever its number of agents. None where the
    /// specification cannot be resolved for the agents that are there.
    pub fn changed_blocks(&self, spec: &Spec) -> Vec<&'static str> {
        let Some(server) = self.server() else {
            return Vec::new();
        };
        let agents = self.numbered(Role::Agent).count();
        let spec = Spec {
            agents: u32::try_from(agents).unwrap_or(0),
            ..settled(spec, Some(self))
        };
        let Ok(desired) = desired(&spec) else {
            return Vec::new();
        };
        let mut changed: BTreeSet<&'static str> = replacements(&spec, &desired, self, server)
            .iter()
            .map(|one| one.field)
            .collect();
        for (role, node) in &self.nodes {
            let Some(want) = desired.nodes.iter().find(|want| want.name == node.name) else {
                continue;
            };
            let have = user_part(self, *role, node);
            for (block, differs) in [
                ("port", want.ports != have.ports),
                (
                    "k3s",
                    *role != Role::LoadBalancer && want.args != have.args && *role == Role::Agent,
                ),
                ("env", want.env != have.env),
                ("label", want.labels != have.labels),
                ("volume", want.binds != have.binds),
                ("runtime", want.memory != have.memory),
            ] {
                if differs {
                    changed.insert(block);
                }
            }
        }
        if self
            .upstreams
            .as_ref()
            .is_some_and(|found| *found != desired.upstreams)
        {
            changed.insert("port");
        }
        BLOCKS
            .into_iter()
            .filter(|block| changed.contains(block))
            .collect()
    }
}

/// Whether two references name the same image: Docker's default registry and tag may be left out.
/// An id says nothing about the name (the k3d CLI copies nodes by id), so it is taken as the same.
pub(crate) fn same_image(a: &str, b: &str) -> bool {
    a.starts_with("sha256:") || b.starts_with("sha256:") || canonical(a) == canonical(b)
}

fn canonical(image: &str) -> String {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_compare_by_what_they_name() {
        for (a, b, same) in [
            ("docker.io/rancher/k3s:v1", "rancher/k3s:v1", true),
            ("nginx", "docker.io/library/nginx:latest", true),
            ("rancher/k3s:v1", "rancher/k3s:v2", false),
            ("sha256:00", "rancher/k3s:v2", true),
        ] {
            assert_eq!(same_image(a, b), same, "{a} {b}");
        }
    }

    #[test]
    fn only_what_runs_is_stopped_and_only_what_is_stopped_is_started() {
        let node = |name: &str, running: bool| {
            let node = Node {
                name: name.to_owned(),
                state: crate::docker::State {
                    running,
                    ..Default::default()
                },
                ..Default::default()
            };
            (Role::Agent, node)
        };
        let observed = Observed {
            nodes: vec![node("a", true), node("b", false)],
            ..Observed::empty("demo")
        };
        let names = |running| {
            let steps = plan_power(&observed, running).steps;
            steps
                .iter()
                .map(Step::node)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (names(true), names(false)),
            (vec!["b".to_owned()], vec!["a".to_owned()])
        );
    }

    #[test]
    fn a_missing_cluster_is_made_whole() {
        let spec = Spec {
            agents: 1,
            ..Spec::new("demo", "node:1", "lb:1")
        };
        let plan = plan(&spec, None).unwrap();
        assert!(plan.create);
        let summary: Vec<_> = plan.steps.iter().map(Step::summary).collect();
        assert_eq!(
            summary,
            [
                "network k3d-demo is missing",
                "node k3d-demo-server-0 is missing",
                "node k3d-demo-agent-0 is missing",
                "node k3d-demo-serverlb is missing",
            ]
        );
    }
}
