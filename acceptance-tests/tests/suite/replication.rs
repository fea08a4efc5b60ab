//! Objects and messages that reach the other region, whatever breaks on the way. The regions are real
//! LocalStack servers; what is killed is killed by SIGKILL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use acceptance_tests::{Dice, Docker, Region, Regions, Sandbox, Seen, eventually, outbox};
use anyhow::{Context, Result, bail, ensure};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::QueueAttributeName;

/// What is written by one region's writer: the same content for the same words.
#[derive(Debug, Clone)]
struct Write {
    key: String,
    size: usize,
    number: u64,
    region: &'static str,
}

impl Write {
    fn seen(&self) -> Seen {
        let name = self.region.bytes().map(u64::from).sum::<u64>();
        let mut dice = Dice::new(self.number * 7919 + name + 1);
        let bytes = std::iter::repeat_with(|| dice.roll(256).to_le_bytes()[0]);
        let metadata = [
            ("number", self.number.to_string()),
            ("writer", self.region.to_owned()),
        ];
        Seen {
            content_type: Some(format!("text/x-{}", self.number % 7)),
            metadata: metadata
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            bytes: bytes.take(self.size).collect(),
        }
    }

    /// Writes until the server acknowledges.
    async fn carry_out(&self, region: &Region) {
        let seen = self.seen();
        loop {
            let call = region.s3.put_object().bucket(&region.bucket).key(&self.key);
            let call = call.set_content_type(seen.content_type.clone());
            let call = call.set_metadata(Some(seen.metadata.clone().into_iter().collect()));
            if call
                .body(ByteStream::from(seen.bytes.clone()))
                .send()
                .await
                .is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Mostly small, one in a hundred between 5 and 20 MB.
fn size(dice: &mut Dice) -> usize {
    let size = match dice.roll(100) {
        0 => 5_000_000 + dice.roll(15_000_000),
        1..10 => 1 + dice.roll(600_000),
        _ => 1 + dice.roll(16_000),
    };
    usize::try_from(size).unwrap_or(1)
}

/// What both regions write: two fifths of the keys each alone, a fifth both, some of them twice; with names
/// that have to be encoded on the way.
fn writes(count: u64) -> [Vec<Write>; 2] {
    let mut dice = Dice::new(0x5eed);
    let (mut us, mut eu) = (Vec::new(), Vec::new());
    for number in 0..count {
        let key = match dice.roll(10) {
            0 => format!("weird/ä+b c%20&{number}.txt"),
            _ => format!("audit/{:02}/{number}.json", number % 17),
        };
        let who = dice.roll(5);
        for (writes, region, wanted) in [
            (&mut us, "us-east-1", who != 0 && who != 1),
            (&mut eu, "eu-central-1", who < 3),
        ] {
            for _ in 0..if wanted {
                1 + u64::from(dice.roll(10) == 0)
            } else {
                0
            } {
                let number = dice.roll(1 << 40);
                let (key, size) = (key.clone(), size(&mut dice));
                writes.push(Write {
                    key,
                    size,
                    number,
                    region,
                });
            }
        }
    }
    [us, eu]
}

/// Fails unless both buckets have the same keys with the same content, one of those that were written last
/// in a region. Returns how many versions there are.
fn compare(
    regions: &Regions,
    expected: &BTreeMap<String, Vec<Seen>>,
    deleted: &BTreeSet<String>,
) -> Result<usize> {
    regions.runtime.block_on(async {
        let ((us, us_count), (eu, eu_count)) =
            tokio::try_join!(regions.us.keys(), regions.eu.keys())?;
        ensure!(us == eu, "keys differ: {} and {}", us.len(), eu.len());
        let wanted: Vec<&String> = expected
            .keys()
            .filter(|key| !deleted.contains(*key))
            .collect();
        ensure!(
            us.iter().collect::<Vec<_>>() == wanted,
            "{} keys, not {}",
            us.len(),
            wanted.len()
        );
        for key in &us {
            let (us, eu) = tokio::try_join!(regions.us.see(key), regions.eu.see(key))?;
            ensure!(
                us == eu,
                "{key} differs: {:?} and {:?}",
                us.metadata,
                eu.metadata
            );
            ensure!(
                expected[key].contains(&us),
                "{key} is nothing that was written last: {:?}",
                us.metadata
            );
        }
        Ok(us_count + eu_count)
    })
}

/// Kills and restarts at random moments until it is told to stop.
fn break_things(regions: &Regions, stop: &AtomicBool) -> Result<(usize, usize)> {
    let mut dice = Dice::new(0xbad);
    let (mut killed, mut restarted) = (0, 0);
    let docker = Docker::new();
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(600 + dice.roll(1500)));
        let region = if dice.roll(2) == 0 {
            &regions.us
        } else {
            &regions.eu
        };
        let (name, count) = match dice.roll(3) {
            0 => (&region.container, &mut restarted),
            _ => (&region.replicator, &mut killed),
        };
        docker.run(&["kill", "--signal", "KILL", name])?;
        docker.run(&["start", name])?;
        *count += 1;
    }
    Ok((killed, restarted))
}

#[expect(clippy::print_stdout, reason = "the figures are for the reader")]
#[test]
fn both_buckets_end_alike_though_replicators_and_servers_are_killed() -> Result<()> {
    let count = std::env::var("ATLAS_REPLICATION_OBJECTS").ok();
    let count: u64 = count
        .map_or(Ok(200), |count| count.parse())
        .context("ATLAS_REPLICATION_OBJECTS")?;
    let sandbox = Sandbox::open()?;
    let regions = Regions::open(&sandbox)?;
    regions.start_replicators(&[
        ("ATLAS_REPLICATOR_SWEEP", "10"),
        ("ATLAS_REPLICATOR_LOG", "warn,atlas_replicator=debug"),
    ])?;
    let [us, eu] = writes(count);
    let bytes: usize = us.iter().chain(&eu).map(|write| write.size).sum();
    let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    let started = Instant::now();
    let (killed, restarted) = std::thread::scope(|scope| {
        let writers = [(&regions.us, &us), (&regions.eu, &eu)].map(|(region, writes)| {
            let (written, runtime) = (&written, &regions.runtime);
            scope.spawn(move || {
                runtime.block_on(async {
                    for write in writes {
                        write.carry_out(region).await;
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                });
            })
        });
        let breaker = scope.spawn(|| break_things(&regions, &stop));
        for writer in writers {
            drop(writer.join());
        }
        stop.store(true, Ordering::SeqCst);
        breaker
            .join()
            .unwrap_or_else(|_| bail!("the breaker panicked"))
    })?;
    let writing = started.elapsed();
    ensure!(
        written.load(Ordering::SeqCst) == us.len() + eu.len(),
        "a writer gave up"
    );
    ensure!(killed + restarted > 0, "nothing was broken");

    let mut expected: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    let (us_last, eu_last) = (last(&us), last(&eu));
    for write in us_last.values().chain(eu_last.values()) {
        expected
            .entry(write.key.clone())
            .or_default()
            .push(write.seen());
    }
    let nothing = BTreeSet::new();
    eventually(Duration::from_secs(240), || {
        regions.expect_quiet(Duration::from_secs(120))?;
        compare(&regions, &expected, &nothing)
    })?;
    let settled = started.elapsed();

    // Some are deleted, on one side or the other, in peace.
    let deleted: BTreeSet<String> = expected.keys().step_by(20).cloned().collect();
    regions.runtime.block_on(async {
        for (place, key) in deleted.iter().enumerate() {
            let region = if place % 2 == 0 {
                &regions.us
            } else {
                &regions.eu
            };
            let call = region.s3.delete_object().bucket(&region.bucket).key(key);
            call.send().await?;
        }
        anyhow::Ok(())
    })?;
    let versions = eventually(Duration::from_secs(60), || {
        regions.expect_quiet(Duration::from_secs(60))?;
        compare(&regions, &expected, &deleted)
    })?;

    let told = logs(&regions)?;
    let mut lags: Vec<f64> = told.lines().filter_map(lag).collect();
    lags.sort_by(f64::total_cmp);
    ensure!(!lags.is_empty(), "no event was carried");
    let at = |percent: usize| lags[(lags.len() - 1) * percent / 100];
    println!(
        "{} writes of {} MB to {} keys in {:.1} s, alike after {:.1} s; {killed} replicators and {restarted} servers killed; \
         {} carried by event with a lag of p50 {:.2} s, p90 {:.2} s, p99 {:.2} s, most {:.2} s; {versions} versions",
        us.len() + eu.len(),
        bytes / 1_000_000,
        expected.len(),
        writing.as_secs_f64(),
        settled.as_secs_f64(),
        lags.len(),
        at(50),
        at(90),
        at(99),
        at(100),
    );

    // Nothing goes round: another start with another sweep finds nothing to do.
    for (own, _) in regions.both() {
        Docker::new().run(&["restart", "--time", "10", &own.replicator])?;
    }
    for (own, _) in regions.both() {
        eventually(Duration::from_secs(60), || {
            let swept = own.metric("atlas_replicator_sweep_duration_seconds")?;
            ensure!(swept > 0.0, "no sweep has ended");
            Ok(())
        })?;
        let carried = own.metric("atlas_replicator_copied_total")?
            + own.metric("atlas_replicator_repaired_total")?;
        ensure!(
            carried == 0.0,
            "{carried} objects were carried once more by {}",
            own.replicator
        );
    }
    let again = compare(&regions, &expected, &deleted)?;
    ensure!(again == versions, "{versions} versions have become {again}");
    Ok(())
}

fn last(writes: &[Write]) -> BTreeMap<&str, &Write> {
    writes
        .iter()
        .map(|write| (write.key.as_str(), write))
        .collect()
}

/// What both replicators have told, over all of their starts.
fn logs(regions: &Regions) -> Result<String> {
    let mut all = String::new();
    for (own, _) in regions.both() {
        all += &Docker::new().run(&["logs", &own.replicator])?.stderr;
    }
    Ok(all)
}

/// The lag in a line that tells of a copy.
fn lag(line: &str) -> Option<f64> {
    let (_, told) = line
        .split_once("carried key=")
        .filter(|(_, told)| told.contains("done=Copied"))?;
    told.rsplit_once("lag=")?
        .1
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[test]
fn messages_wait_for_a_region_that_is_down_and_arrive_in_the_order_of_their_groups() -> Result<()> {
    const GROUPS: usize = 3;
    const EACH: usize = 15;
    let sandbox = Sandbox::open()?;
    let regions = Regions::open(&sandbox)?;
    regions.start_replicators(&[])?;
    let docker = Docker::new();
    docker.run(&["kill", "--signal", "KILL", &regions.eu.container])?;
    regions.runtime.block_on(async {
        let url = regions.us.url(&outbox(&regions.eu)).await?;
        for number in 0..EACH {
            for group in 0..GROUPS {
                let call = regions.us.sqs.send_message().queue_url(&url);
                let call = call.message_body(format!("{group}/{number}"));
                let call = call.message_group_id(format!("g{group}"));
                call.message_deduplication_id(format!("{group}-{number}"))
                    .send()
                    .await?;
            }
        }
        anyhow::Ok(())
    })?;
    // The replicator is killed as well, with the messages that it may hold.
    docker.run(&["kill", "--signal", "KILL", &regions.us.replicator])?;
    docker.run(&["start", &regions.us.replicator])?;
    docker.run(&["start", &regions.eu.container])?;

    let mut got: Vec<String> = Vec::new();
    eventually(Duration::from_secs(120), || {
        got.extend(regions.runtime.block_on(take(&regions.eu, "orders.fifo"))?);
        ensure!(
            got.len() >= GROUPS * EACH,
            "{} of {} messages",
            got.len(),
            GROUPS * EACH
        );
        Ok(())
    })?;
    for group in 0..GROUPS {
        let wanted: Vec<String> = (0..EACH)
            .map(|number| format!("{group}/{number}"))
            .collect();
        let of_group: Vec<&String> = got
            .iter()
            .filter(|body| body.starts_with(&format!("{group}/")))
            .collect();
        ensure!(
            of_group == wanted.iter().collect::<Vec<_>>(),
            "group {group}: {of_group:?}"
        );
    }
    regions.expect_quiet(Duration::from_secs(30))?;
    ensure!(
        regions
            .runtime
            .block_on(take(&regions.eu, "orders.fifo"))?
            .is_empty(),
        "a message came twice"
    );
    Ok(())
}

/// Receives and deletes what is there.
async fn take(region: &Region, queue: &str) -> Result<Vec<String>> {
    let url = region.url(queue).await?;
    let call = region
        .sqs
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(10);
    let mut bodies = Vec::new();
    for message in call.send().await?.messages.unwrap_or_default() {
        bodies.push(message.body.clone().unwrap_or_default());
        let receipt = message.receipt_handle.unwrap_or_default();
        region
            .sqs
            .delete_message()
            .queue_url(&url)
            .receipt_handle(receipt)
            .send()
            .await?;
    }
    Ok(bodies)
}

#[test]
fn what_is_no_event_ends_in_the_dead_letter_queue() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let regions = Regions::open(&sandbox)?;
    regions.start_replicators(&[])?;
    let events = format!("{}-events", regions.us.bucket);
    regions.runtime.block_on(async {
        let url = regions.us.url(&events).await?;
        // Twice instead of five times, between which a message is hidden for longer and longer.
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{events}-dlq");
        let redrive = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"2"}}"#);
        let call = regions.us.sqs.set_queue_attributes().queue_url(&url);
        call.attributes(QueueAttributeName::RedrivePolicy, redrive)
            .send()
            .await?;
        regions
            .us
            .sqs
            .send_message()
            .queue_url(url)
            .message_body("hello")
            .send()
            .await?;
        anyhow::Ok(())
    })?;
    eventually(Duration::from_secs(120), || {
        let dead = regions
            .runtime
            .block_on(regions.us.depth(&format!("{events}-dlq")))?;
        ensure!(dead == 1, "{dead} messages are dead letters");
        Ok(())
    })?;
    ensure!(
        regions.us.metric("atlas_replicator_poison_total")? >= 1.0,
        "no metric tells of it"
    );
    Ok(())
}
