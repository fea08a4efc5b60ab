//! What Prometheus is told. Names end in their units.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::carry::Done;
use crate::decide::Rest;

/// A bucket or a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Of {
    /// Its name.
    name: String,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Why {
    /// The bucket or queue.
    name: String,
    /// `later` (tried again) or `refused` (left to the dead-letter queue).
    class: &'static str,
}

type Count = Family<Of, Counter<u64, AtomicU64>>;
type Level = Family<Of, Gauge<i64, AtomicI64>>;

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    lag: Family<Of, Histogram>,
    copied: Count,
    bytes: Count,
    deleted: Count,
    restored: Count,
    in_sync: Count,
    loops: Count,
    outdated: Count,
    failed: Family<Why, Counter<u64, AtomicU64>>,
    poison: Count,
    repaired: Count,
    gaps: Level,
    depth: Level,
    sweep: Family<Of, Gauge<f64, AtomicU64>>,
    forwarded: Count,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("atlas_replicator"),
            lag: Family::new_with_constructor(|| {
                Histogram::new([
                    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
                ])
            }),
            copied: Count::default(),
            bytes: Count::default(),
            deleted: Count::default(),
            restored: Count::default(),
            in_sync: Count::default(),
            loops: Count::default(),
            outdated: Count::default(),
            failed: Family::default(),
            poison: Count::default(),
            repaired: Count::default(),
            gaps: Level::default(),
            depth: Level::default(),
            sweep: Family::default(),
            forwarded: Count::default(),
        };
        let registry = &mut metrics.registry;
        registry.register_with_unit(
            "lag",
            "From a change to its copy, by the event's time",
            Unit::Seconds,
            metrics.lag.clone(),
        );
        registry.register(
            "copied",
            "Objects written to the peer",
            metrics.copied.clone(),
        );
        registry.register_with_unit(
            "copied",
            "Bytes of objects written to the peer",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register(
            "deleted",
            "Delete markers laid at the peer",
            metrics.deleted.clone(),
        );
        registry.register(
            "restored",
            "Writes put back that an older copy had covered",
            metrics.restored.clone(),
        );
        registry.register(
            "in_sync",
            "Changes that the peer had already",
            metrics.in_sync.clone(),
        );
        registry.register(
            "loops_avoided",
            "Changes that were copies from the peer",
            metrics.loops.clone(),
        );
        registry.register(
            "outdated",
            "Changes that a newer one at the peer outdid",
            metrics.outdated.clone(),
        );
        registry.register(
            "failed",
            "Attempts that failed, by what is done about it",
            metrics.failed.clone(),
        );
        registry.register(
            "poison",
            "Messages given back, for the dead-letter queue in the end",
            metrics.poison.clone(),
        );
        registry.register(
            "repaired",
            "Keys that a sweep carried because no event had",
            metrics.repaired.clone(),
        );
        registry.register(
            "gaps",
            "Keys that the last sweep found behind",
            metrics.gaps.clone(),
        );
        registry.register(
            "queue_depth",
            "Messages that wait, are in flight or delayed",
            metrics.depth.clone(),
        );
        registry.register_with_unit(
            "sweep_duration",
            "How long the last sweep took",
            Unit::Seconds,
            metrics.sweep.clone(),
        );
        registry.register(
            "forwarded",
            "Messages sent to a peer's queue",
            metrics.forwarded.clone(),
        );
        metrics
    }

    /// What was done about a change; `lag` in seconds.
    pub(crate) fn done(&self, bucket: &str, done: Done, lag: Option<f64>) {
        let of = of(bucket);
        match done {
            Done::Copied(bytes) => {
                self.copied.get_or_create(&of).inc();
                self.bytes.get_or_create(&of).inc_by(bytes);
            }
            Done::Deleted => {
                self.deleted.get_or_create(&of).inc();
            }
            Done::Restored => {
                self.restored.get_or_create(&of).inc();
            }
            Done::Rest(Rest::InSync) => {
                self.in_sync.get_or_create(&of).inc();
            }
            Done::Rest(Rest::Loop) => {
                self.loops.get_or_create(&of).inc();
            }
            Done::Rest(Rest::PeerNewer) => {
                self.outdated.get_or_create(&of).inc();
            }
            Done::Rest(Rest::NotOurs) => {}
        }
        if let (Done::Copied(_) | Done::Deleted, Some(lag)) = (done, lag) {
            self.lag.get_or_create(&of).observe(lag.max(0.0));
        }
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, name: &str, again: bool) {
        let class = if again { "later" } else { "refused" };
        let name = name.to_owned();
        self.failed.get_or_create(&Why { name, class }).inc();
    }

    /// A message was given back.
    pub(crate) fn poison(&self, queue: &str) {
        self.poison.get_or_create(&of(queue)).inc();
    }

    /// A sweep ended; `repaired` keys of `gaps` were carried.
    pub(crate) fn swept(&self, bucket: &str, gaps: usize, repaired: usize, seconds: f64) {
        let of = of(bucket);
        self.gaps
            .get_or_create(&of)
            .set(i64::try_from(gaps).unwrap_or(i64::MAX));
        self.repaired.get_or_create(&of).inc_by(repaired as u64);
        self.sweep.get_or_create(&of).set(seconds);
    }

    /// How many messages a queue has.
    pub(crate) fn depth(&self, queue: &str, messages: i64) {
        self.depth.get_or_create(&of(queue)).set(messages);
    }

    /// A message reached the peer's queue.
    pub(crate) fn forwarded(&self, queue: &str) {
        self.forwarded.get_or_create(&of(queue)).inc();
    }

    /// All of it, in `OpenMetrics`' text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            let _ = write!(text, "# {error}");
        }
        text
    }
}

fn of(name: &str) -> Of {
    Of {
        name: name.to_owned(),
    }
}
