//! SIGHUP: a running node reads its certificates anew.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tracing::{error, info};

use super::Node;

/// Follows the signal for as long as the process lives.
pub(super) async fn hangups(node: Arc<Node>, mut signal: Signal) {
    while signal.recv().await.is_some() {
        let Some(tls) = &node.tls else {
            info!("received signal \"hangup\"; this node is insecure and has nothing to read anew");
            continue;
        };
        info!("received signal \"hangup\", triggering certificate reload");
        match tls.reload() {
            Ok(()) => info!("successfully reloaded certificates"),
            Err(error) => error!(
                "could not reload certificates: {error}; the node goes on with those that it has"
            ),
        }
    }
}
