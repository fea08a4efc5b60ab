//! Transactions of a session: implicit and explicit ones, savepoints, and trying again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::data::{execute, is_local};
use super::variables::is_on;
use super::{Given, Output, Result, Session};
use crate::error::SqlError;
use crate::sql::parse::Stmt;
use crate::sql::txn::Txn;
use crate::sql::value::{Datum, Ty};
use crate::state::{Command, Outcome};

/// How often a transaction of the server's own is tried.
const ATTEMPTS: u32 = 50;
/// The savepoint that transactions are tried again from.
const RESTART: &str = "cockroach_restart";

/// Where a session is.
#[derive(Debug)]
pub(super) enum Mode {
    /// Not in a transaction.
    Idle,
    /// In one.
    Open(Box<Open>),
    /// In one that failed; whether it may be tried again from its savepoint.
    Failed(bool),
    /// Its savepoint was released, which has committed it.
    Released,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) txn: Option<Txn>,
    pub(super) read_only: bool,
    pub(super) savepoints: Vec<(String, Option<Txn>)>,
    pub(super) restart: bool,
}

impl Session {
    /// A transaction around statements, tried again by the server as long as nothing was sent.
    pub(super) async fn implicit(&mut self, batch: &[Given]) -> Result<Vec<Output>> {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                // Those who collide step apart.
                let jitter = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
                tokio::time::sleep(Duration::from_millis(
                    jitter * u64::from(attempt.min(8)) / 64,
                ))
                .await;
            }
            // What no table is read for needs no quorum, as it does not with the vendor.
            let local = if batch.iter().all(|(stmt, ..)| is_local(stmt)) {
                self.node.local()
            } else {
                None
            };
            let state = match local {
                Some(state) => state,
                None => self.node.read().await?,
            };
            let mut txn = Txn::new(state, false);
            let view = self.view()?;
            let mut outputs = Vec::new();
            for (stmt, params, types) in batch {
                outputs.push(execute(&mut txn, &view, stmt, params, types)?);
            }
            match self.commit(&txn).await {
                Err(error) if error.code == "40001" => last = Some(error),
                Err(error) => return Err(error),
                Ok(()) => return Ok(outputs),
            }
        }
        Err(last.unwrap_or_else(|| retry("too many attempts")))
    }

    pub(super) async fn commit(&self, txn: &Txn) -> Result<()> {
        if !txn.is_clean() {
            match self.node.propose(Command::Commit(txn.command())).await? {
                Outcome::Committed => (),
                Outcome::Conflict(what) => return Err(retry(&what)),
                Outcome::Refused(error) => return Err(error),
                _ => return Err(SqlError::new("XX000", "the leader answered something else")),
            }
        }
        self.node.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Changes the mode; the answer is the one before.
    pub(super) fn enter(&mut self, mode: Mode) -> Mode {
        let open = |mode: &Mode| matches!(mode, Mode::Open(_) | Mode::Failed(_));
        match (open(&self.mode), open(&mode)) {
            (false, true) => {
                self.node
                    .counters
                    .open_transactions
                    .fetch_add(1, Ordering::Relaxed);
            }
            (true, false) => {
                self.node
                    .counters
                    .open_transactions
                    .fetch_sub(1, Ordering::Relaxed);
            }
            _ => (),
        }
        std::mem::replace(&mut self.mode, mode)
    }

    /// A statement failed: an explicit transaction fails with it.
    pub(crate) fn fail(&mut self, retryable: bool) {
        let restart = match &self.mode {
            Mode::Open(open) => open.restart,
            Mode::Failed(restart) => *restart,
            _ => return,
        };
        self.enter(Mode::Failed(restart && retryable));
    }

    /// After a failure, and after its savepoint was released, a transaction can only end.
    pub(super) fn check_mode(&self, stmt: &Stmt) -> Result<()> {
        match &self.mode {
            Mode::Failed(_)
                if !matches!(stmt, Stmt::Commit | Stmt::Rollback | Stmt::RollbackTo(_)) =>
            {
                Err(SqlError::new(
                    "25P02",
                    "current transaction is aborted, commands ignored until end of transaction block",
                ))
            }
            Mode::Released if !matches!(stmt, Stmt::Commit | Stmt::Rollback) => Err(SqlError::new(
                "25000",
                "current transaction is committed, commands ignored until end of transaction block",
            )),
            _ => Ok(()),
        }
    }

    /// BEGIN.
    pub(super) fn begin(&mut self, read_only: bool) -> Result<Output> {
        if matches!(self.mode, Mode::Open(_)) {
            return Err(SqlError::new(
                "25001",
                "there is already a transaction in progress",
            ));
        }
        self.injected = 0;
        self.enter(Mode::Open(Box::new(Open {
            txn: None,
            read_only,
            savepoints: Vec::new(),
            restart: false,
        })));
        Ok(Output::Begun)
    }

    /// COMMIT.
    pub(super) async fn end(&mut self) -> Result<Output> {
        match self.enter(Mode::Idle) {
            Mode::Open(open) => {
                if let Some(txn) = &open.txn {
                    self.commit(txn).await?;
                }
                Ok(Output::Ended("COMMIT"))
            }
            Mode::Failed(_) => {
                self.node.counters.rollbacks.fetch_add(1, Ordering::Relaxed);
                Ok(Output::Ended("ROLLBACK"))
            }
            Mode::Released => Ok(Output::Ended("COMMIT")),
            Mode::Idle => {
                self.notices
                    .push(("WARNING", "there is no transaction in progress".to_owned()));
                Ok(Output::Ended("COMMIT"))
            }
        }
    }

    /// ROLLBACK.
    pub(super) fn rollback(&mut self) -> Output {
        if let Mode::Idle = self.enter(Mode::Idle) {
            self.notices
                .push(("WARNING", "there is no transaction in progress".to_owned()));
        } else {
            self.node.counters.rollbacks.fetch_add(1, Ordering::Relaxed);
        }
        Output::Ended("ROLLBACK")
    }

    /// SAVEPOINT.
    pub(super) fn savepoint(&mut self, name: &str) -> Result<Output> {
        let Mode::Open(open) = &mut self.mode else {
            return Err(no_transaction("SAVEPOINT"));
        };
        if name == RESTART {
            if open.txn.as_ref().is_some_and(|txn| !txn.is_fresh()) {
                return Err(SqlError::new(
                    "0A000",
                    format!(
                        "SAVEPOINT \"{RESTART}\" needs to be the first statement in a transaction"
                    ),
                ));
            }
            open.restart = true;
        } else {
            open.savepoints.push((name.to_owned(), open.txn.clone()));
        }
        Ok(Output::Tag("SAVEPOINT".to_owned(), None))
    }

    /// RELEASE SAVEPOINT: of `cockroach_restart`, it commits.
    pub(super) async fn release(&mut self, name: &str) -> Result<Output> {
        let Mode::Open(open) = &mut self.mode else {
            return Err(no_transaction("RELEASE SAVEPOINT"));
        };
        if name == RESTART && open.restart {
            let txn = open.txn.clone();
            if let Some(txn) = txn {
                self.commit(&txn).await?;
            }
            self.enter(Mode::Released);
        } else {
            let at = open.savepoints.iter().rposition(|(known, _)| known == name);
            open.savepoints
                .truncate(at.ok_or_else(|| no_savepoint(name))?);
        }
        Ok(Output::Tag("RELEASE".to_owned(), None))
    }

    /// ROLLBACK TO SAVEPOINT.
    pub(super) fn rollback_to(&mut self, name: &str) -> Result<Output> {
        let done = Output::Tag("ROLLBACK".to_owned(), None);
        match &mut self.mode {
            Mode::Failed(true) if name == RESTART => {
                self.enter(Mode::Open(Box::new(Open {
                    txn: None,
                    read_only: false,
                    savepoints: Vec::new(),
                    restart: true,
                })));
                Ok(done)
            }
            Mode::Failed(_) => Err(SqlError::unsupported(
                "ROLLBACK TO another savepoint than cockroach_restart after a failure",
            )),
            Mode::Open(open) if name == RESTART && open.restart => {
                open.txn = None;
                open.savepoints.clear();
                Ok(done)
            }
            Mode::Open(open) => {
                let at = open
                    .savepoints
                    .iter()
                    .rposition(|(known, _)| known == name)
                    .ok_or_else(|| no_savepoint(name))?;
                open.savepoints.truncate(at + 1);
                let saved = open.savepoints.last().and_then(|(_, txn)| txn.clone());
                let now = open.txn.take();
                open.txn = match (saved, now) {
                    (Some(mut saved), Some(now)) => {
                        saved.keep_reads(&now);
                        Some(saved)
                    }
                    (None, Some(now)) => {
                        let mut fresh = Txn::new(now.base.clone(), open.read_only);
                        fresh.keep_reads(&now);
                        Some(fresh)
                    }
                    (saved, None) => saved,
                };
                Ok(done)
            }
            _ => Err(no_transaction("ROLLBACK TO SAVEPOINT")),
        }
    }

    /// The vendor's hook for testing how clients try again.
    pub(super) fn inject(&mut self, stmt: &Stmt) -> Result<()> {
        let Mode::Open(open) = &self.mode else {
            return Ok(());
        };
        let exempt = matches!(
            stmt,
            Stmt::Set(..)
                | Stmt::Reset(_)
                | Stmt::Rollback
                | Stmt::RollbackTo(_)
                | Stmt::Savepoint(_)
                | Stmt::Show(_)
                | Stmt::Begin(_)
        );
        if exempt || !is_on(self.variable("inject_retry_errors_enabled")) {
            return Ok(());
        }
        if open.restart && self.injected >= 3 {
            return Ok(());
        }
        self.injected += 1;
        Err(retry(
            "injected by `inject_retry_errors_enabled` session variable",
        ))
    }

    pub(super) async fn in_transaction(
        &mut self,
        stmt: &Stmt,
        params: &[Datum],
        types: &[Ty],
    ) -> Result<Output> {
        let fresh = match &self.mode {
            Mode::Open(open) => open.txn.as_ref().is_none_or(Txn::is_fresh),
            _ => true,
        };
        let locks = matches!(stmt, Stmt::Query(query, _) if !query.locks.is_empty());
        let state = if fresh || locks {
            Some(self.node.read().await?)
        } else {
            None
        };
        let view = self.view()?;
        let Mode::Open(open) = &mut self.mode else {
            return Err(no_transaction("this"));
        };
        match (&mut open.txn, state) {
            // What is to be locked is read as of now; what was read before must not have changed.
            (Some(txn), Some(state)) if !fresh => txn.refresh(state)?,
            (txn, Some(state)) => *txn = Some(Txn::new(state, open.read_only)),
            _ => (),
        }
        let Some(txn) = &mut open.txn else {
            return Err(no_transaction("this"));
        };
        execute(txn, &view, stmt, params, types)
    }
}

/// The error of a transaction that has to be tried again.
pub(crate) fn retry(what: &str) -> SqlError {
    SqlError::new(
        "40001",
        format!("restart transaction: TransactionRetryWithProtoRefreshError: TransactionRetryError: retry txn (RETRY_SERIALIZABLE - failed preemptive refresh due to encountered recently written committed value {what})"),
    )
    .hint("See: https://www.cockroachlabs.com/docs/v25.4/transaction-retry-error-reference.html#retry_serializable")
}

fn no_transaction(what: &str) -> SqlError {
    SqlError::new(
        "25P01",
        format!(
            "{what} can only be used in transaction blocks: there is no transaction in progress"
        ),
    )
}

fn no_savepoint(name: &str) -> SqlError {
    SqlError::new("3B001", format!("savepoint \"{name}\" does not exist"))
}
