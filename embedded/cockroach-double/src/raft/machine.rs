//! The state machine: the state in memory, snapshots of it on disk.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use openraft::{
    AnyError, Entry, EntryPayload, LogId, OptionalSend, Snapshot, SnapshotMeta, StorageIOError,
    StoredMembership,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{StorageError, Types};
use crate::state::{Reply, State, Stored};

type Membership = StoredMembership<u64, openraft::BasicNode>;
type Meta = SnapshotMeta<u64, openraft::BasicNode>;

/// The state machine.
#[derive(Debug)]
pub(crate) struct Machine {
    file: PathBuf,
    state: State,
    applied: Option<LogId<u64>>,
    membership: Membership,
    shown: watch::Sender<State>,
}

/// What is on disk.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    meta: Meta,
    state: Stored,
}

/// A view of the state, to make a snapshot of.
#[derive(Debug)]
pub(crate) struct Builder {
    file: PathBuf,
    state: State,
    applied: Option<LogId<u64>>,
    membership: Membership,
}

fn io(error: impl std::fmt::Display) -> StorageError {
    StorageIOError::write_snapshot(None, AnyError::error(error.to_string())).into()
}

impl Machine {
    /// Opens the last snapshot of a store, if there is one.
    #[expect(clippy::result_large_err, reason = "the library's error")]
    pub(crate) fn open(store: &Path) -> Result<(Self, watch::Receiver<State>), StorageError> {
        let file = store.join("snapshot.json");
        let mut machine = Self {
            state: State::default(),
            applied: None,
            membership: Membership::default(),
            shown: watch::Sender::new(State::default()),
            file,
        };
        if machine.file.exists() {
            let bytes = fs::read(&machine.file).map_err(io)?;
            let found: File = serde_json::from_slice(&bytes).map_err(io)?;
            machine.restore(found);
        }
        let shown = machine.shown.subscribe();
        Ok((machine, shown))
    }

    fn restore(&mut self, file: File) {
        self.applied = file.meta.last_log_id;
        self.membership = file.meta.last_membership;
        self.state = file.state.into();
        self.shown.send_replace(self.state.clone());
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId<u64>>, Membership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Reply>, StorageError>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut replies = Vec::new();
        for entry in entries {
            let index = entry.log_id.index;
            self.applied = Some(entry.log_id);
            let mut reply = Reply {
                index,
                ..Reply::default()
            };
            match entry.payload {
                EntryPayload::Normal(command) => reply.outcome = self.state.apply(index, command),
                EntryPayload::Membership(membership) => {
                    self.membership = Membership::new(Some(entry.log_id), membership);
                    self.state.applied = index;
                }
                EntryPayload::Blank => self.state.applied = index,
            }
            replies.push(reply);
        }
        self.shown.send_replace(self.state.clone());
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            file: self.file.clone(),
            state: self.state.clone(),
            applied: self.applied,
            membership: self.membership.clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &Meta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let mut found: File = serde_json::from_slice(snapshot.get_ref()).map_err(io)?;
        found.meta = meta.clone();
        let bytes = serde_json::to_vec(&found).map_err(io)?;
        save(&self.file, &bytes).map_err(io)?;
        self.restore(found);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        if !self.file.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&self.file).map_err(io)?;
        let found: File = serde_json::from_slice(&bytes).map_err(io)?;
        Ok(Some(Snapshot {
            meta: found.meta,
            snapshot: Box::new(Cursor::new(bytes)),
        }))
    }
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let meta = Meta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: format!("{}-{}", self.state.applied, uuid::Uuid::new_v4()),
        };
        let found = File {
            meta: meta.clone(),
            state: Stored::from(&self.state),
        };
        let bytes = super::blocking(|| -> std::io::Result<Vec<u8>> {
            let bytes = serde_json::to_vec(&found)?;
            save(&self.file, &bytes)?;
            Ok(bytes)
        })
        .map_err(io)?;
        Ok(Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(bytes)),
        })
    }
}

/// Writes a file so that it is there whole or not at all, also after a crash.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
