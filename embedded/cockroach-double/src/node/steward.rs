//! What the leader looks after: who is in the group, who votes, and who leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use openraft::{BasicNode, ChangeMembers};
use tracing::{info, warn};

use super::events::up_to_date;
use super::{Events, Node};
use crate::catalog::Membership;
use crate::placement;
use crate::rpc::{Raft, Request, Response};
use crate::state::State;

impl Node {
    /// Looks after the group for as long as the process lives.
    pub(super) async fn stewardship(self: Arc<Self>) {
        let Some(mut events) = Events::of(&self) else {
            return;
        };
        let mut moved: Option<Instant> = None;
        loop {
            events.next(self.tick).await;
            if !self.leads() || !self.has_quorum() {
                continue;
            }
            let Some(state) = self.local() else { continue };
            if let Err(words) = self.look_after_members(&state).await {
                warn!("membership: {words}");
                // What is wrong may stay wrong for a while.
                tokio::time::sleep(self.tick).await;
                continue;
            }
            let rested = moved.is_none_or(|at| at.elapsed() > self.tick * 20);
            if rested && let Some(target) = self.better_leader(&state) {
                moved = Some(Instant::now());
                self.hand_over(target).await;
            }
        }
    }

    async fn look_after_members(&self, state: &State) -> Result<(), String> {
        let Some(raft) = self.raft() else {
            return Ok(());
        };
        let metrics = raft.metrics().borrow().clone();
        let members = metrics.membership_config.membership().clone();
        // A leader that was lost in the middle of a change leaves it to the next one.
        if let [_, .., wanted] = members.get_joint_config().as_slice() {
            info!(to = ?wanted, "a change of voters is finished");
            raft.change_membership(wanted.clone(), true)
                .await
                .map_err(|e| e.to_string())?;
            return Ok(());
        }
        let known: BTreeSet<u64> = members.nodes().map(|(id, _)| *id).collect();
        let voters: BTreeSet<u64> = members.voter_ids().collect();
        let mut new: BTreeMap<u64, BasicNode> = BTreeMap::new();
        let mut left: BTreeSet<u64> = BTreeSet::new();
        for (id, node) in &state.catalog.nodes {
            let gone = node.membership == Membership::Decommissioned;
            if !gone && !known.contains(id) && self.is_live(*id) {
                new.insert(*id, BasicNode::default());
            } else if gone && known.contains(id) && !voters.contains(id) {
                left.insert(*id);
            }
        }
        // Whatever is changed wakes this task again, which then looks at what is left to do.
        if !new.is_empty() || !left.is_empty() {
            let change = if new.is_empty() {
                info!(nodes = ?left, "nodes are taken out of the group");
                ChangeMembers::RemoveNodes(left)
            } else {
                info!(nodes = ?new.keys(), "nodes are taken into the group");
                ChangeMembers::AddNodes(new)
            };
            raft.change_membership(change, true)
                .await
                .map_err(|e| e.to_string())?;
            return Ok(());
        }
        let up_to_date = up_to_date(&metrics);
        let has_log = |id: u64| self.id() == Some(id) || up_to_date.contains(&id);
        let dead_after = self.duration_setting("server.time_until_store_dead");
        let usable = |id: u64| {
            if voters.contains(&id) {
                self.is_live(id) || self.peers.silent_for(id).is_none_or(|s| s < dead_after)
            } else {
                let draining = state
                    .catalog
                    .nodes
                    .get(&id)
                    .is_some_and(|node| node.draining);
                known.contains(&id) && self.is_live(id) && has_log(id) && !draining
            }
        };
        let goal = placement::goal(&state.catalog);
        let candidates = placement::candidates(&state.catalog, &voters, usable);
        let chosen = placement::choose(&goal, &candidates);
        let leaving = voters.iter().any(|id| {
            state
                .catalog
                .nodes
                .get(id)
                .is_none_or(|node| node.membership != Membership::Active)
        });
        // A dead voter is replaced, never dropped: fewer voters would only hide what is lost.
        let smaller = chosen.len() < voters.len() && chosen.len() < goal.voters && !leaving;
        if chosen.is_empty() || chosen == voters || smaller {
            return Ok(());
        }
        // The new voters must have a majority that is up, or the change could never be committed.
        let up = chosen.iter().filter(|id| self.is_live(**id)).count();
        if up * 2 <= chosen.len() {
            return Ok(());
        }
        info!(from = ?voters, to = ?chosen, "voters change");
        raft.change_membership(chosen, true)
            .await
            .map_err(|e| e.to_string())?;
        Ok(())
    }

    /// A voter that leads rather than this node: in a region that is preferred, or not leaving.
    fn better_leader(&self, state: &State) -> Option<u64> {
        let own = self.id()?;
        let voters: BTreeSet<u64> = self.voters().into_iter().collect();
        let goal = placement::goal(&state.catalog);
        let rank = |id: u64| -> Option<usize> {
            let node = state.catalog.nodes.get(&id)?;
            let region = node.facts.locality.region()?;
            let rank = goal.preferences.iter().position(|p| p == region);
            Some(rank.unwrap_or(goal.preferences.len()))
        };
        let leaving = |id: u64| {
            state
                .catalog
                .nodes
                .get(&id)
                .is_none_or(|node| node.membership != Membership::Active || node.draining)
        };
        let current = if leaving(own) || !voters.contains(&own) {
            usize::MAX
        } else {
            rank(own)?
        };
        voters
            .iter()
            .copied()
            .filter(|id| *id != own && self.is_live(*id) && !leaving(*id))
            .map(|id| (rank(id).unwrap_or(usize::MAX - 1), id))
            .min()
            .filter(|(rank, _)| *rank < current)
            .map(|(_, id)| id)
    }

    /// Hands leadership to another voter: no heartbeats until the others' promise to this node has
    /// run out, then the other is elected. Requests wait meanwhile.
    pub(super) async fn hand_over(&self, target: u64) {
        let (Some(raft), Some(address)) = (self.raft(), self.peers.address(target)) else {
            return;
        };
        info!("leadership goes to n{target}");
        self.handing_over.store(true, Ordering::Relaxed);
        raft.runtime_config().heartbeat(false);
        raft.runtime_config().elect(false);
        // The promise lasts as long as the longest election timeout.
        let mut metrics = raft.metrics();
        let own = self.id();
        let gone = |m: &openraft::RaftMetrics<u64, BasicNode>| {
            m.current_leader.is_some() && m.current_leader != own
        };
        let promise = self.tick * 6 + Duration::from_millis(50);
        let early = tokio::time::timeout(promise, metrics.wait_for(gone))
            .await
            .is_ok();
        if !early {
            let asked = self
                .peers
                .pool
                .call(&address, &Request::Raft(target, Raft::Elect), self.tick * 4)
                .await;
            if !matches!(asked, Ok(Response::Ok)) {
                warn!("n{target} did not take over leadership");
            }
            let _ = tokio::time::timeout(self.tick * 4, metrics.wait_for(gone)).await;
        }
        raft.runtime_config().heartbeat(true);
        raft.runtime_config().elect(true);
        self.handing_over.store(false, Ordering::Relaxed);
    }

    /// Whom a node that goes away hands leadership to.
    pub(super) fn heir(&self) -> Option<u64> {
        let own = self.id()?;
        let state = self.local()?;
        self.better_leader(&state).or_else(|| {
            self.voters()
                .into_iter()
                .find(|id| *id != own && self.is_live(*id))
        })
    }
}
