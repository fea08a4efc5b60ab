//! When a node is ready: it says so in its log, in the words that the k3d CLI waits for too.

use super::Role;
use crate::context::Context;
use crate::error::Result;
use crate::ready;

/// The line, in lower case.
fn line(role: Role) -> &'static str {
    match role {
        Role::Server => "k3s is up and running",
        Role::Agent => "successfully registered node",
        Role::LoadBalancer => "start worker processes",
    }
}

/// Waits for the node's line since its present start.
pub(super) async fn wait(cx: &Context, role: Role, name: &str) -> Result<()> {
    ready::wait(cx, line(role), name).await
}
