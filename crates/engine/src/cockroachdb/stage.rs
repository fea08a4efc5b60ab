//! How far a node has come, by its log. Before `init`, and without a quorum after a restart, a node takes a client's
//! connection and lets it wait: to ask it would tell nothing, slowly.

use crate::context::Context;
use crate::docker::Node;
use crate::error::Result;

/// What a node says when it serves, in lower case.
pub(super) const SERVES: &str = "node starting at";
/// What a node says whose store is part of no cluster yet, in lower case.
pub(super) const WAITS: &str = "initial startup completed";

/// How far a node has come since its present start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It said that it serves.
    Serves,
    /// Its store is new. It waits for `init`, or for a node that lets it join.
    Waits,
    /// It said neither: it is just starting, or its store is part of a cluster whose others it waits for. A log that
    /// cannot be read, or whose beginning is gone, says neither, too.
    Starts,
}

fn says(line: &str, words: &str) -> bool {
    line.to_lowercase().contains(words)
}

/// Whether the node in this container ever said that it serves, in whichever run.
///
/// # Errors
/// What Docker says of its log.
pub(super) async fn has_served(cx: &Context, node: &Node) -> Result<bool> {
    let serves = |line: &str| says(line, SERVES);
    cx.docker.look_through_log(&node.name, 0, serves).await
}

/// How far the node in this container, which runs, has come.
pub(super) async fn stage(cx: &Context, node: &Node) -> Stage {
    let mut found = Stage::Starts;
    let look = cx
        .docker
        .look_through_log(&node.name, node.log_second(), |line| {
            if says(line, SERVES) {
                found = Stage::Serves;
            } else if says(line, WAITS) {
                found = Stage::Waits;
            }
            found == Stage::Serves
        });
    match look.await {
        Ok(_) => found,
        Err(error) => {
            tracing::debug!("the log of {}: {error}", node.name);
            Stage::Starts
        }
    }
}
