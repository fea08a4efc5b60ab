//! What of a specification is refused by itself, without asking the world: what Docker, k3s or Kubernetes would
//! refuse later, and what Atlas could never read back.

use ipnet::Ipv4Net;

use super::args::flag;
use super::desired::MOST_AGENTS;
use super::spec::{Filtered, Spec, Volume};
use crate::cidr;
use crate::error::{Problem, Remedy};
use crate::path::FieldPath;

/// What is wrong, and what would be right.
type Fault = (String, Remedy);

/// What is to be used in the place of something that Atlas sets or relies on.
enum Instead {
    /// This field.
    Field(&'static str),
    /// Labels of nodes.
    NodeLabels,
    /// Nothing, and why.
    Nothing(&'static str),
}

const CALLED: Instead = Instead::Nothing("Leave it out: a node is called like its container.");
const WRITTEN: Instead =
    Instead::Nothing("Leave it out: Atlas reads the kubeconfig from the usual place.");

/// Flags that Atlas sets or relies on.
const OWNED: [(&str, Instead); 11] = [
    ("cluster-cidr", Instead::Field("cluster_cidr")),
    ("service-cidr", Instead::Field("service_cidr")),
    ("token", Instead::Field("token")),
    ("token-file", Instead::Field("token")),
    ("node-label", Instead::NodeLabels),
    ("server", Instead::Field("servers")),
    ("cluster-init", Instead::Field("servers")),
    ("node-name", CALLED),
    ("with-node-id", CALLED),
    ("write-kubeconfig", WRITTEN),
    ("https-listen-port", Instead::Field("kube_api")),
];

/// Variables that Atlas sets or relies on.
const OWNED_VARIABLES: [(&str, Instead); 5] = [
    ("K3S_TOKEN", Instead::Field("token")),
    ("K3S_TOKEN_FILE", Instead::Field("token")),
    (
        "K3S_URL",
        Instead::Nothing("Leave it out: agents join the cluster's own server."),
    ),
    ("K3S_KUBECONFIG_OUTPUT", WRITTEN),
    ("K3S_NODE_NAME", CALLED),
];

impl Instead {
    fn remedy(&self) -> Remedy {
        match self {
            Self::Field(name) => Remedy::Use {
                field: FieldPath::of(name),
            },
            Self::NodeLabels => Remedy::Use {
                field: FieldPath::of("k3s").name("node_labels"),
            },
            Self::Nothing(why) => (*why).into(),
        }
    }
}

/// Docker's own networks, which have neither names nor fixed addresses.
const OWN_NETWORKS: [&str; 4] = ["bridge", "host", "none", "default"];

/// What may stand behind a mount's destination.
const MOUNT_OPTIONS: [&str; 14] = [
    "ro",
    "rw",
    "z",
    "Z",
    "nocopy",
    "shared",
    "slave",
    "private",
    "rshared",
    "rslave",
    "rprivate",
    "consistent",
    "cached",
    "delegated",
];

/// The only labels of Kubernetes' own namespaces that a kubelet may give its node, apart from those below
/// [`KUBELET_NAMESPACES`].
const KUBELET_LABELS: [&str; 11] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Kubernetes' namespaces that a kubelet may use freely.
const KUBELET_NAMESPACES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// Everything that is wrong with a specification's values, apart from filters and ports.
pub(super) fn problems(spec: &Spec) -> Vec<Problem> {
    let mut problems = shape(spec);
    problems.extend(networks(spec));
    for item in &spec.env {
        if let Some(fault) = variable(&item.value.key) {
            problems.push(at(item.path.clone().name("key"), fault));
        }
    }
    for item in &spec.labels {
        if let Some(fault) = container_label(&item.value.key) {
            problems.push(at(item.path.clone().name("key"), fault));
        }
    }
    for item in &spec.volumes {
        problems.extend(volume(spec, item));
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
            format!("{:?} cannot name a cluster.", spec.name),
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
            format!(
                "{} agents are more than one machine can carry.",
                spec.agents
            ),
            format!("Set agents to {MOST_AGENTS} or fewer.").into(),
        );
    }
    if spec.image.trim().is_empty() || spec.image.contains(char::is_whitespace) {
        refuse(
            "image",
            format!("{:?} is no image reference.", spec.image),
            "Write name:tag, for instance docker.io/rancher/k3s:v1.33.4-k3s1.".into(),
        );
    }
    if spec.token.as_ref().is_some_and(|token| {
        token.reveal().is_empty() || token.reveal().contains(char::is_whitespace)
    }) {
        refuse(
            "token",
            "the token is empty or has white space in it.".to_owned(),
            "Leave it out to have one made.".into(),
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
                format!("the subnet belongs to the network {network:?}."),
                "Set either network or subnet.",
            );
        }
        if OWN_NETWORKS.contains(&network.as_str()) {
            refuse(
                "network",
                format!(
                    "{network:?} is one of Docker's own networks, where nodes have neither names nor addresses that \
                     stay."
                ),
                "Name a network of your own, or leave it out to have one made.",
            );
        } else if !is_docker_name(network) {
            refuse(
                "network",
                format!("{network:?} cannot name a network."),
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
                    format!("{net} overlaps {other_net} of {other}."),
                    "Nodes, pods and Services need networks of their own.",
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
                format!("{subnet} has room for {room} nodes, and the cluster has {wanted}."),
                "Give a larger subnet: its first two addresses are the gateway's and k3d's tools'.",
            );
        }
    }
    if spec.cluster_cidr.prefix_len() > 24 {
        refuse(
            "cluster_cidr",
            format!(
                "{} is too small: every node takes a /24 of it.",
                spec.cluster_cidr
            ),
            "Give a prefix of /24 or shorter, for instance 10.42.0.0/16.",
        );
    }
    if !(12..=28).contains(&spec.service_cidr.prefix_len()) {
        refuse(
            "service_cidr",
            format!("{} has a size that Kubernetes refuses.", spec.service_cidr),
            "Give a prefix from /12 to /28, for instance 10.43.0.0/16.",
        );
    }
    problems
}

/// How many nodes a subnet has addresses for: neither its own nor its broadcast address, nor the first two.
fn room(subnet: Ipv4Net) -> u64 {
    let all = 1u64 << (32 - u32::from(subnet.prefix_len()));
    all.saturating_sub(4)
}

fn variable(key: &str) -> Option<Fault> {
    if key.is_empty() || key.contains(['=', '\0']) {
        return fault(
            format!("{key:?} cannot name an environment variable."),
            "Use a name without =.",
        );
    }
    let (_, instead) = OWNED_VARIABLES.iter().find(|(owned, _)| *owned == key)?;
    fault(format!("{key} is set by Atlas."), instead.remedy())
}

fn container_label(key: &str) -> Option<Fault> {
    let reserved =
        key.is_empty() || key == "app" || key.starts_with("k3d.") || key.starts_with("k3s.");
    let message = format!("{key:?} is reserved for k3d.");
    reserved.then(|| {
        let remedy = "Choose a key other than app that begins with neither k3d. nor k3s.";
        (message, remedy.into())
    })
}

/// What is wrong with one word of k3s's arguments, wherever it stands. Its value is never repeated: it may be a
/// secret.
pub(super) fn argument(word: &str) -> Option<Fault> {
    if word.trim().is_empty() {
        return fault(
            "the argument is empty.",
            "Remove it: k3s would read no flag behind it.",
        );
    }
    let quoted = |text: &str| {
        let mut inside = text.chars();
        let (first, last) = (inside.next(), inside.next_back());
        first.is_some() && first == last && matches!(first, Some('"' | '\''))
    };
    if quoted(word) {
        return fault(
            "the argument is quoted.",
            "Write it without: no shell reads it.",
        );
    }
    let (name, value) = flag(word)?;
    if let Some(name) = name.split_whitespace().next().filter(|one| *one != name) {
        return fault(
            format!("--{name} and what follows it are one word."),
            format!("Write --{name}=VALUE, or two words."),
        );
    }
    if value.is_some_and(quoted) {
        return fault(
            format!("the value of --{name} is quoted."),
            "Write it without: no shell reads it.",
        );
    }
    // Two networks of two families are beyond the attribute.
    if name.ends_with("-cidr") && value.is_some_and(|value| value.contains([',', ':'])) {
        return None;
    }
    let (_, instead) = OWNED.iter().find(|(owned, _)| *owned == name)?;
    fault(format!("--{name} is set by Atlas."), instead.remedy())
}

/// What is wrong with a word of k3s's arguments that is neither a flag nor a flag's value. It is never repeated: it may be
/// a secret.
pub(super) fn misplaced() -> Fault {
    (
        "this is no flag, and no flag before it waits for a value.".to_owned(),
        "Write --flag=value, or a flag and its value as two words.".into(),
    )
}

/// What Kubernetes, or the kubelet, would refuse in a node's label.
pub(super) fn node_label(label: &str) -> Option<Fault> {
    let Some((key, value)) = label.split_once('=') else {
        return fault(format!("{label:?} is no node label."), "Write key=value.");
    };
    let (prefix, name) = match key.rsplit_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let word = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        text.len() <= 63
            && text.chars().all(inner)
            && edge(text.chars().next())
            && edge(text.chars().last())
    };
    if !word(name) {
        return fault(
            format!("{key:?} cannot name a label."),
            "Use 1 to 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit.",
        );
    }
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return fault(
            format!("the part of {key:?} before the slash is no domain."),
            "Use lower-case letters, digits, dashes and dots, for instance example.com/tier.",
        );
    }
    if !value.is_empty() && !word(value) {
        return fault(
            format!("{value:?} cannot be a label's value."),
            "Use at most 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or \
             digit.",
        );
    }
    let within = |namespace: &str| {
        prefix.is_some_and(|prefix| {
            let below = prefix.strip_suffix(namespace);
            below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    let reserved = within("kubernetes.io") || within("k8s.io");
    if reserved && !KUBELET_LABELS.contains(&key) && !KUBELET_NAMESPACES.into_iter().any(within) {
        return fault(
            format!("the kubelet refuses to give its own node the label {key:?}."),
            "Set it with `kubectl label node`, or use a key outside of kubernetes.io and k8s.io.",
        );
    }
    None
}

/// A mount's destination without options, as Docker compares it.
pub(super) fn destination(volume: &Volume) -> String {
    let path = volume.destination.split(':').next().unwrap_or_default();
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn volume(spec: &Spec, item: &Filtered<Volume>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(fault) = item.value.source.as_deref().and_then(source) {
        problems.push(at(item.path.clone().name("source"), fault));
    }
    if let Some(fault) = target(spec, &item.value) {
        problems.push(at(item.path.clone().name("destination"), fault));
    }
    problems
}

fn source(source: &str) -> Option<Fault> {
    const FORM: &str =
        "Write an absolute path of the machine that runs Docker, or the name of a volume.";
    if source.contains(':') {
        return fault(
            format!("{source:?} has a colon, at which Docker would cut it."),
            FORM,
        );
    }
    if source.starts_with('/') {
        return None;
    }
    if source.starts_with('~') {
        return fault(format!("nobody expands the tilde of {source:?}."), FORM);
    }
    if is_docker_name(source) {
        return None;
    }
    fault(
        format!("{source:?} is neither an absolute path nor the name of a volume."),
        FORM,
    )
}

fn target(spec: &Spec, volume: &Volume) -> Option<Fault> {
    let mut parts = volume.destination.split(':');
    let path = parts.next().unwrap_or_default();
    if !path.starts_with('/') {
        return fault(
            format!("{:?} is no absolute path.", volume.destination),
            "Write the path inside the node, beginning with a slash.",
        );
    }
    if let Some(options) = parts.next() {
        let known = |one: &str| MOUNT_OPTIONS.contains(&one);
        if parts.next().is_some() || !options.split(',').all(known) {
            return fault(
                format!(
                    "what follows the path in {:?} is no option of a mount.",
                    volume.destination
                ),
                "Write the path alone, or :ro behind it.",
            );
        }
        if volume.source.is_none() {
            return fault(
                "an anonymous volume takes no options.",
                "Give a source, or the path alone.",
            );
        }
    }
    let taken = match destination(volume).as_str() {
        "/" => "is the whole node",
        "/run" | "/var/run" => "is kept in memory",
        "/k3d/images" if spec.image_volume => "is where the volume for image tarballs is",
        _ => return None,
    };
    fault(
        format!("{path} {taken}."),
        "Mount it somewhere else in the node.",
    )
}

/// What Docker takes as the name of a network or volume.
fn is_docker_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |one: &str| {
        !one.is_empty() && one.chars().all(inner) && !one.starts_with('-') && !one.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
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
    use crate::k3d::Pair;

    fn spec() -> Spec {
        Spec::new("demo", "node:1", "lb:1")
    }

    fn item<T>(block: &str, value: T) -> Filtered<T> {
        Filtered {
            value,
            filters: Vec::new(),
            path: FieldPath::of(block).index(0),
        }
    }

    fn told(problems: &[Problem]) -> String {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn labels_that_the_kubelet_would_refuse_are_refused() {
        for label in [
            "tier",
            "=v",
            "tier=a,b",
            "UPPER/Key=v",
            "a/b/c=v",
            "-a=v",
            "a=v-",
            "a b=v",
            "node-role.kubernetes.io/worker=true",
            "kubernetes.io/role=x",
            "example.k8s.io/x=y",
        ] {
            assert!(node_label(label).is_some(), "{label}");
        }
        assert!(node_label(&format!("tier={}", "v".repeat(64))).is_some());
        assert!(node_label(&format!("{}=v", "k".repeat(64))).is_some());
        for label in [
            "tier=",
            "tier=a_b.c-d",
            "Tier=V",
            "example.com/Tier=1",
            "topology.kubernetes.io/zone=a",
            "node.kubernetes.io/pool=a",
            "x.node.kubernetes.io/pool=a",
            "mykubernetes.io/x=y",
        ] {
            assert_eq!(node_label(label), None, "{label}");
        }
        assert_eq!(node_label(&format!("tier={}", "v".repeat(63))), None);
    }

    #[test]
    fn arguments_that_atlas_sets_are_refused_in_every_spelling() {
        for (word, instead) in [
            ("--cluster-cidr=10.9.0.0/16", "cluster_cidr"),
            ("--cluster-cidr", "cluster_cidr"),
            ("-cluster-cidr=10.9.0.0/16", "cluster_cidr"),
            ("--cluster-cidr 10.9.0.0/16", "one word"),
            ("--kubelet-arg max-pods=42", "--kubelet-arg=VALUE"),
            ("--service-cidr=10.9.0.0/16", "service_cidr"),
            ("-t=x", "Use token"),
            ("--token", "token"),
            ("--node-label=a=b", "node_labels"),
            ("-s", "servers"),
            ("--cluster-init", "servers"),
            ("--node-name=blue", "like its container"),
            ("--with-node-id", "like its container"),
            ("-o=/x", "usual place"),
            ("", "Remove it"),
            ("  ", "Remove it"),
            ("\"--debug\"", "no shell"),
            ("--kubelet-arg='max-pods=42'", "no shell"),
        ] {
            let (message, remedy) = argument(word).expect(word);
            let all = format!("{message} {remedy}");
            assert!(all.contains(instead), "{word}: {all}");
            assert!(!all.contains("10.9"), "{all}");
        }
        for word in [
            "--disable=traefik",
            "traefik",
            "--kubelet-arg=max-pods=42",
            "--kube-apiserver-arg=a=\"b\" c",
            "--tls-san=kube.x.example",
            "--cluster-cidr=10.42.0.0/16,fd00::/56",
        ] {
            assert_eq!(argument(word), None, "{word}");
        }
    }

    #[test]
    fn variables_of_k3ds_are_refused_with_the_attribute_to_use() {
        for (key, instead) in [
            ("K3S_TOKEN", "Use token"),
            ("K3S_URL", "own server"),
            ("K3S_KUBECONFIG_OUTPUT", "usual place"),
            ("K3S_NODE_NAME", "its container"),
            ("", "without ="),
            ("A=B", "without ="),
        ] {
            let pair = Pair {
                key: key.to_owned(),
                value: "x".to_owned(),
            };
            let spec = Spec {
                env: vec![item("env", pair)],
                ..spec()
            };
            let told = told(&problems(&spec));
            assert!(told.starts_with("env[0].key: "), "{key}: {told}");
            assert!(told.contains(instead), "{key}: {told}");
        }
    }

    #[test]
    fn mounts_that_docker_would_refuse_or_change_are_refused() {
        for (source, destination, path) in [
            (Some("./data"), "/data", "source"),
            (Some("~/data"), "/data", "source"),
            (Some("C:\\data"), "/data", "source"),
            (Some("/data/a:b"), "/data", "source"),
            (Some(""), "/data", "source"),
            (Some("x"), "/data", "source"),
            (Some("/data"), "data", "destination"),
            (Some("/data"), "/", "destination"),
            (Some("/data"), "/run/", "destination"),
            (Some("/data"), "/var/../run", "destination"),
            (Some("/data"), "/k3d/images", "destination"),
            (Some("/data"), "/a:b", "destination"),
            (Some("/data"), "/a:ro:x", "destination"),
            (None, "/a:ro", "destination"),
        ] {
            let volume = Volume {
                source: source.map(str::to_owned),
                destination: destination.to_owned(),
            };
            let spec = Spec {
                volumes: vec![item("volume", volume)],
                ..spec()
            };
            let told = told(&problems(&spec));
            assert!(
                told.starts_with(&format!("volume[0].{path}: ")),
                "{source:?} {destination}: {told}"
            );
        }
        for (source, destination) in [
            (Some("/data/edac"), "/x"),
            (Some("/data"), "/a:ro,rshared"),
            (Some("named.volume-1"), "/a"),
            (None, "/a"),
        ] {
            let volume = Volume {
                source: source.map(str::to_owned),
                destination: destination.to_owned(),
            };
            let spec = Spec {
                volumes: vec![item("volume", volume)],
                ..spec()
            };
            assert_eq!(told(&problems(&spec)), "", "{source:?} {destination}");
        }
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
