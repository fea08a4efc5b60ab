//! Labels: of containers, and of Kubernetes' nodes.

use super::{Fault, fault};

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

/// What is wrong with the key of a container's label.
pub(super) fn container_label(key: &str) -> Option<Fault> {
    let reserved =
        key.is_empty() || key == "app" || key.starts_with("k3d.") || key.starts_with("k3s.");
    let message = format!("{key:?} is reserved for k3d.");
    reserved.then(|| {
        let remedy = "Choose a key other than app that begins with neither k3d. nor k3s.";
        (message, remedy.into())
    })
}

/// What Kubernetes, or the kubelet, would refuse in a node's label.
pub(in crate::k3d) fn node_label(label: &str) -> Option<Fault> {
    let Some((key, value)) = label.split_once('=') else {
        return fault(
            format!("{label:?} is not a valid node label."),
            "Use key=value.",
        );
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
            format!("{key:?} is not a valid label key."),
            "Use 1 to 63 letters, digits, dashes, underscores and dots, beginning and ending with a letter or digit.",
        );
    }
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return fault(
            format!("the part of {key:?} before the slash is not a valid domain."),
            "Use lower-case letters, digits, dashes and dots, for instance example.com/tier.",
        );
    }
    if !value.is_empty() && !word(value) {
        return fault(
            format!("{value:?} is not a valid label value."),
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
            format!("the kubelet may not set the label {key:?} on its own node."),
            "Set it with `kubectl label node`, or use a key outside of kubernetes.io and k8s.io.",
        );
    }
    None
}

fn is_subdomain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |one: &str| {
        !one.is_empty() && one.chars().all(inner) && !one.starts_with('-') && !one.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
