//! Reads a network back from Docker.

use crate::context::Context;
use crate::docker::DockerNetwork;
use crate::error::Result;

/// The network of this name, `None` where there is none.
pub async fn observe(cx: &Context, name: &str) -> Result<Option<DockerNetwork>> {
    cx.guard("reading a network", cx.docker.network(name)).await
}
