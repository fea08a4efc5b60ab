//! When clients of each region could write.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Acknowledged writes by region: when the attempt began, and when it was acknowledged.
#[derive(Debug, Default)]
pub struct Availability {
    writes: Mutex<BTreeMap<String, Vec<(Instant, Instant)>>>,
}

impl Availability {
    /// A write was acknowledged just now.
    pub(super) fn wrote(&self, region: &str, began: Instant) {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let of_region = writes.entry(region.to_owned()).or_default();
        of_region.push((began, Instant::now()));
    }

    /// When the first write of a region was acknowledged that was begun after a moment.
    pub fn first_after(&self, region: &str, moment: Instant) -> Option<Instant> {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = writes.get(region)?.iter();
        own.find(|(began, _)| *began >= moment)
            .map(|(_, ended)| *ended)
    }

    /// The longest time without an acknowledged write of a region that lies, wholly or in part, between two moments.
    pub fn longest_silence(&self, region: &str, from: Instant, to: Instant) -> Duration {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let none = Vec::new();
        let ends: Vec<Instant> = writes
            .get(region)
            .unwrap_or(&none)
            .iter()
            .map(|(_, ended)| *ended)
            .collect();
        let (first, last) = (
            ends.partition_point(|ended| *ended < from),
            ends.partition_point(|ended| *ended <= to),
        );
        let before = first.checked_sub(1).map_or(from, |n| ends[n]);
        let after = ends.get(last).copied().unwrap_or(to);
        let moments: Vec<Instant> = std::iter::once(before)
            .chain(ends[first..last].iter().copied())
            .chain([after])
            .collect();
        let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }
}

/// The value that so many percent of all do not exceed; none of nothing.
pub fn percentile(values: &[Duration], percent: usize) -> Option<Duration> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<Duration> = (1..=10).rev().map(seconds).collect();
        assert_eq!(percentile(&values, 50), Some(seconds(5)));
        assert_eq!(percentile(&values, 90), Some(seconds(9)));
        assert_eq!(percentile(&values, 100), Some(seconds(10)));
        assert_eq!(percentile(&values[..1], 50), Some(seconds(10)));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn a_write_that_was_under_way_before_does_not_count() {
        let start = Instant::now();
        let at = |n| start + seconds(n);
        let availability = Availability::default();
        availability
            .writes
            .lock()
            .unwrap()
            .insert("us".to_owned(), vec![(at(1), at(6)), (at(7), at(9))]);
        assert_eq!(availability.first_after("us", at(2)), Some(at(9)));
        assert_eq!(availability.first_after("us", at(8)), None);
        assert_eq!(availability.first_after("eu", at(2)), None);
    }

    #[test]
    fn silence_reaches_over_the_edges_of_what_is_asked_for() {
        let start = Instant::now();
        let at = |n| start + seconds(n);
        let availability = Availability::default();
        let writes = [1, 2, 10, 11, 30].map(|n| (at(n), at(n)));
        availability
            .writes
            .lock()
            .unwrap()
            .insert("us".to_owned(), writes.to_vec());
        assert_eq!(
            availability.longest_silence("us", at(5), at(11)),
            seconds(19)
        );
        assert_eq!(
            availability.longest_silence("us", at(5), at(10)),
            seconds(8)
        );
        assert_eq!(availability.longest_silence("eu", at(5), at(8)), seconds(3));
    }
}
