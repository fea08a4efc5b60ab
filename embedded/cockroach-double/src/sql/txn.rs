//! A transaction on its gateway: a state of the past, what was read of it, and what is to be written.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::error::SqlError;
use crate::state::{Key, Row, Rows, State, Transaction};

/// A transaction.
#[derive(Debug, Clone)]
pub(crate) struct Txn {
    /// Its identity.
    pub(crate) id: Uuid,
    /// The state that it began on.
    pub(crate) base: State,
    /// When it began, in microseconds.
    pub(crate) now: i64,
    /// Whether it may write.
    pub(crate) read_only: bool,
    rows: Rows,
    reads: BTreeSet<Key>,
    writes: BTreeMap<Key, Option<Row>>,
}

impl Txn {
    /// A transaction on a state.
    pub(crate) fn new(base: State, read_only: bool) -> Self {
        Self {
            id: Uuid::new_v4(),
            now: chrono::Utc::now().timestamp_micros(),
            rows: base.rows.clone(),
            base,
            read_only,
            reads: BTreeSet::new(),
            writes: BTreeMap::new(),
        }
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_clean(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether nothing was read or written yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.writes.is_empty() && self.reads.is_empty()
    }

    /// Notes that everything under a key was looked at.
    pub(crate) fn looked_at(&mut self, key: Key) {
        self.reads.insert(key);
    }

    /// A value.
    pub(crate) fn get(&mut self, key: &Key) -> Option<Row> {
        self.looked_at(key.clone());
        self.rows.get(key).cloned()
    }

    /// Everything under a key.
    pub(crate) fn scan(&mut self, key: &Key) -> Vec<(Key, Row)> {
        self.looked_at(key.clone());
        self.rows
            .range(key.clone()..)
            .take_while(|(found, _)| key.covers(found))
            .map(|(found, row)| (found.clone(), row.clone()))
            .collect()
    }

    /// Writes or deletes.
    pub(crate) fn put(&mut self, key: Key, row: Option<Row>) {
        match &row {
            Some(row) => self.rows.insert(key.clone(), row.clone()),
            None => self.rows.remove(&key),
        };
        self.writes.insert(key, row);
    }

    /// What goes into the log.
    pub(crate) fn command(&self) -> Transaction {
        // What lies under another key that was looked at need not be told again.
        let mut reads: Vec<Key> = Vec::new();
        for key in &self.reads {
            if !reads.last().is_some_and(|last| last.covers(key)) {
                reads.push(key.clone());
            }
        }
        Transaction {
            id: self.id,
            base: self.base.applied,
            reads,
            writes: self
                .writes
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            attempt: 0,
        }
    }

    /// Keeps in mind what another one read.
    pub(crate) fn keep_reads(&mut self, other: &Self) {
        self.reads.extend(other.reads.iter().cloned());
    }

    /// Moves on to a newer state, unless something that was read has changed since.
    pub(crate) fn refresh(&mut self, state: State) -> Result<(), SqlError> {
        let reads: Vec<Key> = self.reads.iter().cloned().collect();
        if state.changed_since(self.base.applied, &reads) != Some(false) {
            return Err(super::session::retry("before a row was to be locked"));
        }
        self.rows = state.rows.clone();
        self.base = state;
        for (key, row) in &self.writes {
            match row {
                Some(row) => self.rows.insert(key.clone(), row.clone()),
                None => self.rows.remove(key),
            };
        }
        Ok(())
    }
}
