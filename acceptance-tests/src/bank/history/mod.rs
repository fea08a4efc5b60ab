//! What clients of lists saw, and whether some serial order explains it.
//!
//! Clients append numbers to lists, no number twice, and read whole lists. A read shows in which order everything
//! in it was appended, so the transactions' dependencies follow from what clients saw: who appended next to whom
//! (ww), who read what of whom (wr), who did not see what of whom (rw). A cycle of these is an anomaly after Adya:
//! G0, G1c, G-single, G2. So are reads of what was rolled back (G1a), of what was not final (G1b), and lists of
//! which neither begins the other. This is the approach of Elle (Kingsbury and Alvaro, VLDB 2020).
//!
//! The verdict is not ours: the crate `adya` finds the cycles. It takes histories in Elle's own format, in which they
//! are kept too, for a second opinion. `tests.rs` is what we know of it: histories that it must refuse, also
//! hidden in long ones, and serial ones that it must accept.
//!
//! Real time plays no part: CockroachDB promises a serial order, but not that it is everywhere the one of the clock.
//! Whether the history happened to be strictly serializable as well is told, and not demanded.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use adya::{Opts, Report, Valid, Workload};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Micro {
    /// A number is appended to a list.
    Append {
        /// Which list.
        key: i64,
        /// Never appended to it before.
        element: i64,
    },
    /// A list is read.
    Read {
        /// Which.
        key: i64,
        /// What it held; nothing before it was read.
        elements: Option<Vec<i64>>,
    },
}

/// Transactions in the order in which they began and ended, as their clients saw it.
#[derive(Debug, Default)]
pub struct History {
    events: Mutex<Vec<(u64, &'static str, Vec<Micro>)>>,
    processes: AtomicU64,
}

/// What the checker says of a history that is serializable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Committed transactions.
    pub committed: usize,
    /// Those without an effect.
    pub failed: usize,
    /// Those whose commit got no answer.
    pub open: usize,
    /// Whether it would also do with the order of the clock.
    pub strictly: bool,
}

const INVOKE: &str = "invoke";
const OK: &str = "ok";
const FAIL: &str = "fail";
const INFO: &str = "info";

impl History {
    /// A number for somebody who does one transaction after the other. After one whose outcome is open, the next
    /// needs another.
    pub fn process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// It begins this.
    pub fn invoke(&self, process: u64, micros: &[Micro]) {
        self.push(process, INVOKE, micros);
    }

    /// It was committed, and this was read.
    pub fn ok(&self, process: u64, micros: &[Micro]) {
        self.push(process, OK, micros);
    }

    /// It had no effect.
    pub fn fail(&self, process: u64, micros: &[Micro]) {
        self.push(process, FAIL, micros);
    }

    /// Nobody knows.
    pub fn info(&self, process: u64, micros: &[Micro]) {
        self.push(process, INFO, micros);
    }

    fn push(&self, process: u64, kind: &'static str, micros: &[Micro]) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((process, kind, micros.to_vec()));
    }

    /// One event a line, as Elle reads them.
    pub fn lines(&self) -> String {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = String::new();
        for (index, (process, kind, micros)) in events.iter().enumerate() {
            let value: Vec<Value> = micros.iter().map(Micro::json).collect();
            let event = json!({"index": index, "type": kind, "f": "txn", "process": process, "value": value});
            // To a string, which does not fail.
            let _ = writeln!(lines, "{event}");
        }
        lines
    }

    /// Fails unless all that was acknowledged is in the lists as they were read after the last client had ended.
    /// The checker alone would take an append that nobody ever saw for one that came later.
    pub fn expect_all_in(&self, lists: &BTreeMap<i64, Vec<i64>>) -> Result<()> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let acknowledged = events.iter().filter(|(_, kind, _)| *kind == OK);
        let appended = acknowledged.flat_map(|(_, _, micros)| micros.iter().filter_map(appended));
        let mut missing: Vec<(i64, i64)> = appended.collect();
        missing.retain(|(key, element)| {
            !lists
                .get(key)
                .is_some_and(|elements| elements.contains(element))
        });
        ensure!(
            missing.is_empty(),
            "{} acknowledged appends are missing, as list and number: {missing:?}",
            missing.len()
        );
        Ok(())
    }

    /// Fails if something was read that nobody ever appended, which the checker ignores.
    fn expect_nothing_made_up(&self) -> Result<()> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let all = || events.iter().flat_map(|(_, _, micros)| micros);
        let known: BTreeSet<(i64, i64)> = all().filter_map(appended).collect();
        for micro in all() {
            let Micro::Read { key, elements } = micro else {
                continue;
            };
            let mut elements = elements.iter().flatten();
            let made_up = elements.find(|element| !known.contains(&(*key, **element)));
            ensure!(
                made_up.is_none(),
                "the history is not serializable: nobody appended what was read in {micro:?}"
            );
        }
        Ok(())
    }

    /// Fails, with what contradicts what, unless it is serializable.
    pub fn check(&self) -> Result<Verdict> {
        self.expect_nothing_made_up()?;
        let history = adya::History::from_json(&self.lines())?;
        let report = judge(&history, "serializable");
        ensure!(report.valid == Valid::True, "{}", explained(&report));
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |kind| events.iter().filter(|(_, is, _)| *is == kind).count();
        Ok(Verdict {
            committed: count(OK),
            failed: count(FAIL),
            open: count(INFO),
            strictly: judge(&history, "strict-serializable").valid == Valid::True,
        })
    }
}

fn appended(micro: &Micro) -> Option<(i64, i64)> {
    match micro {
        Micro::Append { key, element } => Some((*key, *element)),
        Micro::Read { .. } => None,
    }
}

impl Micro {
    fn json(&self) -> Value {
        match self {
            Self::Append { key, element } => json!(["append", key, element]),
            Self::Read { key, elements } => json!(["r", key, elements]),
        }
    }
}

fn judge(history: &adya::History, model: &str) -> Report {
    let options = Opts {
        models: vec![model.to_owned()],
        // A history without anomalies is searched in no time; one with them may take what it needs.
        timeout: Duration::from_secs(20),
        ..Opts::default()
    };
    adya::check(history, Workload::ListAppend, &options)
}

fn explained(report: &Report) -> String {
    let mut words = match report.valid {
        Valid::False => "the history is not serializable".to_owned(),
        _ => "the checker cannot tell whether the history is serializable".to_owned(),
    };
    for (kind, anomalies) in &report.anomalies {
        let first = anomalies.first().map_or("", |anomaly| &anomaly.explanation);
        let _ = write!(words, "\n{} of {kind}: {first}", anomalies.len());
    }
    words
}
