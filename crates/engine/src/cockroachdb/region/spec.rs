//! What may be asked of a region.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::cockroachdb::names;
use crate::error::{Problem, Remedy};
use crate::network::name_problem;
use crate::path::FieldPath;

/// Days that a node's certificate is valid where nothing else is said.
pub const DEFAULT_CERTIFICATE_DAYS: u32 = 365;

/// The most nodes of one region. More than a machine can run.
const MOST_NODES: u32 = 64;

/// A region as a user wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spec {
    /// The cluster's name, as `--cluster-name` takes it.
    pub cluster: String,
    /// The region's name, the value of the tier `region` of its nodes' localities.
    pub name: String,
    /// Names of all regions of the cluster, in an order that all of them have: nodes look for each other in them.
    pub regions: Vec<String>,
    /// More addresses (`host:port`) at which nodes look for their cluster.
    pub join: Vec<String>,
    /// How many nodes there are.
    pub nodes: u32,
    /// Where they run.
    pub placement: Placement,
    /// Image of the nodes.
    pub image: String,
    /// The Docker network that they are on.
    pub network: String,
    /// Zones within the region; nodes are dealt out among them in turn.
    pub zones: Vec<String>,
    /// Fixed addresses on the network, by node; missing ones are Atlas's choice.
    pub addresses: Vec<Ipv4Addr>,
    /// Ports on 127.0.0.1 for SQL, by node; missing ones are not published.
    pub sql_ports: Vec<u16>,
    /// The same for the DB Console, health and metrics.
    pub http_ports: Vec<u16>,
    /// What a node may use.
    pub resources: Resources,
    /// The folder with the cluster's authority; `None` is a cluster without TLS and without passwords.
    pub certificates: Option<PathBuf>,
    /// Days that a node's certificate is valid; it is renewed when a third of them is left.
    pub certificate_days: u32,
    /// More host names and addresses that certificates are good for.
    pub host_names: BTreeSet<String>,
}

/// Where a region's nodes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// In containers that Atlas makes.
    #[default]
    Docker,
    /// Elsewhere, for instance in a `StatefulSet`; Atlas waits for them, and counts them.
    External,
}

/// What a node may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// `--cache`, for instance `128MiB` or `.25`.
    pub cache: Option<String>,
    /// `--max-sql-memory`.
    pub max_sql_memory: Option<String>,
    /// Memory limit of the container in bytes.
    pub memory: Option<i64>,
    /// Processor time of the container in billionths of a processor.
    pub nano_cpus: Option<i64>,
}

/// One node as it is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its number within the region, from 1.
    pub number: u32,
    /// Image.
    pub image: String,
    /// Network.
    pub network: String,
    /// Its zone.
    pub zone: Option<String>,
    /// Fixed address on the network.
    pub address: Option<Ipv4Addr>,
    /// Port on 127.0.0.1 for SQL.
    pub sql_port: Option<u16>,
    /// Port on 127.0.0.1 for the DB Console, health and metrics.
    pub http_port: Option<u16>,
    /// What it may use.
    pub resources: Resources,
    /// Whether it speaks TLS.
    pub secure: bool,
}

impl Spec {
    /// One of its nodes.
    pub fn node(&self, number: u32) -> NodeSpec {
        let at = number.saturating_sub(1) as usize;
        let zone = (!self.zones.is_empty()).then(|| self.zones[at % self.zones.len()].clone());
        NodeSpec {
            number,
            image: self.image.clone(),
            network: self.network.clone(),
            zone,
            address: self.addresses.get(at).copied(),
            sql_port: self.sql_ports.get(at).copied(),
            http_port: self.http_ports.get(at).copied(),
            resources: self.resources.clone(),
            secure: self.certificates.is_some(),
        }
    }

    /// Host names and addresses that a node's certificate is good for.
    pub(super) fn host_names(&self, node: &NodeSpec) -> BTreeSet<String> {
        let own = names::node(&self.cluster, &self.name, node.number);
        let usual = [own, "localhost".to_owned(), "127.0.0.1".to_owned()];
        let address = node.address.map(|address| address.to_string());
        usual
            .into_iter()
            .chain(address)
            .chain(self.host_names.iter().cloned())
            .collect()
    }

    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(names::problem(&self.cluster, &FieldPath::of("cluster")));
        problems.extend(names::problem(&self.name, &FieldPath::of("name")));
        self.problems_of_regions(&mut problems);
        if !(1..=MOST_NODES).contains(&self.nodes) {
            problems.push(Problem::new(
                FieldPath::of("nodes"),
                format!("{} nodes are not supported.", self.nodes),
                Remedy::RemoveObject {
                    kind: "region",
                    or: "Use 1 to 64".to_owned(),
                },
            ));
        }
        if self.placement == Placement::External {
            return problems;
        }
        let longest = names::node(&self.cluster, &self.name, self.nodes).len();
        if problems.is_empty() && longest > names::LONGEST {
            problems.push(Problem::new(
                FieldPath::of("name"),
                format!(
                    "the host name of a node would have {longest} characters; DNS allows {}.",
                    names::LONGEST
                ),
                "Use a shorter name for the region or the cluster.",
            ));
        }
        if self.network == "bridge" {
            problems.push(Problem::new(
                FieldPath::of("network"),
                "Docker's own network \"bridge\" does not resolve names, which nodes need to find each other.",
                Remedy::UseOwnNetwork,
            ));
        } else {
            problems.extend(name_problem(&self.network, &FieldPath::of("network")));
        }
        if self.image.is_empty() {
            problems.push(Problem::new(
                FieldPath::of("image"),
                "the image name is empty.",
                "Set one, or leave it out.",
            ));
        }
        self.problems_of_lists(&mut problems);
        for (index, zone) in self.zones.iter().enumerate() {
            if zone.is_empty() || zone.contains([',', '=', ' ']) {
                problems.push(Problem::new(
                    FieldPath::of("zones").index(index),
                    format!("{zone:?} is not a valid zone name."),
                    "Use a name without spaces, commas and equals signs.",
                ));
            }
        }
        for (name, size) in [
            ("cache", &self.resources.cache),
            ("max_sql_memory", &self.resources.max_sql_memory),
        ] {
            problems.extend(size.as_ref().and_then(|size| size_problem(name, size)));
        }
        if self.certificate_days == 0 || self.certificate_days > 3650 {
            problems.push(Problem::new(
                FieldPath::of("certificate_days"),
                format!("{} days are not supported.", self.certificate_days),
                "Use 1 to 3650 days.",
            ));
        }
        problems
    }

    fn problems_of_regions(&self, problems: &mut Vec<Problem>) {
        let path = FieldPath::of("regions");
        if !self.regions.contains(&self.name) {
            problems.push(Problem::new(
                path.clone(),
                format!("{:?} is not one of the cluster's regions.", self.name),
                "List all regions of the cluster, this one too, in the same order everywhere.",
            ));
        }
        for (index, region) in self.regions.iter().enumerate() {
            problems.extend(names::problem(region, &path.clone().index(index)));
            if self.regions[..index].contains(region) {
                problems.push(Problem::new(
                    path.clone().index(index),
                    format!("{region:?} is listed twice."),
                    "List each region once.",
                ));
            }
        }
    }

    /// Lists that go by node.
    fn problems_of_lists(&self, problems: &mut Vec<Problem>) {
        let lengths = [
            ("addresses", self.addresses.len()),
            ("sql_ports", self.sql_ports.len()),
            ("http_ports", self.http_ports.len()),
        ];
        for (name, length) in lengths {
            if length > self.nodes as usize {
                problems.push(Problem::new(
                    FieldPath::of(name),
                    format!("there are {length} values for {} nodes.", self.nodes),
                    "Use at most one for each node.",
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for (name, ports) in [
            ("sql_ports", &self.sql_ports),
            ("http_ports", &self.http_ports),
        ] {
            for (index, port) in ports.iter().enumerate() {
                if *port == 0 || !seen.insert(*port) {
                    problems.push(Problem::new(
                        FieldPath::of(name).index(index),
                        format!("the port {port} is out of range or listed twice."),
                        "Use a different port from 1 to 65535 for each node.",
                    ));
                }
            }
        }
        for (index, address) in self.addresses.iter().enumerate() {
            if self.addresses[..index].contains(address) {
                problems.push(Problem::new(
                    FieldPath::of("addresses").index(index),
                    format!("{address} is listed twice."),
                    "Use a different address for each node.",
                ));
            }
        }
    }
}

/// Sizes as the command line takes them: bytes with a unit, a part of memory as `.25` or `25%`.
fn size_problem(name: &str, size: &str) -> Option<Problem> {
    let number = size.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let unit = &size[number.len()..];
    let units = [
        "", "%", "B", "KB", "MB", "GB", "KiB", "MiB", "GiB", "kB", "K", "M", "G",
    ];
    let good = number.parse::<f64>().is_ok_and(|number| number > 0.0) && units.contains(&unit);
    (!good).then(|| {
        Problem::new(
            FieldPath::of(name),
            format!("{size:?} is not a valid size."),
            "Use a size such as 128MiB, or a fraction of the machine's memory such as .25.",
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What makes a specification wrong.
    type Break = fn(&mut Spec);

    pub(in super::super) fn spec() -> Spec {
        Spec {
            cluster: "ledger".into(),
            name: "us-east".into(),
            regions: vec!["us-east".into(), "eu-central".into(), "witness".into()],
            join: Vec::new(),
            nodes: 2,
            placement: Placement::Docker,
            image: "cockroach:v1".into(),
            network: "net".into(),
            zones: vec!["a".into(), "b".into()],
            addresses: vec![[10, 0, 0, 11].into(), [10, 0, 0, 12].into()],
            sql_ports: vec![26257, 26258],
            http_ports: vec![8080],
            resources: Resources {
                cache: Some("128MiB".into()),
                max_sql_memory: Some(".25".into()),
                ..Resources::default()
            },
            certificates: Some("certs".into()),
            certificate_days: DEFAULT_CERTIFICATE_DAYS,
            host_names: BTreeSet::new(),
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let table: Vec<(&str, Break)> = vec![
            ("cluster", |spec| spec.cluster = "Ledger".into()),
            ("regions", |spec| spec.regions = vec!["eu".into()]),
            ("regions[3]", |spec| spec.regions.push("witness".into())),
            ("nodes", |spec| {
                spec.nodes = 65;
            }),
            ("network", |spec| spec.network = "bridge".into()),
            ("network", |spec| spec.network = "a/b".into()),
            ("image", |spec| spec.image = String::new()),
            ("zones[0]", |spec| spec.zones = vec!["a,b".into()]),
            ("addresses", |spec| {
                spec.addresses.push([10, 0, 0, 13].into());
            }),
            ("addresses[1]", |spec| spec.addresses[1] = spec.addresses[0]),
            ("http_ports[0]", |spec| spec.http_ports = vec![26257]),
            ("cache", |spec| spec.resources.cache = Some("much".into())),
            ("certificate_days", |spec| spec.certificate_days = 0),
        ];
        assert_eq!(spec().problems(), []);
        for (path, change) in table {
            let mut bad = spec();
            change(&mut bad);
            let problems = bad.problems();
            assert_eq!(problems.len(), 1, "{path}: {problems:?}");
            assert_eq!(problems[0].path.to_string(), path);
        }
    }

    #[test]
    fn nodes_are_dealt_out_among_zones() {
        let mut spec = spec();
        spec.nodes = 3;
        let zones: Vec<_> = (1..=3).filter_map(|n| spec.node(n).zone).collect();
        assert_eq!(zones, ["a", "b", "a"]);
        assert_eq!(spec.node(2).http_port, None);
    }
}
