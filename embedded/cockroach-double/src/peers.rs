//! What a node knows of the others: where they are, and when each was last heard of.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::watch;

use crate::catalog::NodeFacts;
use crate::clock::Offset;
use crate::locality::Locality;
use crate::rpc::{Ping, Pool};

/// One of the others.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// What it told of itself.
    pub(crate) facts: NodeFacts,
    /// When it was last heard of.
    pub(crate) heard: Option<Instant>,
    /// The same by the clock, in microseconds.
    pub(crate) heard_at: i64,
    /// What it said last.
    pub(crate) said: Option<Ping>,
    /// How long it took to answer, in nanoseconds.
    pub(crate) round_trip: u64,
    /// How far its clock is from this node's.
    pub(crate) offset: Option<Offset>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Peers {
    locality: Locality,
    known: RwLock<BTreeMap<u64, Peer>>,
    /// After what silence a peer is taken for dead.
    window: Duration,
    news: watch::Sender<u64>,
    /// Connections to them.
    pub(crate) pool: Arc<Pool>,
}

impl Peers {
    /// None yet.
    pub(crate) fn new(locality: Locality, window: Duration, pool: Arc<Pool>) -> Arc<Self> {
        Arc::new(Self {
            locality,
            known: RwLock::default(),
            window,
            news: watch::Sender::new(0),
            pool,
        })
    }

    /// Changes when a peer is new, is back, or says something else than before.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Takes in facts, unless newer ones are known.
    pub(crate) fn learn(&self, nodes: impl IntoIterator<Item = (u64, NodeFacts)>) {
        let Ok(mut known) = self.known.write() else {
            return;
        };
        let mut news = false;
        for (id, facts) in nodes {
            match known.get_mut(&id) {
                Some(peer) if peer.facts.started_at >= facts.started_at => continue,
                Some(peer) => peer.facts = facts,
                None => {
                    let peer = Peer {
                        facts,
                        heard: None,
                        heard_at: 0,
                        said: None,
                        round_trip: 0,
                        offset: None,
                    };
                    known.insert(id, peer);
                }
            }
            news = true;
        }
        if news {
            self.tell();
        }
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// A node was heard of.
    pub(crate) fn heard(&self, id: u64, ping: &Ping, measured: Option<(Duration, Offset)>) {
        self.learn(ping.nodes.iter().cloned());
        let Ok(mut known) = self.known.write() else {
            return;
        };
        if let Some(peer) = known.get_mut(&id) {
            let back = peer.heard.is_none_or(|at| at.elapsed() > self.window);
            let gist = |ping: &Ping| (ping.leader, ping.term, ping.quorum, ping.draining);
            let same = peer.said.as_ref().map(gist) == Some(gist(ping));
            if back || !same {
                self.tell();
            }
            peer.heard = Some(Instant::now());
            peer.heard_at = Utc::now().timestamp_micros();
            peer.said = Some(ping.clone());
            if let Some((time, offset)) = measured {
                peer.offset = Some(offset);
                peer.round_trip = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            }
        }
    }

    /// Where a node is dialled from here.
    pub(crate) fn address(&self, id: u64) -> Option<String> {
        self.known
            .read()
            .ok()?
            .get(&id)
            .map(|peer| self.route(&peer.facts))
    }

    fn route(&self, facts: &NodeFacts) -> String {
        facts
            .locality_addresses
            .iter()
            .find(|(tier, _)| {
                self.locality
                    .0
                    .iter()
                    .any(|(k, v)| *tier == format!("{k}={v}"))
            })
            .map_or_else(|| facts.address.clone(), |(_, address)| address.clone())
    }

    /// A copy of all of them.
    pub(crate) fn all(&self) -> BTreeMap<u64, Peer> {
        self.known
            .read()
            .map(|known| known.clone())
            .unwrap_or_default()
    }

    /// How far the clocks of those are that were heard of lately.
    pub(crate) fn offsets(&self) -> Vec<Offset> {
        // Asked for at every exchange: nothing is copied.
        let Ok(known) = self.known.read() else {
            return Vec::new();
        };
        let lately = |peer: &&Peer| peer.heard.is_some_and(|at| at.elapsed() <= self.window);
        let lately = known.values().filter(lately);
        lately.filter_map(|peer| peer.offset).collect()
    }

    /// All facts.
    pub(crate) fn facts(&self) -> Vec<(u64, NodeFacts)> {
        self.all()
            .into_iter()
            .map(|(id, peer)| (id, peer.facts))
            .collect()
    }

    /// How long ago a node was heard of.
    pub(crate) fn silent_for(&self, id: u64) -> Option<Duration> {
        Some(self.known.read().ok()?.get(&id)?.heard?.elapsed())
    }
}
