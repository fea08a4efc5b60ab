//! The arguments of a node: `server`/`agent`, what Atlas and k3d add, and the user's own, in one normal form,
//! so that two spellings of one thing compare as equal.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::{DEFAULT_CLUSTER_CIDR, DEFAULT_SERVICE_CIDR, Role};

/// k3s's one-letter flags with a long form.
const SHORT: [(&str, &str); 6] = [
    ("d", "data-dir"),
    ("i", "node-ip"),
    ("l", "log"),
    ("o", "write-kubeconfig"),
    ("s", "server"),
    ("t", "token"),
];

/// A flag whose name, or the name of whose `key=value`, has one of these in it may hold a secret.
const SECRET: [&str; 8] = [
    "access-key",
    "credential",
    "datastore-endpoint",
    "passwd",
    "password",
    "secret",
    "token",
    "vpn-auth",
];

/// A node's arguments by meaning.
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
    /// All others, each `--flag` or `--flag=value`, by flag; those of one flag in the order that was given.
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

/// A word's flag without dashes, in its long form, and the value that is joined to it. `None` for what is no
/// flag. One dash is as good as two, as Go's parser has it.
pub(super) fn flag(word: &str) -> Option<(&str, Option<&str>)> {
    let rest = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let (name, value) = match rest.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (rest, None),
    };
    // A number, or the end of flags.
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let long = SHORT.iter().find(|(short, _)| *short == name);
    Some((long.map_or(name, |(_, long)| *long), value))
}

/// Whether the word after a flag without a joined value is that flag's value.
fn takes(flag_name: &str, next: &str) -> bool {
    flag_name.ends_with("-arg") || flag(next).is_none()
}

/// The places of words that are neither flags nor the value of the flag before them: k3s would read no flag
/// behind one.
pub(super) fn misplaced(words: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = None;
    for (position, word) in words.iter().enumerate() {
        if let Some(name) = open.take()
            && takes(name, word)
        {
            continue;
        }
        match flag(word) {
            Some((name, None)) => open = Some(name),
            Some(_) => {}
            None => found.push(position),
        }
    }
    found
}

/// An argument as a message may show it: without what is, or may be, a secret.
pub fn shown(word: &str) -> String {
    let secret = |name: &str| SECRET.iter().any(|part| name.contains(part));
    let Some((name, value)) = word.split_once('=') else {
        return word.to_owned();
    };
    if secret(name) {
        return format!("{name}=…");
    }
    match value.split_once('=') {
        Some((key, _)) if secret(key) => format!("{name}={key}=…"),
        // `scheme://user:password@host`.
        _ if value.contains("://") && value.contains('@') => format!("{name}=…"),
        _ => word.to_owned(),
    }
}

impl NodeArgs {
    /// The value of another flag.
    pub(crate) fn value(&self, flag: &str) -> Option<String> {
        let mut found = self.extra.iter();
        found.find_map(|word| Some(word.strip_prefix(flag)?.strip_prefix('=')?.to_owned()))
    }

    /// What the user gives by words, in normal form: all but node labels and networks, which have attributes
    /// of their own.
    pub(crate) fn words(&self) -> Vec<String> {
        let sans = self.tls_sans.iter().map(|san| format!("--tls-san={san}"));
        self.extra.iter().cloned().chain(sans).collect()
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
        Self::read(cmd.iter().skip(1).map(String::as_str))
    }

    /// Reads words as k3s does.
    pub(crate) fn read<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut args = Self::default();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let Some((name, joined)) = flag(word) else {
                args.extra.push(word.to_owned());
                continue;
            };
            let value = joined.or_else(|| words.next_if(|next| takes(name, next)));
            let list = || value.unwrap_or_default().split(',').map(str::trim);
            let items = || {
                let items = list().filter(|item| !item.is_empty());
                items.map(str::to_owned)
            };
            let net = || value.and_then(|value| value.parse().ok());
            match (name, net()) {
                ("node-label", _) => args.node_labels.extend(items()),
                ("tls-san", _) => args.tls_sans.extend(items()),
                ("cluster-cidr", Some(net)) => args.cluster_cidr = net,
                ("service-cidr", Some(net)) => args.service_cidr = net,
                // Dual stack too: not ours to understand, but kept.
                _ => args.extra.push(spelled(name, value)),
            }
        }
        // Flags may come in any order; behind a word that is none, k3s reads no more of them.
        if args.extra.iter().all(|word| flag(word).is_some()) {
            args.extra.sort_by(|a, b| name_of(a).cmp(name_of(b)));
        }
        args
    }
}

fn spelled(name: &str, value: Option<&str>) -> String {
    let dashes = if name.len() == 1 { "-" } else { "--" };
    match value {
        Some(value) => format!("{dashes}{name}={value}"),
        None => format!("{dashes}{name}"),
    }
}

fn name_of(word: &str) -> &str {
    flag(word).map_or(word, |(name, _)| name)
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
    fn two_spellings_of_one_thing_are_one() {
        for (one, other) in [
            (
                "server --cluster-cidr 10.1.0.0/16 --tls-san a --disable=traefik",
                "server --disable traefik --tls-san=a -cluster-cidr=10.1.0.0/16",
            ),
            (
                "server --tls-san a,b --tls-san c",
                "server --tls-san=c --tls-san=b --tls-san=a",
            ),
            (
                "server --debug --kubelet-arg -v=5 --kubelet-arg max-pods=42",
                "server --kubelet-arg=-v=5 --kubelet-arg=max-pods=42 -debug",
            ),
            ("agent -i 10.0.0.9 -v 5", "agent --node-ip=10.0.0.9 -v=5"),
            (
                "server --node-label a=b,c=d",
                "server --node-label=c=d --node-label a=b",
            ),
        ] {
            assert_eq!(
                NodeArgs::parse(&words(one)),
                NodeArgs::parse(&words(other)),
                "{one} | {other}"
            );
        }
    }

    #[test]
    fn the_order_of_one_flags_values_counts() {
        let read = |line| NodeArgs::parse(&words(line));
        let (one, other) = ("server --x=1 --x=2", "server --x=2 --x=1");
        assert_ne!(read(one), read(other));
    }

    #[test]
    fn two_networks_in_one_flag_are_kept_as_they_are() {
        let args = NodeArgs::parse(&words("server --cluster-cidr=10.42.0.0/16,fd00::/56"));
        assert_eq!(args.extra, ["--cluster-cidr=10.42.0.0/16,fd00::/56"]);
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

    #[test]
    fn a_word_that_no_flag_waits_for_is_misplaced() {
        for (line, expected) in [
            ("--disable traefik --debug", vec![]),
            ("--oom-score -999", vec![]),
            ("traefik --disable", vec![0]),
            ("--disable=traefik servicelb --debug", vec![1]),
            ("--disable traefik servicelb", vec![2]),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(misplaced(&words), expected, "{line}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        for (word, expected) in [
            ("--debug", "--debug"),
            ("--disable=traefik", "--disable=traefik"),
            ("--kubelet-arg=max-pods=42", "--kubelet-arg=max-pods=42"),
            ("--etcd-s3-secret-key=hunter2", "--etcd-s3-secret-key=…"),
            ("--etcd-s3-access-key=hunter2", "--etcd-s3-access-key=…"),
            (
                "--datastore-endpoint=postgres://u:hunter2@h/db",
                "--datastore-endpoint=…",
            ),
            ("--vpn-auth=name=x,joinKey=hunter2", "--vpn-auth=…"),
            (
                "--kube-apiserver-arg=oidc-client-secret=hunter2",
                "--kube-apiserver-arg=oidc-client-secret=…",
            ),
            ("--proxy=http://u:hunter2@h:1", "--proxy=…"),
        ] {
            assert_eq!(shown(word), expected, "{word}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_reads_back(
            pods in 0u8..255,
            labels in proptest::collection::btree_set("[a-z]{1,8}=[a-z]{0,8}", 0..4),
            sans in proptest::collection::btree_set("[a-z]{1,8}", 0..3),
            extra in proptest::collection::vec("-{1,2}[a-b]{1,3}(=[a-z]{0,4})?( [a-z]{1,4})?", 0..4),
        ) {
            let extra: Vec<String> = extra.iter().flat_map(|one| words(one)).collect();
            let args = NodeArgs {
                cluster_cidr: network(&format!("10.{pods}.0.0/16")),
                node_labels: labels,
                tls_sans: sans,
                ..NodeArgs::read(extra.iter().map(String::as_str))
            };
            prop_assert_eq!(&NodeArgs::parse(&args.render(Role::Server)), &args);
            let words = args.words();
            let again = NodeArgs::read(words.iter().map(String::as_str));
            prop_assert_eq!((again.extra, again.tls_sans), (args.extra, args.tls_sans));
        }
    }
}
