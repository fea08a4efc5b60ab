//! When a container is ready: it says so in its log.

use crate::context::Context;
use crate::error::{Error, Result};

/// How often a container may end and be started again by Docker before that counts as failure.
const RESTARTS: u32 = 3;

/// Waits for a line of the container's log, since its present start, that contains `line` (in lower case).
///
/// # Errors
/// [`Error::NodeFailed`] with the last lines of the log where the container ends instead;
/// [`Error::TimedOut`] with the same where the context's time is up.
pub(crate) async fn wait(cx: &Context, line: &str, name: &str) -> Result<()> {
    wait_for_any(cx, &[line], name).await
}

/// The same for any of several texts.
///
/// # Errors
/// As [`wait`].
pub(crate) async fn wait_for_any(cx: &Context, lines: &[&str], name: &str) -> Result<()> {
    guard(cx, name, follow(cx, lines, name)).await
}

/// Waits for a container within the context's time, and tells the end of its log where that is up.
///
/// # Errors
/// [`Error::TimedOut`]; what `waiting` fails with.
pub(crate) async fn guard(
    cx: &Context,
    name: &str,
    waiting: impl Future<Output = Result<()>>,
) -> Result<()> {
    let told = format!("waiting for {name} to become ready");
    match cx.guard(&told, waiting).await {
        Err(Error::TimedOut {
            waiting_for, after, ..
        }) => Err(Error::node_timed_out(
            waiting_for,
            after,
            name,
            &cx.docker.last_lines(name).await,
        )),
        other => other,
    }
}

async fn follow(cx: &Context, lines: &[&str], name: &str) -> Result<()> {
    for _ in 0..=RESTARTS {
        let Some(node) = cx.docker.container(name).await? else {
            return Err(failed(cx, name, "was removed while it started".to_owned()).await);
        };
        let seen = |text: &str| {
            let text = text.to_lowercase();
            lines.iter().any(|line| text.contains(line))
        };
        if cx.docker.follow_log(name, node.log_second(), seen).await? {
            return Ok(());
        }
        // Its log ended because it did. Docker starts it again, after a pause that grows.
        if !cx.docker.next_start(name, &node.state.started_at).await? {
            break;
        }
    }
    let code = cx
        .docker
        .container(name)
        .await?
        .map_or(-1, |node| node.state.exit_code);
    Err(failed(
        cx,
        name,
        format!("ended with exit code {code} instead of becoming ready"),
    )
    .await)
}

/// Refuses to wait on for a container that was ready, and has ended for good since, or again and again.
///
/// # Errors
/// [`Error::NodeFailed`] with the last lines of the log.
pub(crate) async fn still_runs(cx: &Context, name: &str) -> Result<()> {
    let reason = match cx.docker.container(name).await? {
        None => "was removed after it had become ready".to_owned(),
        Some(node) if node.state.restarts > i64::from(RESTARTS) => format!(
            "ended after it had become ready, and again after each of {} restarts by Docker",
            node.state.restarts
        ),
        Some(node) if matches!(node.state.status.as_str(), "exited" | "dead") => format!(
            "ended with exit code {} after it had become ready",
            node.state.exit_code
        ),
        Some(_) => return Ok(()),
    };
    Err(failed(cx, name, reason).await)
}

async fn failed(cx: &Context, name: &str, reason: String) -> Error {
    let log = cx.docker.last_lines(name).await;
    Error::node_failed(name, reason, log)
}
