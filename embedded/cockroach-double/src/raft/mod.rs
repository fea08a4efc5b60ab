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

/// Does work that waits for the disk without holding up what else the runtime has to do.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let several = Handle::try_current()
        .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if several {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use openraft::RaftSnapshotBuilder as _;
    use openraft::storage::RaftStateMachine as _;
    use openraft::testing::{StoreBuilder, Suite};
    use openraft::{CommittedLeaderId, Entry, EntryPayload, LogId};
    use tempfile::TempDir;

    use super::log::Log;
    use super::machine::Machine;
    use super::{StorageError, Types};
    use crate::state::Command;

    struct InFolder;

    impl StoreBuilder<Types, Log, Machine, TempDir> for InFolder {
        async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError> {
            let folder = tempfile::tempdir().unwrap();
            let log = Log::open(folder.path()).unwrap();
            let (machine, _) = Machine::open(folder.path())?;
            Ok((folder, log, machine))
        }
    }

    #[test]
    fn log_and_state_machine_pass_the_suite_of_the_library() {
        Suite::test_all(InFolder).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_snapshot_brings_another_node_and_a_restarted_one_to_the_same_state() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut machine, shown) = Machine::open(one.path()).unwrap();
        let command = Command::Draining {
            node: 1,
            draining: true,
        };
        let entry = Entry::<Types> {
            log_id: LogId::new(CommittedLeaderId::new(1, 1), 7),
            payload: EntryPayload::Normal(command),
        };
        machine.apply([entry]).await.unwrap();
        assert_eq!(shown.borrow().applied, 7);
        let snapshot = machine
            .get_snapshot_builder()
            .await
            .build_snapshot()
            .await
            .unwrap();

        let (mut other, shown) = Machine::open(two.path()).unwrap();
        other
            .install_snapshot(&snapshot.meta, snapshot.snapshot)
            .await
            .unwrap();
        assert_eq!(shown.borrow().applied, 7);
        for folder in [one.path(), two.path()] {
            let (mut again, shown) = Machine::open(folder).unwrap();
            assert_eq!(shown.borrow().applied, 7);
            assert_eq!(
                again.applied_state().await.unwrap().0,
                snapshot.meta.last_log_id
            );
        }
    }
}
