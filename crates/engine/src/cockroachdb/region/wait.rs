//! Waiting for a cluster: until it counts a node, or is whole again. It has no stream of that, so it is asked again.

use super::observe::{Observed, ask, serves};
use crate::cockroachdb::command::Shell;
use crate::cockroachdb::names;
use crate::cockroachdb::topology::{Membership, NodeStatus, Topology, View};
use crate::cockroachdb::{containers, turn};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::pace::Pace;
use crate::path::FieldPath;
use crate::ready;

/// What a cluster says through any of its containers but these.
pub(super) async fn ask_others(
    cx: &Context,
    cluster: &str,
    except: &[String],
) -> Result<(View, Option<Shell>)> {
    let nodes = containers(cx, cluster).await?;
    let asked = nodes.iter().filter(|node| !except.contains(&node.name));
    ask(cx, asked).await
}

/// Waits until the cluster counts the node in this container, or the node ends for good.
pub(super) async fn until_member(cx: &Context, cluster: &str, container: &str) -> Result<()> {
    let address = names::address_of(container);
    let doing = format!("waiting for {container} to become live");
    let mut pace = Pace::new();
    cx.guard(&doing, async {
        loop {
            if let (View::Live(topology), _) = ask_others(cx, cluster, &[]).await?
                && topology.at(&address).is_some_and(|node| node.is_live)
            {
                return Ok(());
            }
            ready::still_runs(cx, container).await?;
            pace.pause().await;
        }
    })
    .await
}

/// Waits until a region has so many live nodes that run elsewhere.
///
/// # Errors
/// [`Error::Invalid`] where a node joins that is in none of the cluster's regions: more such nodes would be waited for
/// in vain.
pub(super) async fn until_count(
    cx: &Context,
    observed: &Observed,
    regions: &[String],
    count: u32,
) -> Result<()> {
    let (cluster, region) = (observed.cluster.as_str(), observed.region.as_str());
    let doing =
        format!("waiting for {count} nodes with the locality region={region} to join {cluster}");
    let mut pace = Pace::new();
    cx.guard(&doing, async {
        loop {
            if let (View::Live(topology), _) = ask_others(cx, cluster, &[]).await? {
                if observed.live_elsewhere(&topology) >= count {
                    return Ok(());
                }
                if let Some(stray) = topology.stray(regions) {
                    return Err(lost(stray, region));
                }
            }
            pace.pause().await;
        }
    })
    .await
}

fn lost(node: &NodeStatus, region: &str) -> Error {
    let locality = match node.locality.as_slice() {
        [] => "no locality".to_owned(),
        _ => format!("the locality {}", node.locality_text()),
    };
    Error::invalid(
        FieldPath::of("regions"),
        format!(
            "the node n{} at {} has {locality}, which is not in the cluster's regions.",
            node.id, node.address
        ),
        format!(
            "Restart it on its store with --locality=region={region}, or add its region to the list. If it is gone \
             for good, run `cockroach node decommission {}`.",
            node.id
        ),
    )
}

/// Waits until the cluster takes none of these members for live, as it does for some seconds after their stores are lost.
/// Returns the turn in which that holds, a node to ask, and those of them that have not left yet; none where nobody
/// answers.
pub(super) async fn until_dead(
    cx: &Context,
    cluster: &str,
    ids: &[u64],
) -> Result<Option<(Lock, Shell, Vec<u64>)>> {
    let doing = format!("waiting for {cluster} to notice that nodes with lost stores are gone");
    let mut pace = Pace::new();
    cx.guard(&doing, async {
        loop {
            let turn = turn(cx, cluster).await?;
            let (View::Live(topology), Some(shell)) = ask_others(cx, cluster, &[]).await? else {
                return Ok(None);
            };
            let those = topology.members().filter(|node| ids.contains(&node.id));
            let those: Vec<&NodeStatus> = those.collect();
            if those.iter().all(|node| !node.is_live) {
                let left = those.iter().map(|node| node.id).collect();
                return Ok(Some((turn, shell, left)));
            }
            drop(turn);
            pace.pause().await;
        }
    })
    .await
}

/// What is waited for before and after a node goes.
const WHOLE: &str = "waiting until all ranges are replicated on live nodes";

/// Waits until the node in this container may be stopped, drains it, and returns the turn in which that holds. Who waits
/// for the cluster leaves the turn to those who may mend it. `serves` says whether the cluster is known to serve: what
/// gives no answer then will again.
///
/// Returns a node to ask when it is back; none where nobody else answers.
pub(super) async fn until_free(
    cx: &Context,
    cluster: &str,
    container: &str,
    mut serves: bool,
) -> Result<(Lock, Option<Shell>)> {
    let itself = [container.to_owned()];
    let address = names::address_of(container);
    let mut last = String::new();
    let mut pace = Pace::new();
    let waiting = async {
        loop {
            let turn = turn(cx, cluster).await?;
            last = match ask_others(cx, cluster, &itself).await? {
                (View::Live(topology), Some(shell)) => {
                    serves = true;
                    // One that is not live takes no drain, and may be what the cluster lacks.
                    let Some(node) = topology.at(&address).filter(|node| node.is_live) else {
                        return Ok((turn, Some(shell)));
                    };
                    match lacking(cx, cluster, &topology, node).await? {
                        None => {
                            shell.drain(cx, node.id).await?;
                            return Ok((turn, Some(shell)));
                        }
                        Some(lacking) => lacking,
                    }
                }
                (View::Silent(reason), Some(_)) if serves => {
                    format!("{cluster} does not answer: {reason}. ")
                }
                // There is nobody to drain it to.
                _ => return Ok((turn, None)),
            };
            drop(turn);
            pace.pause().await;
        }
    };
    with_reason(cx.guard(WHOLE, waiting).await, last)
}

/// Waits until every member is live and all ranges are replicated again, and every node has told so since the one in
/// `container` was started anew. That may end for good.
pub(super) async fn until_whole(cx: &Context, shell: &Shell, container: &str) -> Result<()> {
    let mut last = String::new();
    let mut first: Option<Topology> = None;
    let mut pace = Pace::new();
    let waiting = async {
        loop {
            // A node may be silent for a while, for instance while a range changes its leader.
            last = match shell.view(cx).await? {
                View::Live(topology) => match lacks(&topology) {
                    None if first.as_ref().is_some_and(|first| topology.is_newer(first)) => {
                        return Ok(());
                    }
                    None => {
                        first.get_or_insert(topology);
                        "Not every node has reported since then. ".to_owned()
                    }
                    Some(lacks) => {
                        first = None;
                        lacks
                    }
                },
                View::Silent(reason) => format!("{} does not answer: {reason}. ", shell.container),
                View::Absent | View::Uninitialized => {
                    format!("{} is not part of a cluster. ", shell.container)
                }
            };
            ready::still_runs(cx, container).await?;
            pace.pause().await;
        }
    };
    with_reason(cx.guard(WHOLE, waiting).await, last)
}

/// Adds what was still missing to the end of a wait that was in vain.
fn with_reason<T>(result: Result<T>, last: String) -> Result<T> {
    match result {
        Err(Error::TimedOut {
            waiting_for, after, ..
        }) => Err(Error::TimedOut {
            waiting_for,
            after,
            log: last,
        }),
        Err(Error::Cancelled { during }) => Err(Error::Cancelled {
            during: format!("waiting for {during} ({})", last.trim_end()),
        }),
        other => other,
    }
}

/// What a cluster lacks before this node may go, as a sentence.
async fn lacking(
    cx: &Context,
    cluster: &str,
    topology: &Topology,
    goes: &NodeStatus,
) -> Result<Option<String>> {
    if let Some(lacks) = lacks(topology).or_else(|| drains(topology, goes)) {
        return Ok(Some(lacks));
    }
    for node in containers(cx, cluster).await? {
        // A cluster takes one that has just ended for live for some seconds more.
        let address = names::address_of(&node.name);
        let status = topology.at(&address).filter(|_| address != goes.address);
        let counts = status.is_some_and(|status| status.membership == Membership::Active);
        if counts && !serves(cx, &node).await {
            return Ok(Some(format!("{} does not serve. ", node.name)));
        }
    }
    Ok(None)
}

/// Another node that drains, as it is about to go itself. Of two that drain, each may go.
fn drains(topology: &Topology, goes: &NodeStatus) -> Option<String> {
    let other = topology.members().find(|node| {
        node.is_draining && node.membership == Membership::Active && node.id != goes.id
    })?;
    (!goes.is_draining).then(|| format!("n{} ({}) drains. ", other.id, other.address))
}

/// What it lacks by its own account.
fn lacks(topology: &Topology) -> Option<String> {
    let dead: Vec<String> = topology
        .members()
        .filter(|node| !node.is_live)
        .map(|node| format!("n{} ({})", node.id, node.address))
        .collect();
    let (lacking, stopped) = (topology.underreplicated(), topology.unavailable());
    if dead.is_empty() && lacking == 0 && stopped == 0 {
        return None;
    }
    let dead = if dead.is_empty() {
        "none".to_owned()
    } else {
        dead.join(", ")
    };
    Some(format!(
        "Not live: {dead}. Under-replicated ranges: {lacking}, unavailable: {stopped}. "
    ))
}
