//! A bank on three regions of CockroachDB while nodes and regions fail: nothing is lost, nothing doubled, and
//! everything in a serial order; who has a majority serves on, and who has none says so. Runs on the image that
//! `ATLAS_COCKROACHDB_IMAGE` names, which is the test double unless one says otherwise.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use acceptance_tests::bank::{self, Availability, Load, Outcome, Transfer, percentile};
use acceptance_tests::cockroach::{Cluster, Failure, Fault, Kind, Nemesis};
use acceptance_tests::{Dice, Sandbox};
use anyhow::{Context, Result, bail, ensure};

/// How long anything may take to come back. Generous: how long it takes is told, not judged.
const LIMIT: Duration = Duration::from_secs(90);

/// Most faults hit no node that others wait for. From here on, one counts as felt.
const FELT: Duration = Duration::from_secs(1);

/// A fault that was, and how clients saw it.
struct Incident {
    told: String,
    /// Surviving regions, with the time from the fault to the first write, and their longest silence.
    outages: Vec<(String, Duration, Duration)>,
    /// From its end until every region wrote again, through every node.
    healing: Duration,
}

/// Has the seed of everything that is random. The same seed makes the same faults in the same order.
const SEED: &str = "ATLAS_BANK_SEED";

fn keep_as(name: &str, seed: u64) -> impl FnOnce(&str) -> Result<()> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{seed}.jsonl"));
    move |history| std::fs::write(&file, history).context(file.display().to_string())
}

/// One fault after the other, each healed before the next, until the time is up. Each lasts until every surviving
/// region writes again, and a little longer.
fn torment(
    cluster: &Cluster,
    load: &Load<'_>,
    dice: &mut Dice,
    time: Duration,
) -> Result<Vec<Incident>> {
    let mut nemesis = Nemesis::new(dice.fork());
    let mut incidents = Vec::new();
    let all = cluster.regions();
    let started = Instant::now();
    load.expect_writes(&all, started, LIMIT)?;
    while started.elapsed() < time {
        std::thread::sleep(Duration::from_millis(500 + dice.roll(1_500)));
        let fault = nemesis.next(cluster);
        let survivors = fault.survivors(cluster);
        let begun = Instant::now();
        fault.inject(cluster)?;
        // A write that began before the last node was hit proves nothing.
        let back = load
            .expect_writes(&survivors, Instant::now(), LIMIT)
            .with_context(|| format!("during {}", fault.told))?;
        std::thread::sleep(Duration::from_millis(1_000 + dice.roll(3_000)));
        let ended = Instant::now();
        fault.heal(cluster)?;
        cluster
            .expect_all_serve(LIMIT)
            .and_then(|()| load.expect_writes(&all, Instant::now(), LIMIT))
            .with_context(|| format!("after {}", fault.told))?;
        let outages = survivors.iter().zip(back).map(|(region, back)| {
            let silence = load.availability.longest_silence(region, begun, ended);
            ((*region).to_owned(), back - begun, silence)
        });
        incidents.push(Incident {
            told: fault.told,
            outages: outages.collect(),
            healing: ended.elapsed(),
        });
    }
    Ok(incidents)
}

#[expect(clippy::print_stdout, reason = "the figures are for the reader")]
#[test]
fn no_transfer_is_lost_or_doubled_while_nodes_and_regions_fail() -> Result<()> {
    let seconds = std::env::var("ATLAS_BANK_SECONDS").ok();
    let seconds = seconds.map_or(Ok(45), |seconds| seconds.parse());
    let time = Duration::from_secs(seconds.context("ATLAS_BANK_SECONDS")?);
    let (seed, mut dice) = Dice::of_variable(SEED)?;
    println!("ATLAS_BANK_SEED={seed}");
    let sandbox = Sandbox::open()?;
    let cluster = Cluster::create(&sandbox)?;
    bank::open(&cluster)?;
    cluster.expect_five_voters(LIMIT)?;
    let clients = dice.fork();
    let (incidents, outcome) = Load::run(
        &cluster,
        clients,
        |load| torment(&cluster, load, &mut dice, time),
        keep_as("bank-under-faults", seed),
    )
    .with_context(|| format!("ATLAS_BANK_SEED={seed}"))?;
    println!("{}", report(&cluster.version()?, &incidents, &outcome));
    ensure!(!incidents.is_empty(), "nothing was broken");
    ensure!(
        outcome.claims.acknowledged.len() > 50 && outcome.audits > 10 && outcome.replayed > 0,
        "too little was done to tell anything: {outcome:?}"
    );
    ensure!(
        outcome.lists.committed > 100,
        "too few lists were used: {:?}",
        outcome.lists
    );
    Ok(())
}

fn report(version: &str, incidents: &[Incident], outcome: &Outcome) -> String {
    let mut text = format!("on {version}\n");
    for incident in incidents {
        let outages = incident.outages.iter().map(|(region, back, silence)| {
            format!(
                "{region} after {:.2} s (silent for {:.2} s)",
                back.as_secs_f64(),
                silence.as_secs_f64()
            )
        });
        let _ = writeln!(
            text,
            "  {}: writes again from {}; all nodes serve {:.2} s after its end",
            incident.told,
            outages.collect::<Vec<_>>().join(", "),
            incident.healing.as_secs_f64()
        );
    }
    let outages = || incidents.iter().flat_map(|incident| &incident.outages);
    let back: Vec<Duration> = outages().map(|(_, back, _)| *back).collect();
    let silence: Vec<Duration> = outages().map(|(_, _, silence)| *silence).collect();
    let felt: Vec<Duration> = back.iter().copied().filter(|back| *back >= FELT).collect();
    for (name, values) in [
        ("RTO, from a fault to a region's first write", &back),
        ("the same, of what was felt", &felt),
        ("longest silence of a region during a fault", &silence),
    ] {
        let at = |percent| {
            percentile(values, percent)
                .unwrap_or_default()
                .as_secs_f64()
        };
        let _ = writeln!(
            text,
            "{name}: p50 {:.2} s, p90 {:.2} s, max {:.2} s, of {}",
            at(50),
            at(90),
            at(100),
            values.len()
        );
    }
    let (lists, claims) = (&outcome.lists, &outcome.claims);
    let _ = write!(
        text,
        "RPO 0: {} transfers acknowledged, none missing; {} undecided, {} not carried out, {} sent once more in vain\n\
         {} repetitions for 40001, {} attempts without an effect, {} commits without an answer of which {} were found by their key\n\
         {} reads of everything, all of the same sum\n\
         lists: {} transactions committed, {} failed, {} open; serializable, and {}strictly so",
        claims.acknowledged.len(),
        claims.undecided.len(),
        outcome.without,
        outcome.replayed,
        outcome.again,
        outcome.undone,
        outcome.unknown.0,
        outcome.unknown.1,
        outcome.audits,
        lists.committed,
        lists.failed,
        lists.open,
        if lists.strictly { "" } else { "not " },
    );
    text
}

/// What a client of the surviving region hears who waits long enough: the words of a write and of a read.
fn hear(cluster: &Cluster, node: usize, load: &Load<'_>, dice: &mut Dice) -> Result<Vec<String>> {
    let mut client = cluster
        .client_of(node)
        .with_patience(Duration::from_secs(30));
    let mut words = Vec::new();
    for _ in 0..3 {
        let transfer = Transfer::random(dice);
        let written = cluster
            .runtime
            .block_on(client.transaction(async |on| transfer.carry_out(on).await));
        match written {
            Ok(done) => bail!(
                "{} has no quorum, but a transfer was {done:?}",
                cluster.nodes[node].container
            ),
            Err(failure) => {
                words.push(failure.words().to_owned());
                if matches!(failure, Failure::Unknown(_)) {
                    load.left_open(transfer);
                }
            }
        }
    }
    if let Ok(rows) = cluster.rows(node, "SELECT sum(balance) FROM bank.account") {
        bail!("without a quorum, what is current was read: {rows:?}");
    }
    Ok(words)
}

/// No region has written since.
fn expect_silence(availability: &Availability, cluster: &Cluster, since: Instant) -> Result<()> {
    for region in cluster.regions() {
        ensure!(
            availability.first_after(region, since).is_none(),
            "a transfer from {region} was acknowledged without a quorum"
        );
    }
    Ok(())
}

/// What a write without a quorum is told: that the range has none (58C00), or, where the write may have reached a replica
/// before, that nobody knows what becomes of it (40003), and why.
fn tells_of_a_lost_quorum(words: &str) -> bool {
    let because = words.contains("replica unavailable") && words.contains("lost quorum");
    because && (words.starts_with("58C00 ") || words.starts_with("40003 result is ambiguous"))
}

#[expect(clippy::print_stdout, reason = "the words are for the reader")]
#[test]
fn losing_two_of_three_regions_stops_writes_and_says_so() -> Result<()> {
    let (seed, mut dice) = Dice::of_variable(SEED)?;
    println!("ATLAS_BANK_SEED={seed}");
    let sandbox = Sandbox::open()?;
    let cluster = Cluster::create(&sandbox)?;
    bank::open(&cluster)?;
    cluster.expect_five_voters(LIMIT)?;
    // A minute by default.
    cluster.execute(
        "SET CLUSTER SETTING kv.replica_circuit_breaker.slow_replication_threshold = '5s'",
    )?;
    let clients = dice.fork();
    let all = cluster.regions();
    let mut rounds = vec![Kind::Kill, Kind::Pause, Kind::Cut];
    dice.shuffle(&mut rounds);
    let (told, outcome) = Load::run(
        &cluster,
        clients,
        |load| {
            let mut told = Vec::new();
            load.expect_writes(&all, Instant::now(), LIMIT)?;
            for (kind, survivor) in rounds.into_iter().zip(&all) {
                let lost: Vec<&str> = all.iter().copied().filter(|r| r != survivor).collect();
                let fault = Fault::of_regions(&cluster, kind, &lost);
                fault.inject(&cluster)?;
                let gone = Instant::now();
                let mut words = Vec::new();
                for node in cluster.nodes_of(survivor) {
                    words.extend(
                        hear(&cluster, node, load, &mut dice)
                            .with_context(|| fault.told.clone())?,
                    );
                }
                expect_silence(&load.availability, &cluster, gone)
                    .with_context(|| fault.told.clone())?;
                fault.heal(&cluster)?;
                let healed = Instant::now();
                cluster.expect_all_serve(LIMIT)?;
                load.expect_writes(&all, healed, LIMIT)
                    .with_context(|| format!("after {}", fault.told))?;
                told.push((fault.told, words, healed.elapsed()));
            }
            Ok(told)
        },
        keep_as("bank-without-quorum", seed),
    )
    .with_context(|| format!("ATLAS_BANK_SEED={seed}"))?;
    for (fault, words, back) in told {
        println!(
            "{fault}: writes again {:.2} s after its end\n  {}",
            back.as_secs_f64(),
            words.join("\n  ")
        );
        // Each of them, from the first on: nobody is left to guess, whichever node was asked and however often.
        let silent = words.iter().find(|words| !tells_of_a_lost_quorum(words));
        ensure!(
            !words.is_empty() && silent.is_none(),
            "{fault}: {silent:?} does not say what is wrong"
        );
    }
    println!(
        "{} transfers acknowledged before and after, none missing; lists: {:?}",
        outcome.claims.acknowledged.len(),
        outcome.lists
    );
    Ok(())
}
