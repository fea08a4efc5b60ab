//! Raft's messages, carried by the RPC listener.

use std::sync::Arc;
use std::time::Duration;

use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode};

use super::Types;
use crate::peers::Peers;
use crate::rpc::{CallError, Raft, Request, Response};

/// Makes a connection to each peer.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// Where peers are.
    pub(crate) peers: Arc<Peers>,
}

/// The way to one peer.
#[derive(Debug)]
pub(crate) struct Line {
    target: u64,
    peers: Arc<Peers>,
}

type Failed<E> = RPCError<u64, BasicNode, E>;

impl RaftNetworkFactory<Types> for Network {
    type Network = Line;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Line {
        Line {
            target,
            peers: self.peers.clone(),
        }
    }
}

impl Line {
    async fn call<E: std::error::Error>(
        &self,
        request: Raft,
        patience: Duration,
    ) -> Result<Response, Failed<E>> {
        let unreachable =
            |words: String| Failed::Unreachable(Unreachable::new(&AnyError::error(words)));
        let address = self
            .peers
            .address(self.target)
            .ok_or_else(|| unreachable(format!("the address of n{} is not known", self.target)))?;
        self.peers
            .pool
            .call(&address, &Request::Raft(self.target, request), patience)
            .await
            .map_err(|error| match error {
                CallError::Unreachable(words) => unreachable(words),
                CallError::Broken(words) => {
                    Failed::Network(NetworkError::new(&AnyError::error(words)))
                }
            })
    }
}

fn unexpected<E: std::error::Error>(response: &Response) -> Failed<E> {
    let words = match response {
        Response::Refused(words) => words.clone(),
        _ => "the peer answered something else".to_owned(),
    };
    Failed::Unreachable(Unreachable::new(&AnyError::error(words)))
}

impl RaftNetwork<Types> for Line {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed<RaftError<u64>>> {
        match self.call(Raft::Append(rpc), option.hard_ttl()).await? {
            Response::Append(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<RaftError<u64, InstallSnapshotError>>> {
        match self.call(Raft::Snapshot(rpc), option.hard_ttl()).await? {
            Response::Snapshot(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, Failed<RaftError<u64>>> {
        match self.call(Raft::Vote(rpc), option.hard_ttl()).await? {
            Response::Vote(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(Duration::from_millis(200)))
    }
}
