//! What of a specification is refused by itself, without asking the world: what Docker, k3s or Kubernetes would
//! refuse later, and what Atlas could never read back.

mod arguments;
mod labels;
mod volumes;

use ipnet::Ipv4Net;

use super::desired::MOST_AGENTS;
use super::spec::Spec;
use crate::cidr;
use crate::error::{Problem, Remedy};
use crate::path::FieldPath;

pub(super) use arguments::{argument, misplaced};
pub(super) use labels::node_label;
pub(super) use volumes::destination;

/// What is wrong, and what would be right.
type Fault = (String, Remedy);

/// Docker's own networks, which have neither names nor fixed addresses.
const OWN_NETWORKS: [&str; 4] = ["bridge", "host", "none", "default"];

/// Everything that is wrong with a specification's values, apart from filters and ports.
pub(super) fn problems(spec: &Spec) -> Vec<Problem> {
    let mut problems = shape(spec);
    problems.extend(networks(spec));
    for item in &spec.env {
        if let Some(fault) = arguments::variable(&item.value.key) {
            problems.push(at(item.path.clone().name("key"), fault));
        }
    }
    for item in &spec.labels {
        if let Some(fault) = labels::container_label(&item.value.key) {
            problems.push(at(item.path.clone().name("key"), fault));
        }
    }
    for item in &spec.volumes {
        problems.extend(volumes::volume(spec, item));
    }
    for item in &spec.args {
        problems.extend(argument(&item.value).map(|fault| at(item.path.clone(), fault)));
    }
    for item in &spec.node_labels {
        problems.extend(node_label(&item.value).map(|fault| at(item.path.clone(), fault)));
    }
    problems
}

/// A fault at its place.
pub(super) fn at(path: FieldPath, (message, remedy): Fault) -> Problem {
    Problem::new(path, message, remedy)
}

#[expect(clippy::unnecessary_wraps, reason = "every check ends with it")]
fn fault(message: impl Into<String>, remedy: impl Into<Remedy>) -> Option<Fault> {
    Some((message.into(), remedy.into()))
}

fn shape(spec: &Spec) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |name: &str, message: String, remedy: Remedy| {
        problems.push(Problem::new(FieldPath::of(name), message, remedy));
    };
    if !is_cluster_name(&spec.name) {
        refuse(
            "name",
            format!("{:?} is not a valid cluster name.", spec.name),
            "Use 1 to 32 lower-case letters, digits and dashes, beginning and ending with a letter or digit."
                .into(),
        );
    }
    if spec.servers != 1 {
        refuse(
            "servers",
            format!("{} servers are not supported.", spec.servers),
            Remedy::Set {
                field: FieldPath::of("servers"),
                to: "1; agents can be any number.",
            },
        );
    }
    if spec.agents > MOST_AGENTS {
        refuse(
            "agents",
            format!("{} agents are too many for one machine.", spec.agents),
            format!("Set agents to {MOST_AGENTS} or fewer.").into(),
        );
    }
    if spec.image.trim().is_empty() || spec.image.contains(char::is_whitespace) {
        refuse(
            "image",
            format!("{:?} is not a valid image reference.", spec.image),
            "Use name:tag, for instance docker.io/rancher/k3s:v1.33.4-k3s1.".into(),
        );
    }
    if spec.token.as_ref().is_some_and(|token| {
        token.reveal().is_empty() || token.reveal().contains(char::is_whitespace)
    }) {
        refuse(
            "token",
            "the token is empty or contains white space.".to_owned(),
            "Leave it out to generate one.".into(),
        );
    }
    problems
}

fn networks(spec: &Spec) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |name: &str, message: String, remedy: &str| {
        problems.push(Problem::new(FieldPath::of(name), message, remedy));
    };
    if let Some(network) = &spec.network {
        if spec.subnet.is_some() {
            refuse(
                "subnet",
                format!("the existing network {network:?} already has a subnet."),
                "Set either network or subnet.",
            );
        }
        if OWN_NETWORKS.contains(&network.as_str()) {
            refuse(
                "network",
                format!(
                    "{network:?} is one of Docker's own networks, where nodes have no names and no fixed addresses."
                ),
                "Name a network of your own, or leave it out to create one.",
            );
        } else if !is_docker_name(network) {
            refuse(
                "network",
                format!("{network:?} is not a valid network name."),
                "Use letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
            );
        }
    }
    let all = [
        ("subnet", spec.subnet),
        ("cluster_cidr", Some(spec.cluster_cidr)),
        ("service_cidr", Some(spec.service_cidr)),
    ];
    for (position, (name, net)) in all.iter().enumerate() {
        for (other, other_net) in &all[..position] {
            if let (Some(net), Some(other_net)) = (net, other_net)
                && cidr::overlap(*net, *other_net)
            {
                refuse(
                    name,
                    format!("{net} overlaps {other_net} ({other})."),
                    "Use separate networks for nodes, pods and Services.",
                );
            }
        }
    }
    if let Some(subnet) = spec.subnet {
        let wanted = u64::from(spec.servers)
            + u64::from(spec.agents.min(MOST_AGENTS))
            + u64::from(spec.load_balancer);
        let room = room(subnet);
        if room < wanted {
            refuse(
                "subnet",
                format!("{subnet} has room for {room} nodes, but the cluster has {wanted}."),
                "Use a larger subnet. Its first two addresses are reserved for the gateway and for k3d's tools.",
            );
        }
    }
    if spec.cluster_cidr.prefix_len() > 24 {
        refuse(
            "cluster_cidr",
            format!(
                "{} is too small: every node needs a /24 of it.",
                spec.cluster_cidr
            ),
            "Use a prefix of /24 or shorter, for instance 10.42.0.0/16.",
        );
    }
    if !(12..=28).contains(&spec.service_cidr.prefix_len()) {
        refuse(
            "service_cidr",
            format!(
                "{} has a prefix length that Kubernetes does not accept.",
                spec.service_cidr
            ),
            "Use a prefix from /12 to /28, for instance 10.43.0.0/16.",
        );
    }
    problems
}

/// How many nodes a subnet has addresses for: neither its own nor its broadcast address, nor the first two.
fn room(subnet: Ipv4Net) -> u64 {
    let all = 1u64 << (32 - u32::from(subnet.prefix_len()));
    all.saturating_sub(4)
}

/// What Docker takes as the name of a network or volume.
fn is_docker_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
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
    use crate::k3d::Filtered;

    pub(super) fn spec() -> Spec {
        Spec::new("demo", "node:1", "lb:1")
    }

    pub(super) fn item<T>(block: &str, value: T) -> Filtered<T> {
        Filtered {
            value,
            filters: Vec::new(),
            path: FieldPath::of(block).index(0),
        }
    }

    pub(super) fn told(problems: &[Problem]) -> String {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn networks_on_which_a_cluster_cannot_live_are_refused() {
        for name in ["bridge", "host", "none", "default", "", "a/b"] {
            let spec = Spec {
                network: Some(name.to_owned()),
                ..spec()
            };
            let told = told(&problems(&spec));
            assert!(told.starts_with("network: "), "{name}: {told}");
        }
    }

    #[test]
    fn a_subnet_without_room_for_all_nodes_is_refused() {
        for (subnet, agents, fits) in [
            ("10.9.0.0/29", 2, true),
            ("10.9.0.0/29", 3, false),
            ("10.9.0.0/30", 0, false),
            ("10.9.0.0/32", 0, false),
            ("10.9.0.0/24", 100, true),
        ] {
            let spec = Spec {
                agents,
                subnet: Some(subnet.parse().unwrap()),
                ..spec()
            };
            let told = told(&problems(&spec));
            assert_eq!(told.is_empty(), fits, "{subnet} {agents}: {told}");
            assert!(fits || told.starts_with("subnet: "), "{told}");
        }
    }
}
