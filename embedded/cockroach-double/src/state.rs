//! The replicated state, and the commands that change it in the order of the Raft log.
//!
//! A transaction is executed by its gateway on a state of the past. What it read and what it wrote go
//! into the log as one command, and only here, in the order of the log, is it decided whether anything
//! that it read has changed since. So every node decides alike, and no order of leaders matters.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::catalog::{Catalog, Membership, Node, NodeFacts};
use crate::ddl::{self, Ddl, Done};
use crate::error::SqlError;
use crate::sql::value::Datum;

/// How many writes are remembered to judge transactions by.
const REMEMBERED: usize = 65_536;

/// The key of a row or of an entry of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The table or index; 0 is the catalog.
    pub(crate) space: u32,
    /// The values.
    pub(crate) columns: Vec<Datum>,
}

impl Key {
    /// The key of all keys of a table or index.
    pub(crate) fn all(space: u32) -> Self {
        Self {
            space,
            columns: Vec::new(),
        }
    }

    /// The key of a table's definition.
    pub(crate) fn definition(table: u32) -> Self {
        Self {
            space: 0,
            columns: vec![Datum::Int(table.into())],
        }
    }

    /// Whether this is another's beginning, or the same.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.space == other.space && other.columns.starts_with(&self.columns)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/Table/{}", self.space)?;
        self.columns
            .iter()
            .try_for_each(|value| write!(f, "/{}", value.literal()))
    }
}

/// The values of a row; for an entry of an index, the row's primary key.
pub(crate) type Row = Arc<Vec<Datum>>;

/// All rows.
pub(crate) type Rows = OrdMap<Key, Row>;

/// A transaction, as it goes into the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transaction {
    /// Its identity: a repeated command is applied once.
    pub(crate) id: Uuid,
    /// The state that it was executed on.
    pub(crate) base: u64,
    /// Beginnings of keys that it read.
    pub(crate) reads: Vec<Key>,
    /// What it wrote; `None` deletes.
    pub(crate) writes: Vec<(Key, Option<Row>)>,
    /// How often it was sent before.
    pub(crate) attempt: u32,
}

/// What changes the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// The cluster comes to be.
    Bootstrap {
        /// Its identity.
        cluster_id: Uuid,
        /// Its first node.
        founder: NodeFacts,
    },
    /// A transaction is to be committed.
    Commit(Transaction),
    /// The catalog is to be changed.
    Ddl {
        /// How.
        ddl: Ddl,
        /// By whom.
        user: String,
    },
    /// A node joins, or starts again.
    Node(NodeFacts),
    /// Nodes change whether they take part.
    Membership {
        /// Which.
        nodes: Vec<u64>,
        /// To what.
        membership: Membership,
    },
    /// A node is drained, or not any more.
    Draining {
        /// Which.
        node: u64,
        /// Whether it is.
        draining: bool,
    },
}

/// What came of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Nothing to tell.
    #[default]
    Nothing,
    /// The transaction is committed.
    Committed,
    /// Something that it read has changed: the words say what.
    Conflict(String),
    /// It was sent before, too long ago to know what came of it.
    Ambiguous,
    /// The catalog is changed.
    Done(Done),
    /// The node's id.
    Node(u64),
    /// It was refused.
    Refused(SqlError),
}

/// An outcome, and the state from which on it shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The index of the log.
    pub(crate) index: u64,
    /// What came of it.
    pub(crate) outcome: Outcome,
}

/// The replicated state. Copies are cheap: they share what they have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The last index that is part of it.
    pub(crate) applied: u64,
    /// The catalog.
    pub(crate) catalog: Arc<Catalog>,
    /// All rows.
    pub(crate) rows: Rows,
    /// Recent writes, oldest first.
    recent: Vector<(u64, Key)>,
    /// Up to which index writes are forgotten.
    forgotten: u64,
    /// Recent transactions, oldest first.
    order: Vector<Uuid>,
    /// The same, to look them up.
    committed: OrdMap<Uuid, ()>,
}

/// A state as it is kept on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    applied: u64,
    catalog: Catalog,
    rows: Vec<(Key, Row)>,
    recent: Vec<(u64, Key)>,
    forgotten: u64,
    committed: Vec<Uuid>,
}

impl From<&State> for Stored {
    fn from(state: &State) -> Self {
        Self {
            applied: state.applied,
            catalog: (*state.catalog).clone(),
            rows: state
                .rows
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            recent: state.recent.iter().cloned().collect(),
            forgotten: state.forgotten,
            committed: state.order.iter().copied().collect(),
        }
    }
}

impl From<Stored> for State {
    fn from(stored: Stored) -> Self {
        Self {
            applied: stored.applied,
            catalog: Arc::new(stored.catalog),
            rows: stored.rows.into_iter().collect(),
            recent: stored.recent.into_iter().collect(),
            forgotten: stored.forgotten,
            committed: stored.committed.iter().map(|id| (*id, ())).collect(),
            order: stored.committed.into_iter().collect(),
        }
    }
}

impl State {
    /// Applies a command at an index of the log.
    pub(crate) fn apply(&mut self, index: u64, command: Command) -> Outcome {
        self.applied = index;
        match command {
            Command::Bootstrap {
                cluster_id,
                founder,
            } => {
                let catalog = Arc::make_mut(&mut self.catalog);
                if catalog.cluster_id.is_nil() {
                    catalog.cluster_id = cluster_id;
                    return self.node(founder);
                }
                Outcome::Nothing
            }
            Command::Commit(transaction) => self.commit(index, transaction),
            Command::Ddl { ddl, user } => {
                let mut catalog = (*self.catalog).clone();
                let mut rows = self.rows.clone();
                match ddl::apply(&mut catalog, &mut rows, ddl, &user) {
                    Ok(done) => {
                        for table in &done.tables {
                            self.remember(index, Key::definition(*table));
                        }
                        self.catalog = Arc::new(catalog);
                        self.rows = rows;
                        Outcome::Done(done)
                    }
                    Err(error) => Outcome::Refused(error),
                }
            }
            Command::Node(facts) => self.node(facts),
            Command::Membership { nodes, membership } => {
                let catalog = Arc::make_mut(&mut self.catalog);
                for id in nodes {
                    if let Some(node) = catalog.nodes.get_mut(&id) {
                        if node.membership == Membership::Decommissioned {
                            continue;
                        }
                        node.membership = membership;
                        // A node that takes part again has to be started anew to serve again.
                    }
                }
                Outcome::Nothing
            }
            Command::Draining { node, draining } => {
                if let Some(node) = Arc::make_mut(&mut self.catalog).nodes.get_mut(&node) {
                    node.draining = draining;
                }
                Outcome::Nothing
            }
        }
    }

    fn node(&mut self, facts: NodeFacts) -> Outcome {
        let catalog = Arc::make_mut(&mut self.catalog);
        if catalog.cluster_id.is_nil() {
            // The first node has to be the first.
            return Outcome::Refused(SqlError::new(
                "57P03",
                "node is waiting for cluster initialization",
            ));
        }
        let known = catalog
            .nodes
            .iter()
            .find(|(_, n)| n.facts.store == facts.store)
            .map(|(id, _)| *id);
        if let Some(id) = known {
            if let Some(node) = catalog.nodes.get_mut(&id) {
                if node.membership == Membership::Decommissioned {
                    return Outcome::Refused(SqlError::new(
                        "58C01",
                        format!(
                            "n{id} was permanently removed from the cluster; it is not allowed to rejoin the cluster"
                        ),
                    ));
                }
                node.facts = facts;
                node.draining = false;
            }
            return Outcome::Node(id);
        }
        catalog.last_node += 1;
        let id = catalog.last_node;
        catalog.nodes.insert(
            id,
            Node {
                facts,
                membership: Membership::Active,
                draining: false,
            },
        );
        Outcome::Node(id)
    }

    fn commit(&mut self, index: u64, transaction: Transaction) -> Outcome {
        if self.committed.contains_key(&transaction.id) {
            return Outcome::Committed;
        }
        if transaction.base < self.forgotten {
            return if transaction.attempt > 0 {
                Outcome::Ambiguous
            } else {
                Outcome::Conflict("the transaction is too old".to_owned())
            };
        }
        let since = self
            .recent
            .iter()
            .rev()
            .take_while(|(at, _)| *at > transaction.base);
        for (_, written) in since {
            if transaction.reads.iter().any(|read| read.covers(written)) {
                return Outcome::Conflict(written.to_string());
            }
        }
        for (key, value) in transaction.writes {
            match value {
                Some(value) => self.rows.insert(key.clone(), value),
                None => self.rows.remove(&key),
            };
            self.remember(index, key);
        }
        self.order.push_back(transaction.id);
        self.committed.insert(transaction.id, ());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.committed.remove(&oldest);
        }
        Outcome::Committed
    }

    fn remember(&mut self, index: u64, key: Key) {
        self.recent.push_back((index, key));
        if self.recent.len() > REMEMBERED
            && let Some((at, _)) = self.recent.pop_front()
        {
            self.forgotten = at;
        }
    }

    /// Whether anything under these keys was written after an index; `None` when that is forgotten.
    pub(crate) fn changed_since(&self, base: u64, reads: &[Key]) -> Option<bool> {
        (base >= self.forgotten).then(|| {
            self.recent
                .iter()
                .rev()
                .take_while(|(at, _)| *at > base)
                .any(|(_, written)| reads.iter().any(|read| read.covers(written)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: i64) -> Key {
        Key {
            space: 104,
            columns: vec![Datum::Int(n)],
        }
    }

    fn write(base: u64, reads: &[Key], n: i64) -> Command {
        Command::Commit(Transaction {
            id: Uuid::new_v4(),
            base,
            reads: reads.to_vec(),
            writes: vec![(key(n), Some(Arc::new(vec![Datum::Int(n)])))],
            attempt: 0,
        })
    }

    #[test]
    fn a_transaction_whose_reads_were_overtaken_is_refused() {
        let mut state = State::default();
        assert_eq!(state.apply(1, write(0, &[key(1)], 1)), Outcome::Committed);
        assert!(matches!(
            state.apply(2, write(0, &[key(1)], 1)),
            Outcome::Conflict(_)
        ));
        assert!(matches!(
            state.apply(3, write(0, &[Key::all(104)], 2)),
            Outcome::Conflict(_)
        ));
        assert_eq!(state.apply(4, write(0, &[key(2)], 2)), Outcome::Committed);
        assert_eq!(
            state.apply(5, write(4, &[Key::all(104)], 3)),
            Outcome::Committed
        );
    }

    #[test]
    fn a_transaction_that_is_sent_twice_is_applied_once() {
        let mut state = State::default();
        let command = write(0, &[key(1)], 1);
        assert_eq!(state.apply(1, command.clone()), Outcome::Committed);
        assert_eq!(state.apply(2, command), Outcome::Committed);
        assert_eq!(state.recent.len(), 1);
    }

    #[test]
    fn a_state_is_the_same_after_it_was_stored() {
        let mut state = State::default();
        state.apply(1, write(0, &[key(1)], 1));
        let text = serde_json::to_string(&Stored::from(&state)).unwrap();
        let again = State::from(serde_json::from_str::<Stored>(&text).unwrap());
        assert_eq!(serde_json::to_string(&Stored::from(&again)).unwrap(), text);
        assert!(matches!(
            again.clone().apply(2, write(0, &[key(1)], 1)),
            Outcome::Conflict(_)
        ));
    }

    #[test]
    fn a_store_that_joins_again_keeps_its_id_until_it_is_decommissioned() {
        let facts = NodeFacts {
            store: Uuid::new_v4(),
            address: "a:1".into(),
            locality_addresses: vec![],
            sql_address: "a:1".into(),
            http_address: "a:2".into(),
            locality: crate::locality::Locality::default(),
            attrs: String::new(),
            build: "v".into(),
            started_at: 0,
            max_offset: 500,
        };
        let mut state = State::default();
        assert!(matches!(
            state.apply(1, Command::Node(facts.clone())),
            Outcome::Refused(_)
        ));
        let founder = NodeFacts {
            store: Uuid::new_v4(),
            ..facts.clone()
        };
        state.apply(
            1,
            Command::Bootstrap {
                cluster_id: Uuid::new_v4(),
                founder,
            },
        );
        assert_eq!(
            state.apply(1, Command::Node(facts.clone())),
            Outcome::Node(2)
        );
        assert_eq!(
            state.apply(2, Command::Node(facts.clone())),
            Outcome::Node(2)
        );
        let membership = Membership::Decommissioned;
        state.apply(
            3,
            Command::Membership {
                nodes: vec![2],
                membership,
            },
        );
        assert!(matches!(
            state.apply(4, Command::Node(facts)),
            Outcome::Refused(_)
        ));
    }
}
