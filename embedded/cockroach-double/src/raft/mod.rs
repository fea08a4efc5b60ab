//! Raft between nodes: types, log, state machine and network.

pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod network;

use std::io::Cursor;

use crate::state::{Command, Reply};

openraft::declare_raft_types!(
    /// The types of the one group.
    pub(crate) Types:
        D = Command,
        R = Reply,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
);

/// The group.
pub(crate) type Raft = openraft::Raft<Types>;
/// Errors of storage.
pub(crate) type StorageError = openraft::StorageError<u64>;
