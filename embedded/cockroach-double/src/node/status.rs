//! `node status`, and the checks before a node is decommissioned.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Node;
use crate::catalog::Membership;
use crate::placement::{self, Goal};
use crate::rpc::{Response, StatusRow};

/// How the one group stands for all ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Health {
    /// There is no quorum.
    pub(crate) unavailable: bool,
    /// A voter is missing, dead or leaving.
    pub(crate) underreplicated: bool,
    /// There are more voters than wanted.
    pub(crate) overreplicated: bool,
    /// Voters are not where the goal wants them.
    pub(crate) violating: bool,
    /// Voters that are not up.
    pub(crate) down: Vec<u64>,
}

impl Node {
    /// The number of ranges that the group stands for: one per table, and those of the system.
    pub(crate) fn ranges(&self) -> u64 {
        self.local().map_or(0, |state| {
            let indexes: usize = state
                .catalog
                .tables
                .values()
                .map(|t| 1 + t.indexes.len())
                .sum();
            u64::try_from(indexes + 5).unwrap_or(u64::MAX)
        })
    }

    /// How the group is, seen from this node.
    pub(crate) fn health(&self) -> Health {
        let Some(state) = self.local() else {
            return Health::default();
        };
        let voters: BTreeSet<u64> = self.voters().into_iter().collect();
        let goal = placement::goal(&state.catalog);
        let present = placement::candidates(&state.catalog, &voters, |id| {
            voters.contains(&id) && self.is_live(id)
        });
        let possible = placement::candidates(&state.catalog, &voters, |_| true);
        let wanted = placement::choose(&goal, &possible).len();
        let down = voters
            .iter()
            .copied()
            .filter(|id| !self.is_live(*id))
            .collect();
        Health {
            unavailable: !self.has_quorum(),
            underreplicated: present.len() < wanted.max(lowest(&goal, possible.len())),
            overreplicated: voters.len() > wanted && voters.len() > goal.voters,
            violating: !fulfils(&goal, &present),
            down,
        }
    }

    /// The lines of `node status`, those who left included.
    pub(crate) fn rows(&self) -> Vec<StatusRow> {
        let Some(state) = self.local() else {
            return Vec::new();
        };
        let peers = self.peers.all();
        let own = self.id();
        let health = self.health();
        let voters: BTreeSet<u64> = self.voters().into_iter().collect();
        let holders: BTreeSet<u64> = self
            .non_voters()
            .into_iter()
            .chain(voters.clone())
            .collect();
        let leader = self.leader();
        state
            .catalog
            .nodes
            .iter()
            .map(|(id, node)| {
                let live = self.is_live(*id) && node.membership != Membership::Decommissioned;
                let peer = peers.get(id);
                // A node that was just started tells its peers before the catalog knows.
                let told = peer.map(|peer| &peer.facts);
                let facts = told.filter(|told| told.started_at > node.facts.started_at);
                // What leaves has nothing left as soon as it does not vote.
                let holds = if node.membership == Membership::Active {
                    holders.contains(id)
                } else {
                    voters.contains(id)
                };
                let quorum = if own == Some(*id) {
                    self.has_quorum()
                } else {
                    peer.and_then(|peer| peer.said.as_ref())
                        .is_some_and(|said| said.quorum)
                };
                StatusRow {
                    id: *id,
                    facts: facts.unwrap_or(&node.facts).clone(),
                    updated_at: if own == Some(*id) {
                        chrono::Utc::now().timestamp_micros()
                    } else {
                        peer.map_or(node.facts.started_at, |peer| {
                            peer.heard_at.max(node.facts.started_at)
                        })
                    },
                    available: live && quorum,
                    live,
                    membership: node.membership,
                    draining: node.draining
                        || peer
                            .and_then(|p| p.said.as_ref())
                            .is_some_and(|said| said.draining && live),
                    replicas: if holds { self.ranges() } else { 0 },
                    leads: leader == Some(*id),
                    unavailable: health.unavailable,
                    underreplicated: health.underreplicated,
                }
            })
            .collect()
    }

    pub(super) fn status(&self) -> Response {
        if self.local().is_none() {
            Response::NotInitialized
        } else {
            Response::Status(self.rows())
        }
    }

    /// Checks whether the others can take what nodes hold, and marks the nodes.
    pub(super) async fn decommission(
        self: &Arc<Self>,
        nodes: Vec<u64>,
        skip: bool,
        dry_run: bool,
    ) -> Response {
        let Some(state) = self.local() else {
            return Response::NotInitialized;
        };
        let nodes = self.or_self(nodes);
        if let Some(id) = nodes
            .iter()
            .find(|id| !state.catalog.nodes.contains_key(id))
        {
            return Response::Refused(format!("node n{id} does not exist"));
        }
        let voters: BTreeSet<u64> = self.voters().into_iter().collect();
        let goal = placement::goal(&state.catalog);
        let stays = placement::candidates(&state.catalog, &voters, |id| {
            !nodes.contains(&id) && self.is_live(id)
        });
        let chosen = placement::choose(&goal, &stays);
        let kept: Vec<_> = stays
            .iter()
            .filter(|c| chosen.contains(&c.id))
            .cloned()
            .collect();
        let enough = chosen.len() >= goal.voters.min(3) && fulfils(&goal, &kept);
        let free = stays.iter().filter(|c| !c.votes).count();
        let blocked = |id: &u64| {
            let gone = state.catalog.nodes.get(id).map(|n| n.membership)
                == Some(Membership::Decommissioned);
            (!enough && !gone && !skip && voters.contains(id)).then(|| {
                format!(
                    "n{id} has {} replicas blocked with error: \"0 of {} live stores are able to take a new replica for the range ({} already have a voter, 0 already have a non-voter); likely not enough nodes in cluster\"",
                    self.ranges(),
                    stays.len(),
                    stays.len() - free,
                )
            })
        };
        let ready: Vec<(u64, Option<String>)> = nodes.iter().map(|id| (*id, blocked(id))).collect();
        if dry_run || ready.iter().any(|(_, blocked)| blocked.is_some()) {
            return Response::Ready(ready);
        }
        match self.mark_decommissioning(nodes).await {
            Ok(()) => Response::Ready(ready),
            Err(words) => Response::Refused(words),
        }
    }

    async fn mark_decommissioning(&self, nodes: Vec<u64>) -> Result<(), String> {
        let membership = Membership::Decommissioning;
        self.propose(crate::state::Command::Membership { nodes, membership })
            .await
            .map(|_| ())
            .map_err(|error| error.message)
    }
}

/// The least of voters that a cluster of so many nodes should have.
fn lowest(goal: &Goal, nodes: usize) -> usize {
    goal.voters
        .min(if nodes.is_multiple_of(2) {
            nodes.saturating_sub(1)
        } else {
            nodes
        })
        .max(1)
}

/// Whether voters are where the goal wants them.
fn fulfils(goal: &Goal, voters: &[placement::Candidate]) -> bool {
    let count = |region: &str| {
        voters
            .iter()
            .filter(|c| c.locality.region() == Some(region))
            .count()
    };
    goal.least
        .iter()
        .all(|(region, least)| count(region) >= *least)
        && goal
            .all_in
            .as_ref()
            .is_none_or(|region| count(region) == voters.len())
}
