//! Reads a region back from Docker and from its cluster.

use std::collections::BTreeSet;

use futures_util::future::{join_all, try_join_all};

use super::spec::{DEFAULT_CERTIFICATE_DAYS, NodeSpec, Placement, Resources, Spec};
use crate::cockroachdb::certificates::Certificate;
use crate::cockroachdb::command::Shell;
use crate::cockroachdb::names::{self, CERTIFICATES, HTTP_PORT, SQL_PORT};
use crate::cockroachdb::stage::{Stage, has_served, stage};
use crate::cockroachdb::topology::{self, Membership, View};
use crate::cockroachdb::{containers, label};
use crate::context::Context;
use crate::docker::Node;
use crate::error::Result;
use crate::labels;
use crate::network::address;

/// A region as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The cluster's name.
    pub cluster: String,
    /// The region's name.
    pub region: String,
    /// Its containers, by number.
    pub members: Vec<Member>,
    /// Numbers of the nodes whose volume is there.
    pub volumes: BTreeSet<u32>,
    /// What the whole cluster says.
    pub view: View,
    /// A node that answers for it, of whichever region.
    pub shell: Option<Shell>,
    /// The containers of the cluster's other regions.
    pub neighbours: Vec<Node>,
}

/// A node's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it was made with.
    pub found: NodeSpec,
    /// The container.
    pub container: Node,
    /// Its certificate, where it has one that can be read.
    pub certificate: Option<Certificate>,
    /// The text of its copy of the authority's certificate.
    pub trust: Option<String>,
    /// Whether its store is new, and the cluster serves and has not counted it yet.
    pub joins: bool,
}

impl Observed {
    /// The container of this number.
    pub fn member(&self, number: u32) -> Option<&Member> {
        self.members.iter().find(|one| one.found.number == number)
    }

    /// Whether nothing of it is left here.
    pub fn is_gone(&self) -> bool {
        self.members.is_empty() && self.volumes.is_empty()
    }

    /// The containers of the cluster here, of this region and of others.
    pub(super) fn around(&self) -> Vec<&Node> {
        let own = self.members.iter().map(|member| &member.container);
        own.chain(&self.neighbours).collect()
    }

    /// Whether containers are missing before the last one: what went by node is then not known.
    pub fn has_gap(&self) -> bool {
        let highest = self.members.iter().map(|one| one.found.number).max();
        highest.unwrap_or_default() as usize > self.members.len()
    }

    /// What the region was made with, as far as its containers tell; `None` where it has none. Where the authority is, they
    /// do not tell. Lists that go by node end before the first node that has nothing of the kind.
    pub fn spec(&self) -> Option<Spec> {
        let first = self.members.first()?;
        let numbers = self.members.iter().map(|one| one.found.number);
        let join = flag(&first.container, "join").unwrap_or_default();
        let (regions, join) = names::regions(&self.cluster, &join);
        let days = self.members.iter().find_map(|one| one.certificate.as_ref());
        let mut spec = Spec {
            cluster: self.cluster.clone(),
            name: self.region.clone(),
            regions,
            join,
            nodes: numbers.chain(self.volumes.iter().copied()).max()?,
            placement: Placement::Docker,
            image: first.found.image.clone(),
            network: first.found.network.clone(),
            zones: shortest(&self.by_node(|node| node.zone.clone())).to_vec(),
            addresses: self.by_node(|node| node.address),
            sql_ports: self.by_node(|node| node.sql_port),
            http_ports: self.by_node(|node| node.http_port),
            resources: first.found.resources.clone(),
            certificates: None,
            certificate_days: days
                .and_then(|certificate| u32::try_from(certificate.days()).ok())
                .unwrap_or(DEFAULT_CERTIFICATE_DAYS),
            host_names: BTreeSet::new(),
        };
        let usual = self.members.iter();
        let usual: BTreeSet<String> = usual.flat_map(|one| spec.host_names(&one.found)).collect();
        let certificates = self
            .members
            .iter()
            .filter_map(|one| one.certificate.as_ref());
        let named = certificates.flat_map(|certificate| certificate.names.iter());
        spec.host_names = named
            .filter(|name| !usual.contains(*name))
            .cloned()
            .collect();
        Some(spec)
    }

    /// The certificates of its nodes; where it has none yet, that of a node in another region of its cluster.
    pub(super) async fn certificates(&self, cx: &Context) -> Result<Vec<Certificate>> {
        let own = self
            .members
            .iter()
            .filter_map(|one| one.certificate.clone());
        let own: Vec<Certificate> = own.collect();
        let secure = self.neighbours.iter().find(|node| read(node).secure);
        match secure {
            Some(node) if own.is_empty() => {
                Ok(certificate(cx, &node.name).await?.into_iter().collect())
            }
            _ => Ok(own),
        }
    }

    fn by_node<T>(&self, of: impl Fn(&NodeSpec) -> Option<T>) -> Vec<T> {
        let found = (1..).map_while(|number| of(&self.member(number)?.found));
        found.collect()
    }

    /// How many members of this region are up that are in none of its containers here.
    pub fn live_elsewhere(&self, topology: &topology::Topology) -> u32 {
        let here = |address: &str| {
            let mut numbers = self.members.iter().map(|one| one.found.number);
            numbers.any(|number| names::address(&self.cluster, &self.region, number) == address)
        };
        let live = topology.in_region(&self.region).filter(|node| {
            node.is_live && node.membership == Membership::Active && !here(&node.address)
        });
        u32::try_from(live.count()).unwrap_or(u32::MAX)
    }

    /// What the cluster says of this node.
    pub fn status(&self, number: u32) -> Option<&topology::NodeStatus> {
        let address = names::address(&self.cluster, &self.region, number);
        self.view.topology()?.at(&address)
    }
}

/// Clusters and regions that have containers here, as pairs.
///
/// # Errors
/// What Docker says.
pub async fn list(cx: &Context) -> Result<BTreeSet<(String, String)>> {
    cx.guard("listing regions of CockroachDB", async {
        let found = cx
            .docker
            .containers(&[labels::ATLAS_COCKROACHDB.to_owned()])
            .await?;
        let pairs = found.iter().filter_map(|node| {
            let cluster = node.label(labels::ATLAS_COCKROACHDB)?;
            let region = node.label(labels::ATLAS_COCKROACHDB_REGION)?;
            Some((cluster.to_owned(), region.to_owned()))
        });
        Ok(pairs.collect())
    })
    .await
}

/// The region of this name.
///
/// # Errors
/// What Docker says. A cluster that gives no answer is part of what is observed.
pub async fn observe(cx: &Context, cluster: &str, region: &str) -> Result<Observed> {
    cx.guard("reading a region of CockroachDB", async {
        let of_region = format!("{}={region}", labels::ATLAS_COCKROACHDB_REGION);
        let volume_labels = [label(cluster), of_region];
        let (all, volumes) =
            tokio::try_join!(containers(cx, cluster), cx.docker.volumes(&volume_labels))?;
        // What is being removed is as good as gone, and cannot be looked into.
        let stays = |node: &Node| !matches!(node.state.status.as_str(), "removing" | "dead");
        let (own, others): (Vec<Node>, Vec<Node>) = all
            .into_iter()
            .filter(stays)
            .partition(|node| node.label(labels::ATLAS_COCKROACHDB_REGION) == Some(region));
        let prefix = names::node(cluster, region, 0);
        let prefix = prefix.trim_end_matches('0');
        let volumes = volumes
            .iter()
            .filter_map(|name| name.strip_prefix(prefix)?.parse().ok())
            .collect();
        let members = try_join_all(own.iter().map(|node| member(cx, node)));
        let asked = ask(cx, own.iter().chain(&others));
        let (mut members, (mut view, mut shell)) = tokio::try_join!(members, asked)?;
        members.sort_by_key(|member| member.found.number);
        let mut newcomers = Vec::new();
        for member in members.iter_mut().filter(|one| is_newcomer(&view, one)) {
            // A log that cannot be read does not tell that it left.
            let served = has_served(cx, &member.container).await.unwrap_or(false);
            member.joins = !served;
            newcomers.push(served);
        }
        if newcomers.contains(&true) {
            // It left, or it joined since the cluster was asked.
            (view, shell) = ask(cx, own.iter().chain(&others)).await?;
        }
        Ok(Observed {
            cluster: cluster.to_owned(),
            region: region.to_owned(),
            members,
            volumes,
            view,
            shell,
            neighbours: others,
        })
    })
    .await
}

/// Asks these nodes for their cluster until one answers well: one that is cut off cannot speak for the others. They count
/// as waiting for `init` only where none of them can be part of a cluster: what is in a store is not given up for a new
/// node beside it that is in none.
pub(in super::super) async fn ask(
    cx: &Context,
    nodes: impl Iterator<Item = &Node>,
) -> Result<(View, Option<Shell>)> {
    let (running, stopped): (Vec<&Node>, Vec<&Node>) = nodes.partition(|node| node.state.running);
    let (mut silent, mut waiting, mut starting) = (None, None, Vec::new());
    for &node in &running {
        let shell = Shell::of(node);
        match stage(cx, node).await {
            Stage::Serves => match view(cx, &shell).await {
                view @ View::Live(_) => return Ok((view, Some(shell.or_any_of(&running)))),
                view => silent = silent.or(Some((view, Some(shell)))),
            },
            Stage::Waits => waiting = waiting.or(Some(shell)),
            Stage::Starts => starting.push(shell),
        }
    }
    // Each may let the question wait for as long as it waits itself.
    let asked = starting
        .into_iter()
        .map(|shell| async { (view(cx, &shell).await, shell) });
    for (view, shell) in join_all(asked).await {
        match view {
            View::Live(_) => return Ok((view, Some(shell.or_any_of(&running)))),
            view => silent = silent.or(Some((view, Some(shell)))),
        }
    }
    let has_data = stopped.iter().find(|node| node.started_second() > 0);
    Ok(match (silent, waiting, has_data) {
        (Some(silent), ..) => silent,
        (None, Some(shell), Some(node)) => {
            let reason = format!(
                "{} does not run and may be part of a cluster that the others wait for",
                node.name
            );
            (View::Silent(reason), Some(shell))
        }
        (None, Some(shell), None) => (View::Uninitialized, Some(shell)),
        (None, None, Some(node)) => {
            let reason = format!("{} does not run, and no other node runs here", node.name);
            (View::Silent(reason), None)
        }
        (None, None, None) => (View::Absent, None),
    })
}

/// Whether the cluster does not count this node, whose store was made for it. At its address may have been another one,
/// which left for good.
fn is_newcomer(view: &View, member: &Member) -> bool {
    let container = &member.container;
    let is_new = container
        .label(labels::ATLAS_COCKROACHDB_NEW_STORE)
        .is_some();
    let is_uncounted = |topology: &topology::Topology| {
        let status = topology.at(&names::address_of(&container.name));
        status.is_none_or(|status| status.membership == Membership::Decommissioned)
    };
    is_new && view.topology().is_some_and(is_uncounted)
}

/// Whether the node in this container is up and lets clients in.
pub(super) async fn serves(cx: &Context, node: &Node) -> bool {
    // Of one whose log is cut off, only its answer tells.
    node.state.status == "running"
        && (stage(cx, node).await == Stage::Serves
            || matches!(view(cx, &Shell::of(node)).await, View::Live(_)))
}

/// What a node says of its cluster.
async fn view(cx: &Context, shell: &Shell) -> View {
    // One that cannot be asked ended in this moment.
    let view = shell.view(cx).await;
    view.unwrap_or_else(|error| View::Silent(error.to_string()))
}

async fn member(cx: &Context, node: &Node) -> Result<Member> {
    let found = read(node);
    let (certificate, trust) = if found.secure {
        let trust = cx.docker.get_file(&node.name, TRUST);
        let (certificate, trust) = tokio::try_join!(certificate(cx, &node.name), trust)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (certificate, trust.map(text))
    } else {
        (None, None)
    };
    Ok(Member {
        found,
        container: node.clone(),
        certificate,
        trust,
        joins: false,
    })
}

/// Where a node's copy of the authority's certificate is.
const TRUST: &str = "/cockroach/cockroach-certs/ca.crt";

/// The certificate in a node's container.
async fn certificate(cx: &Context, container: &str) -> Result<Option<Certificate>> {
    let path = format!("{CERTIFICATES}/node.crt");
    let pem = cx.docker.get_file(container, &path).await?;
    Ok(pem.and_then(|pem| Certificate::parse(&pem)))
}

/// The value of a flag that a node is started with.
fn flag(node: &Node, name: &str) -> Option<String> {
    let prefix = format!("--{name}=");
    let found = node.cmd.iter().find_map(|word| word.strip_prefix(&prefix));
    found.map(str::to_owned)
}

/// The shortest list that is the same when it is dealt out in turn.
fn shortest<T: PartialEq>(dealt: &[T]) -> &[T] {
    let repeats = |length: &usize| dealt.iter().zip(&dealt[*length..]).all(|(a, b)| a == b);
    let length = (1..dealt.len()).find(repeats).unwrap_or(dealt.len());
    &dealt[..length]
}

/// What a container was made with.
fn read(node: &Node) -> NodeSpec {
    let label = node.label(labels::ATLAS_COCKROACHDB_NETWORK);
    let network = label
        .filter(|network| node.networks.contains_key(*network))
        .or_else(|| node.networks.keys().next().map(String::as_str))
        .unwrap_or_default();
    let flag = |name: &str| flag(node, name);
    let locality = topology::locality(&flag("locality").unwrap_or_default());
    let zone = locality.into_iter().find(|(key, _)| key == "zone");
    NodeSpec {
        number: node
            .label(labels::ATLAS_COCKROACHDB_NODE)
            .and_then(|number| number.parse().ok())
            .unwrap_or_default(),
        image: node.image.clone(),
        network: network.to_owned(),
        zone: zone.map(|(_, value)| value),
        address: address::asked(node, network),
        sql_port: node.published(SQL_PORT),
        http_port: node.published(HTTP_PORT),
        resources: Resources {
            cache: flag("cache"),
            max_sql_memory: flag("max-sql-memory"),
            memory: (node.memory > 0).then_some(node.memory),
            nano_cpus: (node.nano_cpus > 0).then_some(node.nano_cpus),
        },
        secure: flag("certs-dir").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::container::container;
    use super::super::spec::tests::spec;
    use super::*;

    /// The containers that are made for a region.
    fn observed(spec: &Spec) -> Observed {
        let member = |number| {
            let made = container(spec, &spec.node(number));
            let fixed = made.address.map(|address| (made.network.clone(), address));
            let container = Node {
                name: made.name,
                image: made.image,
                cmd: made.cmd,
                labels: made.labels,
                ports: made.ports,
                networks: [(made.network, made.address)].into(),
                static_addresses: fixed.into_iter().collect(),
                memory: made.memory.unwrap_or_default(),
                nano_cpus: made.nano_cpus.unwrap_or_default(),
                ..Node::default()
            };
            Member {
                found: read(&container),
                container,
                certificate: None,
                trust: None,
                joins: false,
            }
        };
        Observed {
            cluster: spec.cluster.clone(),
            region: spec.name.clone(),
            members: (1..=spec.nodes).map(member).collect(),
            ..Observed::default()
        }
    }

    #[test]
    fn containers_tell_what_they_were_made_with() {
        let mut spec = spec();
        spec.nodes = 5;
        spec.join = vec!["db.example:26257".into()];
        spec.resources.memory = Some(1 << 30);
        let told = observed(&spec).spec();
        // Where the authority is, only the user knows.
        spec.certificates = None;
        assert_eq!(told, Some(spec));
        assert_eq!(Observed::default().spec(), None);
    }

    #[test]
    fn a_node_whose_volume_alone_is_left_counts_and_one_that_is_missing_before_others_is_a_gap() {
        let mut there = observed(&spec());
        assert!(!there.has_gap());
        there.volumes = [1, 2].into();
        there.members.pop();
        assert!(!there.has_gap());
        assert_eq!(there.spec().map(|spec| spec.nodes), Some(2));
        let mut there = observed(&spec());
        there.members.remove(0);
        assert!(there.has_gap());
        assert_eq!(there.spec().map(|spec| spec.addresses), Some(Vec::new()));
    }

    #[test]
    fn zones_that_were_dealt_out_are_gathered() {
        for (dealt, zones) in [
            (&["a", "b", "a", "b", "a"][..], &["a", "b"][..]),
            (&["a", "a"], &["a"]),
            (&["a", "b", "c"], &["a", "b", "c"]),
            (&[], &[]),
        ] {
            assert_eq!(shortest(dealt), zones);
        }
    }
}
