//! Log streams: the way to know, without polling, that a node is ready.

use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;

use super::Docker;
use crate::error::Result;

/// How long a log that is followed may say nothing before it is read anew.
const SILENCE: Duration = Duration::from_secs(10);

/// How many lines of a log an error shows.
const LAST_LINES: &str = "15";

impl Docker {
    /// Follows a container's log from `since` (Unix seconds, 0 for all of it) until `seen` is true
    /// of a line. `false` where the log ended first.
    ///
    /// A busy daemon can miss the last line before a silence, and a stream that follows then waits for ever. One
    /// that was silent for [`SILENCE`] is opened again, so `seen` may meet a line twice.
    pub async fn follow_log(
        &self,
        container: &str,
        since: i32,
        mut seen: impl FnMut(&str) -> bool + Send,
    ) -> Result<bool> {
        loop {
            let follow = self.follow_until_silence(container, since, &mut seen);
            if let Some(ended) = follow.await? {
                return Ok(ended);
            }
        }
    }

    /// `None` where the stream fell silent.
    async fn follow_until_silence(
        &self,
        container: &str,
        since: i32,
        seen: &mut (impl FnMut(&str) -> bool + Send),
    ) -> Result<Option<bool>> {
        let options = both_outputs().follow(true).since(since).build();
        let mut stream = std::pin::pin!(self.api().logs(container, Some(options)));
        let mut lines = Lines::default();
        while let Ok(next) = tokio::time::timeout(SILENCE, stream.next()).await {
            let Some(frame) = next else {
                return Ok(Some(lines.rest().is_some_and(|line| seen(&line))));
            };
            let frame =
                frame.map_err(|error| self.failed("follow the log of", container, error))?;
            if lines.feed(frame.as_ref()).iter().any(|line| seen(line)) {
                return Ok(Some(true));
            }
        }
        Ok(None)
    }

    /// Reads what a container has logged from `since` (Unix seconds) until now, as far as the line of which `seen` is
    /// true. `false` where there is none.
    pub async fn look_through_log(
        &self,
        container: &str,
        since: i32,
        mut seen: impl FnMut(&str) -> bool + Send,
    ) -> Result<bool> {
        let options = both_outputs().since(since).build();
        let mut stream = std::pin::pin!(self.api().logs(container, Some(options)));
        let mut lines = Lines::default();
        while let Some(frame) = stream.next().await {
            let frame = frame.map_err(|error| self.failed("read the log of", container, error))?;
            if lines.feed(frame.as_ref()).iter().any(|line| seen(line)) {
                return Ok(true);
            }
        }
        Ok(lines.rest().is_some_and(|line| seen(&line)))
    }

    /// The last lines of a container's log; empty where there are none to be had.
    pub async fn last_lines(&self, container: &str) -> String {
        let options = both_outputs().tail(LAST_LINES).build();
        let mut stream = std::pin::pin!(self.api().logs(container, Some(options)));
        let mut text = String::new();
        while let Some(Ok(frame)) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(frame.as_ref()));
        }
        text.trim_end().to_owned()
    }
}

fn both_outputs() -> LogsOptionsBuilder {
    LogsOptionsBuilder::default().stdout(true).stderr(true)
}

/// Puts lines together again: a frame may end in the middle of one.
#[derive(Default)]
struct Lines {
    partial: String,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.partial.push_str(&String::from_utf8_lossy(bytes));
        let mut complete: Vec<String> = self.partial.split('\n').map(str::to_owned).collect();
        self.partial = complete.pop().unwrap_or_default();
        complete
    }

    fn rest(self) -> Option<String> {
        (!self.partial.is_empty()).then_some(self.partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_by_a_frame_is_seen_whole() {
        let mut lines = Lines::default();
        assert!(lines.feed(b"k3s is up ").is_empty());
        assert_eq!(lines.feed(b"and running\nnext"), ["k3s is up and running"]);
        assert_eq!(lines.rest().as_deref(), Some("next"));
    }
}
