//! From a specification to what each node must be, refusing on the way what makes no sense.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::filter::{NodeFilter, NodeRef, Suffix};
use super::spec::{Filtered, Pair, Port, Spec};
use super::{API_PORT, NodeArgs, Role, node_name};
use crate::cidr;
use crate::docker::{PortKey, Published};
use crate::error::Problem;
use crate::path::FieldPath;

/// The most agents that one machine is asked to carry.
const MOST_AGENTS: u32 = 100;

/// One node as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DesiredNode {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) image: String,
    pub(crate) args: NodeArgs,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) binds: BTreeSet<String>,
    /// Published by the node itself; the Kubernetes API is not among them.
    pub(crate) ports: BTreeMap<PortKey, Vec<Published>>,
    pub(crate) memory: i64,
}

impl DesiredNode {
    /// A node of which nothing is decided but its role.
    pub(crate) fn of(role: Role) -> Self {
        Self {
            name: String::new(),
            role,
            image: String::new(),
            args: NodeArgs::default(),
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            binds: BTreeSet::new(),
            ports: BTreeMap::new(),
            memory: 0,
        }
    }
}

/// A whole cluster as it must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Desired {
    /// Servers, agents, then the load balancer, if any.
    pub(crate) nodes: Vec<DesiredNode>,
    /// What the load balancer forwards: nodes by port, the Kubernetes API included.
    pub(crate) upstreams: BTreeMap<PortKey, BTreeSet<String>>,
}

impl Desired {
    pub(crate) fn of_role(&self, role: Role) -> impl Iterator<Item = &DesiredNode> {
        self.nodes.iter().filter(move |node| node.role == role)
    }
}

/// Resolves a specification.
///
/// # Errors
/// Everything that is wrong with it, found without asking the world.
pub(crate) fn desired(spec: &Spec) -> Result<Desired, Vec<Problem>> {
    let mut resolver = Resolver {
        spec,
        problems: Vec::new(),
    };
    resolver.check_shape();
    let result = resolver.resolve();
    if resolver.problems.is_empty() {
        Ok(result)
    } else {
        Err(resolver.problems)
    }
}

struct Resolver<'a> {
    spec: &'a Spec,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn refuse(&mut self, path: FieldPath, message: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem::new(path, message, remedy));
    }

    fn check_shape(&mut self) {
        let spec = self.spec;
        if !is_cluster_name(&spec.name) {
            self.refuse(
                FieldPath::of("name"),
                format!("{:?} cannot name a cluster.", spec.name),
                "Use 1 to 32 lower-case letters, digits and dashes, beginning and ending with a \
                 letter or digit.",
            );
        }
        if spec.servers != 1 {
            self.refuse(
                FieldPath::of("servers"),
                format!("{} servers are not supported.", spec.servers),
                "Set servers = 1; agents can be any number.",
            );
        }
        if spec.agents > MOST_AGENTS {
            self.refuse(
                FieldPath::of("agents"),
                format!(
                    "{} agents are more than one machine can carry.",
                    spec.agents
                ),
                format!("Set agents to {MOST_AGENTS} or fewer."),
            );
        }
        if spec.image.trim().is_empty() || spec.image.contains(char::is_whitespace) {
            self.refuse(
                FieldPath::of("image"),
                format!("{:?} is no image reference.", spec.image),
                "Write name:tag, for instance docker.io/rancher/k3s:v1.33.4-k3s1.",
            );
        }
        if let (Some(network), Some(_)) = (&spec.network, spec.subnet) {
            self.refuse(
                FieldPath::of("subnet"),
                format!("the subnet belongs to the network {network:?}."),
                "Set either network or subnet.",
            );
        }
        let networks = [
            ("subnet", spec.subnet),
            ("cluster_cidr", Some(spec.cluster_cidr)),
            ("service_cidr", Some(spec.service_cidr)),
        ];
        for (position, (name, net)) in networks.iter().enumerate() {
            for (other, other_net) in &networks[..position] {
                if let (Some(net), Some(other_net)) = (net, other_net)
                    && cidr::overlap(*net, *other_net)
                {
                    self.refuse(
                        FieldPath::of(name),
                        format!("{net} overlaps {other_net} of {other}."),
                        "Nodes, pods and Services need networks of their own.",
                    );
                }
            }
        }
        if spec.cluster_cidr.prefix_len() > 24 {
            self.refuse(
                FieldPath::of("cluster_cidr"),
                format!(
                    "{} is too small: every node takes a /24 of it.",
                    spec.cluster_cidr
                ),
                "Give a prefix of /24 or shorter, for instance 10.42.0.0/16.",
            );
        }
        if !(12..=28).contains(&spec.service_cidr.prefix_len()) {
            self.refuse(
                FieldPath::of("service_cidr"),
                format!("{} has a size that Kubernetes refuses.", spec.service_cidr),
                "Give a prefix from /12 to /28, for instance 10.43.0.0/16.",
            );
        }
        if spec.token.as_ref().is_some_and(|token| {
            token.reveal().is_empty() || token.reveal().contains(char::is_whitespace)
        }) {
            self.refuse(
                FieldPath::of("token"),
                "the token is empty or has white space in it.",
                "Leave it out to have one made.",
            );
        }
        self.check_values();
    }

    fn check_values(&mut self) {
        let spec = self.spec;
        for item in spec
            .env
            .iter()
            .filter(|item| item.value.key.is_empty() || item.value.key.contains('='))
        {
            self.refuse(
                item.path.clone().name("key"),
                format!("{:?} cannot name an environment variable.", item.value.key),
                "Use a name without =.",
            );
        }
        for item in &spec.labels {
            let key = &item.value.key;
            if key.is_empty() || key == "app" || key.starts_with("k3d.") || key.starts_with("k3s.")
            {
                self.refuse(
                    item.path.clone().name("key"),
                    format!("{key:?} is reserved for k3d."),
                    "Choose a key other than app that begins with neither k3d. nor k3s.",
                );
            }
        }
        for item in spec
            .volumes
            .iter()
            .filter(|item| !item.value.destination.starts_with('/'))
        {
            self.refuse(
                item.path.clone().name("destination"),
                format!("{:?} is no absolute path.", item.value.destination),
                "Write the path inside the node, beginning with a slash.",
            );
        }
        for item in &spec.args {
            let flag = item.value.split('=').next().unwrap_or_default();
            let owner = match flag {
                "--cluster-cidr" => "cluster_cidr",
                "--service-cidr" => "service_cidr",
                "--token" | "-t" => "token",
                "--node-label" => "k3s.node_labels",
                "--server" | "-s" | "--cluster-init" => "servers",
                _ => continue,
            };
            self.refuse(
                item.path.clone(),
                format!("{flag} is set by Atlas."),
                format!("Use the attribute {owner} instead."),
            );
        }
        for item in spec
            .node_labels
            .iter()
            .filter(|item| !item.value.contains('='))
        {
            self.refuse(
                item.path.clone(),
                format!("{:?} is no node label.", item.value),
                "Write key=value.",
            );
        }
    }

    /// The nodes that an item's filters name; `otherwise` where it has none.
    fn targets<T>(&mut self, item: &Filtered<T>, otherwise: &[Role]) -> BTreeSet<NodeRef> {
        if item.filters.is_empty() {
            return otherwise.iter().flat_map(|&role| self.all(role)).collect();
        }
        let mut found = BTreeSet::new();
        for (filter, path) in self.filters(item) {
            // More than can be are refused elsewhere, and need not be walked here.
            let (servers, agents) = (
                self.spec.servers.min(MOST_AGENTS),
                self.spec.agents.min(MOST_AGENTS),
            );
            match filter.nodes(servers, agents, &path) {
                Ok(nodes) => found.extend(nodes),
                Err(problem) => self.problems.push(problem),
            }
        }
        found
    }

    fn filters<T>(&mut self, item: &Filtered<T>) -> Vec<(NodeFilter, FieldPath)> {
        let mut parsed = Vec::new();
        for (position, text) in item.filters.iter().enumerate() {
            let path = item.path.clone().name("node_filters").index(position);
            match NodeFilter::parse(text, &path) {
                Ok(filter) => parsed.push((filter, path)),
                Err(problem) => self.problems.push(problem),
            }
        }
        parsed
    }

    fn all(&self, role: Role) -> Vec<NodeRef> {
        let count = match role {
            Role::Server => self.spec.servers.min(1),
            Role::Agent => self.spec.agents.min(MOST_AGENTS),
            Role::LoadBalancer => u32::from(self.spec.load_balancer),
        };
        (0..count).map(|index| (role, index)).collect()
    }

    fn resolve(&mut self) -> Desired {
        let spec = self.spec;
        let mut nodes: BTreeMap<NodeRef, DesiredNode> =
            [Role::Server, Role::Agent, Role::LoadBalancer]
                .into_iter()
                .flat_map(|role| self.all(role))
                .map(|(role, index)| ((role, index), self.blank(role, index)))
                .collect();
        let k3s = [Role::Server, Role::Agent];
        for item in &spec.env {
            for target in self.targets(item, &k3s) {
                if let Some(node) = nodes.get_mut(&target) {
                    node.env
                        .insert(item.value.key.clone(), item.value.value.clone());
                }
            }
        }
        for item in &spec.labels {
            for target in self.targets(item, &k3s) {
                let Pair { key, value } = item.value.clone();
                if let Some(node) = nodes.get_mut(&target) {
                    node.labels.insert(key, value);
                }
            }
        }
        for item in &spec.volumes {
            for target in self.targets(item, &[Role::Server, Role::Agent, Role::LoadBalancer]) {
                let bind = match &item.value.source {
                    Some(source) => format!("{source}:{}", item.value.destination),
                    None => item.value.destination.clone(),
                };
                if let Some(node) = nodes.get_mut(&target) {
                    node.binds.insert(bind);
                }
            }
        }
        for item in &spec.args {
            for target in self.targets(item, &k3s) {
                if let Some(node) = nodes
                    .get_mut(&target)
                    .filter(|node| node.role != Role::LoadBalancer)
                {
                    node.args.extra.push(item.value.clone());
                }
            }
        }
        for item in &spec.node_labels {
            for target in self.targets(item, &k3s) {
                if let Some(node) = nodes
                    .get_mut(&target)
                    .filter(|node| node.role != Role::LoadBalancer)
                {
                    node.args.node_labels.insert(item.value.clone());
                }
            }
        }
        let mut upstreams = BTreeMap::new();
        if spec.load_balancer {
            let servers = self.names(&self.all(Role::Server));
            upstreams.insert(
                PortKey {
                    port: API_PORT,
                    protocol: "tcp".to_owned(),
                },
                servers,
            );
        }
        for item in &spec.ports {
            self.publish(item, &mut nodes, &mut upstreams);
        }
        Desired {
            nodes: nodes.into_values().collect(),
            upstreams,
        }
    }

    fn blank(&self, role: Role, index: u32) -> DesiredNode {
        let spec = self.spec;
        let mut args = NodeArgs::default();
        if role == Role::Server {
            args.cluster_cidr = spec.cluster_cidr;
            args.service_cidr = spec.service_cidr;
            args.tls_sans.insert(api_host(spec));
            if spec.load_balancer {
                args.tls_sans
                    .insert(node_name(&spec.name, Role::LoadBalancer, 0));
            }
        }
        DesiredNode {
            name: node_name(&spec.name, role, index),
            image: match role {
                Role::LoadBalancer => spec.load_balancer_image.clone(),
                _ => spec.image.clone(),
            },
            args,
            memory: match role {
                Role::Server => spec.servers_memory.unwrap_or(0),
                Role::Agent => spec.agents_memory.unwrap_or(0),
                Role::LoadBalancer => 0,
            },
            ..DesiredNode::of(role)
        }
    }

    fn names(&self, nodes: &[NodeRef]) -> BTreeSet<String> {
        nodes
            .iter()
            .map(|&(role, index)| node_name(&self.spec.name, role, index))
            .collect()
    }

    fn publish(
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
                format!("{:?} is not supported.", port.protocol),
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
                        "a direct port needs exactly one node, and {} are named.",
                        targets.len()
                    ),
                    "Name one node, or go through the load balancer without :direct.",
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
                "there is no load balancer to publish the port.",
                "Name one node with :direct, or drop k3d.disable_load_balancer.",
            );
            return;
        };
        if !direct && key.port == API_PORT && key.protocol == "tcp" {
            self.refuse(
                item.path.clone().name("container_port"),
                format!("port {API_PORT} is the Kubernetes API's."),
                "Set kube_api to publish the API elsewhere.",
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

/// The name by which kubeconfigs reach the Kubernetes API.
pub(crate) fn api_host(spec: &Spec) -> String {
    spec.kube_api
        .host
        .clone()
        .unwrap_or_else(|| api_host_ip(spec).to_string())
}

/// The address to which the Kubernetes API is bound.
pub(crate) fn api_host_ip(spec: &Spec) -> IpAddr {
    spec.kube_api
        .host_ip
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn is_cluster_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: Option<char>| c.is_some_and(|c| c != '-');
    (1..=32).contains(&name.len())
        && name.chars().all(inner)
        && edge(name.chars().next())
        && edge(name.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec {
            agents: 2,
            ..Spec::new("demo", "node:1", "lb:1")
        }
    }

    fn port(container_port: u16, filters: &[&str]) -> Filtered<Port> {
        Filtered {
            value: Port {
                host: None,
                host_port: Some(8080),
                container_port,
                protocol: "tcp".into(),
            },
            filters: filters.iter().map(|&f| f.to_owned()).collect(),
            path: FieldPath::of("port").index(0),
        }
    }

    fn refusals(spec: &Spec) -> String {
        let problems = desired(spec).err().unwrap_or_default();
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_port_without_filters_goes_through_the_load_balancer_to_all_nodes() {
        let mut spec = spec();
        spec.ports.push(port(80, &[]));
        let desired = desired(&spec).unwrap();
        let key: PortKey = "80/tcp".parse().unwrap();
        assert_eq!(desired.upstreams[&key].len(), 3);
        let balancer = desired.of_role(Role::LoadBalancer).next().unwrap();
        assert_eq!(
            balancer.ports[&key][0].address,
            Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
        );
    }

    #[test]
    fn a_direct_port_is_the_nodes_own() {
        let mut spec = spec();
        spec.ports.push(port(80, &["agent:1:direct"]));
        let desired = desired(&spec).unwrap();
        let agent = desired.of_role(Role::Agent).nth(1).unwrap();
        assert_eq!(agent.ports.len(), 1);
        assert_eq!(desired.upstreams.len(), 1, "only the API is forwarded");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        type Case = (&'static str, fn(&mut Spec), &'static str);
        let cases: [Case; 9] = [
            ("name", |s| s.name = "Bad_Name".into(), "name: "),
            ("servers", |s| s.servers = 3, "servers: 3 servers"),
            ("agents", |s| s.agents = 500, "agents: 500 agents"),
            (
                "subnet",
                |s| s.subnet = Some("10.42.1.0/24".parse().unwrap()),
                "cluster_cidr: 10.42.0.0/16 overlaps 10.42.1.0/24 of subnet",
            ),
            (
                "filter",
                |s| s.ports.push(port(80, &["agent:7"])),
                "port[0].node_filters[0]: there is no agent:7",
            ),
            (
                "unknown filter",
                |s| s.ports.push(port(80, &["node:0"])),
                "port[0].node_filters[0]",
            ),
            (
                "direct to many",
                |s| s.ports.push(port(80, &["agents:*:direct"])),
                "exactly one node",
            ),
            (
                "api port",
                |s| s.ports.push(port(6443, &[])),
                "Kubernetes API's",
            ),
            (
                "no balancer",
                |s| {
                    s.load_balancer = false;
                    s.ports.push(port(80, &[]));
                },
                "no load balancer",
            ),
        ];
        for (what, change, expected) in cases {
            let mut spec = spec();
            change(&mut spec);
            let text = refusals(&spec);
            assert!(text.contains(expected), "{what}: {text}");
        }
    }
}
