//! Arguments and variables of k3s: what Atlas sets or relies on, and what k3s would read otherwise than it looks.

use super::{Fault, fault};
use crate::error::Remedy;
use crate::k3d::args::flag;
use crate::path::FieldPath;

/// What is to be used in the place of something that Atlas sets or relies on.
enum Instead {
    /// This field.
    Field(&'static str),
    /// Labels of nodes.
    NodeLabels,
    /// Nothing, and why.
    Nothing(&'static str),
}

const CALLED: Instead = Instead::Nothing("Leave it out: a node has the name of its container.");
const WRITTEN: Instead =
    Instead::Nothing("Leave it out: Atlas reads the kubeconfig from its default path.");

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

/// What is wrong with the name of a variable.
pub(super) fn variable(key: &str) -> Option<Fault> {
    if key.is_empty() || key.contains(['=', '\0']) {
        return fault(
            format!("{key:?} is not a valid name of an environment variable."),
            "Use a name without =.",
        );
    }
    let (_, instead) = OWNED_VARIABLES.iter().find(|(owned, _)| *owned == key)?;
    fault(format!("{key} is set by Atlas."), instead.remedy())
}

/// What is wrong with one word of k3s's arguments, wherever it stands. Its value is never repeated: it may be a
/// secret.
pub(in crate::k3d) fn argument(word: &str) -> Option<Fault> {
    if word.trim().is_empty() {
        return fault(
            "the argument is empty.",
            "Remove it: k3s would ignore the flags after it.",
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
            "Remove the quotes: no shell reads them.",
        );
    }
    let (name, value) = flag(word)?;
    if let Some(name) = name.split_whitespace().next().filter(|one| *one != name) {
        return fault(
            format!("--{name} and its value are one word."),
            format!("Use --{name}=VALUE, or two list elements."),
        );
    }
    if value.is_some_and(quoted) {
        return fault(
            format!("the value of --{name} is quoted."),
            "Remove the quotes: no shell reads them.",
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
pub(in crate::k3d) fn misplaced() -> Fault {
    (
        "this is neither a flag nor the value of the flag before it.".to_owned(),
        "Use --flag=value, or a flag and its value as two list elements.".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::problems;
    use super::super::tests::{item, spec, told};
    use super::*;
    use crate::k3d::{Pair, Spec};

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
            ("--node-name=blue", "name of its container"),
            ("--with-node-id", "name of its container"),
            ("-o=/x", "default path"),
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
            ("K3S_KUBECONFIG_OUTPUT", "default path"),
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
}
