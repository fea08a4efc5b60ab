//! How often the world is asked for what it does not tell by itself.

use std::time::Duration;

/// The first pause: most of what is waited for is nearly there.
const FIRST: Duration = Duration::from_millis(250);
/// The longest: what takes minutes is not asked for four times a second, which would slow it down.
const LONGEST: Duration = Duration::from_secs(1);

/// Pauses that grow while something is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace(Duration);

impl Pace {
    /// Begins with the shortest pause.
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// Waits for the next question.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.step()).await;
    }

    /// This pause; the next is half as long again.
    fn step(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 3 / 2).min(LONGEST);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_second() {
        let mut pace = Pace::new();
        let pauses: Vec<u128> = (0..6).map(|_| pace.step().as_millis()).collect();
        assert_eq!(pauses, [250, 375, 562, 843, 1000, 1000]);
    }
}
