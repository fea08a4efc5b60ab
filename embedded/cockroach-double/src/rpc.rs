//! The protocol between nodes, and between the command line and a node.
//!
//! A connection begins with a preface; then requests and answers follow, each a length and JSON. On a
//! listener that SQL shares, the first byte tells them apart: SQL begins with a zero, TLS with 22.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use uuid::Uuid;

use crate::catalog::{Membership, NodeFacts};
use crate::raft::Types;
use crate::state::{Command, Reply};
use crate::tls::{Identity, Live};

/// What a connection begins with.
pub(crate) const PREFACE: &[u8] = b"ATLAS-DOUBLE-RPC/1\n";
/// The longest message.
const LONGEST: u32 = 256 << 20;
/// How long a peer may take to accept a connection.
const DIAL: Duration = Duration::from_secs(4);

/// What nodes tell one another all the time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ping {
    /// The cluster, if the sender is part of one.
    pub(crate) cluster: Option<Uuid>,
    /// The cluster's name, if it is to be verified.
    pub(crate) cluster_name: Option<String>,
    /// Who sends it.
    pub(crate) node: Option<u64>,
    /// The leader that it knows.
    pub(crate) leader: Option<u64>,
    /// In which term.
    pub(crate) term: u64,
    /// Whether it is in touch with a quorum.
    pub(crate) quorum: bool,
    /// Whether it is being drained.
    pub(crate) draining: bool,
    /// The sender's clock, in microseconds of Unix time.
    pub(crate) clock: i64,
    /// All nodes that it knows of, itself included.
    pub(crate) nodes: Vec<(u64, NodeFacts)>,
}

/// A line of `node status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct StatusRow {
    /// The node.
    pub(crate) id: u64,
    /// What it told of itself.
    pub(crate) facts: NodeFacts,
    /// When it was last heard of, in microseconds.
    pub(crate) updated_at: i64,
    /// Whether it can be in a quorum.
    pub(crate) available: bool,
    /// Whether its process is up.
    pub(crate) live: bool,
    /// Whether it takes part.
    pub(crate) membership: Membership,
    /// Whether it is being drained.
    pub(crate) draining: bool,
    /// Replicas that it holds.
    pub(crate) replicas: u64,
    /// Whether it leads.
    pub(crate) leads: bool,
    /// Whether the group has no quorum.
    pub(crate) unavailable: bool,
    /// Whether the group lacks a voter.
    pub(crate) underreplicated: bool,
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// What is new.
    Ping(Ping),
    /// `init`.
    Init {
        /// The cluster's name, if it is to be verified.
        cluster_name: Option<String>,
    },
    /// A new node wants an id.
    Join {
        /// What it tells of itself.
        facts: NodeFacts,
        /// The cluster's name, if it is to be verified.
        cluster_name: Option<String>,
    },
    /// Raft, for this node: another one may be at the address by now.
    Raft(u64, Raft),
    /// A command for the leader.
    Propose(Command),
    /// The leader's word on how far the log is committed.
    ReadIndex,
    /// `node status`.
    Status,
    /// Who votes.
    Voters,
    /// `node drain`.
    Drain {
        /// Which node, or the one that is asked.
        node: Option<u64>,
        /// Whether the process ends then.
        shutdown: bool,
    },
    /// The checks of `node decommission`, and then the mark, unless they are all that is wanted.
    Decommission {
        /// Which nodes; none are the one that is asked.
        nodes: Vec<u64>,
        /// Whether checks are left out.
        skip: bool,
        /// Whether nothing is to be changed.
        dry_run: bool,
    },
    /// Marks nodes.
    Mark {
        /// Which nodes; none are the one that is asked.
        nodes: Vec<u64>,
        /// How.
        membership: Membership,
    },
}

/// What nodes of the group ask one another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Raft {
    /// To take in entries of the log.
    Append(AppendEntriesRequest<Types>),
    /// To vote.
    Vote(VoteRequest<u64>),
    /// To take in a snapshot.
    Snapshot(InstallSnapshotRequest<Types>),
    /// The leader asks a follower to become it.
    Elect,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    /// What is new here.
    Pong(Ping),
    /// Done.
    Ok,
    /// The node is not part of a cluster yet.
    NotInitialized,
    /// An id.
    Joined {
        /// Of which cluster.
        cluster: Uuid,
        /// Of the node.
        node: u64,
        /// All nodes that there are.
        nodes: Vec<(u64, NodeFacts)>,
    },
    /// Raft.
    Append(AppendEntriesResponse<u64>),
    /// Raft.
    Vote(VoteResponse<u64>),
    /// Raft.
    Snapshot(InstallSnapshotResponse<u64>),
    /// What came of a command.
    Reply(Reply),
    /// How far the log is committed.
    ReadIndex(u64),
    /// It is not the leader; perhaps that one is.
    NotLeader(Option<u64>),
    /// Lines of `node status`.
    Status(Vec<StatusRow>),
    /// Who votes.
    Voters(Vec<u64>),
    /// How much is left to drain.
    Remaining(u64),
    /// Whether each node is ready to be decommissioned, or what is in the way.
    Ready(Vec<(u64, Option<String>)>),
    /// It was refused.
    Refused(String),
}

/// Why a call failed.
#[derive(Debug, Clone)]
pub(crate) enum CallError {
    /// Nothing was sent.
    Unreachable(String),
    /// It may have arrived.
    Broken(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(words) | Self::Broken(words) => f.write_str(words),
        }
    }
}

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What a pool shows of itself where it dials.
pub(crate) enum Credentials {
    /// Nothing: there is no TLS.
    None,
    /// Always the same certificate.
    Fixed(Identity),
    /// The one that the node has by then.
    Node(Arc<Live>),
}

impl Credentials {
    fn now(&self) -> Option<Identity> {
        match self {
            Self::None => None,
            Self::Fixed(identity) => Some(identity.clone()),
            Self::Node(live) => Some(live.now().identity.clone()),
        }
    }
}

/// Connections to peers, kept open.
pub(crate) struct Pool {
    credentials: Credentials,
    idle: Mutex<HashMap<String, Vec<Box<dyn Stream>>>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool that dials with TLS, or without.
    pub(crate) fn new(credentials: Credentials) -> Arc<Self> {
        Arc::new(Self {
            credentials,
            idle: Mutex::default(),
        })
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call(
        &self,
        address: &str,
        request: &Request,
        patience: Duration,
    ) -> Result<Response, CallError> {
        let deadline = tokio::time::Instant::now() + patience;
        let bytes =
            serde_json::to_vec(request).map_err(|e| CallError::Unreachable(e.to_string()))?;
        // A connection that was idle may have been closed by its peer: only a fresh one's word counts.
        let idle = self
            .idle
            .lock()
            .ok()
            .and_then(|mut idle| idle.get_mut(address)?.pop());
        let mut stream = match idle {
            Some(stream) => stream,
            None => tokio::time::timeout_at(deadline, self.dial(address))
                .await
                .map_err(|_| CallError::Unreachable(format!("{address}: i/o timeout")))??,
        };
        let exchange = async {
            send(&mut stream, &bytes).await?;
            receive(&mut stream).await
        };
        match tokio::time::timeout_at(deadline, exchange).await {
            Ok(Ok(Some(response))) => {
                if let Ok(mut idle) = self.idle.lock() {
                    idle.entry(address.to_owned()).or_default().push(stream);
                }
                Ok(response)
            }
            Ok(Ok(None)) => Err(self.broken(address, "the connection was closed")),
            Ok(Err(error)) => Err(self.broken(address, error)),
            Err(_) => Err(self.broken(address, "i/o timeout")),
        }
    }

    /// What one connection suffered, its idle siblings did too.
    fn broken(&self, address: &str, words: impl std::fmt::Display) -> CallError {
        if let Ok(mut idle) = self.idle.lock() {
            idle.remove(address);
        }
        CallError::Broken(format!("{address}: {words}"))
    }

    async fn dial(&self, address: &str) -> Result<Box<dyn Stream>, CallError> {
        let unreachable = |words: String| {
            CallError::Unreachable(format!("failed to connect to {address}: {words}"))
        };
        let dialled = tokio::time::timeout(DIAL, TcpStream::connect(address)).await;
        let tcp = dialled
            .map_err(|_| unreachable("i/o timeout".to_owned()))?
            .map_err(|e| unreachable(e.to_string()))?;
        let _ = tcp.set_nodelay(true);
        let mut stream: Box<dyn Stream> = match self.credentials.now() {
            None => Box::new(tcp),
            Some(identity) => {
                let (config, refusal) = identity.client().map_err(|e| unreachable(e.message))?;
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(host).map_err(|e| unreachable(e.to_string()))?;
                let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
                Box::new(connector.connect(name, tcp).await.map_err(|error| {
                    unreachable(refusal.take().unwrap_or_else(|| error.to_string()))
                })?)
            }
        };
        stream
            .write_all(PREFACE)
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        stream
            .flush()
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        Ok(stream)
    }
}

/// Writes a message.
pub(crate) async fn send(
    stream: &mut (impl AsyncWrite + Unpin + ?Sized),
    bytes: &[u8],
) -> std::io::Result<()> {
    let length =
        u32::try_from(bytes.len()).map_err(|_| std::io::Error::other("the message is too long"))?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads a message; `None` at the end of the connection.
pub(crate) async fn receive<T: serde::de::DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> std::io::Result<Option<T>> {
    let mut length = [0; 4];
    if let Err(error) = stream.read_exact(&mut length).await {
        return match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Ok(None),
            _ => Err(error),
        };
    }
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(std::io::Error::other("the message is too long"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(std::io::Error::other)
}
