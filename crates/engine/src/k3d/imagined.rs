//! Clusters as Docker would tell of them, without Docker: for tests of plans, and of what is read back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::desired::DesiredNode;
use super::observe::Observed;
use super::plan::{Step, plan};
use super::read::desired_here;
use super::shape::{self, Facts};
use super::spec::{Spec, Token};
use super::{API_PORT, Role, image_volume, network_name, node_name};
use crate::cidr;
use crate::docker::{
    ContainerSpec, DockerNetwork, ImageDefaults, Node, PortKey, Published, Runtime, State,
};
use crate::error::{Error, Result};
use crate::labels::{self, labels};

/// The id of the only image that there is.
const IMAGE_ID: &str = "sha256:00";

/// What there is besides clusters.
#[derive(Debug, Clone, Default)]
pub struct Imagined {
    /// What the only image gives to its containers.
    pub image: ImageDefaults,
    /// Whether the gateways of networks are not told.
    pub hidden_gateways: bool,
}

impl Imagined {
    /// The cluster after an apply: what the plan lists is done. Its own nodes are made in the shape of Atlas.
    ///
    /// # Errors
    /// [`Error::Invalid`]; [`Error::NeedsReplacement`].
    pub fn apply(&self, spec: &Spec, observed: Option<&Observed>) -> Result<Observed> {
        let plan = plan(spec, observed)?;
        if !plan.replace.is_empty() {
            let fields = plan.replace.iter();
            return Err(Error::NeedsReplacement {
                kind: "cluster",
                name: spec.name.clone(),
                fields: fields.map(|one| one.field.to_owned()).collect(),
            });
        }
        let (spec, desired) = desired_here(spec, observed)?;
        let mut after = observed
            .cloned()
            .unwrap_or_else(|| self.nothing_but_a_network(&spec));
        let facts = facts(&spec, &after);
        for step in &plan.steps {
            match step {
                Step::RemoveNode { node, .. } => after.nodes.retain(|(_, one)| one.name != *node),
                Step::CreateNode { node, .. } => {
                    let wanted = desired.nodes.iter().find(|one| one.name == *node);
                    if let Some(wanted) = wanted {
                        let made = self.node(&spec, wanted, &facts, &after);
                        after.nodes.push((wanted.role, made));
                    }
                    if node_name(&spec.name, Role::LoadBalancer, 0) == *node {
                        after.upstreams = Some(desired.upstreams.clone());
                        after.settings = desired.settings.clone();
                    }
                }
                Step::StartNode { node, .. } => {
                    let mut nodes = after.nodes.iter_mut();
                    if let Some((_, node)) = nodes.find(|(_, one)| one.name == *node) {
                        node.state = running();
                    }
                }
                Step::Forward => after.upstreams = Some(desired.upstreams.clone()),
                Step::CreateNetwork { .. }
                | Step::Reattach { .. }
                | Step::RejoinNode { .. }
                | Step::StopNode { .. } => {}
            }
        }
        after.nodes.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        Ok(after)
    }

    /// A cluster as `k3d cluster create` makes it, with `args` for k3s on every node of a role.
    pub fn made_by_k3d(&self, name: &str, agents: u32, args: &[(Role, &str)]) -> Observed {
        let balancer = node_name(name, Role::LoadBalancer, 0);
        let server = node_name(name, Role::Server, 0);
        let mut observed = Observed {
            network: Some(self.network(&network_name(name), false)),
            image_volume: true,
            image_defaults: BTreeMap::from([(IMAGE_ID.to_owned(), self.image.clone())]),
            upstreams: Some(BTreeMap::from([(
                PortKey::tcp(API_PORT),
                [server.clone()].into(),
            )])),
            ..Observed::empty(name)
        };
        let names = (0..agents).map(|index| (Role::Agent, node_name(name, Role::Agent, index)));
        let others = [
            (Role::Server, server.clone()),
            (Role::LoadBalancer, balancer.clone()),
        ];
        for (role, node) in names.chain(others) {
            let mut all = labels([
                (labels::APP, labels::APP_VALUE),
                (labels::VERSION, labels::VERSION_VALUE),
                (labels::ROLE, role.as_str()),
                (labels::CLUSTER, name),
                (labels::NETWORK, &network_name(name)),
                (labels::NETWORK_EXTERNAL, "false"),
                (labels::IMAGE_VOLUME, &image_volume(name)),
                (labels::TOKEN, "theirs"),
                (labels::LOADBALANCER, &balancer),
            ]);
            let mut env = vec!["K3S_KUBECONFIG_OUTPUT=/output/kubeconfig.yaml".to_owned()];
            let mut cmd = Vec::new();
            let mut ports = BTreeMap::new();
            if role == Role::LoadBalancer {
                let everywhere = Published {
                    address: Some(Ipv4Addr::UNSPECIFIED.into()),
                    port: Some(6550),
                };
                ports.insert(PortKey::tcp(API_PORT), vec![everywhere]);
            } else {
                env.push("K3S_TOKEN=theirs".to_owned());
                cmd.push(role.as_str().to_owned());
                let words = args.iter().filter(|(of, _)| *of == role);
                cmd.extend(words.map(|(_, word)| (*word).to_owned()));
            }
            if role == Role::Server {
                all.extend(labels([
                    (labels::API_HOST_IP, "0.0.0.0"),
                    (labels::API_HOST, "0.0.0.0"),
                    (labels::API_PORT, "6550"),
                ]));
                let sans = ["--tls-san", "0.0.0.0", "--tls-san", &balancer];
                cmd.extend(sans.map(str::to_owned));
            }
            if role == Role::Agent {
                env.push(format!("K3S_URL=https://{server}:{API_PORT}"));
            }
            let spec = ContainerSpec {
                name: node,
                image: "node:1".to_owned(),
                entrypoint: None,
                cmd,
                env,
                labels: all,
                binds: vec![format!("{}:/k3d/images", image_volume(name))],
                ports,
                network: network_name(name),
                address: None,
                extra_hosts: Vec::new(),
                memory: None,
                nano_cpus: None,
                runtime: Runtime::default(),
                is_node: true,
            };
            observed.nodes.push((role, self.told(spec)));
        }
        observed.nodes.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        observed
    }

    fn network(&self, name: &str, managed: bool) -> DockerNetwork {
        let mut all = labels::Labels::new();
        if managed {
            let value = labels::ATLAS_MANAGED_VALUE.to_owned();
            all.insert(labels::ATLAS_MANAGED.to_owned(), value);
        }
        DockerNetwork {
            name: name.to_owned(),
            id: "1".repeat(64),
            driver: "bridge".to_owned(),
            subnet: "172.30.0.0/16".parse().ok(),
            gateway: (!self.hidden_gateways).then_some(Ipv4Addr::new(172, 30, 0, 1)),
            labels: all,
            ..DockerNetwork::default()
        }
    }

    fn nothing_but_a_network(&self, spec: &Spec) -> Observed {
        let name = spec.network_name();
        let own = spec.network.is_none();
        let mut network = self.network(&name, own);
        network.subnet = spec.subnet.or(network.subnet);
        Observed {
            network: Some(network),
            network_name: name,
            network_external: !own,
            image_volume: spec.image_volume,
            image_defaults: BTreeMap::from([(IMAGE_ID.to_owned(), self.image.clone())]),
            ..Observed::empty(&spec.name)
        }
    }

    fn node(&self, spec: &Spec, node: &DesiredNode, facts: &Facts, observed: &Observed) -> Node {
        let nodes = observed.nodes.iter();
        let taken = nodes.flat_map(|(_, node)| node.static_addresses.values().copied());
        let subnet = facts.network.subnet;
        let address = subnet.and_then(|subnet| cidr::first_free(subnet, &taken.collect()));
        self.told(shape::container(spec, node, facts, address))
    }

    /// A container as Docker tells of it: with what its image gives it.
    fn told(&self, spec: ContainerSpec) -> Node {
        let key = |line: &str| line.split('=').next().map(str::to_owned);
        let given: Vec<Option<String>> = spec.env.iter().map(|line| key(line)).collect();
        let of_image = self.image.env.iter();
        let of_image = of_image.filter(|line| !given.contains(&key(line))).cloned();
        let mut all: BTreeMap<String, String> = self.image.labels.iter().cloned().collect();
        all.extend(spec.labels);
        Node {
            id: spec.name.clone(),
            image: spec.image,
            image_id: IMAGE_ID.to_owned(),
            cmd: spec.cmd,
            env: spec.env.iter().cloned().chain(of_image).collect(),
            labels: all,
            binds: spec.binds,
            ports: spec.ports,
            state: running(),
            networks: BTreeMap::from([(spec.network.clone(), spec.address)]),
            static_addresses: spec
                .address
                .map(|address| (spec.network, address))
                .into_iter()
                .collect(),
            memory: spec.memory.unwrap_or(0),
            extra_hosts: spec.extra_hosts,
            runtime: spec.runtime,
            name: spec.name,
            ..Node::default()
        }
    }
}

fn running() -> State {
    State {
        status: "running".to_owned(),
        running: true,
        ..State::default()
    }
}

fn facts(spec: &Spec, observed: &Observed) -> Facts {
    let label = |key: &str| observed.server().and_then(|node| node.label(key));
    let network = observed.network.clone();
    let token = label(labels::TOKEN).map(str::to_owned);
    let token = token.map(Token::new).or_else(|| spec.token.clone());
    let port = label(labels::API_PORT).and_then(|port| port.parse().ok());
    Facts {
        network: network.unwrap_or_else(|| {
            Imagined::default().network(&observed.network_name, !observed.network_external)
        }),
        network_external: observed.network_external,
        token: token.unwrap_or_else(|| Token::new("chosen".to_owned())),
        api_port: port.or(spec.kube_api.host_port).unwrap_or(6550),
        host_aliases: label(labels::HOST_ALIASES).map(str::to_owned),
        runtime: observed.runtime(),
    }
}
