//! What a node's tasks wait for: they act when something happens, and not when an interval is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::{BasicNode, LogId, RaftMetrics};
use tokio::sync::watch;

use super::{Node, Phase};
use crate::catalog::Catalog;
use crate::state::State;

type Metrics = RaftMetrics<u64, BasicNode>;

/// How many entries of the log a learner may lack and vote still.
const BEHIND: u64 = 200;
/// What happens within this time is looked at together.
const BURST: Duration = Duration::from_millis(5);

/// Everything that a task may have to act on.
pub(super) struct Events {
    peers: watch::Receiver<u64>,
    phase: watch::Receiver<Phase>,
    state: watch::Receiver<State>,
    metrics: watch::Receiver<Metrics>,
    catalog: Arc<Catalog>,
    group: Group,
}

/// What matters of the Raft group: not every entry of its log.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    leader: Option<u64>,
    term: u64,
    members: Option<LogId<u64>>,
    up_to_date: BTreeSet<u64>,
}

impl Group {
    fn of(metrics: &Metrics) -> Self {
        Self {
            leader: metrics.current_leader,
            term: metrics.current_term,
            members: *metrics.membership_config.log_id(),
            up_to_date: up_to_date(metrics),
        }
    }
}

/// Those that have almost all of the leader's log, as the leader knows it.
pub(super) fn up_to_date(metrics: &Metrics) -> BTreeSet<u64> {
    let last = metrics.last_log_index.unwrap_or(0);
    let has = |(id, matched): (&u64, &Option<LogId<u64>>)| {
        let matched = matched.as_ref()?;
        (matched.index + BEHIND >= last).then_some(*id)
    };
    metrics
        .replication
        .iter()
        .flatten()
        .filter_map(has)
        .collect()
}

impl Events {
    /// Those of a node, once it is part of a cluster.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let part = node.part.get()?;
        let metrics = part.raft.metrics();
        let group = Group::of(&metrics.borrow());
        let catalog = part.state.borrow().catalog.clone();
        Some(Self {
            peers: node.peers.news(),
            phase: node.phase.subscribe(),
            state: part.state.clone(),
            metrics,
            catalog,
            group,
        })
    }

    /// Waits until something has happened since the last time, or for so long.
    pub(super) async fn next(&mut self, most: Duration) {
        let Self {
            peers,
            phase,
            state,
            metrics,
            catalog,
            group,
        } = self;
        let happened = async {
            tokio::select! {
                _ = peers.changed() => (),
                _ = phase.changed() => (),
                _ = state.wait_for(|state| !Arc::ptr_eq(&state.catalog, catalog)) => (),
                _ = metrics.wait_for(|metrics| Group::of(metrics) != *group) => (),
            }
            tokio::time::sleep(BURST).await;
        };
        let _ = tokio::time::timeout(most, happened).await;
        self.peers.mark_unchanged();
        self.phase.mark_unchanged();
        self.catalog = self.state.borrow_and_update().catalog.clone();
        self.group = Group::of(&self.metrics.borrow_and_update());
    }
}
