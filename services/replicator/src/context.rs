//! What all jobs share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::stamp::place;

/// How long work that has begun may go on after it was told to stop. Docker kills after ten seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(4);
/// Keys are kept apart by this many locks.
const LOCKS: usize = 256;

/// Shared by all jobs of this process.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Back-pressure.
    pub limits: Limits,
    /// No new work from here on.
    pub stop: CancellationToken,
    locks: Arc<Vec<Mutex<()>>>,
}

impl Context {
    /// At the start.
    pub(crate) fn new(limits: Limits, stop: CancellationToken) -> Self {
        let locks = std::iter::repeat_with(|| Mutex::new(()))
            .take(LOCKS)
            .collect();
        Self {
            metrics: Arc::new(Metrics::new()),
            limits,
            stop,
            locks: Arc::new(locks),
        }
    }

    /// The same for a job that can be stopped by itself, and has objects of its own in flight.
    pub(crate) fn for_job(&self, objects: usize) -> Self {
        Self {
            limits: self.limits.with_objects(objects),
            stop: self.stop.child_token(),
            ..self.clone()
        }
    }

    /// One key at a time.
    pub(crate) async fn lock(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        let number = usize::try_from(place(bucket, key) % LOCKS as u64).unwrap_or_default();
        self.locks[number].lock().await
    }

    /// Sleeps; `false` where it was told to stop meanwhile.
    pub(crate) async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// Waits that grow from a quarter of a second to fifteen.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// The next wait. Which of several waits is the longer differs by their callers' numbers, so that they do
    /// not come back all at once.
    pub(crate) fn next(&mut self, spread: u64) -> Duration {
        let base = 250_u64 << self.0.min(6);
        self.0 += 1;
        Duration::from_millis(base.min(15_000) * (80 + spread % 41) / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..40).map(|_| backoff.next(20).as_millis()).collect();
        assert_eq!((waits[0], waits[1], waits[39]), (250, 500, 15_000));
        assert!(waits.is_sorted());
    }
}
