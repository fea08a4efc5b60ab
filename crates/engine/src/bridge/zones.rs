//! Names across clusters: what the CoreDNS of each member is told.
//!
//! CoreDNS gives a question to the server block with the longest zone that the name ends in, so a zone takes
//! every name below it from whoever answered before. The zones of a bridge are therefore always
//! `<label>.<domain>`, never a bare cluster's name, and a domain under which they could hide what others
//! answer is refused.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::error::{Problem, Remedy};
use crate::path::FieldPath;

/// Where the zones of a bridge lie unless it says otherwise: `.internal` is reserved for private use.
pub const DEFAULT_DOMAIN: &str = "atlas.internal";

/// The label of the zone of containers, which no member can have for its name.
pub(super) const CONTAINERS: &str = "docker";

/// Where Kubernetes answers, unless a cluster says otherwise.
pub(super) const CLUSTER_DOMAIN: &str = "cluster.local";

/// What others answer: Kubernetes, k3d, Docker Desktop, and look-ups by address.
const TAKEN: [&str; 5] = [
    CLUSTER_DOMAIN,
    "k3d.internal",
    "docker.internal",
    "in-addr.arpa",
    "ip6.arpa",
];

/// The longest domain: before it there may stand a Service and a namespace (63 characters each), `svc` and a cluster
/// (32), each with a dot, and a name has 253 characters at most.
const LONGEST_DOMAIN: usize = 253 - (2 * 64 + 4 + 33);

/// How the line begins that says where the zones lie.
const DOMAIN: &str = "# Domain: ";

/// A member's zone, as those who ask need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// The cluster.
    pub(super) cluster: String,
    /// The address of its DNS.
    pub(super) dns: String,
    /// Where its own names lie, as its DNS knows them: `cluster.local`.
    pub(super) cluster_domain: String,
}

/// The zone of a cluster.
pub(super) fn zone(cluster: &str, domain: &str) -> String {
    format!("{cluster}.{domain}")
}

/// Whether one of two names ends in the other: who answers one of them answers, or hides, the other.
fn meet(one: &str, other: &str) -> bool {
    let ends = |name: &str, end: &str| {
        name.strip_suffix(end)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    ends(one, other) || ends(other, one)
}

/// What is wrong with a domain, without asking the world.
pub(super) fn domain_problem(domain: &str, path: &FieldPath) -> Option<Problem> {
    let refuse = |message: String, remedy: &str| Some(Problem::new(path.clone(), message, remedy));
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !domain.split('.').all(is_label) {
        return refuse(
            format!("{domain:?} is not a valid DNS name."),
            "Use lower-case letters, digits and dashes, with dots between, for instance atlas.internal.",
        );
    }
    if !domain.contains('.') {
        return refuse(
            format!("{domain:?} is a single label, which may hide other names."),
            "Use two labels or more, for instance atlas.internal, or a domain of your own.",
        );
    }
    if domain.len() > LONGEST_DOMAIN {
        return refuse(
            format!("{domain:?} is too long: names of Services below it would exceed DNS limits."),
            &format!("Use {LONGEST_DOMAIN} characters or fewer."),
        );
    }
    let taken = TAKEN.into_iter().find(|taken| meet(domain, taken))?;
    refuse(
        format!("{domain:?} would hide the names of {taken}."),
        "Use another domain, for instance atlas.internal.",
    )
}

/// What is wrong with a member's name.
pub(super) fn member_problem(cluster: &str, path: &FieldPath) -> Option<Problem> {
    (cluster == CONTAINERS).then(|| {
        Problem::new(
            path.clone(),
            format!("the zone {CONTAINERS:?} of a bridge is reserved for containers."),
            Remedy::Set {
                field: FieldPath::of("dns"),
                to: "false, or give the cluster another name.",
            },
        )
    })
}

/// Where zones of this bridge, and zones that members were told of elsewhere or the domains of their Kubernetes, would
/// hide each other.
pub(super) fn collision<'a>(
    domain: &str,
    clusters: impl Iterator<Item = &'a str>,
    elsewhere: &BTreeSet<String>,
    kubernetes: &BTreeSet<String>,
    path: &FieldPath,
) -> Option<Problem> {
    let mut zones = clusters
        .chain([CONTAINERS])
        .map(|label| zone(label, domain));
    let (zone, other) = zones.find_map(|zone| {
        // The same zone of two bridges is defined by the one that came first.
        let elsewhere = elsewhere.iter().filter(|other| **other != zone);
        let mut others = elsewhere.chain(kubernetes);
        let met = others.find(|other| meet(&zone, other));
        met.map(|other| (zone.clone(), other))
    })?;
    Some(Problem::new(
        path.clone(),
        format!("the zone {zone} conflicts with {other}, which a member already resolves."),
        "Use another domain.",
    ))
}

/// The server blocks of these members and of the containers, but for zones that are defined `elsewhere`. `None` where
/// no member is left.
///
/// A member answers its own zone too, the same as everywhere. The zone's own name is asked of Kubernetes as well: as it
/// is, a member would ask itself for it without end.
pub(super) fn blocks(domain: &str, peers: &[Peer], elsewhere: &BTreeSet<String>) -> Option<String> {
    let mut text = format!("{DOMAIN}{domain}\n");
    let mut any = false;
    let mut block = |zone: &str, rewrites: &[String], asked: &str| {
        let rewrites: String = rewrites
            .iter()
            .map(|rule| format!("    rewrite name {rule}\n"))
            .collect();
        let _ = write!(
            text,
            "{zone}:53 {{\n    errors\n    cache 10\n{rewrites}    forward . {asked}\n}}\n"
        );
    };
    let defines = |zone: &String| !elsewhere.contains(zone);
    for peer in peers {
        let zone = zone(&peer.cluster, domain);
        if defines(&zone) {
            let own = &peer.cluster_domain;
            let rewrites = [
                format!("suffix .{zone} .{own} answer auto"),
                format!("exact {zone} {own}"),
            ];
            block(&zone, &rewrites, &peer.dns);
            any = true;
        }
    }
    let containers = zone(CONTAINERS, domain);
    if any && defines(&containers) {
        // The node's resolver is Docker's, which knows the containers on the node's networks.
        let rewrite = format!("suffix .{containers} . answer auto");
        block(&containers, &[rewrite], "/etc/resolv.conf");
    }
    any.then_some(text)
}

/// The zones that server blocks define, the user's own blocks too: `us.atlas.internal:53 {`, `a.example b.example {`.
pub(super) fn zones_of(blocks: &str) -> BTreeSet<String> {
    let mut zones = BTreeSet::new();
    let mut depth = 0usize;
    for line in blocks.lines() {
        let line = line.split('#').next().unwrap_or_default();
        if let (0, Some(heads)) = (depth, line.trim_end().strip_suffix('{')) {
            let heads = heads.split([' ', '\t', ',']).map(|head| {
                let head = head.split_once("://").map_or(head, |(_, head)| head);
                head.split(':').next().unwrap_or_default()
            });
            let names = heads.map(|head| head.trim_end_matches('.').to_ascii_lowercase());
            zones.extend(names.filter(|name| !name.is_empty()));
        }
        depth += line.matches('{').count();
        depth = depth.saturating_sub(line.matches('}').count());
    }
    zones
}

/// Where the zones of these blocks lie; `None` for blocks of a release that had no domain.
pub(super) fn domain_of(blocks: &str) -> Option<&str> {
    blocks.lines().find_map(|line| line.strip_prefix(DOMAIN))
}

/// The address of the DNS of a cluster, as these blocks have it, whatever their domain.
pub(super) fn dns_of<'a>(blocks: &'a str, cluster: &str) -> Option<&'a str> {
    let mut lines = blocks.lines().skip_while(|line| {
        let zone = line.strip_suffix(":53 {");
        zone.and_then(|zone| zone.split('.').next()) != Some(cluster)
    });
    lines.find_map(|line| line.trim().strip_prefix("forward . "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(cluster: &str, dns: &str) -> Peer {
        Peer {
            cluster: cluster.to_owned(),
            dns: dns.to_owned(),
            cluster_domain: CLUSTER_DOMAIN.to_owned(),
        }
    }

    fn rendered(domain: &str, clusters: &[&str]) -> String {
        let peers: Vec<Peer> = clusters
            .iter()
            .map(|name| peer(name, "10.45.0.10"))
            .collect();
        blocks(domain, &peers, &BTreeSet::new()).unwrap()
    }

    /// The zone to which CoreDNS gives a question: the longest that the name ends in.
    fn zone_for(blocks: &str, name: &str) -> Option<String> {
        let zones = zones_of(blocks).into_iter();
        let matching = zones.filter(|zone| {
            let rest = name.strip_suffix(zone.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        matching.max_by_key(String::len)
    }

    /// What CoreDNS asks of whom, after the rewriting of the block.
    fn asked(blocks: &str, name: &str) -> Option<(String, String)> {
        let zone = zone_for(blocks, name)?;
        let head = format!("{zone}:53 {{");
        let body: Vec<&str> = blocks
            .lines()
            .skip_while(|line| *line != head)
            .take_while(|line| *line != "}")
            .collect();
        let rewritten = body.iter().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["rewrite", "name", "suffix", from, to, ..] => {
                    let rest = name.strip_suffix(from)?;
                    Some(format!("{rest}{}", to.trim_end_matches('.')))
                }
                ["rewrite", "name", "exact", from, to] => (name == *from).then(|| (*to).to_owned()),
                _ => None,
            }
        });
        let server = body
            .iter()
            .find_map(|line| line.trim().strip_prefix("forward . "))?;
        Some((
            rewritten.unwrap_or_else(|| name.to_owned()),
            server.to_owned(),
        ))
    }

    /// Names that a cluster's DNS answers, or passes on to the world, whatever bridges there are.
    const OTHERS: [&str; 12] = [
        "kubernetes.default.svc.cluster.local",
        "cluster.local",
        "local",
        "web.dev",
        "dev",
        "europa.eu",
        "example.com",
        "10.0.45.10.in-addr.arpa",
        "host.k3d.internal",
        "host.docker.internal",
        "metadata.google.internal",
        "atlas.internal",
    ];

    #[test]
    fn a_cluster_whose_name_is_a_domain_of_the_world_hides_nothing() {
        for name in [
            "local", "dev", "eu", "svc", "arpa", "internal", "cluster", "com", "google", "k3d",
        ] {
            let text = rendered(DEFAULT_DOMAIN, &[name, "other"]);
            for other in OTHERS {
                assert_eq!(zone_for(&text, other), None, "{name} hides {other}: {text}");
            }
        }
    }

    #[test]
    fn a_service_and_a_pod_behind_one_are_asked_of_their_clusters_own_dns() {
        let text = blocks(
            DEFAULT_DOMAIN,
            &[peer("us", "10.45.0.10"), peer("eu", "10.47.0.10")],
            &BTreeSet::new(),
        )
        .unwrap();
        let table = [
            (
                "web.default.svc.eu.atlas.internal",
                "web.default.svc.cluster.local",
                "10.47.0.10",
            ),
            (
                "db-0.db.data.svc.us.atlas.internal",
                "db-0.db.data.svc.cluster.local",
                "10.45.0.10",
            ),
            (
                "postgres.docker.atlas.internal",
                "postgres",
                "/etc/resolv.conf",
            ),
        ];
        for (name, question, server) in table {
            assert_eq!(
                asked(&text, name),
                Some((question.to_owned(), server.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn no_question_comes_back_to_the_zone_that_passed_it_on() {
        let text = rendered(DEFAULT_DOMAIN, &["us", "eu"]);
        for zone in ["us", "eu"].map(|cluster| zone(cluster, DEFAULT_DOMAIN)) {
            let (question, _) = asked(&text, &zone).unwrap();
            assert_eq!(zone_for(&text, &question), None, "{text}");
        }
    }

    #[test]
    fn a_cluster_with_a_domain_of_its_own_is_asked_by_it() {
        let mut own = peer("us", "10.45.0.10");
        own.cluster_domain = "k8s.example".to_owned();
        let text = blocks(DEFAULT_DOMAIN, &[own], &BTreeSet::new()).unwrap();
        let (question, _) = asked(&text, "web.default.svc.us.atlas.internal").unwrap();
        assert_eq!(question, "web.default.svc.k8s.example");
    }

    #[test]
    fn what_another_bridge_defines_is_not_defined_twice() {
        let elsewhere = BTreeSet::from(["us.atlas.internal", "docker.atlas.internal"])
            .into_iter()
            .map(str::to_owned)
            .collect();
        let both = [peer("us", "10.45.0.10"), peer("eu", "10.47.0.10")];
        let text = blocks(DEFAULT_DOMAIN, &both, &elsewhere).unwrap();
        assert_eq!(
            zones_of(&text),
            BTreeSet::from(["eu.atlas.internal".to_owned()])
        );
        assert_eq!(blocks(DEFAULT_DOMAIN, &both[..1], &elsewhere), None);
    }

    #[test]
    fn a_domain_that_hides_names_of_others_is_refused_with_what_would_do() {
        let table = [
            ("", "not a valid DNS name"),
            ("Atlas.internal", "not a valid DNS name"),
            ("atlas.internal.", "not a valid DNS name"),
            ("atlas..internal", "not a valid DNS name"),
            ("-a.internal", "not a valid DNS name"),
            ("a_b.internal", "not a valid DNS name"),
            ("a b.internal", "not a valid DNS name"),
            ("a.internal:53 {", "not a valid DNS name"),
            ("local", "single label"),
            ("dev", "single label"),
            ("eu", "single label"),
            ("svc", "single label"),
            ("arpa", "single label"),
            ("internal", "single label"),
            ("cluster.local", "hide the names of cluster.local"),
            ("svc.cluster.local", "hide the names of cluster.local"),
            ("k3d.internal", "hide the names of k3d.internal"),
            ("docker.internal", "hide the names of docker.internal"),
            ("10.in-addr.arpa", "hide the names of in-addr.arpa"),
        ];
        let path = FieldPath::of("domain");
        for (domain, why) in table {
            let problem = domain_problem(domain, &path).map(|problem| problem.to_string());
            assert!(
                problem.as_ref().is_some_and(|text| text.contains(why)),
                "{domain:?}: {problem:?}"
            );
        }
        let long = ["a"; 50].join(".");
        assert!(domain_problem(&long, &path).is_some());
        for domain in [
            DEFAULT_DOMAIN,
            "world.local",
            "home.arpa",
            "k8s.example.com",
            "mycluster.local",
        ] {
            assert_eq!(domain_problem(domain, &path), None, "{domain}");
        }
    }

    #[test]
    fn a_domain_below_or_above_what_a_member_knows_already_is_refused() {
        let kubernetes = BTreeSet::from(["k8s.example.com".to_owned()]);
        let elsewhere = BTreeSet::from(["us.atlas.internal".to_owned()]);
        let path = FieldPath::of("domain");
        let collides = |domain| {
            let clusters = ["us", "k8s"].into_iter();
            collision(domain, clusters, &elsewhere, &kubernetes, &path)
        };
        for domain in [
            "example.com",
            "k8s.example.com",
            "a.k8s.example.com",
            "us.atlas.internal",
        ] {
            let told = collides(domain).map(|problem| problem.to_string());
            assert!(
                told.is_some_and(|told| told.contains("domain: ")),
                "{domain}"
            );
        }
        assert_eq!(collides(DEFAULT_DOMAIN), None);
        assert_eq!(collides("b.example.com"), None);
    }

    #[test]
    fn zones_of_a_users_own_blocks_are_known_in_whatever_spelling() {
        let blocks = "# us.atlas.internal:53 {\ndns://A.example.:53, b.example {\n  hosts {\n    10.0.0.1 c.example\n  }\n}\n\
                      d.example {\n  forward . 10.0.0.1\n}\n";
        let expected = ["a.example", "b.example", "d.example"].map(str::to_owned);
        assert_eq!(zones_of(blocks), BTreeSet::from(expected));
    }

    #[test]
    fn blocks_of_a_release_without_domains_are_understood() {
        let old = "eu:53 {\n    errors\n    cache 10\n    rewrite name suffix .eu .cluster.local answer auto\n    \
                   forward . 10.47.0.10\n}\n";
        assert_eq!(domain_of(old), None);
        assert_eq!(dns_of(old, "eu"), Some("10.47.0.10"));
        assert_eq!(dns_of(old, "us"), None);
    }

    fn label() -> impl Strategy<Value = String> {
        "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?"
    }

    proptest! {
        #[test]
        fn whatever_the_names_only_names_below_the_domain_are_answered_and_each_by_its_cluster(
            clusters in prop::collection::btree_set(label(), 2..5),
            labels in prop::collection::vec(label(), 1..4),
            elsewhere in prop::collection::vec(label(), 1..5),
        ) {
            let domain = labels.join(".");
            let path = FieldPath::of("domain");
            prop_assume!(domain_problem(&domain, &path).is_none());
            prop_assume!(clusters.iter().all(|name| member_problem(name, &path).is_none()));
            let peers: Vec<Peer> = clusters
                .iter()
                .enumerate()
                .map(|(n, name)| peer(name, &format!("10.{n}.0.10")))
                .collect();
            let text = blocks(&domain, &peers, &BTreeSet::new()).unwrap();
            for other in OTHERS.map(str::to_owned).into_iter().chain([elsewhere.join(".")]) {
                if !other.ends_with(&format!(".{domain}")) {
                    prop_assert_eq!(zone_for(&text, &other), None, "{} in {}", other, text);
                }
            }
            for peer in &peers {
                let name = format!("web.default.svc.{}", zone(&peer.cluster, &domain));
                let expected = ("web.default.svc.cluster.local".to_owned(), peer.dns.clone());
                prop_assert_eq!(asked(&text, &name), Some(expected));
                prop_assert_eq!(dns_of(&text, &peer.cluster), Some(peer.dns.as_str()));
            }
            prop_assert_eq!(domain_of(&text), Some(domain.as_str()));
        }
    }
}
