//! How far the clocks of other nodes are from this one's.
//!
//! A node that is more than 80 % of `--max-offset` away from at least half of the others ends: see
//! <https://www.cockroachlabs.com/docs/stable/operational-faqs#what-happens-when-node-clocks-are-not-properly-synchronized>.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::Utc;

use crate::cli::flags::go_duration;

/// Part of the greatest offset at which a node still trusts its clock, in percent.
const TOLERATED: u64 = 80;

/// This node's clock in microseconds of Unix time, as it tells the others.
pub(crate) fn now() -> i64 {
    static SKEW: LazyLock<i64> = LazyLock::new(|| {
        let given = std::env::var("ATLAS_DOUBLE_CLOCK_SKEW").unwrap_or_default();
        let skew = go_duration(&given).unwrap_or_default();
        i64::try_from(skew.as_micros()).unwrap_or_default()
    });
    Utc::now().timestamp_micros() + *SKEW
}

/// A measurement of another node's clock against this one's, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offset {
    /// How far the other one is ahead.
    pub(crate) ahead: i64,
    /// How much more or less it may be.
    pub(crate) uncertainty: u64,
}

impl Offset {
    /// From what the other clock showed in an answer, what this one showed when it came, and how long it took.
    pub(crate) fn measure(theirs: i64, ours: i64, round_trip: Duration) -> Self {
        let half = u64::try_from(round_trip.as_micros() / 2).unwrap_or(u64::MAX);
        Self {
            ahead: theirs.saturating_add_unsigned(half) - ours,
            uncertainty: half,
        }
    }

    /// Whether it may be within this many microseconds. A slow answer proves nothing.
    fn is_within(self, tolerated: u64) -> bool {
        self.ahead.unsigned_abs().saturating_sub(self.uncertainty) <= tolerated
    }
}

/// Whether this node's clock can be trusted, with the greatest offset in milliseconds.
pub(crate) fn verify(offsets: &[Offset], max_offset: u64) -> Result<(), String> {
    let tolerated = max_offset * 1000 * TOLERATED / 100;
    let healthy = offsets.iter().filter(|one| one.is_within(tolerated));
    let (healthy, all) = (healthy.count(), offsets.len());
    if all == 0 || healthy > all / 2 {
        return Ok(());
    }
    Err(format!(
        "clock synchronization error: this node is more than {max_offset}ms away from at least half of the known nodes \
         ({healthy} of {all} are within the offset)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_others_too_far_away_is_too_many_and_a_slow_answer_proves_nothing() {
        let near = Offset::measure(1_000_390_000, 1_000_000_000, Duration::ZERO);
        let far = Offset::measure(999_500_000, 1_000_000_000, Duration::ZERO);
        let slow = Offset::measure(999_500_000, 1_000_000_000, Duration::from_secs(1));
        assert_eq!((far.ahead, slow.ahead), (-500_000, 0));
        for (offsets, fine) in [
            (&[][..], true),
            (&[near], true),
            (&[far], false),
            (&[slow], true),
            (&[near, far], false),
            (&[near, near, far], true),
            (&[near, far, far], false),
        ] {
            assert_eq!(verify(offsets, 500).is_ok(), fine, "{offsets:?}");
        }
        assert!(verify(&[far], 1000).is_ok());
    }
}
