//! Waiting for a cluster: until it counts a node, or is whole again. It has no stream of that, so it is asked again.

use super::observe::{ask, serves};
use crate::cockroachdb::command::Shell;
use crate::cockroachdb::names;
use crate::cockroachdb::topology::{Membership, NodeStatus, Topology, View};
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Error, Result};
use crate::pace::Pace;
use crate::path::FieldPath;
use crate::{labels, ready};

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

async fn containers(cx: &Context, cluster: &str) -> Result<Vec<Node>> {
    let label = format!("{}={cluster}", labels::ATLAS_COCKROACHDB);
    cx.docker.containers(&[label]).await
}

/// Waits until the cluster counts the node in this container, or the node ends for good.
pub(super) async fn until_member(cx: &Context, cluster: &str, container: &str) -> Result<()> {
    let address = names::address_of(container);
    let doing = format!("{container} becoming a live member");
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

/// Waits until a region has so many live nodes, wherever they run.
///
/// # Errors
/// [`Error::Invalid`] where a node joins that is in none of the cluster's regions: more such nodes would be waited for
/// in vain.
pub(super) async fn until_count(
    cx: &Context,
    cluster: &str,
    region: &str,
    regions: &[String],
    count: u32,
) -> Result<()> {
    let doing = format!("{count} nodes with the locality region={region} joining {cluster}");
    let mut pace = Pace::new();
    cx.guard(&doing, async {
        loop {
            if let (View::Live(topology), _) = ask_others(cx, cluster, &[]).await? {
                let live = topology
                    .in_region(region)
                    .filter(|node| node.is_live && node.membership == Membership::Active);
                if live.count() >= count as usize {
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
            "the node n{} at {} has {locality}, which is in none of the cluster's regions.",
            node.id, node.address
        ),
        format!(
            "Start it again on its store with --locality=region={region}, or list its region; one that is gone is \
             taken out with `cockroach node decommission {}`.",
            node.id
        ),
    )
}

/// Waits until every member is live, serves where it runs here, and all ranges are replicated: only then may a node go.
/// `container` is one that was just started, which may end for good; what was reported before that does not count.
pub(super) async fn until_whole(
    cx: &Context,
    cluster: &str,
    shell: &Shell,
    container: Option<&str>,
) -> Result<()> {
    let mut last = String::new();
    let mut first: Option<Topology> = None;
    let mut pace = Pace::new();
    let waiting = async {
        loop {
            // A node may be silent for a while, for instance while a range changes its leader.
            last = match shell.view(cx).await? {
                View::Live(topology) => match lacking(cx, cluster, &topology).await? {
                    None if container.is_none() => return Ok(()),
                    None if first.as_ref().is_some_and(|first| topology.is_newer(first)) => {
                        return Ok(());
                    }
                    None => {
                        first.get_or_insert(topology);
                        "Not every node has reported since. ".to_owned()
                    }
                    Some(lacking) => {
                        first = None;
                        lacking
                    }
                },
                View::Silent(reason) => format!("{} gives no answer: {reason}. ", shell.container),
                View::Absent | View::Uninitialized => {
                    format!("{} is part of no cluster. ", shell.container)
                }
            };
            if let Some(container) = container {
                ready::still_runs(cx, container).await?;
            }
            pace.pause().await;
        }
    };
    let doing = "all ranges being replicated on live nodes";
    match cx.guard(doing, waiting).await {
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

/// What a cluster lacks, as a sentence.
async fn lacking(cx: &Context, cluster: &str, topology: &Topology) -> Result<Option<String>> {
    if let Some(lacking) = lacks(topology) {
        return Ok(Some(lacking));
    }
    for node in containers(cx, cluster).await? {
        // A cluster takes one that has just ended for live for some seconds more.
        let status = topology.at(&names::address_of(&node.name));
        let counts = status.is_some_and(|status| status.membership == Membership::Active);
        if counts && !serves(cx, &node).await {
            return Ok(Some(format!("{} does not serve. ", node.name)));
        }
    }
    Ok(None)
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
