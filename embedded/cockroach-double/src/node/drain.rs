//! How a node stops serving: unready, then no new clients, then the rest of them, then leadership.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

use super::Node;
use crate::catalog::Membership;
use crate::rpc::{Request, Response};
use crate::state::Command;

/// How far a node is with that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It has not begun.
    Serving,
    /// Health checks are answered with 503.
    Unready,
    /// New clients are refused, old ones may end what they began.
    Closing,
    /// Clients are cut off.
    Closed,
    /// The process ends.
    Ended,
}

/// Waits for a signal to end; the answer is the exit code.
pub(super) async fn signals(node: Arc<Node>) -> i32 {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    let code = tokio::select! {
        _ = term.recv() => 0,
        _ = int.recv() => 3,
    };
    eprintln!("initiating graceful shutdown of server");
    let drained = node.drain();
    tokio::select! {
        () = drained => eprintln!("server drained and shutdown completed"),
        _ = term.recv() => eprintln!("received signal 'terminated' during shutdown, initiating hard shutdown"),
        _ = int.recv() => eprintln!("received signal 'interrupt' during shutdown, initiating hard shutdown"),
    }
    code
}

impl Node {
    /// How far draining is.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = *phase < to;
            if later {
                *phase = to;
            }
            later
        });
    }

    /// Drains this node.
    pub(super) async fn drain(&self) {
        self.advance(Phase::Unready);
        if let Some(id) = self.id()
            && self.has_quorum()
            && !self.is_known_to_drain(id)
        {
            let told = self.propose(Command::Draining {
                node: id,
                draining: true,
            });
            let _ = tokio::time::timeout(self.tick * 4, told).await;
        }
        tokio::time::sleep(self.duration_setting("server.shutdown.initial_wait")).await;
        self.advance(Phase::Closing);
        let clients = || self.counters.connections.load(Ordering::Relaxed);
        let mut left = self.duration_setting("server.shutdown.connections.timeout");
        let busy = || self.counters.open_transactions.load(Ordering::Relaxed);
        let step = Duration::from_millis(20);
        while clients() > 0 && !left.is_zero() {
            tokio::time::sleep(step).await;
            left = left.saturating_sub(step);
        }
        let mut left = self.duration_setting("server.shutdown.transactions.timeout");
        while busy() > 0 && !left.is_zero() {
            tokio::time::sleep(step).await;
            left = left.saturating_sub(step);
        }
        self.advance(Phase::Closed);
        if self.leads()
            && let Some(heir) = self.heir()
        {
            self.hand_over(heir).await;
        }
        info!("drained");
    }

    /// Whether the cluster has been told already, or would not listen.
    fn is_known_to_drain(&self, id: u64) -> bool {
        self.local().is_some_and(|state| {
            let node = state.catalog.nodes.get(&id);
            node.is_some_and(|node| node.draining || node.membership == Membership::Decommissioned)
        })
    }

    /// `node drain`: of this node, or of another.
    pub(super) async fn drain_of(self: &Arc<Self>, node: Option<u64>, shutdown: bool) -> Response {
        let Some(own) = self.id() else {
            return Response::NotInitialized;
        };
        match node {
            Some(id) if id != own => {
                let Some(address) = self.peers.address(id) else {
                    return Response::Refused(format!("node n{id} does not exist"));
                };
                // Another one may be at the address of a node that is gone.
                if !self.is_live(id) {
                    return Response::Refused(format!("node n{id} is not live"));
                }
                let request = Request::Drain {
                    node: None,
                    shutdown,
                };
                match self
                    .peers
                    .pool
                    .call(&address, &request, Duration::from_secs(600))
                    .await
                {
                    Ok(response) => response,
                    Err(error) => Response::Refused(error.to_string()),
                }
            }
            _ => {
                self.drain().await;
                if shutdown {
                    let node = self.clone();
                    tokio::spawn(async move {
                        // The answer goes out first.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        node.advance(Phase::Ended);
                    });
                }
                Response::Remaining(0)
            }
        }
    }
}
