//! The arguments of a node: `server`/`agent`, what Atlas and k3d add, and the user's own.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::{DEFAULT_CLUSTER_CIDR, DEFAULT_SERVICE_CIDR, Role};

/// A node's arguments by meaning, so that two spellings of one thing compare as equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeArgs {
    /// `--cluster-cidr`.
    pub cluster_cidr: Ipv4Net,
    /// `--service-cidr`.
    pub service_cidr: Ipv4Net,
    /// `--node-label`, as `key=value`.
    pub node_labels: BTreeSet<String>,
    /// `--tls-san`.
    pub tls_sans: BTreeSet<String>,
    /// All others, each word in order, `--flag=value` kept as one.
    pub extra: Vec<String>,
}

impl Default for NodeArgs {
    fn default() -> Self {
        Self {
            cluster_cidr: network(DEFAULT_CLUSTER_CIDR),
            service_cidr: network(DEFAULT_SERVICE_CIDR),
            node_labels: BTreeSet::new(),
            tls_sans: BTreeSet::new(),
            extra: Vec::new(),
        }
    }
}

/// A network that is known to be well formed.
pub(super) fn network(text: &str) -> Ipv4Net {
    text.parse().unwrap_or_default()
}

impl NodeArgs {
    /// The value of another flag, in either spelling.
    pub(crate) fn value(&self, flag: &str) -> Option<String> {
        self.extra.iter().enumerate().find_map(|(position, word)| {
            let rest = word.strip_prefix(flag)?;
            match rest.strip_prefix('=') {
                Some(value) => Some(value.to_owned()),
                None if rest.is_empty() => self.extra.get(position + 1).cloned(),
                None => None,
            }
        })
    }

    /// The container's `Cmd`, in k3d's order.
    pub(crate) fn render(&self, role: Role) -> Vec<String> {
        let mut words = vec![role.as_str().to_owned()];
        if role == Role::Server {
            if self.cluster_cidr != network(DEFAULT_CLUSTER_CIDR) {
                words.push(format!("--cluster-cidr={}", self.cluster_cidr));
            }
            if self.service_cidr != network(DEFAULT_SERVICE_CIDR) {
                words.push(format!("--service-cidr={}", self.service_cidr));
            }
        }
        words.extend(self.extra.iter().cloned());
        for label in &self.node_labels {
            words.extend(["--node-label".to_owned(), label.clone()]);
        }
        for san in &self.tls_sans {
            words.extend(["--tls-san".to_owned(), san.clone()]);
        }
        words
    }

    /// Reads a container's `Cmd` back.
    pub(crate) fn parse(cmd: &[String]) -> Self {
        let mut args = Self::default();
        let mut words = cmd.iter().skip(1).peekable();
        while let Some(word) = words.next() {
            let (flag, joined) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let known = [
                "--cluster-cidr",
                "--service-cidr",
                "--node-label",
                "--tls-san",
            ];
            if !known.contains(&flag) {
                args.extra.push(word.clone());
                continue;
            }
            let value = joined.or_else(|| words.next().cloned()).unwrap_or_default();
            match flag {
                "--node-label" => drop(args.node_labels.insert(value)),
                "--tls-san" => drop(args.tls_sans.insert(value)),
                _ => match (value.parse(), flag) {
                    (Ok(net), "--cluster-cidr") => args.cluster_cidr = net,
                    (Ok(net), _) => args.service_cidr = net,
                    // Dual stack and the like: not ours to understand, but kept.
                    (Err(_), _) => args.extra.push(format!("{flag}={value}")),
                },
            }
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_defaults_add_nothing() {
        assert_eq!(NodeArgs::default().render(Role::Server), ["server"]);
    }

    #[test]
    fn both_spellings_of_a_flag_mean_the_same() {
        let a = NodeArgs::parse(&words(
            "server --cluster-cidr 10.1.0.0/16 --tls-san a --disable=traefik",
        ));
        let b = NodeArgs::parse(&words(
            "server --disable=traefik --tls-san=a --cluster-cidr=10.1.0.0/16",
        ));
        assert_eq!(a, b);
    }

    #[test]
    fn a_flags_value_is_found_in_both_spellings() {
        for (line, expected) in [
            ("server --cluster-dns 10.9.0.9", Some("10.9.0.9")),
            ("server --x --cluster-dns=10.9.0.9", Some("10.9.0.9")),
            ("server --cluster-dns-x=1", None),
        ] {
            let found = NodeArgs::parse(&words(line)).value("--cluster-dns");
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_reads_back(
            pods in 0u8..255,
            labels in proptest::collection::btree_set("[a-z]{1,8}=[a-z]{0,8}", 0..4),
            sans in proptest::collection::btree_set("[a-z]{1,8}", 0..3),
            extra in proptest::collection::vec("--[a-b]{1,3}(=[a-z]{1,4})?", 0..4),
        ) {
            let args = NodeArgs {
                cluster_cidr: network(&format!("10.{pods}.0.0/16")),
                node_labels: labels,
                tls_sans: sans,
                extra,
                ..Default::default()
            };
            prop_assert_eq!(NodeArgs::parse(&args.render(Role::Server)), args);
        }
    }
}
