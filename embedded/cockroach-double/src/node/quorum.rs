//! Requests to the leader: they wait for a quorum, find the leader whoever it is by then, and fail in the vendor's words.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use openraft::error::{CheckIsLeaderError, ClientWriteError, RaftError};

use super::{Events, Node, not_initialised};
use crate::error::SqlError;
use crate::rpc::{CallError, Request, Response};
use crate::state::{Command, Outcome, Reply, State};

/// A request that nobody answered.
#[derive(Debug)]
struct Failure {
    /// Whether it may have arrived.
    arrived: bool,
    /// For how long it was tried.
    waited: Duration,
}

impl Node {
    /// How long a request waits for a quorum.
    fn patience(&self) -> Duration {
        if self.tripped.load(Ordering::Relaxed) && !self.has_quorum() {
            return self.tick * 2;
        }
        self.duration_setting("kv.replica_circuit_breaker.slow_replication_threshold")
    }

    /// Asks the leader, whoever it is by then.
    ///
    /// `repeat` tells whether the request may be sent again when it may have arrived already.
    async fn ask(
        &self,
        repeat: bool,
        request: impl Fn(u32) -> Request,
    ) -> Result<Response, Failure> {
        let begun = Instant::now();
        let deadline = begun + self.patience();
        let mut attempt = 0;
        let mut arrived = false;
        let mut hint = None;
        let mut events = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.tripped.store(true, Ordering::Relaxed);
                return Err(Failure {
                    arrived,
                    waited: begun.elapsed(),
                });
            }
            let leader = hint.take().or_else(|| self.leader());
            // A leader that has lost its quorum does not answer: after a while it is asked who leads now.
            let patience = if repeat {
                left.min(self.tick * 8)
            } else {
                left
            };
            let answer = match leader {
                Some(id) if Some(id) == self.id() => {
                    let answer = tokio::time::timeout(patience, self.lead(request(attempt))).await;
                    // Who says that it is not the leader has kept nothing of the request.
                    arrived |= !matches!(answer, Ok(Response::NotLeader(_)));
                    answer.ok()
                }
                Some(id) => match self.peers.address(id) {
                    Some(address) => {
                        let request = request(attempt);
                        let answer = tokio::select! {
                            answer = self.peers.pool.call(&address, &request, patience) => Some(answer),
                            () = self.other_leads(id), if repeat => None,
                        };
                        match answer {
                            Some(Ok(response)) => Some(response),
                            Some(Err(CallError::Unreachable(_))) => None,
                            Some(Err(CallError::Broken(_))) | None => {
                                arrived = true;
                                None
                            }
                        }
                    }
                    None => None,
                },
                None => None,
            };
            match answer {
                Some(Response::NotLeader(other)) => hint = other.filter(|id| Some(*id) != leader),
                Some(Response::Refused(_) | Response::NotInitialized) | None => {
                    if arrived && !repeat {
                        return Err(Failure {
                            arrived,
                            waited: begun.elapsed(),
                        });
                    }
                }
                Some(response) => {
                    self.tripped.store(false, Ordering::Relaxed);
                    return Ok(response);
                }
            }
            attempt += 1;
            // Until somebody else leads, or it is time to look again.
            let pause = self.tick.min(Duration::from_millis(100)).min(left);
            if hint.is_none() {
                match events.get_or_insert_with(|| Events::of(self)) {
                    Some(events) => events.next(pause).await,
                    None => tokio::time::sleep(pause).await,
                }
            }
        }
    }

    /// Waits until this node hears of another leader than the one that was asked.
    async fn other_leads(&self, asked: u64) {
        let Some(raft) = self.raft() else {
            return std::future::pending().await;
        };
        let mut metrics = raft.metrics();
        let known = metrics.borrow_and_update().current_leader;
        let other = metrics.wait_for(|metrics| {
            metrics.current_leader != known
                && metrics.current_leader.is_some_and(|leader| leader != asked)
        });
        if other.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Answers what only the leader may answer.
    pub(super) async fn lead(&self, request: Request) -> Response {
        let Some(raft) = self.raft() else {
            return Response::NotInitialized;
        };
        if self.handing_over.load(Ordering::Relaxed) {
            return Response::NotLeader(None);
        }
        match request {
            Request::Propose(command) => match raft.client_write(command).await {
                Ok(done) => Response::Reply(done.data),
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                    Response::NotLeader(forward.leader_id)
                }
                Err(error) => Response::Refused(error.to_string()),
            },
            Request::ReadIndex => match raft.get_read_log_id().await {
                Ok((read, _)) => Response::ReadIndex(read.map_or(0, |id| id.index)),
                Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward))) => {
                    Response::NotLeader(forward.leader_id)
                }
                Err(error) => Response::Refused(error.to_string()),
            },
            _ => Response::Refused("not for the leader".to_owned()),
        }
    }

    /// Has a command committed, and waits until its effect shows on this node.
    pub(crate) async fn propose(&self, command: Command) -> Result<Outcome, SqlError> {
        let repeat = !matches!(command, Command::Ddl { .. });
        let request = |attempt| {
            let mut command = command.clone();
            if let Command::Commit(transaction) = &mut command {
                transaction.attempt = attempt;
            }
            Request::Propose(command)
        };
        match self.ask(repeat, request).await {
            Ok(Response::Reply(Reply { index, outcome })) => {
                // What was refused has no effect; nor does it ever show on a node that has left.
                if !matches!(outcome, Outcome::Refused(_)) {
                    self.shows(index, self.tick * 8).await;
                }
                if outcome == Outcome::Ambiguous {
                    return Err(SqlError::new(
                        "40003",
                        "result is ambiguous: the transaction was sent too long ago",
                    ));
                }
                Ok(outcome)
            }
            Ok(_) => Err(SqlError::new("XX000", "the leader answered something else")),
            Err(failure) => Err(self.no_quorum(&failure, true)),
        }
    }

    /// The state as of now: whatever was acknowledged before this call is in it.
    pub(crate) async fn read(&self) -> Result<State, SqlError> {
        let response = self.ask(true, |_| Request::ReadIndex).await;
        let index = match response {
            Ok(Response::ReadIndex(index)) => index,
            Ok(_) => return Err(SqlError::new("XX000", "the leader answered something else")),
            Err(failure) => return Err(self.no_quorum(&failure, false)),
        };
        let begun = Instant::now();
        if !self.shows(index, self.patience()).await {
            let failure = Failure {
                arrived: false,
                waited: begun.elapsed(),
            };
            return Err(self.no_quorum(&failure, false));
        }
        self.local().ok_or_else(not_initialised)
    }

    /// Waits until an index of the log is applied here.
    async fn shows(&self, index: u64, patience: Duration) -> bool {
        let Some(part) = self.part.get() else {
            return false;
        };
        let mut state = part.state.clone();
        let shown = state.wait_for(|state| state.applied >= index);
        matches!(tokio::time::timeout(patience, shown).await, Ok(Ok(_)))
    }

    /// The error for a request that found no quorum, in the vendor's words.
    fn no_quorum(&self, failure: &Failure, write: bool) -> SqlError {
        let voters = self.voters();
        let replica = |id: &u64| format!("(n{id},s{id}):{id}");
        let list = |ids: Vec<String>| ids.join(",");
        let all = list(voters.iter().map(replica).collect());
        let down: Vec<String> = voters
            .iter()
            .filter(|id| !self.is_live(**id))
            .map(replica)
            .collect();
        let id = self.id().unwrap_or_default();
        let down = if down.is_empty() {
            String::new()
        } else {
            format!(" (down: {})", list(down))
        };
        let waited = failure.waited.as_secs_f64();
        let words = format!(
            "replica unavailable: {} unable to serve request to r1:/{{Min-Max}} [{all}]: lost quorum{down}; have been waiting {waited:.2}s for slow proposal",
            replica(&id)
        );
        if write && failure.arrived {
            SqlError::new("40003", format!("result is ambiguous: {words}"))
        } else {
            SqlError::new("58C00", words)
        }
    }
}
