//! Prints how fast the replicator carries objects from one region's bucket to the other's, beside `aws s3 sync` between
//! the same two buckets. A program and not a test: times are told, not judged.
//!
//! The buckets are on two servers. `aws s3 sync` knows one endpoint, so it goes by way of a folder: down from the one,
//! up to the other. It runs in the first server's container, which has the AWS command line inside.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use acceptance_tests::{Docker, Regions, Sandbox, eventually};
use anyhow::{Result, ensure};
use aws_sdk_s3::primitives::ByteStream;

/// What is carried: how many objects of how many bytes.
const SETS: [(&str, u32, u32); 3] = [
    ("small", 500, 4 << 10),
    ("middle", 100, 1 << 20),
    ("large", 10, 20 << 20),
];
/// More than any of it takes.
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let regions = Regions::open(&sandbox)?;
    // No sweeps in between: events alone.
    regions.start_replicators(&[("ATLAS_REPLICATOR_SWEEP", "3600")])?;
    for (set, count, size) in SETS {
        let by_replicator = replicator(&regions, set, count, size)?;
        let by_sync = sync(&regions, set, count, size)?;
        tell(set, "replicator", count, size, by_replicator);
        tell(set, "aws s3 sync", count, size, by_sync);
    }
    Ok(())
}

fn tell(set: &str, who: &str, count: u32, size: u32, took: Duration) {
    let (objects, size_in_bytes) = (f64::from(count), f64::from(size));
    let seconds = took.as_secs_f64();
    println!(
        "{set:<7} {count} x {:>5} KiB  {who:<12} {seconds:>6.2} s  {:>6.1} objects/s  {:>6.1} MB/s",
        size >> 10,
        objects / seconds,
        objects * size_in_bytes / seconds / 1e6,
    );
}

/// From the moment at which it starts on a full queue until the last object is at the peer.
fn replicator(regions: &Regions, set: &str, count: u32, size: u32) -> Result<Duration> {
    let docker = Docker::new();
    docker.run(&["stop", "--time", "10", &regions.us.replicator])?;
    fill(regions, &format!("replicated/{set}"), count, size)?;
    let started = Instant::now();
    docker.run(&["start", &regions.us.replicator])?;
    arrived(regions, &format!("replicated/{set}"), count)?;
    let took = started.elapsed();
    regions.expect_quiet(LIMIT)?;
    Ok(took)
}

/// Both commands, one after the other, while nobody else carries anything.
fn sync(regions: &Regions, set: &str, count: u32, size: u32) -> Result<Duration> {
    let docker = Docker::new();
    for (own, _) in regions.both() {
        docker.run(&["stop", "--time", "10", &own.replicator])?;
    }
    let prefix = format!("synced/{set}");
    fill(regions, &prefix, count, size)?;
    let (from, to) = (&regions.us, &regions.eu);
    let script = format!(
        "rm -rf /tmp/sync && \
         python3 -m awscli --endpoint-url http://127.0.0.1:4566 s3 sync --only-show-errors s3://{}/{prefix} /tmp/sync && \
         python3 -m awscli --endpoint-url http://{}:4566 s3 sync --only-show-errors /tmp/sync s3://{}/{prefix}",
        from.bucket, to.container, to.bucket
    );
    let started = Instant::now();
    let variables = [
        "AWS_ACCESS_KEY_ID=test",
        "AWS_SECRET_ACCESS_KEY=test",
        "AWS_DEFAULT_REGION=us-east-1",
    ];
    let mut words = vec!["exec"];
    words.extend(variables.iter().flat_map(|variable| ["--env", variable]));
    words.extend([from.container.as_str(), "sh", "-c", &script]);
    docker.run(&words)?;
    let took = started.elapsed();
    arrived(regions, &prefix, count)?;
    for (own, _) in regions.both() {
        docker.run(&["start", &own.replicator])?;
    }
    for (own, _) in regions.both() {
        own.expect_healthy()?;
    }
    regions.expect_quiet(LIMIT)?;
    Ok(took)
}

/// Writes the objects in the first region.
fn fill(regions: &Regions, prefix: &str, count: u32, size: u32) -> Result<()> {
    regions.runtime.block_on(async {
        for number in 0..count {
            // Bytes that differ from object to object; nobody compresses them.
            let bytes = vec![u8::try_from(number % 251)?; usize::try_from(size)?];
            let call = regions.us.s3.put_object().bucket(&regions.us.bucket);
            let call = call.key(format!("{prefix}/{number}"));
            call.body(ByteStream::from(bytes)).send().await?;
        }
        Ok(())
    })
}

/// Waits until all of them are in the second region.
fn arrived(regions: &Regions, prefix: &str, count: u32) -> Result<()> {
    eventually(LIMIT, || {
        let (keys, _) = regions.runtime.block_on(regions.eu.keys())?;
        let there = keys.iter().filter(|key| key.starts_with(prefix)).count();
        ensure!(
            there == usize::try_from(count)?,
            "{there} of {count} are there"
        );
        Ok(())
    })
}
