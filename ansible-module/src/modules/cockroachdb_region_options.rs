//! The options of `cockroachdb_region`, and the specification that they ask for.

use std::path::PathBuf;

use argspec::{Failure, Kind, Opt, Spec as Options};
use atlas_engine::cockroachdb::region::{
    DEFAULT_CERTIFICATE_DAYS, NodeSpec, Observed, Placement, Resources, Spec,
};
use atlas_engine::{FieldPath, error, images};

use super::cockroachdb_region::is_secure;
use super::{recreate, state};
use crate::call::failure;
use crate::params::{Params, Reader};

pub(super) fn options() -> Options {
    Options::default()
        .option("cluster", Opt::new(Kind::Str, "The cluster's name, 1 to 24 lower-case letters, digits and dashes.").required())
        .option("name", Opt::new(Kind::Str, "The region's name, the tier C(region) of its nodes' localities. Nodes are called C(atlas-cockroachdb-CLUSTER-REGION-NUMBER).").required())
        .option("state", state(&["present", "absent"], "Whether the region exists. Removing it decommissions its nodes, and is refused where data would be lost."))
        .option("regions", Opt::list(Kind::Str, "Names of all regions of the cluster, the same list in every region. Nodes look for each other at the first node of each. Needed to make the region; a change concerns only nodes that are made after it."))
        .option("join", Opt::list(Kind::Str, "More addresses, C(host:port), at which nodes look for their cluster, for instance of nodes that run elsewhere."))
        .option("nodes", Opt::new(Kind::Int, "How many nodes there are, 1 to 64. The last ones are added and removed. Needed to make the region."))
        .option("placement", Opt::new(Kind::Str, "V(docker) makes containers. V(external) is for nodes that run elsewhere, with this region in their C(--locality); the module waits until so many are live.").choices(&["docker", "external"]).or("docker"))
        .option("version", Opt::new(Kind::Str, "The tag of the default image, for instance C(v25.4.11). A change is a rolling upgrade."))
        .option("image", Opt::new(Kind::Str, "A whole image instead. New nodes have the one that the environment variable E(ATLAS_COCKROACHDB_IMAGE) names, then C(docker.io/cockroachdb/cockroach:v25.4.11)."))
        .option("network", Opt::new(Kind::Str, "The Docker network that the nodes are on. All regions must reach each other in it by name. Needed to make containers."))
        .option("zones", Opt::list(Kind::Str, "Zones of the region, the tier C(zone); nodes are dealt out among them in turn."))
        .option("addresses", Opt::list(Kind::Str, "Fixed IPv4 addresses on the network, by node."))
        .option("sql_ports", Opt::list(Kind::Int, "Ports on 127.0.0.1 for SQL, by node."))
        .option("http_ports", Opt::list(Kind::Int, "Ports on 127.0.0.1 for the DB Console, health and metrics, by node."))
        .option("cache", Opt::new(Kind::Str, "C(--cache), for instance C(128MiB) or C(.25). An empty text means CockroachDB's own default."))
        .option("max_sql_memory", Opt::new(Kind::Str, "C(--max-sql-memory). An empty text means CockroachDB's own default."))
        .option("memory", Opt::new(Kind::Str, "Memory limit of a node's container, for instance C(2g). An empty text means none."))
        .option("cpus", Opt::new(Kind::Float, "Processors of a node's container, for instance 1.5. 0 means no limit."))
        .option("certificates", Opt::new(Kind::Path, "The folder on the target with the cluster's authority, C(ca.crt) and C(ca.key), and root's client certificate, in CockroachDB's layout. It is created if it does not exist; keep it. All regions use the same folder. Certificates that Atlas made in it are renewed ahead of their end; of your own authority's end you are warned a year ahead. Needed unless the region is insecure."))
        .option("certificate_days", Opt::new(Kind::Int, "Days that nodes' certificates are valid. They are renewed without a restart when a third is left. Those of new nodes are valid for 365."))
        .option("host_names", Opt::list(Kind::Str, "More host names and addresses in nodes' certificates. Existing names stay until the certificates are renewed."))
        .option("insecure", Opt::new(Kind::Bool, "Whether nodes use no TLS and no access control, not even for root. A new region does only where this is said. Changing it makes another region."))
        .option("recreate", recreate())
        .mutually_exclusive(&["image", "version"])
}

/// A list that goes by node.
struct ByNode<T> {
    name: &'static str,
    /// As it is.
    listed: fn(Spec) -> Vec<T>,
    /// Whether a node has one.
    has: fn(&NodeSpec) -> bool,
}

/// Reads one region's options over what there is.
struct Asked<'a> {
    params: &'a Params,
    observed: &'a Observed,
    found: Option<Spec>,
    reader: Reader,
}

impl Asked<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.params.text(name).map(str::to_owned)
    }

    /// What is needed to make a region, and known of one that is there.
    fn needed<T>(&mut self, name: &str, given: Option<T>, found: Option<T>) -> Option<T> {
        if given.is_none() && found.is_none() && self.params.text(name).is_none() {
            self.reader.refuse(
                &FieldPath::of(name),
                "the region does not exist, and this is not set.",
                "Set it: a new node needs it.",
            );
        }
        given.or(found)
    }

    /// A list as it is given, else as so many nodes have it.
    fn by_node<T>(&mut self, list: &ByNode<T>, given: Option<Vec<T>>, nodes: u32) -> Vec<T> {
        let any = (self.observed.members.iter()).any(|one| (list.has)(&one.found));
        if given.is_none() && any && self.observed.has_gap() {
            self.reader.refuse(
                &FieldPath::of(list.name),
                "a container is missing, so the current values of the nodes are unknown.",
                "Set it for every node.",
            );
        }
        given.unwrap_or_else(|| {
            let mut found = self.found.clone().map(list.listed).unwrap_or_default();
            found.truncate(nodes as usize);
            found
        })
    }

    /// A text for which an empty one means none.
    fn optional(&self, name: &str, found: fn(&Spec) -> Option<&String>) -> Option<String> {
        match self.params.text(name) {
            Some(given) => (!given.is_empty()).then(|| given.to_owned()),
            None => self.found.as_ref().and_then(found).cloned(),
        }
    }

    fn resources(&mut self) -> Resources {
        let found = self.found.as_ref().map(|found| found.resources.clone());
        let found = found.unwrap_or_default();
        Resources {
            cache: self.optional("cache", |found| found.resources.cache.as_ref()),
            max_sql_memory: self.optional("max_sql_memory", |found| {
                found.resources.max_sql_memory.as_ref()
            }),
            memory: match self.params.text("memory") {
                Some("") => None,
                Some(_) => self.reader.size(self.params, "memory"),
                None => found.memory,
            },
            nano_cpus: match self.params.fraction("cpus") {
                Some(0.0) => None,
                Some(_) => self.reader.processors(self.params, "cpus"),
                None => found.nano_cpus,
            },
        }
    }

    /// The folder with the authority; `None` for a region without TLS.
    fn certificates(&mut self) -> Option<PathBuf> {
        let folder = self.reader.local_path(self.params, "certificates");
        let stays =
            folder.is_none() && !self.observed.members.is_empty() && !is_secure(self.observed);
        let is_insecure = self.params.flag("insecure").unwrap_or(stays);
        let (name, message, remedy) = match (is_insecure, &folder) {
            (true, Some(_)) => (
                "insecure",
                "an insecure cluster has no certificates.",
                "Remove one of the two.",
            ),
            (false, None) if self.params.text("certificates").is_none() => (
                "certificates",
                "nodes need certificates, but the folder for them is not set.",
                "Set it to a permanent folder, or set insecure: true for a cluster without access control.",
            ),
            _ => return folder,
        };
        self.reader.refuse(&FieldPath::of(name), message, remedy);
        None
    }

    fn image(&self) -> String {
        match (self.text("image"), self.params.text("version")) {
            (Some(image), _) => image,
            (None, Some(version)) => images::with_version(&images::cockroachdb(), version),
            (None, None) => {
                let found = self.found.as_ref().map(|found| found.image.clone());
                found.unwrap_or_else(images::cockroachdb)
            }
        }
    }

    fn spec(&mut self) -> Spec {
        let root = FieldPath::root();
        let params = self.params;
        let found = self.found.clone();
        let of = |of: fn(&Spec) -> Vec<String>| found.as_ref().map(of);
        let placement = placement(params);
        let regions = params.texts("regions");
        let regions = self.needed("regions", regions, of(|found| found.regions.clone()));
        let given = params.0.get("nodes").is_some_and(|value| !value.is_null());
        let nodes = self.reader.number(params, &root, "nodes", "Use 1 to 64.");
        let nodes = if given {
            nodes
        } else {
            self.needed("nodes", None, found.as_ref().map(|found| found.nodes))
        };
        let nodes = nodes.unwrap_or(1);
        let network = match placement {
            Placement::External => None,
            Placement::Docker => {
                let network = self.text("network");
                self.needed(
                    "network",
                    network,
                    found.as_ref().map(|found| found.network.clone()),
                )
            }
        };
        let addresses = self.reader.addresses(params, "addresses");
        let sql_ports = self.reader.ports(params, "sql_ports");
        let http_ports = self.reader.ports(params, "http_ports");
        let days = self
            .reader
            .number(params, &root, "certificate_days", "Use 1 to 3650.");
        let days = days.or(found.as_ref().map(|found| found.certificate_days));
        Spec {
            cluster: params.required("cluster"),
            name: params.required("name"),
            regions: regions.unwrap_or_default(),
            join: params
                .texts("join")
                .or_else(|| of(|found| found.join.clone()))
                .unwrap_or_default(),
            nodes,
            placement,
            image: self.image(),
            network: network.unwrap_or_default(),
            zones: self.by_node(
                &ByNode {
                    name: "zones",
                    listed: |found| found.zones,
                    has: |node| node.zone.is_some(),
                },
                params.texts("zones"),
                nodes,
            ),
            addresses: self.by_node(
                &ByNode {
                    name: "addresses",
                    listed: |found| found.addresses,
                    has: |node| node.address.is_some(),
                },
                addresses,
                nodes,
            ),
            sql_ports: self.by_node(
                &ByNode {
                    name: "sql_ports",
                    listed: |found| found.sql_ports,
                    has: |node| node.sql_port.is_some(),
                },
                sql_ports,
                nodes,
            ),
            http_ports: self.by_node(
                &ByNode {
                    name: "http_ports",
                    listed: |found| found.http_ports,
                    has: |node| node.http_port.is_some(),
                },
                http_ports,
                nodes,
            ),
            resources: self.resources(),
            certificates: self.certificates(),
            certificate_days: days.unwrap_or(DEFAULT_CERTIFICATE_DAYS),
            host_names: match params.texts("host_names") {
                Some(given) => given.into_iter().collect(),
                None => found.map(|found| found.host_names).unwrap_or_default(),
            },
        }
    }
}

fn placement(params: &Params) -> Placement {
    match params.text("placement") {
        Some("external") => Placement::External,
        _ => Placement::Docker,
    }
}

/// What is asked for; what is not given is as it is.
pub(super) fn specify(params: &Params, observed: &Observed) -> Result<Spec, Failure> {
    let mut asked = Asked {
        params,
        observed,
        found: observed.spec(),
        reader: Reader::default(),
    };
    let spec = asked.spec();
    asked.reader.finish()?;
    error::refuse(spec.problems()).map_err(|error| failure(&error))?;
    Ok(spec)
}
