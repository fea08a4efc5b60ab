//! That a cluster was found to hold nothing, before its nodes were stopped to be removed. A run that is killed on the way
//! leaves nodes that tell nothing any more, and the next one must not take that for a reason to refuse.
//!
//! The world keeps it: a volume with nothing in it, whose label has the second of the nodes' last start. It counts until
//! a node is started again or goes on running, which may be filled then.

use super::names;
use crate::context::Context;
use crate::docker::Node;
use crate::error::Result;
use crate::labels::{ATLAS_COCKROACHDB, ATLAS_COCKROACHDB_EMPTIED, labels};

/// Seconds within which nodes end that are stopped to be removed.
const STOPPING: i32 = 900;

/// Keeps that the cluster with these nodes holds nothing.
pub(super) async fn keep(cx: &Context, cluster: &str, nodes: &[&Node]) -> Result<()> {
    let last = nodes.iter().map(|node| node.started_second()).max();
    let last = last.unwrap_or_default().to_string();
    let labels = labels([
        (ATLAS_COCKROACHDB, cluster),
        (ATLAS_COCKROACHDB_EMPTIED, &last),
    ]);
    forget(cx, cluster).await?;
    cx.docker
        .ensure_volume(&names::emptied(cluster), &labels)
        .await
}

/// Whether the cluster held nothing, and none of its nodes has been started since, or was left running. Of one that
/// serves it says nothing.
pub(super) async fn holds(cx: &Context, cluster: &str, nodes: &[&Node]) -> Result<bool> {
    let Some(kept) = cx.docker.volume(&names::emptied(cluster)).await? else {
        return Ok(false);
    };
    let last = kept.labels.get(ATLAS_COCKROACHDB_EMPTIED);
    let last: Option<i32> = last.and_then(|second| second.parse().ok());
    // By then all had been told to stop, one after the other at worst.
    let end = kept.created_second + STOPPING;
    let was_stopped = |node: &Node| node.state.running || node.log_second() <= end;
    let counts = |last| {
        let mut nodes = nodes.iter();
        nodes.all(|node| node.started_second() <= last && was_stopped(node))
    };
    Ok(last.is_some_and(counts))
}

/// Forgets it.
pub(super) async fn forget(cx: &Context, cluster: &str) -> Result<()> {
    cx.docker.remove_volume(&names::emptied(cluster)).await
}
