//! From a specification to what each node must be, refusing on the way what makes no sense.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::filter::{NodeFilter, NodeRef};
use super::loadbalancer::Settings;
use super::spec::{Filtered, Pair, Spec};
use super::{API_PORT, NodeArgs, Role, args, checks, node_name};
use crate::docker::{PortKey, Published};
use crate::error::{Problem, Remedy};
use crate::path::FieldPath;

/// The most agents that one machine is asked to carry.
pub(super) const MOST_AGENTS: u32 = 100;

/// Servers and agents.
const K3S: [Role; 2] = [Role::Server, Role::Agent];

/// One node as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DesiredNode {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) image: String,
    /// The user's, without the names that every server's certificate has ([`own_tls_sans`]).
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
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Desired {
    /// Servers, agents, then the load balancer, if any.
    pub(crate) nodes: Vec<DesiredNode>,
    /// What the load balancer forwards: nodes by port, the Kubernetes API included.
    pub(crate) upstreams: BTreeMap<PortKey, BTreeSet<String>>,
    /// The load balancer's other settings: as they are there, or usual.
    pub(crate) settings: Settings,
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
        problems: checks::problems(spec),
    };
    let result = resolver.resolve();
    let mut problems: Vec<Problem> = Vec::new();
    for problem in resolver.problems {
        // What is wrong on every node is told once.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    if problems.is_empty() {
        Ok(result)
    } else {
        Err(problems)
    }
}

/// Nodes by their place.
type Nodes = BTreeMap<NodeRef, DesiredNode>;

pub(super) struct Resolver<'a> {
    pub(super) spec: &'a Spec,
    pub(super) problems: Vec<Problem>,
}

impl Resolver<'_> {
    pub(super) fn refuse(
        &mut self,
        path: FieldPath,
        message: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) {
        self.problems.push(Problem::new(path, message, remedy));
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

    pub(super) fn filters<T>(&mut self, item: &Filtered<T>) -> Vec<(NodeFilter, FieldPath)> {
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

    pub(super) fn all(&self, role: Role) -> Vec<NodeRef> {
        let count = match role {
            Role::Server => self.spec.servers.min(1),
            Role::Agent => self.spec.agents.min(MOST_AGENTS),
            Role::LoadBalancer => u32::from(self.spec.load_balancer),
        };
        (0..count).map(|index| (role, index)).collect()
    }

    fn resolve(&mut self) -> Desired {
        let spec = self.spec;
        let mut nodes: Nodes = [Role::Server, Role::Agent, Role::LoadBalancer]
            .into_iter()
            .flat_map(|role| self.all(role))
            .map(|(role, index)| ((role, index), self.blank(role, index)))
            .collect();
        for item in &spec.env {
            for target in self.targets(item, &K3S) {
                let Pair { key, value } = item.value.clone();
                if let Some(node) = nodes.get_mut(&target) {
                    node.env.insert(key, value);
                }
            }
        }
        for item in &spec.labels {
            for target in self.targets(item, &K3S) {
                let Pair { key, value } = item.value.clone();
                if let Some(node) = nodes.get_mut(&target) {
                    node.labels.insert(key, value);
                }
            }
        }
        self.volumes(&mut nodes);
        self.arguments(&mut nodes);
        self.node_labels(&mut nodes);
        let mut upstreams = BTreeMap::new();
        if spec.load_balancer {
            let servers = self.names(&self.all(Role::Server));
            upstreams.insert(PortKey::tcp(API_PORT), servers);
        }
        for item in &spec.ports {
            self.publish(item, &mut nodes, &mut upstreams);
        }
        Desired {
            nodes: nodes.into_values().collect(),
            upstreams,
            settings: Settings::default(),
        }
    }

    fn volumes(&mut self, nodes: &mut Nodes) {
        let spec = self.spec;
        let mut taken: BTreeSet<(NodeRef, String)> = BTreeSet::new();
        for item in &spec.volumes {
            let destination = checks::destination(&item.value);
            let bind = match &item.value.source {
                Some(source) => format!("{source}:{}", item.value.destination),
                None => item.value.destination.clone(),
            };
            for target in self.targets(item, &[Role::Server, Role::Agent, Role::LoadBalancer]) {
                if !taken.insert((target, destination.clone())) {
                    self.refuse(
                        item.path.clone().name("destination"),
                        format!("a node already has another volume at {destination}."),
                        "Remove one of the two, or select other nodes.",
                    );
                }
                if let Some(node) = nodes.get_mut(&target) {
                    node.binds.insert(bind.clone());
                }
            }
        }
    }

    /// The words of each node are read together, as k3s reads them.
    fn arguments(&mut self, nodes: &mut Nodes) {
        let spec = self.spec;
        let mut given: BTreeMap<NodeRef, Vec<&Filtered<String>>> = BTreeMap::new();
        for item in &spec.args {
            for target in self.targets(item, &K3S) {
                if target.0 != Role::LoadBalancer {
                    given.entry(target).or_default().push(item);
                }
            }
        }
        for (target, items) in given {
            let words: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
            for position in args::misplaced(&words) {
                if !words[position].trim().is_empty() {
                    let path = items[position].path.clone();
                    self.problems.push(checks::at(path, checks::misplaced()));
                }
            }
            let read = NodeArgs::read(words.iter().copied());
            if target.0 == Role::Agent
                && let Some(item) = items
                    .iter()
                    .find(|item| args::flag(&item.value).is_some_and(|(name, _)| name == "tls-san"))
            {
                self.refuse(
                    item.path.clone(),
                    "agents do not accept --tls-san.",
                    "Use it for servers only.",
                );
            }
            let own = own_tls_sans(spec);
            if let Some(node) = nodes.get_mut(&target) {
                node.args.extra = read.extra;
                let sans = read.tls_sans.into_iter();
                node.args.tls_sans = sans.filter(|san| !own.contains(san)).collect();
            }
        }
    }

    fn node_labels(&mut self, nodes: &mut Nodes) {
        let spec = self.spec;
        for item in &spec.node_labels {
            let key = item.value.split('=').next().unwrap_or_default();
            for target in self.targets(item, &K3S) {
                let Some(node) = nodes
                    .get_mut(&target)
                    .filter(|node| node.role != Role::LoadBalancer)
                else {
                    continue;
                };
                let mut known = node.args.node_labels.iter();
                let other =
                    known.any(|label| *label != item.value && label.split('=').next() == Some(key));
                node.args.node_labels.insert(item.value.clone());
                if other {
                    self.refuse(
                        item.path.clone(),
                        format!("a node already has the label {key:?} with another value."),
                        "Remove one of the two, or select other nodes.",
                    );
                }
            }
        }
    }

    fn blank(&self, role: Role, index: u32) -> DesiredNode {
        let spec = self.spec;
        let mut args = NodeArgs::default();
        if role == Role::Server {
            args.cluster_cidr = spec.cluster_cidr;
            args.service_cidr = spec.service_cidr;
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

    pub(super) fn names(&self, nodes: &[NodeRef]) -> BTreeSet<String> {
        nodes
            .iter()
            .map(|&(role, index)| node_name(&self.spec.name, role, index))
            .collect()
    }
}

/// The names that every server's certificate is good for, asked or not: those by which kubeconfigs and the load
/// balancer reach it.
pub(super) fn own_tls_sans(spec: &Spec) -> BTreeSet<String> {
    let balancer = node_name(&spec.name, Role::LoadBalancer, 0);
    let balancer = spec.load_balancer.then_some(balancer);
    balancer.into_iter().chain([api_host(spec)]).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3d::Port;

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
    fn two_volumes_at_one_place_of_a_node_are_refused() {
        let volume = |source: &str, destination: &str, filter: &str| Filtered {
            value: crate::k3d::Volume {
                source: Some(source.to_owned()),
                destination: destination.to_owned(),
            },
            filters: vec![filter.to_owned()],
            path: FieldPath::of("volume").index(1),
        };
        let of = |second: Filtered<crate::k3d::Volume>| {
            let mut spec = spec();
            spec.volumes = vec![volume("/a", "/data:ro", "agent:0"), second];
            refusals(&spec)
        };
        assert!(of(volume("/b", "/data", "agents:*")).starts_with("volume[1].destination: "));
        assert_eq!(of(volume("/b", "/data", "agent:1")), "");
        assert_eq!(of(volume("/b", "/other", "agent:0")), "");
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
                "cluster_cidr: 10.42.0.0/16 overlaps 10.42.1.0/24 (subnet)",
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
                "the port of the Kubernetes API",
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
