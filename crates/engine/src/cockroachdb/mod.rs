//! `CockroachDB`: regions of nodes, the cluster that they make, databases in it, and which failures it survives.
//!
//! Regions come first: their nodes start, and wait for one `init`. The cluster is what is done once for all of them:
//! `init`, settings, where system ranges are. Databases come last. Every node is asked by the command line in its own
//! image, inside its container, so that this works wherever the Docker daemon is.

pub mod certificates;
pub mod cluster;
mod command;
pub mod database;
mod emptied;
pub mod names;
pub mod quorum;
pub mod region;
mod stage;
pub mod topology;

use crate::context::Context;
use crate::docker::Node;
use crate::error::Result;
use crate::labels;
use crate::lock::{self, Lock};

/// The label on all containers and volumes of a cluster.
fn label(cluster: &str) -> String {
    format!("{}={cluster}", labels::ATLAS_COCKROACHDB)
}

/// A cluster's containers here, of all regions.
async fn containers(cx: &Context, cluster: &str) -> Result<Vec<Node>> {
    cx.docker.containers(&[label(cluster)]).await
}

/// How a cluster is told apart where clusters of several daemons meet, for instance in a folder of certificates.
async fn user(cx: &Context, cluster: &str) -> Result<String> {
    Ok(format!("{cluster}@{}", cx.docker.id().await?))
}

/// Changes of one cluster take turns, across processes too: two regions that drain a node each at the same moment may
/// take the quorum together.
async fn turn(cx: &Context, cluster: &str) -> Result<Lock> {
    lock::take(cx, &format!("cockroachdb-{cluster}")).await
}
