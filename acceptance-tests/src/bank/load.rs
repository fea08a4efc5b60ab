//! Clients in all regions, at work until they are told to stop, and what must hold of their work.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::audit::{Books, Claims, Glance};
use super::availability::Availability;
use super::history::{History, Verdict};
use super::lists::{self, Lists};
use super::transfer::{Settled, Transfer, Troubles, backoff};
use crate::cockroach::{Client, Cluster, Failure, Step};
use crate::dice::Dice;

/// Clients of each kind in each region.
const EACH: usize = 2;
/// What clients get, once they are to stop, to find out what became of what they began.
const SETTLING: Duration = Duration::from_secs(60);

/// The clients' common ground.
pub struct Load<'c> {
    cluster: &'c Cluster,
    /// When transfers of each region were acknowledged.
    pub availability: Availability,
    history: History,
    lists: Lists,
    stopped: OnceLock<Instant>,
    /// Transfers that others than the clients made, and left open.
    open: Mutex<Vec<Transfer>>,
    /// The words of failures with how often they were heard, SQLSTATE first.
    heard: Mutex<BTreeMap<String, usize>>,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// What the clients of transfers know.
    pub claims: Claims,
    /// Transfers that the source did not cover, or that were never carried out.
    pub without: usize,
    /// Transfers that were sent once more after they were acknowledged, and found to be there.
    pub replayed: usize,
    /// Repetitions that the server wanted, of transfers.
    pub again: usize,
    /// Attempts at transfers that failed without an effect.
    pub undone: usize,
    /// Commits of transfers that got no answer, and those of them whose key was there when it was looked up.
    pub unknown: (usize, usize),
    /// Reads of all balances and entries at once that found them right.
    pub audits: usize,
    /// What the checker says of the history of lists.
    pub lists: Verdict,
}

/// What one client of transfers has done.
#[derive(Debug, Default)]
struct Teller {
    claims: Claims,
    without: usize,
    replayed: usize,
    troubles: Troubles,
}

impl<'c> Load<'c> {
    /// Puts clients to work while `meanwhile` runs, and checks everything when they have stopped. The history of the
    /// lists is given to `keep` before it is judged.
    pub fn run<T>(
        cluster: &'c Cluster,
        mut dice: Dice,
        meanwhile: impl FnOnce(&Self) -> Result<T>,
        keep: impl FnOnce(&str) -> Result<()>,
    ) -> Result<(T, Outcome)> {
        let load = Self {
            cluster,
            availability: Availability::default(),
            history: History::default(),
            lists: Lists::default(),
            stopped: OnceLock::new(),
            open: Mutex::default(),
            heard: Mutex::default(),
        };
        let (result, tellers, audits) = std::thread::scope(|scope| {
            let (mut tellers, mut listers, mut auditors) = (Vec::new(), Vec::new(), Vec::new());
            for region in cluster.regions() {
                for turn in 0..EACH {
                    let (load, mut own, mut other) = (&load, dice.fork(), dice.fork());
                    let client = move || cluster.client(region).starting_at(turn);
                    tellers.push(scope.spawn(move || {
                        load.guard(|| load.make_transfers(region, client(), &mut own))
                    }));
                    listers.push(scope.spawn(move || {
                        load.use_lists(client().starting_at(turn + 1), &mut other);
                    }));
                }
                let load = &load;
                auditors
                    .push(scope.spawn(move || load.guard(|| load.audit(cluster.client(region)))));
            }
            let result = meanwhile(&load);
            load.stop();
            for lister in listers {
                join(lister)?;
            }
            let tellers: Result<Vec<Teller>> = tellers.into_iter().map(|t| join(t)?).collect();
            let audits: Result<Vec<usize>> = auditors.into_iter().map(|a| join(a)?).collect();
            // What a client saw comes first: it is why the rest went wrong.
            let (tellers, audits) = (tellers?, audits?);
            anyhow::Ok((result?, tellers, audits))
        })?;
        let outcome = load.settle(tellers, audits.into_iter().sum(), keep)?;
        Ok((result, outcome))
    }

    /// Waits until a transfer was acknowledged in each of these regions that was begun after a moment; returns when
    /// the first of each was.
    pub fn expect_writes(
        &self,
        regions: &[&str],
        since: Instant,
        limit: Duration,
    ) -> Result<Vec<Instant>> {
        let deadline = Instant::now() + limit;
        loop {
            let firsts: Vec<Option<Instant>> = regions
                .iter()
                .map(|region| self.availability.first_after(region, since))
                .collect();
            if let Some(all) = firsts.iter().copied().collect() {
                return Ok(all);
            }
            self.expect_at_work()?;
            if Instant::now() > deadline {
                let silent: Vec<&str> = regions
                    .iter()
                    .zip(&firsts)
                    .filter(|(_, first)| first.is_none())
                    .map(|(region, _)| *region)
                    .collect();
                bail!(
                    "no transfer from {} was acknowledged within {} s\n{}",
                    silent.join(" and "),
                    limit.as_secs(),
                    self.heard()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A transfer that may be there in the end, or not: the commit of somebody else got no answer.
    pub fn left_open(&self, transfer: Transfer) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(transfer);
    }

    /// Fails if a client has stopped all of them because of what it saw.
    pub fn expect_at_work(&self) -> Result<()> {
        match self.stopped.get() {
            None => Ok(()),
            Some(_) => bail!("a client has stopped the others"),
        }
    }

    /// The failures that clients heard of, most frequent first.
    pub fn heard(&self) -> String {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<(usize, &String)> = heard.iter().map(|(w, n)| (*n, w)).collect();
        lines.sort_unstable_by(|a, b| b.cmp(a));
        let lines = lines.iter().take(20);
        lines
            .map(|(count, words)| format!("{count:6} × {words}\n"))
            .collect()
    }

    fn stop(&self) {
        self.stopped.get_or_init(Instant::now);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.get().is_some()
    }

    /// Whoever fails stops everybody.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        work().inspect_err(|_| self.stop())
    }

    fn hear(&self, failure: &Failure) {
        // Numbers in it tell one from the other, and are not what it is about.
        let words: String = failure
            .words()
            .chars()
            .take(160)
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        let state = failure.words().split(' ').next().unwrap_or_default();
        let known = state.len() == 5 && state.bytes().all(|b| b.is_ascii_alphanumeric());
        let words = match words.get(5..) {
            Some(rest) if known => format!("{state}{rest}"),
            _ => words,
        };
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        *heard.entry(words).or_default() += 1;
    }

    fn make_transfers(
        &self,
        region: &str,
        mut client: Client<'_>,
        dice: &mut Dice,
    ) -> Result<Teller> {
        let mut done = Teller::default();
        let give_up = || self.stopped.get().is_some_and(|at| at.elapsed() > SETTLING);
        self.cluster.runtime.block_on(async {
            while !self.is_stopped() {
                let transfer = Transfer::random(dice);
                let settled = transfer
                    .settle(&mut client, dice, &mut done.troubles, give_up, |failure| {
                        self.hear(failure);
                    })
                    .await?;
                match settled {
                    Settled::Acknowledged(began) => {
                        self.availability.wrote(region, began);
                        done.claims.acknowledged.push(transfer.clone());
                        if dice.roll(10) == 0 {
                            done.replayed += usize::from(transfer.replay(&mut client).await?);
                        }
                    }
                    Settled::Without => done.without += 1,
                    Settled::Undecided => done.claims.undecided.push(transfer),
                }
                tokio::time::sleep(Duration::from_millis(5 + dice.roll(30))).await;
            }
            Ok(done)
        })
    }

    fn use_lists(&self, mut client: Client<'_>, dice: &mut Dice) {
        self.cluster.runtime.block_on(async {
            let (mut process, mut attempt) = (self.history.process(), 0);
            while !self.is_stopped() {
                let micros = self.lists.random(dice);
                let (next, failure) =
                    lists::carry_out(&micros, &mut client, dice, &self.history, process).await;
                process = next;
                let pause = match failure {
                    None => {
                        attempt = 0;
                        Duration::from_millis(5 + dice.roll(30))
                    }
                    Some(failure) => {
                        self.hear(&failure);
                        attempt += 1;
                        backoff(attempt, dice)
                    }
                };
                tokio::time::sleep(pause).await;
            }
        });
    }

    /// Adds everything up, again and again. Returns how often it was seen whole, and right.
    fn audit(&self, mut client: Client<'_>) -> Result<usize> {
        self.cluster.runtime.block_on(async {
            let mut seen = 0;
            while !self.is_stopped() {
                let glance = client
                    .transaction(async |on| Ok(Step::Commit(Glance::read(on).await?)))
                    .await;
                match glance {
                    Ok(glance) => {
                        glance.check().context("a reader saw this on the way")?;
                        seen += 1;
                    }
                    Err(failure) => self.hear(&failure),
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Ok(seen)
        })
    }

    /// What is true when nobody works any more: in every region the same, and all of it.
    fn settle(
        &self,
        tellers: Vec<Teller>,
        audits: usize,
        keep: impl FnOnce(&str) -> Result<()>,
    ) -> Result<Outcome> {
        let (mut claims, mut troubles) = (Claims::default(), Troubles::default());
        let (mut without, mut replayed) = (0, 0);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        claims.undecided.extend(open.iter().cloned());
        for teller in tellers {
            claims.acknowledged.extend(teller.claims.acknowledged);
            claims.undecided.extend(teller.claims.undecided);
            without += teller.without;
            replayed += teller.replayed;
            troubles.again += teller.troubles.again;
            troubles.undone += teller.troubles.undone;
            troubles.unknown += teller.troubles.unknown;
            troubles.found += teller.troubles.found;
        }
        keep(&self.history.lines())?;
        let verdict = self.history.check()?;
        for region in self.cluster.regions() {
            let (books, lists) = self.read_all(region)?;
            let through = || format!("read through {region} in the end");
            books.check(&claims).with_context(through)?;
            self.history.expect_all_in(&lists).with_context(through)?;
        }
        Ok(Outcome {
            claims,
            without,
            replayed,
            again: troubles.again,
            undone: troubles.undone,
            unknown: (troubles.unknown, troubles.found),
            audits,
            lists: verdict,
        })
    }

    fn read_all(&self, region: &str) -> Result<(Books, BTreeMap<i64, Vec<i64>>)> {
        let mut client = self.cluster.client(region);
        crate::sandbox::eventually(SETTLING, || {
            let read = self
                .cluster
                .runtime
                .block_on(client.transaction(async |on| {
                    Ok(Step::Commit((
                        Books::read(on).await?,
                        lists::read_all(on).await?,
                    )))
                }));
            read.map_err(|failure| anyhow!("{}", failure.words().to_owned()))
        })
        .with_context(|| format!("reading everything through {region}"))
    }
}

fn join<T>(worker: ScopedJoinHandle<'_, T>) -> Result<T> {
    worker
        .join()
        .map_err(|_| anyhow!("a client panicked; what it said is above"))
}
