//! Reads a network back from Docker.

use crate::context::Context;
use crate::docker::DockerNetwork;
use crate::error::Result;

/// The network of this name, `None` where there is none.
pub async fn observe(cx: &Context, name: &str) -> Result<Option<DockerNetwork>> {
    cx.guard("reading a network", cx.docker.network(name)).await
}

/// All networks of the daemon, or those with this label.
pub async fn list(cx: &Context, label: Option<&str>) -> Result<Vec<DockerNetwork>> {
    cx.guard("listing networks", cx.docker.networks(label))
        .await
}
