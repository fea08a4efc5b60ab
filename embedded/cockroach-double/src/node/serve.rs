//! The listeners of a node, and what it answers to peers and to the command line.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::store::Ident;
use super::{Config, Node, Phase, bind, build};
use crate::catalog::Membership;
use crate::error::CliError;
use crate::rpc::{self, PREFACE, Raft, Request, Response};
use crate::state::{Command, Outcome};
use crate::tls::{self, Identity, Live};

/// How long a client may take to say what it speaks.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a node until it is drained or fails; the answer is the process's exit code.
pub(crate) async fn start(mut config: Config, identity: Option<Identity>) -> Result<i32, CliError> {
    // From the first moment on, the signal ends nothing.
    let hangup = signal(SignalKind::hangup())
        .map_err(|e| CliError::new(format!("could not listen to signals: {e}")))?;
    let (listener, bound) = bind(&config.listen, "listen-addr").await?;
    config.advertise = with_port(&config.advertise, bound.port());
    let sql = match &config.sql {
        Some(address) => Some(bind(address, "sql-addr").await?),
        None => None,
    };
    let sql_port = sql.as_ref().map_or(bound.port(), |(_, bound)| bound.port());
    config.advertise_sql = with_port(&config.advertise_sql, sql_port);
    let (http, http_bound) = bind(&config.http, "http-addr").await?;
    config.advertise_http = with_port(&config.advertise_http, http_bound.port());
    let ident = Ident::open(&config.store)?;
    let tls = identity.map(Live::new).transpose()?;
    let node = Node::new(config, tls, ident.store);

    tokio::spawn(super::reload::hangups(node.clone(), hangup));
    tokio::spawn(crate::http::serve(node.clone(), http));
    tokio::spawn(accept(node.clone(), listener, sql.is_none()));
    if let Some((listener, _)) = sql {
        tokio::spawn(accept_sql(node.clone(), listener));
    }
    // Those who wait for the process find it by its files, before the cluster is there, too.
    write_file(
        node.config.pid_file.as_deref(),
        &std::process::id().to_string(),
    )?;

    node.check_clocks().await?;
    node.take_part(&ident, false).await?;
    let joining = node.part.get().is_none();
    if joining {
        println(
            "*\n* INFO: initial startup completed.\n* Node will now attempt to join a running cluster, or wait for `cockroach init`.\n* Client connections will be accepted after this completes successfully.\n*",
        );
        let node = node.clone();
        tokio::spawn(async move {
            if let Err(error) = node.join().await {
                eprintln!("ERROR: {error}");
                std::process::exit(error.exit);
            }
        });
    }
    let mut up = node.up();
    let mut phase = node.phase.subscribe();
    let signals = super::drain::signals(node.clone());
    tokio::pin!(signals);
    tokio::select! {
        _ = up.wait_for(|up| *up) => (),
        code = &mut signals => return Ok(code),
    }
    banner(&node);
    write_file(node.config.url_file.as_deref(), &url(&node))?;
    tokio::select! {
        code = &mut signals => Ok(code),
        _ = phase.wait_for(|phase| *phase == Phase::Ended) => Ok(0),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the banner goes to the standard output"
)]
fn println(text: &str) {
    println!("{text}");
}

fn url(node: &Node) -> String {
    let address = &node.config.advertise_sql;
    match &node.tls {
        None => format!("postgresql://root@{address}/defaultdb?sslmode=disable"),
        Some(tls) => {
            let loaded = tls.now();
            let dir = loaded.identity.dir.display();
            format!(
                "postgresql://root@{address}/defaultdb?sslcert={dir}%2Fclient.root.crt&sslkey={dir}%2Fclient.root.key&sslmode=verify-full&sslrootcert={dir}%2Fca.crt"
            )
        }
    }
}

fn banner(node: &Node) {
    let scheme = if node.tls.is_some() { "https" } else { "http" };
    let took = node.uptime().as_secs_f64();
    let now = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S%.6f UTC");
    println(&format!(
        "Atlas test double of CockroachDB (not CockroachDB) node starting at {now} (took {took:.1}s)\n\
         build:               {}\n\
         webui:               {scheme}://{}\n\
         sql:                 {}\n\
         store[0]:            path={}\n\
         status:              {}\n\
         clusterID:           {}\n\
         nodeID:              {}",
        build(),
        node.config.advertise_http,
        url(node),
        node.config.store.display(),
        "serving",
        node.cluster().unwrap_or_default(),
        node.id().unwrap_or_default(),
    ));
}

fn write_file(path: Option<&std::path::Path>, text: &str) -> Result<(), CliError> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, format!("{text}\n"))
        .map_err(|e| CliError::new(format!("could not write {}: {e}", path.display())))
}

/// Port 0 in an advertised address means the one that was bound.
fn with_port(address: &str, port: u16) -> String {
    match address.rsplit_once(':') {
        Some((host, "0" | "")) => format!("{host}:{port}"),
        _ => address.to_owned(),
    }
}

async fn accept(node: Arc<Node>, listener: TcpListener, sql: bool) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(greet(node.clone(), stream, sql));
    }
}

/// Finds out what a client speaks: SQL begins with a zero byte, TLS with 22, RPC with its preface.
async fn greet(node: Arc<Node>, stream: TcpStream, sql: bool) {
    let _ = stream.set_nodelay(true);
    let from = stream
        .peer_addr()
        .map(|address| address.to_string())
        .unwrap_or_default();
    let mut first = [0; 1];
    let looked = tokio::time::timeout(PATIENCE, stream.peek(&mut first)).await;
    if !matches!(looked, Ok(Ok(1))) {
        return;
    }
    match (first[0], node.tls.as_ref().map(|tls| tls.now())) {
        (0, tls) if sql => {
            crate::sql::wire::serve(node, stream, tls.map(|tls| tls.sql.clone())).await;
        }
        (22, Some(tls)) => match tokio::time::timeout(PATIENCE, tls.rpc.accept(stream)).await {
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let who = session.peer_certificates().and_then(|chain| chain.first());
                let who = who
                    .and_then(|der| tls::about(der))
                    .map(|about| about.common_name);
                if who.as_deref() == Some("node") || who.as_deref() == Some("root") {
                    converse(node, stream).await;
                } else {
                    refuse(
                        stream,
                        &format!(
                            "user {} is not allowed to perform this RPC",
                            who.unwrap_or_default()
                        ),
                    )
                    .await;
                }
            }
            Ok(Err(error)) => {
                warn!(
                    "TLS handshake error from {from}: {error}; clients need a certificate signed by {:?}",
                    tls.identity.ca.subject
                );
            }
            Err(_) => (),
        },
        (first, None) if first == PREFACE.first().copied().unwrap_or_default() => {
            converse(node, stream).await;
        }
        (22, None) => warn!("{from} speaks TLS, but this node is insecure"),
        (first, Some(_)) if first == PREFACE.first().copied().unwrap_or_default() => {
            refuse(
                stream,
                "this node requires TLS: pass --certs-dir in place of --insecure",
            )
            .await;
        }
        _ => warn!("{from} speaks neither SQL nor RPC"),
    }
}

async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin, words: &str) {
    if let Ok(bytes) = serde_json::to_vec(&Response::Refused(words.to_owned())) {
        let _ = rpc::send(&mut stream, &bytes).await;
        // What the client still sends is read, so that it gets to see the answer.
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.take(1 << 20).read_to_end(&mut rest)).await;
    }
}

async fn accept_sql(node: Arc<Node>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let tls = node.tls.as_ref().map(|tls| tls.now().sql.clone());
        tokio::spawn(crate::sql::wire::serve(node.clone(), stream, tls));
    }
}

async fn converse(node: Arc<Node>, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut preface = vec![0; PREFACE.len()];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut preface)).await;
    if !matches!(read, Ok(Ok(_))) || preface != PREFACE {
        return;
    }
    while let Ok(Some(request)) = rpc::receive::<Request>(&mut stream).await {
        let response = node.answer(request).await;
        let Ok(bytes) = serde_json::to_vec(&response) else {
            return;
        };
        if rpc::send(&mut stream, &bytes).await.is_err() {
            return;
        }
    }
}

impl Node {
    /// Answers a request.
    pub(super) async fn answer(self: &Arc<Self>, request: Request) -> Response {
        match request {
            Request::Ping(ping) => {
                if let Err(words) = self.same_cluster(&ping) {
                    return Response::Refused(words);
                }
                if let Err(words) = self.same_name(ping.cluster_name.as_deref()) {
                    return Response::Refused(words);
                }
                // Only members of the same cluster tell of others.
                if ping.cluster.is_some()
                    && ping.cluster == self.cluster()
                    && let Some(id) = ping.node
                {
                    self.peers.heard(id, &ping, None);
                }
                Response::Pong(self.ping())
            }
            Request::Init { cluster_name } => self.init(cluster_name.as_deref()).await,
            Request::Join {
                facts,
                cluster_name,
            } => self.admit_later(facts, cluster_name.as_deref()).await,
            Request::Raft(to, rpc) => self.take_in(to, rpc).await,
            request @ (Request::Propose(_) | Request::ReadIndex) => self.lead(request).await,
            Request::Status => self.status(),
            Request::Voters => Response::Voters(self.voters()),
            Request::Drain { node, shutdown } => self.drain_of(node, shutdown).await,
            Request::Decommission {
                nodes,
                skip,
                dry_run,
            } => self.decommission(nodes, skip, dry_run).await,
            Request::Mark { nodes, membership } => self.mark(nodes, membership).await,
        }
    }

    /// Raft's messages, if they are for this node and not for one that was at its address before.
    async fn take_in(&self, to: u64, rpc: Raft) -> Response {
        let Some(part) = self.part.get() else {
            return Response::NotInitialized;
        };
        if part.id != to {
            return Response::Refused(format!("this is n{}, and not n{to}", part.id));
        }
        let refused = |error: &dyn std::fmt::Display| Response::Refused(error.to_string());
        match rpc {
            Raft::Append(rpc) => match part.raft.append_entries(rpc).await {
                Ok(answer) => Response::Append(answer),
                Err(error) => refused(&error),
            },
            Raft::Vote(rpc) => match part.raft.vote(rpc).await {
                Ok(answer) => Response::Vote(answer),
                Err(error) => refused(&error),
            },
            Raft::Snapshot(rpc) => match part.raft.install_snapshot(rpc).await {
                Ok(answer) => Response::Snapshot(answer),
                Err(error) => refused(&error),
            },
            Raft::Elect => match part.raft.trigger().elect().await {
                Ok(()) => Response::Ok,
                Err(error) => refused(&error),
            },
        }
    }

    async fn mark(&self, nodes: Vec<u64>, membership: Membership) -> Response {
        let Some(state) = self.local() else {
            return Response::NotInitialized;
        };
        let nodes = self.or_self(nodes);
        for id in &nodes {
            let Some(node) = state.catalog.nodes.get(id) else {
                return Response::Refused(format!("node n{id} does not exist"));
            };
            if membership == Membership::Active && node.membership == Membership::Decommissioned {
                return Response::Refused(format!(
                    "can only recommission a decommissioning node; n{id} found to be decommissioned"
                ));
            }
        }
        info!(?nodes, membership = membership.name(), "membership changes");
        match self
            .propose(Command::Membership { nodes, membership })
            .await
        {
            Ok(Outcome::Refused(error)) | Err(error) => Response::Refused(error.message),
            Ok(_) => Response::Ok,
        }
    }

    /// None are the node that is asked.
    pub(super) fn or_self(&self, nodes: Vec<u64>) -> Vec<u64> {
        if nodes.is_empty() {
            self.id().into_iter().collect()
        } else {
            nodes
        }
    }
}
