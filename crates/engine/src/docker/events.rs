//! Word of what goes: containers that end, networks that are left or removed.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt as _};

use super::Docker;

/// After so long without word it is looked again: clocks of two machines differ, and streams break.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A stream of what goes.
pub(crate) struct Departures {
    events: Pin<Box<dyn Stream<Item = Result<EventMessage, bollard::errors::Error>> + Send>>,
}

impl Departures {
    /// Returns when something has gone, or may have.
    pub(crate) async fn next(&mut self) {
        let wait = async {
            if !matches!(self.events.next().await, Some(Ok(_))) {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(LOOK_AGAIN, wait).await;
    }
}

impl Docker {
    /// What goes from now on; a look that follows this call misses nothing.
    pub(crate) fn departures(&self) -> Departures {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        let filters: HashMap<String, Vec<String>> = HashMap::from([
            ("type".to_owned(), words(&["container", "network"])),
            ("event".to_owned(), words(&["die", "destroy", "disconnect"])),
        ]);
        // The daemon is asked at the first call of `next`.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = now.unwrap_or_default().as_secs().to_string();
        let options = EventsOptionsBuilder::default()
            .filters(&filters)
            .since(&since)
            .build();
        Departures {
            events: Box::pin(self.api().events(Some(options))),
        }
    }
}
