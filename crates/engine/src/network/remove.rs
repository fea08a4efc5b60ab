//! Removes networks, for which Docker wants nobody on them.

use std::time::{Duration, Instant};

use super::room::TO_TELL;
use crate::context::Context;
use crate::error::{Error, Result};

/// How long nobody may leave a network that is to go: the containers on it may be going too, in the same run.
const IDLE: Duration = Duration::from_secs(60);

/// Removes the network as soon as those who leave it have left; one that is gone already is as good.
///
/// # Errors
/// [`Error::Docker`] with the names of those who stay on it.
pub(crate) async fn remove(cx: &Context, name: &str) -> Result<()> {
    let mut departures = cx.docker.departures();
    let mut waiting = Waiting::new();
    loop {
        let error = match cx.docker.remove_network(name).await {
            Err(error) if error.says("has active endpoints") => error,
            done => return done,
        };
        let users = users(cx, name).await?;
        let left = cx.remaining().map(|left| left.saturating_sub(TO_TELL));
        if waiting.is_over(&users, left) {
            return Err(in_use(error, &users));
        }
        if waiting.is_new {
            cx.tell(&format!("waiting for {} to leave {name}", users.join(", ")));
        }
        departures.next().await;
    }
}

/// Who is on a network, by name.
async fn users(cx: &Context, name: &str) -> Result<Vec<String>> {
    let found = cx.docker.network(name).await?;
    Ok(found.map(|found| found.users()).unwrap_or_default())
}

/// Who was seen on a network, and since when nobody has left.
struct Waiting {
    users: Vec<String>,
    since: Instant,
    is_new: bool,
}

impl Waiting {
    fn new() -> Self {
        Self {
            users: Vec::new(),
            since: Instant::now(),
            is_new: false,
        }
    }

    /// Takes a look into account. Whether the time is up, of which so much is left.
    fn is_over(&mut self, users: &[String], left: Option<Duration>) -> bool {
        self.is_new = self.users.is_empty();
        if self.users.iter().any(|known| !users.contains(known)) {
            self.since = Instant::now();
        }
        users.clone_into(&mut self.users);
        left.is_some_and(|left| left.is_zero()) || self.since.elapsed() >= IDLE
    }
}

/// Docker does not say who it is.
fn in_use(mut error: Error, users: &[String]) -> Error {
    if let (Error::Docker { hint, .. }, false) = (&mut error, users.is_empty()) {
        let (first, names) = (&users[0], users.join(", "));
        *hint = format!(
            ". These containers use it: {names}. Advice: disconnect them first (`docker network disconnect NETWORK \
             {first}`)"
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn waiting_goes_on_as_long_as_somebody_leaves_and_there_is_time() {
        let mut waiting = Waiting::new();
        assert!(!waiting.is_over(&names(&["a", "b"]), None));
        let long_ago = Instant::now().checked_sub(2 * IDLE).unwrap();
        waiting.since = long_ago;
        assert!(!waiting.is_over(&names(&["b"]), None), "a has left");
        waiting.since = long_ago;
        assert!(waiting.is_over(&names(&["b"]), None), "nobody has left");
        let mut late = Waiting::new();
        assert!(late.is_over(&names(&["a"]), Some(Duration::ZERO)));
    }

    #[test]
    fn who_stays_on_a_network_is_named() {
        let said = Error::Docker {
            operation: "remove network",
            object: "n".to_owned(),
            status: 403,
            message: "network n has active endpoints".to_owned(),
            hint: String::new(),
        };
        let told = in_use(said, &names(&["k3d-a-server-0", "db"])).to_string();
        assert!(
            told.contains("k3d-a-server-0, db") && told.contains("disconnect"),
            "{told}"
        );
    }
}
