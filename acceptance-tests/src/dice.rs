//! Random choices that a seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use uuid::Uuid;

/// A generator of numbers (splitmix64): the same seed gives the same numbers.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From the seed that an environment variable holds, else from another one each time; with the seed, to be told.
    pub fn of_variable(name: &str) -> Result<(u64, Self)> {
        let given = std::env::var(name).ok().filter(|text| !text.is_empty());
        let seed = if let Some(text) = given {
            text.parse().with_context(|| name.to_owned())?
        } else {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
            u64::try_from(now)? % 1_000_000
        };
        Ok((seed, Self::new(seed)))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides.max(1)
    }

    /// One of these. There must be one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// In another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for n in (1..items.len()).rev() {
            items.swap(n, self.below(n + 1));
        }
    }

    /// A UUID, as a client makes one for a request.
    pub fn uuid(&mut self) -> Uuid {
        let random = u128::from(self.next()) << 64 | u128::from(self.next());
        uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid()
    }

    /// Dice for somebody else, who rolls apart from these.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from(self.roll(count)).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_everything_and_another_does_not() {
        let rolls = |seed| {
            let mut dice = Dice::new(seed);
            let mut order: Vec<u64> = (0..20).collect();
            dice.shuffle(&mut order);
            (order, dice.uuid(), dice.fork().roll(1 << 40))
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
    }

    #[test]
    fn every_side_comes_up() {
        let mut dice = Dice::new(0);
        let mut seen = [false; 6];
        for _ in 0..200 {
            seen[usize::try_from(dice.roll(6)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 6]);
    }
}
