//! How a node becomes part of a cluster: by `init`, by joining, or because it was part of it before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openraft::{BasicNode, Config as RaftConfig, SnapshotPolicy};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::store::Ident;
use super::{Node, Part};
use crate::catalog::Membership;
use crate::error::CliError;
use crate::raft::Raft;
use crate::raft::log::Log;
use crate::raft::machine::Machine;
use crate::raft::network::Network;
use crate::rpc::{Ping, Request, Response};
use crate::state::{Command, Outcome};

impl Node {
    /// Takes up the part that a store tells of.
    pub(super) async fn take_part(self: &Arc<Self>, ident: &Ident) -> Result<(), CliError> {
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
        tokio::spawn(self.clone().register());
        tokio::spawn(self.clone().stewardship());
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
        for address in &self.config.join {
            let answer = self
                .peers
                .pool
                .call(address, &Request::Ping(self.ping()), self.tick * 2)
                .await;
            if let Ok(Response::Pong(Ping {
                cluster: Some(_), ..
            })) = answer
            {
                return Response::Refused("cluster has already been initialized".to_owned());
            }
        }
        let founded = async {
            let mut ident = Ident::open(&self.config.store)?;
            if ident.cluster.is_none() {
                ident.cluster = Some(Uuid::new_v4());
                ident.node = Some(1);
                ident.founder = true;
                ident.save(&self.config.store)?;
            }
            self.take_part(&ident).await
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

    /// Asks the addresses of `--join`, in turn, until one has an id to give.
    pub(super) async fn join(self: Arc<Self>) -> Result<(), CliError> {
        while self.part.get().is_none() {
            for address in &self.config.join {
                let request = Request::Join {
                    facts: self.facts(),
                    cluster_name: self.config.cluster_name.clone(),
                };
                match self
                    .peers
                    .pool
                    .call(address, &request, Duration::from_secs(10))
                    .await
                {
                    Ok(Response::Joined {
                        cluster,
                        node,
                        nodes,
                    }) => {
                        if self.part.get().is_some() {
                            return Ok(());
                        }
                        let mut ident = Ident::open(&self.config.store)?;
                        ident.cluster = Some(cluster);
                        ident.node = Some(node);
                        ident.save(&self.config.store)?;
                        self.peers.learn(nodes);
                        return self.take_part(&ident).await;
                    }
                    Ok(Response::Refused(words)) => tell(&self.told, address, &words),
                    Ok(_) => (),
                    Err(error) => tell(&self.told, address, &error.to_string()),
                }
            }
            tokio::time::sleep(self.tick.min(Duration::from_millis(500))).await;
        }
        Ok(())
    }

    /// Gives an id to a node that wants one.
    pub(super) async fn admit(
        &self,
        facts: crate::catalog::NodeFacts,
        cluster_name: Option<&str>,
    ) -> Response {
        let Some(cluster) = self.cluster() else {
            return Response::NotInitialized;
        };
        if let Err(words) = self.same_name(cluster_name) {
            return Response::Refused(words);
        }
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

    /// Tells the others what is new, every tick or two, and hears from them.
    async fn gossip(self: Arc<Self>) {
        let busy: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let mut interval = tokio::time::interval(self.tick);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let gone: Vec<u64> = self.local().map_or_else(Vec::new, |state| {
                let gone = |(id, node): (&u64, &crate::catalog::Node)| {
                    (node.membership == Membership::Decommissioned).then_some(*id)
                };
                state.catalog.nodes.iter().filter_map(gone).collect()
            });
            if let Some(state) = self.local() {
                self.peers.learn(
                    state
                        .catalog
                        .nodes
                        .iter()
                        .map(|(id, n)| (*id, n.facts.clone())),
                );
            }
            let known: Vec<u64> = self.peers.all().into_keys().collect();
            let mut addresses: Vec<String> = known
                .iter()
                .filter(|id| Some(**id) != self.id() && !gone.contains(id))
                .filter_map(|id| self.peers.address(*id))
                .collect();
            if addresses.is_empty() || !self.has_quorum() {
                addresses.extend(self.config.join.iter().cloned());
            }
            addresses.sort();
            addresses.dedup();
            addresses.retain(|address| *address != self.config.advertise);
            for address in addresses {
                // A peer that does not answer delays nobody else.
                if !busy
                    .lock()
                    .is_ok_and(|mut busy| busy.insert(address.clone()))
                {
                    continue;
                }
                let (node, busy) = (self.clone(), busy.clone());
                tokio::spawn(async move {
                    if let Err(words) = node.exchange(&address).await {
                        tell(&node.told, &address, &words);
                    }
                    if let Ok(mut busy) = busy.lock() {
                        busy.remove(&address);
                    }
                });
            }
        }
    }

    /// Tells one peer what is new, and hears from it.
    async fn exchange(&self, address: &str) -> Result<(), String> {
        let begun = Instant::now();
        let request = Request::Ping(self.ping());
        match self.peers.pool.call(address, &request, self.tick * 4).await {
            Ok(Response::Pong(ping)) => {
                self.same_cluster(&ping)?;
                if let Some(id) = ping.node {
                    self.peers.heard(id, &ping, Some(begun.elapsed()));
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
