//! Makes, changes and removes a region's nodes.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use futures_util::future::try_join_all;

use super::observe::{Member, Observed, ask, observe};
use super::plan::{Plan, Step, plan};
use super::spec::{NodeSpec, Placement, Spec};
use crate::cockroachdb::certificates::{self, Authority};
use crate::cockroachdb::command::Shell;
use crate::cockroachdb::names::{self, CERTIFICATES, HTTP_PORT, SQL_PORT, STORE};
use crate::cockroachdb::topology::{Membership, View};
use crate::cockroachdb::{cluster, database, turn};
use crate::context::Context;
use crate::docker::{ContainerSpec, DockerNetwork, File, PortKey, Published};
use crate::error::{Error, Problem, Result, refuse};
use crate::labels::{self, Labels, labels};
use crate::path::FieldPath;
use crate::{lock, ports, ready};

/// Seconds that a node gets to drain and end by itself; the vendor's operator gives as many.
const STOP: i32 = 300;
/// What a node says when it serves, in lower case.
const SERVES: &str = "node starting at";
/// What a new node says when it waits for its cluster, in lower case.
const WAITS: &str = "initial startup completed";
/// How often a cluster is asked whether it is whole again; it has no stream of that.
const AGAIN: Duration = Duration::from_millis(250);

/// Checks that the region can be made or changed: the network is there, addresses and ports are free, and the folder
/// holds the authority of the nodes that are there. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Certificate`]; [`Error::Exists`] where somebody else's container has a node's name.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.cluster, &spec.name).await?;
    let mut problems: Vec<Problem> = authority_problem(spec, &observed)?.into_iter().collect();
    if spec.placement == Placement::External {
        refuse(problems)?;
        return Ok(observed);
    }
    cx.guard("checking the machine", async {
        for number in 1..=spec.nodes {
            strangers(cx, spec, &observed, number).await?;
        }
        match cx.docker.network(&spec.network).await? {
            None => problems.push(Problem::new(
                FieldPath::of("network"),
                format!("there is no network {:?}.", spec.network),
                "Create it first, or name one of `docker network ls`.",
            )),
            Some(network) => problems.extend(address_problems(spec, &network)),
        }
        problems.extend(taken_ports(cx, spec).await?);
        refuse(problems)
    })
    .await?;
    Ok(observed)
}

/// The same for a region that is to be made. One that is there already is taken over where it is as wanted, which is
/// what an interrupted run leaves; `true` where it is whole.
///
/// # Errors
/// As [`admit`]; [`Error::Exists`] too where a region of this name differs.
pub async fn admit_new(cx: &Context, spec: &Spec) -> Result<bool> {
    let observed = admit(cx, spec).await?;
    let plan = plan(spec, &observed, SystemTime::now());
    let interrupted = |field: &str| field == "nodes";
    if plan
        .differences
        .iter()
        .any(|one| !interrupted(&one.field) && spec.placement == Placement::Docker)
    {
        return Err(Error::Exists {
            kind: "region of CockroachDB",
            name: format!("{}/{}", spec.cluster, spec.name),
            remedy: "Import it, choose another name, or remove it first.".to_owned(),
        });
    }
    Ok(!observed.members.is_empty() && plan.steps.is_empty())
}

/// Nodes with certificates of another authority do not take ours, and would lose each other one by one.
fn authority_problem(spec: &Spec, observed: &Observed) -> Result<Option<Problem>> {
    let Some(folder) = &spec.certificates else {
        return Ok(None);
    };
    let authority = Authority::open(folder)?;
    let own = observed
        .members
        .iter()
        .filter_map(|one| one.certificate.as_ref());
    let foreign = own
        .chain(&observed.neighbours_certificate)
        .any(|certificate| {
            !authority
                .as_ref()
                .is_some_and(|authority| certificate.is_signed_by(&authority.about))
        });
    Ok(foreign.then(|| {
        Problem::new(
            FieldPath::of("certificates"),
            format!(
                "nodes of {} have certificates of another authority than the one in {}.",
                spec.cluster,
                folder.display()
            ),
            "Name the folder with the cluster's own ca.crt and ca.key.",
        )
    }))
}

/// Somebody else's container under a node's name.
async fn strangers(cx: &Context, spec: &Spec, observed: &Observed, number: u32) -> Result<()> {
    let name = names::node(&spec.cluster, &spec.name, number);
    if observed.member(number).is_some() || cx.docker.container(&name).await?.is_none() {
        return Ok(());
    }
    Err(Error::Exists {
        kind: "container",
        name,
        remedy: "Atlas did not make it: choose another name, or remove it with `docker rm -f`."
            .to_owned(),
    })
}

fn address_problems(spec: &Spec, network: &DockerNetwork) -> Vec<Problem> {
    let problem = |(index, address): (usize, &Ipv4Addr)| {
        let number = u32::try_from(index).unwrap_or_default() + 1;
        let own = names::node(&spec.cluster, &spec.name, number);
        let within = |subnet: ipnet::Ipv4Net| subnet.hosts().any(|host| host == *address);
        let holder = |taken: &HashMap<String, Ipv4Addr>| {
            taken
                .iter()
                .find(|(name, held)| *held == address && **name != own)
                .map(|(name, _)| name.clone())
        };
        let message = if !network.subnet.is_some_and(within) {
            format!(
                "{address} is no host address of the network {:?}.",
                spec.network
            )
        } else if network.gateway == Some(*address) {
            format!(
                "{address} is the gateway of the network {:?}.",
                spec.network
            )
        } else {
            let holder = holder(&network.addresses)?;
            format!("{address} is the address of {holder}.")
        };
        Some(Problem::new(
            FieldPath::of("addresses").index(index),
            message,
            "Give a free address of the network, or leave it out.",
        ))
    };
    spec.addresses
        .iter()
        .enumerate()
        .filter_map(problem)
        .collect()
}

async fn taken_ports(cx: &Context, spec: &Spec) -> Result<Vec<Problem>> {
    let running = cx.docker.running_containers().await?;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let own = |node: &crate::docker::Node| {
        node.label(labels::ATLAS_COCKROACHDB) == Some(&spec.cluster)
            && node.label(labels::ATLAS_COCKROACHDB_REGION) == Some(&spec.name)
    };
    let wanted = [
        ("sql_ports", &spec.sql_ports),
        ("http_ports", &spec.http_ports),
    ];
    let each = wanted.into_iter().flat_map(|(name, all)| {
        all.iter()
            .enumerate()
            .map(move |(n, port)| (name, n, *port))
    });
    let problems = each.filter_map(|(name, index, port)| {
        let holder = ports::holder(cx, &running, own, here, &tcp(port))?;
        Some(Problem::new(
            FieldPath::of(name).index(index),
            format!("port {port} of {here} is taken by {holder}."),
            "Choose another port, or stop what uses it.",
        ))
    });
    Ok(problems.collect())
}

/// Brings the region to what is wanted.
///
/// Where the cluster serves already, it waits until new nodes are part of it. Before that, nodes are started, and the
/// cluster's `init` waits for them.
///
/// # Errors
/// As [`admit`]; [`Error::NeedsReplacement`]; what Docker and the cluster say; [`Error::NodeFailed`] with a node's log
/// where it ends instead of serving.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = admit(cx, spec).await?;
    let plan = plan(spec, &observed, SystemTime::now());
    if !plan.replace().is_empty() {
        return Err(Error::NeedsReplacement {
            kind: "region of CockroachDB",
            name: format!("{}/{}", spec.cluster, spec.name),
            fields: plan.replace().into_iter().map(str::to_owned).collect(),
        });
    }
    cx.oversee("bringing up a region of CockroachDB", async {
        // First of all: an image that cannot be had leaves the world as it was.
        let makes = |step: &Step| matches!(step, Step::CreateNode(_) | Step::RemakeNode(_));
        if plan.steps.iter().any(makes) {
            cx.docker.ensure_image(&spec.image).await?;
        }
        let work = Work {
            cx,
            spec,
            observed: &observed,
            authority: authority(cx, spec).await?,
        };
        work.carry_out(&plan).await
    })
    .await?;
    observe(cx, &spec.cluster, &spec.name).await
}

/// The cluster's authority, made where there is none. Regions are made at the same time, by several processes.
async fn authority(cx: &Context, spec: &Spec) -> Result<Option<Authority>> {
    let Some(folder) = &spec.certificates else {
        return Ok(None);
    };
    let _alone = lock::take(cx, &format!("cockroachdb-{}-authority", spec.cluster)).await?;
    Authority::ensure(folder).map(Some)
}

struct Work<'a> {
    cx: &'a Context,
    spec: &'a Spec,
    observed: &'a Observed,
    authority: Option<Authority>,
}

impl Work<'_> {
    async fn carry_out(&self, plan: &Plan) -> Result<()> {
        let tell = |step: &Step| {
            let spec = self.spec;
            self.cx.tell(&step.summary(&spec.cluster, &spec.name));
        };
        for step in &plan.steps {
            match step {
                Step::WipeNode(number) => {
                    tell(step);
                    self.discard(*number).await?;
                }
                Step::RecommissionNode(number) => {
                    tell(step);
                    self.recommission(*number).await?;
                }
                Step::RenewCertificate(number) => {
                    tell(step);
                    self.renew(*number).await?;
                }
                _ => {}
            }
        }
        let starting = plan.steps.iter().filter_map(|step| match step {
            Step::CreateNode(number) | Step::StartNode(number) => {
                tell(step);
                Some(self.start(*number, matches!(step, Step::CreateNode(_))))
            }
            _ => None,
        });
        try_join_all(starting).await?;
        let joined = |step: &Step| matches!(step, Step::CreateNode(_) | Step::RecommissionNode(_));
        if matches!(self.observed.view, View::Live(_)) && plan.steps.iter().any(joined) {
            self.spread().await?;
        }
        for step in &plan.steps {
            match step {
                Step::WaitForNodes(count) => {
                    tell(step);
                    self.wait_for(*count).await?;
                }
                Step::RemakeNode(number) => {
                    tell(step);
                    self.remake(*number).await?;
                }
                Step::RemoveNodes(numbers) => {
                    tell(step);
                    self.remove(numbers).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn name(&self, number: u32) -> String {
        names::node(&self.spec.cluster, &self.spec.name, number)
    }

    async fn create(&self, number: u32) -> Result<()> {
        let name = self.name(number);
        let node = self.spec.node(number);
        let volume_labels = own_labels(self.spec, number);
        self.cx.docker.ensure_volume(&name, &volume_labels).await?;
        self.cx
            .docker
            .create_container(&container(self.spec, &node))
            .await?;
        self.furnish(number).await
    }

    /// Puts a new certificate, root's and the authority's into a node's container.
    async fn furnish(&self, number: u32) -> Result<()> {
        let (Some(authority), Some(folder)) = (&self.authority, &self.spec.certificates) else {
            return Ok(());
        };
        let names = self.spec.host_names(&self.spec.node(number));
        let node = authority.node(&names, self.spec.certificate_days)?;
        let root = certificates::root(folder)?;
        let file = |name: &str, text: &str, mode: u32| File {
            path: format!("{CERTIFICATES}/{name}"),
            content: text.as_bytes().to_vec(),
            mode,
        };
        let files = [
            file("ca.crt", &authority.certificate, 0o644),
            file("node.crt", &node.certificate, 0o644),
            file("node.key", &node.key, 0o600),
            file("client.root.crt", &root.certificate, 0o644),
            file("client.root.key", &root.key, 0o600),
        ];
        self.cx.docker.put_files(&self.name(number), &files).await
    }

    async fn renew(&self, number: u32) -> Result<()> {
        self.furnish(number).await?;
        let runs = |member: &Member| member.container.state.running;
        if self.observed.member(number).is_some_and(runs) {
            // Documented: a node reads its certificates again.
            self.cx
                .docker
                .signal_container(&self.name(number), "SIGHUP")
                .await?;
        }
        Ok(())
    }

    /// Starts a node, and waits as far as it can come without its cluster.
    async fn start(&self, number: u32, is_new: bool) -> Result<()> {
        let name = self.name(number);
        if is_new {
            self.create(number).await?;
        }
        let paused = self
            .observed
            .member(number)
            .is_some_and(|member| member.container.state.status == "paused");
        if paused {
            self.cx.docker.unpause_container(&name).await?;
        } else {
            self.cx.docker.start_container(&name).await?;
        }
        match self.observed.view {
            View::Live(_) => {
                ready::wait(self.cx, SERVES, &name).await?;
                self.joined(number).await
            }
            // On a store that took part already it needs the others, whom somebody else may start.
            _ if self.observed.volumes.contains(&number) || !is_new => {
                ready::wait(self.cx, "", &name).await
            }
            _ => ready::wait_for_any(self.cx, &[SERVES, WAITS], &name).await,
        }
    }

    /// Waits until the cluster counts the node.
    async fn joined(&self, number: u32) -> Result<()> {
        let address = names::address(&self.spec.cluster, &self.spec.name, number);
        let doing = format!("{} becoming a live member", self.name(number));
        self.cx
            .guard(&doing, async {
                loop {
                    if let (View::Live(topology), _) = self.ask(&[]).await?
                        && topology.at(&address).is_some_and(|node| node.is_live)
                    {
                        return Ok(());
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            })
            .await
    }

    /// What the cluster says through nodes of any region but these of ours.
    async fn ask(&self, except: &[u32]) -> Result<(View, Option<Shell>)> {
        let label = format!("{}={}", labels::ATLAS_COCKROACHDB, self.spec.cluster);
        let nodes = self.cx.docker.containers(&[label]).await?;
        let except: Vec<String> = except.iter().map(|number| self.name(*number)).collect();
        let asked = nodes.iter().filter(|node| !except.contains(&node.name));
        ask(self.cx, asked).await
    }

    /// A region with a second node may hold a second replica of system ranges.
    async fn spread(&self) -> Result<()> {
        let _turn = turn(self.cx, &self.spec.cluster).await?;
        match self.ask(&[]).await? {
            (View::Live(topology), Some(shell)) => {
                cluster::respread(self.cx, &shell, &topology).await
            }
            _ => Ok(()),
        }
    }

    async fn recommission(&self, number: u32) -> Result<()> {
        let _turn = turn(self.cx, &self.spec.cluster).await?;
        match (self.observed.status(number), &self.observed.shell) {
            (Some(status), Some(shell)) => shell.recommission(self.cx, status.id).await,
            _ => Ok(()),
        }
    }

    async fn wait_for(&self, count: u32) -> Result<()> {
        let doing = format!(
            "{count} nodes with the locality region={} joining {}",
            self.spec.name, self.spec.cluster
        );
        self.cx
            .guard(&doing, async {
                loop {
                    if let (View::Live(topology), _) = self.ask(&[]).await? {
                        let live = topology
                            .in_region(&self.spec.name)
                            .filter(|node| node.is_live && node.membership == Membership::Active);
                        if live.count() >= count as usize {
                            return Ok(());
                        }
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            })
            .await
    }

    /// One node of a rolling change: no other node of the cluster is changed meanwhile.
    async fn remake(&self, number: u32) -> Result<()> {
        let cx = self.cx;
        let _turn = turn(cx, &self.spec.cluster).await?;
        let name = self.name(number);
        let address = names::address(&self.spec.cluster, &self.spec.name, number);
        let (view, shell) = self.ask(&[number]).await?;
        let others = match (&view, shell) {
            (View::Live(_), Some(shell)) => {
                whole(cx, &shell, &address).await?;
                Some(shell)
            }
            _ => None,
        };
        if let (Some(shell), View::Live(topology)) = (&others, &view)
            && let Some(status) = topology.at(&address)
            && status.is_live
        {
            shell.drain(cx, status.id).await?;
        }
        cx.docker.stop_container(&name, STOP).await?;
        cx.docker.remove_container(&name).await?;
        self.create(number).await?;
        cx.docker.start_container(&name).await?;
        if matches!(self.observed.view, View::Live(_)) {
            ready::wait(cx, SERVES, &name).await?;
        } else {
            ready::wait(cx, "", &name).await?;
        }
        match others {
            Some(shell) => whole(cx, &shell, "").await,
            None => Ok(()),
        }
    }

    /// Takes nodes out of the cluster, then away.
    async fn remove(&self, numbers: &[u32]) -> Result<()> {
        let _turn = turn(self.cx, &self.spec.cluster).await?;
        self.leave(numbers).await?;
        for number in numbers {
            self.discard(*number).await?;
        }
        Ok(())
    }

    async fn leave(&self, numbers: &[u32]) -> Result<()> {
        let (view, shell) = self.ask(numbers).await?;
        let (topology, shell) = match (view, shell) {
            (View::Live(topology), Some(shell)) => (topology, shell),
            // Nothing was ever in them.
            (View::Uninitialized, _) => return Ok(()),
            _ => return Err(silent(&self.spec.cluster, &self.spec.name)),
        };
        let address = |number: &u32| names::address(&self.spec.cluster, &self.spec.name, *number);
        let ids: Vec<u64> = numbers
            .iter()
            .filter_map(|number| topology.at(&address(number)))
            .filter(|node| node.membership != Membership::Decommissioned)
            .map(|node| node.id)
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut after = topology;
        for node in after.nodes.iter_mut().filter(|node| ids.contains(&node.id)) {
            node.membership = Membership::Decommissioning;
        }
        cluster::respread(self.cx, &shell, &after).await?;
        shell.decommission(self.cx, &ids).await
    }

    /// Removes a node's container and volume.
    async fn discard(&self, number: u32) -> Result<()> {
        let name = self.name(number);
        self.cx.docker.stop_container(&name, STOP).await?;
        self.cx.docker.remove_container(&name).await?;
        self.cx.docker.remove_volume(&name).await
    }
}

/// Waits until every member but the one at this address is live, and all ranges are replicated: only then may a node go.
async fn whole(cx: &Context, shell: &Shell, except: &str) -> Result<()> {
    let mut last = String::new();
    let waiting = async {
        loop {
            let topology = shell.topology(cx).await?;
            let dead: Vec<String> = topology
                .members()
                .filter(|node| !node.is_live && node.address != except)
                .map(|node| format!("n{} ({})", node.id, node.address))
                .collect();
            let (lacking, stopped) = (topology.underreplicated(), topology.unavailable());
            if dead.is_empty() && lacking == 0 && stopped == 0 {
                return Ok(());
            }
            last = format!(
                "Not live: {}. Under-replicated ranges: {lacking}, unavailable: {stopped}. ",
                if dead.is_empty() {
                    "none".to_owned()
                } else {
                    dead.join(", ")
                }
            );
            tokio::time::sleep(AGAIN).await;
        }
    };
    let doing = "all ranges being replicated on live nodes";
    match cx.guard(doing, waiting).await {
        Err(Error::TimedOut {
            waiting_for, after, ..
        }) => Err(Error::TimedOut {
            waiting_for,
            after,
            log: last,
        }),
        other => other,
    }
}

fn silent(cluster: &str, region: &str) -> Error {
    Error::NotEmpty {
        kind: "region of CockroachDB",
        name: format!("{cluster}/{region}"),
        what: "replicas that no other node can take now".to_owned(),
        remedy: "The cluster gives no answer through any other node. Start the other regions first, or remove the whole \
                 cluster."
            .to_owned(),
    }
}

/// Takes the region's nodes out of the cluster, and removes them with their volumes; what is gone already is as good.
///
/// # Errors
/// [`Error::NotEmpty`] where data would be lost: the last region of a cluster that holds tables, or one whose replicas
/// cannot go elsewhere. [`Error::Cockroach`] where a database still uses the region, or nodes cannot be decommissioned.
pub async fn delete(cx: &Context, cluster: &str, region: &str) -> Result<()> {
    let observed = observe(cx, cluster, region).await?;
    if observed.is_gone() {
        return Ok(());
    }
    cx.oversee("removing a region of CockroachDB", async {
        let mut numbers: Vec<u32> = observed.volumes.iter().copied().collect();
        numbers.extend(observed.members.iter().map(|one| one.found.number));
        numbers.sort_unstable();
        numbers.dedup();
        let spec = Spec {
            cluster: cluster.to_owned(),
            name: region.to_owned(),
            ..Spec::default()
        };
        let work = Work {
            cx,
            spec: &spec,
            observed: &observed,
            authority: None,
        };
        cx.tell(&Step::RemoveNodes(numbers.clone()).summary(cluster, region));
        if let (View::Live(_), Some(shell)) = (&observed.view, &observed.shell) {
            let users = database::using(cx, shell, region).await?;
            if !users.is_empty() {
                return Err(Error::NotEmpty {
                    kind: "region of CockroachDB",
                    name: format!("{cluster}/{region}"),
                    what: format!("replicas that databases place there ({})", users.join(", ")),
                    remedy: "Drop the region from these databases first.".to_owned(),
                });
            }
        }
        if is_empty(cx, &observed).await? {
            for number in &numbers {
                work.discard(*number).await?;
            }
            return Ok(());
        }
        work.remove(&numbers).await
    })
    .await
}

/// Whether nothing is lost with these nodes, though no other takes their replicas.
async fn is_empty(cx: &Context, observed: &Observed) -> Result<bool> {
    let never_started = |member: &Member| member.container.started_second() == 0;
    match (&observed.view, &observed.shell) {
        (View::Uninitialized, _) => Ok(true),
        (View::Absent, _) => Ok(!observed.has_neighbours
            && observed.members.iter().all(never_started)
            && observed.volumes.len() <= observed.members.len()),
        (View::Live(topology), Some(shell)) => {
            let elsewhere = topology
                .members()
                .any(|node| node.tier("region") != Some(observed.region.as_str()));
            if elsewhere {
                return Ok(false);
            }
            let tables = cluster::tables(cx, shell).await?;
            if tables.is_empty() {
                return Ok(true);
            }
            Err(Error::NotEmpty {
                kind: "region of CockroachDB",
                name: format!("{}/{}", observed.cluster, observed.region),
                what: format!("the only replicas of {}", tables.join(", ")),
                remedy: "Drop these tables first, or remove the whole cluster.".to_owned(),
            })
        }
        _ => Ok(false),
    }
}

fn tcp(port: u16) -> PortKey {
    PortKey {
        port,
        protocol: "tcp".to_owned(),
    }
}

fn own_labels(spec: &Spec, number: u32) -> Labels {
    labels([
        (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
        (labels::ATLAS_COCKROACHDB, &spec.cluster),
        (labels::ATLAS_COCKROACHDB_REGION, &spec.name),
        (labels::ATLAS_COCKROACHDB_NODE, &number.to_string()),
        (labels::ATLAS_COCKROACHDB_NETWORK, &spec.network),
    ])
}

/// A node's container. Flags are repeated at every start: only the list of `--join` is remembered in a store.
pub(super) fn container(spec: &Spec, node: &NodeSpec) -> ContainerSpec {
    let name = names::node(&spec.cluster, &spec.name, node.number);
    let zone = node.zone.as_ref().map(|zone| format!(",zone={zone}"));
    let mut cmd = vec![
        "start".to_owned(),
        format!("--cluster-name={}", spec.cluster),
        format!(
            "--join={}",
            names::join(&spec.cluster, &spec.regions, &spec.join).join(",")
        ),
        format!("--listen-addr=:{SQL_PORT}"),
        format!("--advertise-addr={name}:{SQL_PORT}"),
        format!("--http-addr=:{HTTP_PORT}"),
        format!(
            "--locality=region={}{}",
            spec.name,
            zone.unwrap_or_default()
        ),
        format!("--store=path={STORE}"),
        if node.secure {
            format!("--certs-dir={CERTIFICATES}")
        } else {
            "--insecure".to_owned()
        },
    ];
    let sizes = [
        ("cache", &node.resources.cache),
        ("max-sql-memory", &node.resources.max_sql_memory),
    ];
    for (flag, size) in sizes {
        cmd.extend(size.as_ref().map(|size| format!("--{flag}={size}")));
    }
    let published = [(SQL_PORT, node.sql_port), (HTTP_PORT, node.http_port)];
    let ports: BTreeMap<PortKey, Vec<Published>> = published
        .into_iter()
        .filter_map(|(inside, outside)| {
            let published = Published {
                address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                port: Some(outside?),
            };
            Some((tcp(inside), vec![published]))
        })
        .collect();
    ContainerSpec {
        image: node.image.clone(),
        entrypoint: None,
        cmd,
        env: Vec::new(),
        labels: own_labels(spec, node.number),
        binds: vec![format!("{name}:{STORE}")],
        ports,
        network: node.network.clone(),
        address: node.address,
        extra_hosts: Vec::new(),
        memory: node.resources.memory,
        nano_cpus: node.resources.nano_cpus,
        is_node: false,
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::spec;
    use super::*;

    #[test]
    fn a_node_is_started_with_its_place_and_its_peers() {
        let spec = spec();
        let made = container(&spec, &spec.node(2));
        assert_eq!(made.name, "atlas-cockroachdb-ledger-us-east-2");
        for word in [
            "--cluster-name=ledger",
            "--locality=region=us-east,zone=b",
            "--advertise-addr=atlas-cockroachdb-ledger-us-east-2:26257",
            "--cache=128MiB",
            "--certs-dir=/cockroach/cockroach-certs",
        ] {
            assert!(
                made.cmd.iter().any(|found| found == word),
                "{word}: {:?}",
                made.cmd
            );
        }
        assert_eq!(made.ports[&tcp(SQL_PORT)][0].port, Some(26258));
        assert!(!made.ports.contains_key(&tcp(HTTP_PORT)));
    }
}
