//! A node: its part of the Raft group, its listeners, and what it knows of the others.

mod clocks;
mod drain;
mod events;
mod join;
mod quorum;
mod reload;
mod serve;
mod status;
mod steward;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use uuid::Uuid;

use crate::catalog::NodeFacts;
use crate::cli::flags::go_duration;
use crate::error::{CliError, SqlError};
use crate::locality::Locality;
use crate::peers::Peers;
use crate::raft::Raft;
use crate::rpc::{Credentials, Ping, Pool};
use crate::state::State;
use crate::tls::Live;

pub(crate) use drain::Phase;
use events::Events;
pub(crate) use serve::start;

/// How a node was started.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Addresses to join by.
    pub(crate) join: Vec<String>,
    /// What the RPC listener binds.
    pub(crate) listen: String,
    /// What peers dial.
    pub(crate) advertise: String,
    /// What an SQL listener of its own binds.
    pub(crate) sql: Option<String>,
    /// What clients dial.
    pub(crate) advertise_sql: String,
    /// What the HTTP listener binds.
    pub(crate) http: String,
    /// Its advertised address.
    pub(crate) advertise_http: String,
    /// Addresses for the peers of a locality's tier.
    pub(crate) locality_addresses: Vec<(String, String)>,
    /// Where the node is.
    pub(crate) locality: Locality,
    /// Its attributes.
    pub(crate) attrs: String,
    /// Where its data is.
    pub(crate) store: PathBuf,
    /// The cluster's name.
    pub(crate) cluster_name: Option<String>,
    /// Whether peers may have another.
    pub(crate) any_cluster_name: bool,
    /// The tolerance of clock offsets, in milliseconds.
    pub(crate) max_offset: u64,
    /// Where the process id is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// Where the URL is written.
    pub(crate) url_file: Option<PathBuf>,
}

/// After how many ticks of silence a peer is taken for dead.
const WINDOW: u32 = 6;

/// What a node counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Open SQL connections.
    pub(crate) connections: AtomicU64,
    /// Open transactions.
    pub(crate) open_transactions: AtomicU64,
    /// Committed transactions.
    pub(crate) commits: AtomicU64,
    /// Transactions that were rolled back.
    pub(crate) rollbacks: AtomicU64,
    /// Statements that failed.
    pub(crate) failures: AtomicU64,
    /// Transactions that must be tried again.
    pub(crate) restarts: AtomicU64,
    /// Requests that wait for a quorum too long.
    pub(crate) slow: AtomicU64,
}

/// What a node has once it is part of a cluster.
struct Part {
    id: u64,
    cluster: Uuid,
    raft: Raft,
    state: watch::Receiver<State>,
}

/// A node.
pub(crate) struct Node {
    /// How it was started.
    pub(crate) config: Config,
    /// Its certificates; `None` is insecure.
    pub(crate) tls: Option<Arc<Live>>,
    /// The others.
    pub(crate) peers: Arc<Peers>,
    /// What it counts.
    pub(crate) counters: Counters,
    store: Uuid,
    started: Instant,
    started_at: i64,
    tick: Duration,
    part: OnceLock<Part>,
    up: watch::Sender<bool>,
    phase: watch::Sender<Phase>,
    /// Whether quorum was missed for so long that requests fail at once.
    tripped: AtomicBool,
    /// Whether leadership is being handed over.
    handing_over: AtomicBool,
    /// What was logged last about each address.
    told: std::sync::Mutex<std::collections::BTreeMap<String, String>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// The version that the double says it follows.
pub(crate) fn version() -> String {
    let given = std::env::var("ATLAS_DOUBLE_VERSION")
        .ok()
        .filter(|text| !text.is_empty());
    given.unwrap_or_else(|| "v25.4.11".to_owned())
}

/// The build, which says what this is.
pub(crate) fn build() -> String {
    format!("{}-double", version())
}

/// The interval of Raft's ticks, as the vendor's variable sets it.
fn tick() -> Duration {
    std::env::var("COCKROACH_RAFT_TICK_INTERVAL")
        .ok()
        .and_then(|text| go_duration(&text))
        .filter(|tick| *tick >= Duration::from_millis(10))
        .unwrap_or(Duration::from_millis(500))
}

impl Node {
    fn new(config: Config, tls: Option<Arc<Live>>, store: Uuid) -> Arc<Self> {
        let pool = Pool::new(tls.clone().map_or(Credentials::None, Credentials::Node));
        let tick = tick();
        Arc::new(Self {
            tls,
            peers: Peers::new(config.locality.clone(), tick * WINDOW, pool),
            config,
            counters: Counters::default(),
            store,
            started: Instant::now(),
            started_at: chrono::Utc::now().timestamp_micros(),
            tick,
            part: OnceLock::new(),
            up: watch::Sender::new(false),
            phase: watch::Sender::new(Phase::Serving),
            tripped: AtomicBool::new(false),
            handing_over: AtomicBool::new(false),
            told: std::sync::Mutex::default(),
        })
    }

    /// What the node tells of itself.
    pub(crate) fn facts(&self) -> NodeFacts {
        NodeFacts {
            store: self.store,
            address: self.config.advertise.clone(),
            locality_addresses: self.config.locality_addresses.clone(),
            sql_address: self.config.advertise_sql.clone(),
            http_address: self.config.advertise_http.clone(),
            locality: self.config.locality.clone(),
            attrs: self.config.attrs.clone(),
            build: build(),
            started_at: self.started_at,
            max_offset: self.config.max_offset,
        }
    }

    /// Its id, once it has one.
    pub(crate) fn id(&self) -> Option<u64> {
        self.part.get().map(|part| part.id)
    }

    /// The cluster, once it is part of one.
    pub(crate) fn cluster(&self) -> Option<Uuid> {
        self.part.get().map(|part| part.cluster)
    }

    /// How long it has been up.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The state as far as this node has it, without asking anybody.
    pub(crate) fn local(&self) -> Option<State> {
        self.part.get().map(|part| part.state.borrow().clone())
    }

    /// Becomes true when the node is part of a cluster.
    pub(crate) fn up(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    fn raft(&self) -> Option<&Raft> {
        self.part.get().map(|part| &part.raft)
    }

    /// After what silence a peer is taken for dead.
    fn liveness_window(&self) -> Duration {
        self.tick * WINDOW
    }

    /// Whether a node's process is up, as far as can be told from here.
    pub(crate) fn is_live(&self, id: u64) -> bool {
        self.id() == Some(id)
            || self
                .peers
                .silent_for(id)
                .is_some_and(|silence| silence < self.liveness_window())
    }

    /// The leader, if one is known.
    pub(crate) fn leader(&self) -> Option<u64> {
        let known = self
            .raft()
            .and_then(|raft| raft.metrics().borrow().current_leader);
        known.or_else(|| {
            // A node that is not in the group yet takes the word of the others.
            let peers = self.peers.all();
            let said = |(id, peer): (u64, crate::peers::Peer)| {
                let said = peer.said?;
                (self.is_live(id) && said.leader.is_some()).then_some((said.term, said.leader?))
            };
            peers
                .into_iter()
                .filter_map(said)
                .max()
                .map(|(_, leader)| leader)
        })
    }

    /// Whether this node leads.
    pub(crate) fn leads(&self) -> bool {
        self.id().is_some()
            && self.raft().is_some_and(|raft| {
                let metrics = raft.metrics();
                let metrics = metrics.borrow();
                metrics.current_leader == Some(metrics.id)
            })
    }

    /// Whether this node can be part of a quorum now.
    pub(crate) fn has_quorum(&self) -> bool {
        let Some(part) = self.part.get() else {
            return false;
        };
        let metrics = part.raft.metrics().borrow().clone();
        let Some(leader) = metrics.current_leader else {
            return false;
        };
        if leader == part.id {
            let window = u64::try_from(self.liveness_window().as_millis()).unwrap_or(u64::MAX);
            // The only voter needs nobody's word.
            let alone = metrics.membership_config.voter_ids().eq([part.id]);
            if !alone
                && metrics
                    .millis_since_quorum_ack
                    .is_none_or(|silence| silence > window)
            {
                return false;
            }
        } else if !self.is_live(leader) {
            return false;
        }
        let configs = metrics.membership_config.membership().get_joint_config();
        !configs.is_empty()
            && configs.iter().all(|voters| {
                voters.iter().filter(|id| self.is_live(**id)).count() * 2 > voters.len()
            })
    }

    /// Whether quorum was missed for so long that requests fail at once.
    pub(crate) fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed) && !self.has_quorum()
    }

    /// The voters as this node knows them.
    pub(crate) fn voters(&self) -> Vec<u64> {
        self.raft()
            .map(|raft| {
                raft.metrics()
                    .borrow()
                    .membership_config
                    .voter_ids()
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Those that hold the log without voting.
    pub(crate) fn non_voters(&self) -> Vec<u64> {
        self.raft()
            .map(|raft| {
                raft.metrics()
                    .borrow()
                    .membership_config
                    .membership()
                    .learner_ids()
                    .collect()
            })
            .unwrap_or_default()
    }

    /// What this node tells the others.
    fn ping(&self) -> Ping {
        let mut nodes = self.peers.facts();
        if let Some(id) = self.id() {
            nodes.retain(|(known, _)| *known != id);
            nodes.push((id, self.facts()));
        }
        let known = self.raft().map(|raft| {
            let metrics = raft.metrics();
            let metrics = metrics.borrow();
            (metrics.current_leader, metrics.current_term)
        });
        let (leader, term) = known.unwrap_or_default();
        Ping {
            cluster: self.cluster(),
            cluster_name: self.config.cluster_name.clone(),
            node: self.id(),
            leader,
            term,
            quorum: self.has_quorum(),
            draining: *self.phase.borrow() != Phase::Serving,
            clock: crate::clock::now(),
            nodes,
        }
    }

    /// A setting of the cluster, as far as this node knows.
    pub(crate) fn setting(&self, name: &str) -> String {
        let set = self
            .local()
            .and_then(|state| state.catalog.settings.get(name).cloned());
        set.or_else(|| crate::settings::default(name).map(str::to_owned))
            .unwrap_or_default()
    }

    /// A setting that is a duration.
    pub(crate) fn duration_setting(&self, name: &str) -> Duration {
        crate::settings::duration(&self.setting(name)).unwrap_or_default()
    }
}

/// The error before the cluster is initialised.
pub(crate) fn not_initialised() -> SqlError {
    SqlError::new("57P03", "node is waiting for cluster initialization")
}

/// Binds a listener; an address that is taken is told with its flag.
async fn bind(
    address: &str,
    flag: &str,
) -> Result<(tokio::net::TcpListener, SocketAddr), CliError> {
    let failed = |e: std::io::Error| {
        CliError::new(format!("cannot listen on {address} (--{flag}): {e}"))
            .hint(format!("choose another address with --{flag}"))
    };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
