//! How a node becomes part of a cluster: by `init`, by joining, or because it was part of it before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, select_all};
use openraft::{BasicNode, Config as RaftConfig, SnapshotPolicy};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::store::Ident;
use super::{Events, Node, Part, Phase, clocks};
use crate::catalog::{Membership, NodeFacts};
use crate::error::CliError;
use crate::raft::Raft;
use crate::raft::log::Log;
use crate::raft::machine::Machine;
use crate::raft::network::Network;
use crate::rpc::{Ping, Request, Response};
use crate::state::{Command, Outcome};

/// How long a node that was asked to admit another may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// When an address that gave no id is asked again.
const AGAIN: Duration = Duration::from_millis(100);

impl Node {
    /// Takes up the part that a store tells of; `known` tells whether the cluster knows where this node is now.
    pub(super) async fn take_part(
        self: &Arc<Self>,
        ident: &Ident,
        known: bool,
    ) -> Result<(), CliError> {
        let (Some(id), Some(cluster)) = (ident.node, ident.cluster) else {
            return Ok(());
        };
        if self.part.get().is_some() {
            return Ok(());
        }
        let failed = |e: &dyn std::fmt::Display| {
            CliError::fatal(format!(
                "could not open the store {}: {e}",
                self.config.store.display()
            ))
        };
        let tick = u64::try_from(self.tick.as_millis()).unwrap_or(500);
        let config = RaftConfig {
            cluster_name: cluster.to_string(),
            heartbeat_interval: tick,
            election_timeout_min: tick * 4,
            election_timeout_max: tick * 6,
            install_snapshot_timeout: 10_000,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(2_000),
            max_in_snapshot_log_to_keep: 500,
            ..RaftConfig::default()
        };
        let config = Arc::new(config.validate().map_err(|e| failed(&e))?);
        let log = Log::open(&self.config.store).map_err(|e| failed(&e))?;
        let (machine, state) = Machine::open(&self.config.store).map_err(|e| failed(&e))?;
        let network = Network {
            peers: self.peers.clone(),
        };
        let raft = Raft::new(id, config, network, log, machine)
            .await
            .map_err(|e| failed(&e))?;
        let part = Part {
            id,
            cluster,
            raft,
            state,
        };
        if self.part.set(part).is_err() {
            return Ok(());
        }
        self.peers.learn([(id, self.facts())]);
        tokio::spawn(self.clone().gossip());
        tokio::spawn(self.clone().stewardship());
        if !known {
            tokio::spawn(self.clone().register());
        }
        if ident.founder {
            self.found(cluster).await?;
        }
        self.up.send_replace(true);
        Ok(())
    }

    /// `init`: this node becomes the first of a new cluster.
    pub(super) async fn init(self: &Arc<Self>, cluster_name: Option<&str>) -> Response {
        if let Err(words) = self.same_name(cluster_name) {
            return Response::Refused(words);
        }
        if self.part.get().is_some() {
            return Response::Refused("cluster has already been initialized".to_owned());
        }
        // One of the others may have been asked before.
        let request = Request::Ping(self.ping());
        let pool = &self.peers.pool;
        let asked = self.config.join.iter();
        let asked = asked.map(|address| pool.call(address, &request, self.tick * 2));
        let belongs = |answer: Result<Response, _>| matches!(answer, Ok(Response::Pong(ping)) if ping.cluster.is_some());
        if join_all(asked).await.into_iter().any(belongs) {
            return Response::Refused("cluster has already been initialized".to_owned());
        }
        let founded = async {
            let mut ident = Ident::open(&self.config.store)?;
            if ident.cluster.is_none() {
                ident.cluster = Some(Uuid::new_v4());
                ident.node = Some(1);
                ident.founder = true;
                ident.save(&self.config.store)?;
            }
            self.take_part(&ident, true).await
        };
        match founded.await {
            Ok(()) => Response::Ok,
            Err(error) => Response::Refused(error.to_string()),
        }
    }

    /// Makes the cluster, or finishes making it: every step may be repeated.
    async fn found(self: &Arc<Self>, cluster: Uuid) -> Result<(), CliError> {
        let Some(part) = self.part.get() else {
            return Ok(());
        };
        let failed =
            |e: &dyn std::fmt::Display| CliError::fatal(format!("could not initialize: {e}"));
        let founder = self.facts();
        let command = Command::Bootstrap {
            cluster_id: cluster,
            founder,
        };
        if part.raft.is_initialized().await.map_err(|e| failed(&e))? {
            // It was begun before; whether it was finished shows when there is a quorum.
            let node = self.clone();
            tokio::spawn(async move {
                while node.propose(command.clone()).await.is_err() {
                    tokio::time::sleep(node.tick).await;
                }
            });
            return Ok(());
        }
        let members = BTreeMap::from([(part.id, BasicNode::default())]);
        part.raft
            .initialize(members)
            .await
            .map_err(|e| failed(&e))?;
        self.propose(command).await.map_err(|e| failed(&e))?;
        info!(%cluster, "cluster initialized");
        Ok(())
    }

    /// Asks all addresses of `--join` until one has an id to give, or this node is initialised itself.
    pub(super) async fn join(self: Arc<Self>) -> Result<(), CliError> {
        let asked = self.config.join.iter();
        let asked = asked.map(|address| Box::pin(self.ask_to_join(address)));
        let mut up = self.up();
        let admission = tokio::select! {
            (admission, ..) = select_all(asked) => admission,
            _ = up.wait_for(|up| *up) => return Ok(()),
        };
        let mut ident = Ident::open(&self.config.store)?;
        if ident.cluster.is_some() {
            return Ok(()); // being initialised
        }
        ident.cluster = Some(admission.cluster);
        ident.node = Some(admission.node);
        ident.save(&self.config.store)?;
        self.peers.learn(admission.nodes);
        self.take_part(&ident, true).await
    }

    /// Asks one address until it has an id to give.
    async fn ask_to_join(&self, address: &str) -> Admission {
        loop {
            let request = Request::Join {
                facts: self.facts(),
                cluster_name: self.config.cluster_name.clone(),
            };
            let asked = Instant::now();
            let answer = self.peers.pool.call(address, &request, PATIENCE).await;
            match answer {
                Ok(Response::Joined {
                    cluster,
                    node,
                    nodes,
                }) => {
                    return Admission {
                        cluster,
                        node,
                        nodes,
                    };
                }
                Ok(Response::Refused(words)) => tell(&self.told, address, &words),
                Ok(_) => (),
                Err(error) => tell(&self.told, address, &error.to_string()),
            }
            // One that waits for the cluster itself has held the request for a while already.
            let pause = AGAIN.saturating_sub(asked.elapsed());
            tokio::time::sleep(pause).await;
        }
    }

    /// Gives an id to a node that wants one, as soon as this node is part of a cluster.
    pub(super) async fn admit_later(
        &self,
        facts: NodeFacts,
        cluster_name: Option<&str>,
    ) -> Response {
        if let Err(words) = self.same_name(cluster_name) {
            return Response::Refused(words);
        }
        let mut up = self.up();
        let _ = tokio::time::timeout(PATIENCE / 2, up.wait_for(|up| *up)).await;
        self.admit(facts).await
    }

    async fn admit(&self, facts: NodeFacts) -> Response {
        let Some(cluster) = self.cluster() else {
            return Response::NotInitialized;
        };
        if facts.max_offset != self.config.max_offset {
            return Response::Refused(format!(
                "locally configured maximum clock offset ({}ms) does not match that of node {} ({}ms)",
                self.config.max_offset, facts.address, facts.max_offset
            ));
        }
        if let Some(state) = self.local() {
            let clash = state.catalog.nodes.iter().find(|(id, node)| {
                node.facts.address == facts.address
                    && node.facts.store != facts.store
                    && node.membership != Membership::Decommissioned
                    && self.is_live(**id)
            });
            if let Some((id, _)) = clash {
                return Response::Refused(format!("n{id} is live at {} already", facts.address));
            }
        }
        match self.propose(Command::Node(facts)).await {
            Ok(Outcome::Node(node)) => {
                let nodes = self.ping().nodes;
                Response::Joined {
                    cluster,
                    node,
                    nodes,
                }
            }
            Ok(Outcome::Refused(error)) | Err(error) => Response::Refused(error.message),
            Ok(_) => Response::Refused("the leader answered something else".to_owned()),
        }
    }

    /// Verifies a cluster's name.
    pub(super) fn same_name(&self, theirs: Option<&str>) -> Result<(), String> {
        let ours = self.config.cluster_name.as_deref();
        if self.config.any_cluster_name || theirs == Some("*") || ours == theirs {
            return Ok(());
        }
        let name = |name: Option<&str>| name.unwrap_or_default().to_owned();
        Err(format!(
            "peer node expects cluster name {:?}, use --cluster-name to configure (got {:?})",
            name(ours),
            name(theirs)
        ))
    }

    /// Tells the cluster where this node is now.
    async fn register(self: Arc<Self>) {
        loop {
            match self.propose(Command::Node(self.facts())).await {
                Ok(Outcome::Refused(error)) if error.code == "57P03" => (),
                Ok(Outcome::Refused(error)) => {
                    error!("{}", error.message);
                    // A node that has left for good ends.
                    std::process::exit(crate::error::UNSPECIFIED);
                }
                Ok(_) => return,
                Err(error) => warn!("could not register this node yet: {}", error.message),
            }
            tokio::time::sleep(self.tick).await;
        }
    }

    /// Tells the others what is new, at once and every tick, and hears from them.
    async fn gossip(self: Arc<Self>) {
        let Some(mut events) = Events::of(&self) else {
            return;
        };
        let busy: Arc<Busy> = Arc::default();
        loop {
            let told = self.gist();
            let round = Instant::now();
            for address in self.gossip_addresses() {
                // A peer that does not answer delays nobody else; what is new meanwhile is told afterwards.
                if busy.begin(&address) {
                    let (node, busy) = (self.clone(), busy.clone());
                    tokio::spawn(async move {
                        loop {
                            if let Err(words) = node.exchange(&address).await {
                                tell(&node.told, &address, &words);
                            }
                            if !busy.again(&address) {
                                break;
                            }
                        }
                    });
                }
            }
            while self.gist() == told && round.elapsed() < self.tick {
                events.next(self.tick.saturating_sub(round.elapsed())).await;
            }
        }
    }

    /// What the others should hear of at once when it changes.
    fn gist(&self) -> Gist {
        let metrics = self.raft().map(|raft| {
            let metrics = raft.metrics();
            let metrics = metrics.borrow();
            (metrics.current_leader, metrics.current_term)
        });
        Gist {
            group: metrics.unwrap_or_default(),
            quorum: self.has_quorum(),
            phase: *self.phase.borrow(),
            nodes: self.peers.all().into_keys().collect(),
        }
    }

    fn gossip_addresses(&self) -> BTreeSet<String> {
        let state = self.local();
        let nodes = state.iter().flat_map(|state| &state.catalog.nodes);
        self.peers
            .learn(nodes.clone().map(|(id, node)| (*id, node.facts.clone())));
        let gone: BTreeSet<u64> = nodes
            .filter(|(_, node)| node.membership == Membership::Decommissioned)
            .map(|(id, _)| *id)
            .collect();
        let mut addresses: BTreeSet<String> = self
            .peers
            .all()
            .into_keys()
            .filter(|id| Some(*id) != self.id() && !gone.contains(id))
            .filter_map(|id| self.peers.address(id))
            .collect();
        if addresses.is_empty() || !self.has_quorum() {
            addresses.extend(self.config.join.iter().cloned());
        }
        addresses.remove(&self.config.advertise);
        addresses
    }

    /// Tells one peer what is new, and hears from it.
    async fn exchange(&self, address: &str) -> Result<(), String> {
        let begun = Instant::now();
        let request = Request::Ping(self.ping());
        match self.peers.pool.call(address, &request, self.tick * 4).await {
            Ok(Response::Pong(ping)) => {
                self.same_cluster(&ping)?;
                if let Some(id) = ping.node {
                    let offset = clocks::offset(&ping, begun);
                    self.peers.heard(id, &ping, Some((begun.elapsed(), offset)));
                    self.verify_clocks();
                }
                Ok(())
            }
            Ok(Response::Refused(words)) => Err(words),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Verifies that a peer is of this cluster.
    pub(super) fn same_cluster(&self, ping: &Ping) -> Result<(), String> {
        match (self.cluster(), ping.cluster) {
            (Some(ours), Some(theirs)) if ours != theirs => Err(format!(
                "node belongs to cluster {ours} but is attempting to connect to a gossip network for cluster {theirs}"
            )),
            _ => Ok(()),
        }
    }
}

/// The answer to a node that wanted to join.
struct Admission {
    cluster: Uuid,
    node: u64,
    nodes: Vec<(u64, NodeFacts)>,
}

/// What a node has to tell.
#[derive(PartialEq, Eq)]
struct Gist {
    group: (Option<u64>, u64),
    quorum: bool,
    phase: Phase,
    nodes: BTreeSet<u64>,
}

/// Addresses that are being told something, and whether there is more to tell each.
#[derive(Default)]
struct Busy(Mutex<BTreeMap<String, bool>>);

impl Busy {
    /// Whether an address is free, and is taken now.
    fn begin(&self, address: &str) -> bool {
        let Ok(mut busy) = self.0.lock() else {
            return false;
        };
        match busy.get_mut(address) {
            Some(more) => {
                *more = true;
                false
            }
            None => busy.insert(address.to_owned(), false).is_none(),
        }
    }

    /// Whether there is more to tell an address, which is free otherwise.
    fn again(&self, address: &str) -> bool {
        let Ok(mut busy) = self.0.lock() else {
            return false;
        };
        match busy.get_mut(address) {
            Some(more) if *more => {
                *more = false;
                true
            }
            _ => {
                busy.remove(address);
                false
            }
        }
    }
}

/// Logs what goes wrong with an address, once until it changes.
fn tell(told: &Mutex<BTreeMap<String, String>>, address: &str, words: &str) {
    if let Ok(mut told) = told.lock()
        && told
            .insert(address.to_owned(), words.to_owned())
            .is_some_and(|last| last == words)
    {
        return;
    }
    warn!("{address}: {words}");
}
