//! When a server serves.

use super::health;
use crate::context::Context;
use crate::error::Result;
use crate::pace::Pace;
use crate::ready;

/// What LocalStack says when it serves, in lower case.
const READY: &str = "ready.";

/// Waits until a server serves. It is asked first. The log of one that was `started` here tells the rest; that of another
/// one may have been rotated since, so it is asked again until it answers.
///
/// # Errors
/// [`crate::Error::NodeFailed`] with the container's log where it ends instead; [`crate::Error::TimedOut`].
pub(super) async fn wait(cx: &Context, container: &str, started: bool) -> Result<()> {
    let waiting = format!("waiting for {container} to become ready");
    let asked = cx.guard(&waiting, health::ask(cx, container)).await?;
    if asked.is_some() {
        return Ok(());
    }
    if started {
        return ready::wait(cx, READY, container).await;
    }
    let asking = async {
        let mut pace = Pace::new();
        while health::ask(cx, container).await?.is_none() {
            ready::still_runs(cx, container).await?;
            pace.pause().await;
        }
        Ok(())
    };
    ready::guard(cx, container, asking).await
}
