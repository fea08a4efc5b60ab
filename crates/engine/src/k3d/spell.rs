//! Lists with filters, spelled canonically out of what each node is: filters are left out where they say what
//! their absence says.

use std::collections::{BTreeMap, BTreeSet};

use super::Role;
use super::desired::DesiredNode;
use super::loadbalancer::Upstreams;
use super::spec::{Filtered, Pair, Port, Spec, Volume};
use crate::path::FieldPath;

/// A node with its role and its place in it.
pub(super) type Part = (Role, u32, DesiredNode);

/// Whatever has filters, out of what each node is.
pub(super) fn spell_lists(spec: &mut Spec, parts: &[Part], upstreams: Option<&Upstreams>) {
    let grouping = Grouping { parts };
    spec.env = grouping.pairs("env", |part| &part.env);
    spec.labels = grouping.pairs("label", |part| &part.labels);
    spec.volumes = grouping.volumes();
    spec.args = grouping.args();
    spec.node_labels = grouping.node_labels();
    spec.ports = ports(parts, upstreams);
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
                .all(|pair| pair[0].2.args.words() == pair[1].2.args.words());
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
                items.extend(part.args.words().into_iter().map(|arg| Filtered {
                    value: arg,
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
