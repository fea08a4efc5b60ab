//! From a cluster as it is back to the specification that would make it: for import, for look-ups,
//! and to compare what is with what should be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::desired::{DesiredNode, desired};
use super::loadbalancer::Upstreams;
use super::observe::Observed;
use super::plan::same_image;
use super::spec::{Filtered, KubeApi, Pair, Port, Spec, Volume};
use super::{API_PORT, NodeArgs, Role, node_name};
use crate::docker::{Node, PortKey};
use crate::error::{Error, Result};
use crate::labels;
use crate::path::FieldPath;

/// Environment that k3d gives to every node.
const OWN_ENV: [&str; 3] = ["K3S_TOKEN", "K3S_URL", "K3S_KUBECONFIG_OUTPUT"];

/// An observed node in the form of a desired one: only what a user decides.
pub(crate) fn user_part(observed: &Observed, role: Role, node: &Node) -> DesiredNode {
    let defaults = observed
        .image_defaults
        .get(&node.image_id)
        .cloned()
        .unwrap_or_default();
    let env = node
        .env
        .iter()
        .filter(|line| !defaults.env.contains(*line))
        .filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            (!OWN_ENV.contains(&key)).then(|| (key.to_owned(), value.to_owned()))
        });
    let user_labels = node.labels.iter().filter(|(key, value)| {
        let reserved = *key == labels::APP || key.starts_with("k3d.") || key.starts_with("k3s.");
        !reserved
            && !defaults
                .labels
                .contains(&((*key).clone(), (*value).clone()))
    });
    let own_bind = |bind: &&String| {
        bind.ends_with(":/k3d/images") || bind.contains(":/proc/meminfo") || bind.contains("/edac:")
    };
    let carries_api = role == Role::LoadBalancer
        || (role == Role::Server && node.label(labels::LOADBALANCER).is_none());
    let api = PortKey {
        port: API_PORT,
        protocol: "tcp".to_owned(),
    };
    let mut args = match role {
        Role::LoadBalancer => NodeArgs::default(),
        _ => NodeArgs::parse(&node.cmd),
    };
    args.extra.retain(|word| word != "--cluster-init");
    let mut ports = node.ports.clone();
    if carries_api {
        ports.remove(&api);
    }
    for published in ports.values_mut() {
        for host in published.iter_mut() {
            host.address = host.address.or(Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        }
        published.sort();
    }
    DesiredNode {
        name: node.name.clone(),
        role,
        image: node.image.clone(),
        args,
        env: env.collect(),
        labels: user_labels
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        binds: node
            .binds
            .iter()
            .filter(|bind| !own_bind(bind))
            .cloned()
            .collect(),
        ports,
        memory: node.memory,
    }
}

/// The place of a node in its role: from its name where that is k3d's, after all of those otherwise.
pub(crate) fn index_of(cluster: &str, role: Role, name: &str) -> Option<u32> {
    let prefix = format!("k3d-{cluster}-{}-", role.as_str());
    let index: u32 = name.strip_prefix(&prefix)?.parse().ok()?;
    (node_name(cluster, role, index) == name).then_some(index)
}

/// Where the Kubernetes API is published, as the servers' labels say.
pub(crate) fn kube_api(observed: &Observed) -> KubeApi {
    let label = |key: &str| observed.server().and_then(|node| node.label(key));
    let host_ip = label(labels::API_HOST_IP).and_then(|text| text.parse::<IpAddr>().ok());
    let host = label(labels::API_HOST).map(str::to_owned);
    KubeApi {
        host: host.filter(|host| Some(host) != host_ip.map(|ip| ip.to_string()).as_ref()),
        host_ip,
        host_port: label(labels::API_PORT).and_then(|text| text.parse().ok()),
    }
}

/// The specification with what it leaves to Atlas as it was decided when the cluster was made: where
/// the Kubernetes API is published, the load balancer's image. Saying nothing keeps what is there, an
/// imported cluster's too.
pub(crate) fn settled(spec: &Spec, observed: Option<&Observed>) -> Spec {
    let mut spec = spec.clone();
    let Some(observed) = observed.filter(|one| one.server().is_some()) else {
        return spec;
    };
    if spec.load_balancer_image_is_default
        && let Some(balancer) = observed.of_role(Role::LoadBalancer).next()
    {
        spec.load_balancer_image.clone_from(&balancer.image);
    }
    let there = kube_api(observed);
    let api = &mut spec.kube_api;
    let same_ip = api.host_ip.is_none() || api.host_ip == there.host_ip;
    if api.host.is_none() && same_ip {
        api.host = there.host;
    }
    api.host_ip = api.host_ip.or(there.host_ip);
    api.host_port = api.host_port.or(there.host_port);
    spec
}

/// The specification that this cluster follows, spelled canonically: filters are left out where
/// they say what their absence says. `None` where it has no server.
pub fn spec_of(observed: &Observed) -> Option<Spec> {
    let server = observed.server()?;
    let parts = numbered(observed);
    let server_part = &parts.iter().find(|(role, ..)| *role == Role::Server)?.2;
    let balancer = parts.iter().find(|(role, ..)| *role == Role::LoadBalancer);
    let counts = |role| parts.iter().filter(|(found, ..)| *found == role).count();
    let managed_network = !observed.network_external;
    let memory = |role| {
        parts
            .iter()
            .find(|(found, ..)| *found == role)
            .map(|(.., part)| part.memory)
            .filter(|m| *m > 0)
    };
    let mut spec = Spec::new(&observed.name, &server.image, "");
    spec.servers = u32::try_from(counts(Role::Server)).unwrap_or(1);
    spec.agents = u32::try_from(counts(Role::Agent)).unwrap_or(0);
    if let Some((.., part)) = balancer {
        spec.load_balancer_image.clone_from(&part.image);
    }
    spec.network = (!managed_network).then(|| observed.network_name.clone());
    spec.subnet = observed
        .network
        .as_ref()
        .filter(|_| managed_network)
        .and_then(|network| network.subnet);
    spec.cluster_cidr = server_part.args.cluster_cidr;
    spec.service_cidr = server_part.args.service_cidr;
    spec.kube_api = kube_api(observed);
    spec.load_balancer = server.label(labels::LOADBALANCER).is_some() || balancer.is_some();
    spec.image_volume = server.label(labels::IMAGE_VOLUME).is_some();
    spec.host_ip_injection = !observed.is_ours() || !server.extra_hosts.is_empty();
    spec.servers_memory = memory(Role::Server);
    spec.agents_memory = memory(Role::Agent);
    spell_lists(&mut spec, &parts, observed.upstreams.as_ref());
    Some(spec)
}

/// The specification in the spelling of [`spec_of`], so that the two can be compared by what they say:
/// filters, orders, what is left to Atlas, and image references that name what is there.
///
/// # Errors
/// [`Error::Invalid`] where the specification makes no sense.
pub fn spelled(spec: &Spec, observed: Option<&Observed>) -> Result<Spec> {
    let mut spec = settled(spec, observed);
    let desired = desired(&spec).map_err(Error::Invalid)?;
    let mut counts = BTreeMap::new();
    let parts = desired.nodes.into_iter().map(|node| {
        let count = counts.entry(node.role).or_insert(0);
        *count += 1;
        (node.role, *count - 1, node)
    });
    let parts: Vec<_> = parts.collect();
    spell_lists(&mut spec, &parts, Some(&desired.upstreams));
    if !spec.load_balancer {
        spec.load_balancer_image.clear();
    }
    if let Some(there) = observed.and_then(spec_of) {
        for (wanted, there) in [
            (&mut spec.image, &there.image),
            (&mut spec.load_balancer_image, &there.load_balancer_image),
        ] {
            if same_image(wanted, there) {
                wanted.clone_from(there);
            }
        }
        spec.subnet = spec
            .subnet
            .or(there.subnet.filter(|_| spec.network.is_none()));
    }
    Ok(spec)
}

/// Whatever has filters, out of what each node is.
fn spell_lists(spec: &mut Spec, parts: &[Part], upstreams: Option<&Upstreams>) {
    let grouping = Grouping { parts };
    spec.env = grouping.pairs("env", |part| &part.env);
    spec.labels = grouping.pairs("label", |part| &part.labels);
    spec.volumes = grouping.volumes();
    spec.args = grouping.args();
    spec.node_labels = grouping.node_labels();
    spec.ports = ports(parts, upstreams);
}

/// A node with its role and its place in it.
type Part = (Role, u32, DesiredNode);

fn numbered(observed: &Observed) -> Vec<Part> {
    let mut next_foreign = BTreeMap::new();
    let mut parts: Vec<Part> = Vec::new();
    let named = |role, node: &Node| match role {
        Role::LoadBalancer => Some(0),
        _ => index_of(&observed.name, role, &node.name),
    };
    let counted = || {
        let nodes = observed.nodes.iter();
        nodes.filter(|(_, node)| node.label(labels::ATLAS_NODE).is_none())
    };
    for (role, node) in counted() {
        if let Some(index) = named(*role, node) {
            parts.push((*role, index, user_part(observed, *role, node)));
            let next = next_foreign.entry(*role).or_insert(0);
            *next = (*next).max(index + 1);
        }
    }
    for (role, node) in counted() {
        if named(*role, node).is_none() {
            let next = next_foreign.entry(*role).or_insert(0);
            parts.push((*role, *next, user_part(observed, *role, node)));
            *next += 1;
        }
    }
    parts.sort_by_key(|(role, index, _)| (*role, *index));
    parts
}

type NodeSet = BTreeSet<(Role, u32)>;

struct Grouping<'a> {
    parts: &'a [Part],
}

impl Grouping<'_> {
    fn all(&self, roles: &[Role]) -> NodeSet {
        let chosen = self.parts.iter().filter(|(role, ..)| roles.contains(role));
        chosen.map(|(role, index, _)| (*role, *index)).collect()
    }

    /// The shortest filters for a set of nodes; none where it is what no filter means.
    fn filters(&self, nodes: &NodeSet, default: &[Role]) -> Vec<String> {
        if *nodes == self.all(default) {
            return Vec::new();
        }
        let mut filters = Vec::new();
        for role in [Role::Server, Role::Agent] {
            let here: Vec<u32> = nodes
                .iter()
                .filter(|(r, _)| *r == role)
                .map(|(_, i)| *i)
                .collect();
            if !here.is_empty() && here.len() == self.all(&[role]).len() {
                filters.push(format!("{}:*", role.as_str()));
            } else {
                filters.extend(
                    here.iter()
                        .map(|index| format!("{}:{index}", role.as_str())),
                );
            }
        }
        if nodes.contains(&(Role::LoadBalancer, 0)) {
            filters.push(Role::LoadBalancer.as_str().to_owned());
        }
        filters
    }

    fn grouped<K: Ord + Clone>(&self, of: impl Fn(&DesiredNode) -> Vec<K>) -> BTreeMap<K, NodeSet> {
        let mut found: BTreeMap<K, NodeSet> = BTreeMap::new();
        for (role, index, part) in self.parts {
            for key in of(part) {
                found.entry(key).or_default().insert((*role, *index));
            }
        }
        found
    }

    fn items<K: Ord + Clone, T>(
        &self,
        block: &str,
        default: &[Role],
        of: impl Fn(&DesiredNode) -> Vec<K>,
        value: impl Fn(K) -> T,
    ) -> Vec<Filtered<T>> {
        let grouped = self.grouped(of).into_iter().enumerate();
        grouped
            .map(|(position, (key, nodes))| Filtered {
                value: value(key),
                filters: self.filters(&nodes, default),
                path: FieldPath::of(block).index(position),
            })
            .collect()
    }

    fn pairs(
        &self,
        block: &str,
        of: impl Fn(&DesiredNode) -> &BTreeMap<String, String>,
    ) -> Vec<Filtered<Pair>> {
        self.items(
            block,
            &[Role::Server, Role::Agent],
            |part| {
                of(part)
                    .iter()
                    .map(|(k, v)| Pair {
                        key: k.clone(),
                        value: v.clone(),
                    })
                    .collect()
            },
            |pair| pair,
        )
    }

    fn volumes(&self) -> Vec<Filtered<Volume>> {
        self.items(
            "volume",
            &[Role::Server, Role::Agent, Role::LoadBalancer],
            |part| part.binds.iter().cloned().collect(),
            |bind| match bind.split_once(':') {
                Some((source, destination)) => Volume {
                    source: Some(source.to_owned()),
                    destination: destination.to_owned(),
                },
                None => Volume {
                    source: None,
                    destination: bind,
                },
            },
        )
    }

    fn node_labels(&self) -> Vec<Filtered<String>> {
        self.items(
            "k3s",
            &[Role::Server, Role::Agent],
            |part| part.args.node_labels.iter().cloned().collect(),
            |label| label,
        )
    }

    /// Arguments keep their order, so they are grouped by whole lists: one of all servers, one of
    /// all agents; only where nodes of one role differ is every node named.
    fn args(&self) -> Vec<Filtered<String>> {
        let mut items = Vec::new();
        for role in [Role::Server, Role::Agent] {
            let lists: Vec<_> = self
                .parts
                .iter()
                .filter(|(found, ..)| *found == role)
                .collect();
            let same = lists
                .windows(2)
                .all(|pair| pair[0].2.args.extra == pair[1].2.args.extra);
            let chosen = if same {
                &lists[..lists.len().min(1)]
            } else {
                &lists[..]
            };
            for (_, index, part) in chosen {
                let which = if same {
                    "*".to_owned()
                } else {
                    index.to_string()
                };
                items.extend(part.args.extra.iter().map(|arg| Filtered {
                    value: arg.clone(),
                    filters: vec![format!("{}:{which}", role.as_str())],
                    path: FieldPath::of("k3s"),
                }));
            }
        }
        items
    }
}

fn ports(parts: &[Part], upstreams: Option<&Upstreams>) -> Vec<Filtered<Port>> {
    let grouping = Grouping { parts };
    let place = |name: &String| {
        let found = parts.iter().find(|(.., part)| part.name == *name);
        found.map(|(role, index, _)| (*role, *index))
    };
    let mut items = Vec::new();
    for (role, index, part) in parts {
        for (key, published) in &part.ports {
            let filters = if *role == Role::LoadBalancer {
                let nodes: NodeSet = upstreams
                    .and_then(|upstreams| upstreams.get(key))
                    .map(|names| names.iter().filter_map(place).collect())
                    .unwrap_or_default();
                let filters = grouping.filters(&nodes, &[Role::Server, Role::Agent]);
                if filters.is_empty() {
                    vec!["loadbalancer".to_owned()]
                } else {
                    filters
                }
            } else {
                vec![format!("{}:{index}:direct", role.as_str())]
            };
            items.extend(published.iter().map(|host| Filtered {
                value: Port {
                    host: host.address,
                    host_port: host.port,
                    container_port: key.port,
                    protocol: key.protocol.clone(),
                },
                filters: filters.clone(),
                path: FieldPath::of("port"),
            }));
        }
    }
    for (position, item) in items.iter_mut().enumerate() {
        item.path = FieldPath::of("port").index(position);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::State;

    fn pair(key: &str, value: &str, filters: &[&str]) -> Filtered<Pair> {
        Filtered {
            value: Pair {
                key: key.to_owned(),
                value: value.to_owned(),
            },
            filters: filters.iter().map(|one| (*one).to_owned()).collect(),
            path: FieldPath::of("env"),
        }
    }

    #[test]
    fn what_says_the_same_is_spelled_the_same() {
        let spell = |env: Vec<Filtered<Pair>>| {
            let spec = Spec {
                agents: 2,
                env,
                ..Spec::new("demo", "node:1", "lb:1")
            };
            let env = spelled(&spec, None).unwrap().env.into_iter();
            env.map(|item| (item.value.key, item.filters))
                .collect::<Vec<_>>()
        };
        let plain = spell(vec![pair("A", "1", &[]), pair("B", "2", &["agent:*"])]);
        let wordy = spell(vec![
            pair("B", "2", &["agent:0", "agent:1"]),
            pair("A", "1", &["agent:1", "server:0", "agent:0"]),
        ]);
        assert_eq!(plain, wordy);
        assert_eq!(plain[1], ("B".to_owned(), vec!["agent:*".to_owned()]));
    }

    #[test]
    fn an_image_by_another_name_for_it_is_the_one_that_is_there() {
        let server = Node {
            name: "k3d-demo-server-0".to_owned(),
            image: "docker.io/library/node:1".to_owned(),
            cmd: vec!["server".to_owned()],
            state: State::default(),
            ..Node::default()
        };
        let observed = Observed {
            nodes: vec![(Role::Server, server)],
            ..Observed::empty("demo")
        };
        let spec = Spec::new("demo", "node:1", "lb:1");
        let found = spelled(&spec, Some(&observed)).unwrap();
        assert_eq!(found.image, "docker.io/library/node:1");
    }
}
