//! From a cluster as it is back to the specification that would make it: for import, for look-ups,
//! and to compare what is with what should be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::compare::same_image;
use super::desired::{Desired, DesiredNode, desired};
use super::observe::Observed;
use super::spec::{KubeApi, Spec};
use super::spell::{Part, spell_lists};
use super::{API_PORT, NodeArgs, Role, image_volume, node_name, slots};
use crate::docker::{ImageDefaults, Node, PortKey};
use crate::error::{Error, Result};
use crate::images;
use crate::labels;

/// Environment that k3d gives to every node.
const OWN_ENV: [&str; 3] = ["K3S_TOKEN", "K3S_URL", "K3S_KUBECONFIG_OUTPUT"];

/// The name by which nodes reach the host.
pub(super) const HOST_ALIAS: &str = "host.k3d.internal";

/// An observed node in the form of a desired one: only what a user decides, and nothing that its image says by
/// itself. Where the image is gone, nobody can tell the two apart: then nothing is taken for the user's.
pub(crate) fn user_part(observed: &Observed, role: Role, node: &Node) -> DesiredNode {
    let mut env = BTreeMap::new();
    let mut user_labels = BTreeMap::new();
    if let Some(image) = observed.image_defaults.get(&node.image_id) {
        let lines = node.env.iter().filter(|line| !image.env.contains(*line));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let own = |key: &str| OWN_ENV.contains(&key);
        env.extend(
            pairs
                .filter(|(key, _)| !own(key))
                .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let labels = node.labels.clone().into_iter();
        user_labels.extend(labels.filter(|label| {
            let key = label.0.as_str();
            let reserved = key == labels::APP || key.starts_with("k3d.") || key.starts_with("k3s.");
            !reserved && !image.labels.contains(label)
        }));
    }
    let carries_api = role == Role::LoadBalancer
        || (role == Role::Server && node.label(labels::LOADBALANCER).is_none());
    let mut args = match role {
        Role::LoadBalancer => NodeArgs::default(),
        _ => NodeArgs::parse(&node.cmd),
    };
    args.extra
        .retain(|word| word.split('=').next() != Some("--cluster-init"));
    if role == Role::Server {
        let own = own_tls_sans(observed);
        args.tls_sans.retain(|san| !own.contains(san));
    }
    let mut ports = node.ports.clone();
    if carries_api {
        ports.remove(&PortKey::tcp(API_PORT));
    }
    for published in ports.values_mut() {
        for host in published.iter_mut() {
            host.address = host.address.or(Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        }
        published.sort();
    }
    let binds = node.binds.iter();
    DesiredNode {
        name: node.name.clone(),
        role,
        image: node.image.clone(),
        args,
        env,
        labels: user_labels,
        binds: binds
            .filter(|bind| !is_own_bind(observed, node, bind))
            .cloned()
            .collect(),
        ports,
        memory: node.memory,
    }
}

/// The names that the server's certificate is good for without being asked, as [`super::desired::own_tls_sans`] has
/// them.
fn own_tls_sans(observed: &Observed) -> BTreeSet<String> {
    let api = kube_api(observed);
    let host = api.host.or(api.host_ip.map(|ip| ip.to_string()));
    let server = observed.server();
    let balancer = server
        .and_then(|server| server.label(labels::LOADBALANCER))
        .map(|_| node_name(&observed.name, Role::LoadBalancer, 0));
    host.into_iter().chain(balancer).collect()
}

/// Whether k3d or Atlas mounts it in every node: the volume for image tarballs, and what the k3d CLI puts in the place
/// of the machine's memory where a node has a limit.
fn is_own_bind(observed: &Observed, node: &Node, bind: &str) -> bool {
    let mut parts = bind.split(':');
    let (source, destination) = (parts.next().unwrap_or_default(), parts.next());
    let faked = |file: &str| source.ends_with(&format!("/.{}/{file}", node.name));
    match destination {
        Some("/k3d/images") => {
            source == node.label(labels::IMAGE_VOLUME).unwrap_or_default()
                || source == image_volume(&observed.name)
        }
        Some("/proc/meminfo") => faked("meminfo"),
        Some("/sys/devices/system/edac") => faked("edac"),
        _ => false,
    }
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

/// Whether nodes have a name for the host: as the server's own label says, else as its own hosts do, whoever made its
/// other nodes. `None` where neither can tell: the k3d CLI writes the name into a file of nodes that run, and where no
/// gateway is known there is no address to name.
pub(crate) fn host_alias(observed: &Observed) -> Option<bool> {
    let server = observed.server()?;
    if let Some(told) = server.label(labels::ATLAS_HOST_ALIAS) {
        return Some(told == "true");
    }
    if !server.labels.contains_key(labels::ATLAS_MANAGED) {
        return None;
    }
    let mut hosts = server.extra_hosts.iter();
    if hosts.any(|line| line.split(':').next() == Some(HOST_ALIAS)) {
        return Some(true);
    }
    let network = observed.network.as_ref();
    network
        .is_some_and(|network| network.gateway.is_some())
        .then_some(false)
}

/// The specification with what it leaves open as it is there, and what each node must be then. An agent that has another
/// name than its place would give it keeps that name, and the load balancer its settings.
///
/// # Errors
/// [`Error::Invalid`] where the specification makes no sense.
pub(super) fn desired_here(spec: &Spec, observed: Option<&Observed>) -> Result<(Spec, Desired)> {
    let spec = settled(spec, observed);
    let mut desired = desired(&spec).map_err(Error::Invalid)?;
    let Some(observed) = observed.filter(|one| one.server().is_some()) else {
        return Ok((spec, desired));
    };
    desired.settings.clone_from(&observed.settings);
    let mut names = BTreeMap::new();
    for (slot, node) in slots::agents(observed, spec.agents).kept {
        let usual = node_name(&spec.name, Role::Agent, slot);
        if usual != node.name {
            names.insert(usual, node.name.clone());
        }
    }
    let renamed = |name: &String| names.get(name).unwrap_or(name).clone();
    for node in &mut desired.nodes {
        node.name = renamed(&node.name);
    }
    for targets in desired.upstreams.values_mut() {
        *targets = targets.iter().map(renamed).collect();
    }
    Ok((spec, desired))
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
    if spec.load_balancer && balancer.is_none() {
        // Its container is gone, and nothing else says which image it had.
        spec.load_balancer_image = images::load_balancer();
        spec.load_balancer_image_is_default = true;
    }
    spec.image_volume = server.label(labels::IMAGE_VOLUME).is_some();
    spec.host_ip_injection = host_alias(observed).unwrap_or(true);
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
    let parts = desired.nodes.into_iter().map(|mut node| {
        if let Some(image) = observed.and_then(|one| image_of(one, node.role)) {
            node.env
                .retain(|key, value| !image.env.contains(&format!("{key}={value}")));
            let of_image = |key: &String, value: &String| (key.clone(), value.clone());
            node.labels
                .retain(|key, value| !image.labels.contains(&of_image(key, value)));
        }
        let count = counts.entry(node.role).or_insert(0);
        *count += 1;
        (node.role, *count - 1, node)
    });
    let parts: Vec<_> = parts.collect();
    spell_lists(&mut spec, &parts, Some(&desired.upstreams));
    if !spec.load_balancer {
        spec.load_balancer_image.clear();
    }
    let api = &mut spec.kube_api;
    api.host = api
        .host
        .take()
        .filter(|host| Some(host) != api.host_ip.map(|ip| ip.to_string()).as_ref());
    if spec.agents == 0 {
        spec.agents_memory = None;
    }
    for memory in [&mut spec.servers_memory, &mut spec.agents_memory] {
        *memory = memory.filter(|bytes| *bytes > 0);
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

/// What the image of nodes of this role gives to them by itself.
fn image_of(observed: &Observed, role: Role) -> Option<&ImageDefaults> {
    let node = match role {
        Role::LoadBalancer => observed.of_role(role).next()?,
        _ => observed.server()?,
    };
    observed.image_defaults.get(&node.image_id)
}

fn numbered(observed: &Observed) -> Vec<Part> {
    let part = |role, slot, node| (role, slot, user_part(observed, role, node));
    let agents = u32::try_from(observed.numbered(Role::Agent).count()).unwrap_or(u32::MAX);
    let agents = slots::agents(observed, agents).kept.into_iter();
    let of_role = |role| {
        (0..)
            .zip(observed.numbered(role))
            .map(move |(slot, node)| part(role, slot, node))
    };
    of_role(Role::Server)
        .chain(agents.map(|(slot, node)| part(Role::Agent, slot, node)))
        .chain(of_role(Role::LoadBalancer))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::State;
    use crate::k3d::{Filtered, Pair};
    use crate::path::FieldPath;

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
