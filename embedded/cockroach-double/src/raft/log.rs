//! The log and the vote, on disk before they are acknowledged.

use std::fmt::Debug;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{LogFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AnyError, Entry, LogId, OptionalSend, RaftLogId as _, StorageIOError, Vote};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{StorageError, Types};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// The log of a node; copies share it.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    database: Arc<Database>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Log {
    /// Opens the log in a store, or makes it.
    pub(crate) fn open(store: &Path) -> Result<Self, Failure> {
        let database = Database::create(store.join("raft.redb"))?;
        let write = database.begin_write()?;
        write.open_table(ENTRIES)?;
        write.open_table(META)?;
        write.commit()?;
        Ok(Self {
            database: Arc::new(database),
        })
    }

    fn meta<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Failure> {
        let read = self.database.begin_read()?;
        let table = read.open_table(META)?;
        match table.get(key)? {
            Some(bytes) => Ok(Some(serde_json::from_slice(bytes.value())?)),
            None => Ok(None),
        }
    }

    fn set_meta(&self, key: &str, value: &impl serde::Serialize) -> Result<(), Failure> {
        let write = self.database.begin_write()?;
        write
            .open_table(META)?
            .insert(key, serde_json::to_vec(value)?.as_slice())?;
        // A commit of redb is on disk when it returns.
        write.commit()?;
        Ok(())
    }

    fn entries(&self, range: impl RangeBounds<u64>) -> Result<Vec<Entry<Types>>, Failure> {
        let read = self.database.begin_read()?;
        let table = read.open_table(ENTRIES)?;
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let mut entries = Vec::new();
        for item in table.range::<u64>(bounds)? {
            entries.push(serde_json::from_slice(item?.1.value())?);
        }
        Ok(entries)
    }

    fn insert(&self, entries: impl IntoIterator<Item = Entry<Types>>) -> Result<(), Failure> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(ENTRIES)?;
            for entry in entries {
                table.insert(
                    entry.get_log_id().index,
                    serde_json::to_vec(&entry)?.as_slice(),
                )?;
            }
        }
        write.commit()?;
        Ok(())
    }

    fn remove(&self, range: impl RangeBounds<u64>) -> Result<(), Failure> {
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let write = self.database.begin_write()?;
        write.open_table(ENTRIES)?.retain_in(bounds, |_, _| false)?;
        write.commit()?;
        Ok(())
    }
}

fn any(error: &Failure) -> AnyError {
    AnyError::error(error.to_string())
}

fn reading(error: &Failure) -> StorageError {
    StorageIOError::read_logs(any(error)).into()
}

fn writing(error: &Failure) -> StorageError {
    StorageIOError::write_logs(any(error)).into()
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry<Types>>, StorageError> {
        self.entries(range).map_err(|e| reading(&e))
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let state = || -> Result<LogState<Types>, Failure> {
            let purged: Option<LogId<u64>> = self.meta("purged")?;
            let read = self.database.begin_read()?;
            let table = read.open_table(ENTRIES)?;
            let last = match table.last()? {
                Some((_, bytes)) => {
                    let entry: Entry<Types> = serde_json::from_slice(bytes.value())?;
                    Some(*entry.get_log_id())
                }
                None => purged,
            };
            Ok(LogState {
                last_purged_log_id: purged,
                last_log_id: last,
            })
        };
        state().map_err(|e| reading(&e))
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError> {
        self.set_meta("vote", vote)
            .map_err(|e| StorageIOError::write_vote(any(&e)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError> {
        self.meta("vote")
            .map_err(|e| StorageIOError::read_vote(any(&e)).into())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<Types>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        super::blocking(|| self.insert(entries)).map_err(|e| writing(&e))?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<(), StorageError> {
        self.remove(log_id.index..).map_err(|e| writing(&e))
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Result<(), StorageError> {
        // First the mark: entries below it are not looked for any more.
        self.set_meta("purged", &log_id)
            .and_then(|()| self.remove(..=log_id.index))
            .map_err(|e| writing(&e))
    }
}
