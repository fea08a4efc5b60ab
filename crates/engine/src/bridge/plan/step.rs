//! What can be done to a bridge.

use std::net::Ipv4Addr;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the transit network.
    CreateNetwork {
        /// Its name in Docker.
        network: String,
    },
    /// Put a node on it.
    Attach {
        /// The container.
        node: String,
        /// Its address there.
        address: Ipv4Addr,
    },
    /// Give a node its script and run it.
    Route {
        /// The container.
        node: String,
        /// Whether it runs, so that the script can.
        running: bool,
        /// The script.
        script: String,
    },
    /// Take routes and attachment back.
    Leave {
        /// The container.
        node: String,
        /// Whether it runs.
        running: bool,
    },
    /// Tell a cluster's DNS of the members, or of none.
    Names {
        /// The cluster.
        cluster: String,
        /// The server to ask.
        server: String,
        /// Server blocks; `None` takes them back.
        zones: Option<String>,
    },
}

impl Step {
    /// A sentence for a person: what is wrong.
    pub fn summary(&self) -> String {
        match self {
            Self::CreateNetwork { network } => format!("network {network} is missing"),
            Self::Attach { node, .. } => format!("node {node} is not on the bridge"),
            Self::Route { node, .. } => format!("routes of node {node} are missing or differ"),
            Self::Leave { node, .. } => format!("node {node} leaves the bridge"),
            Self::Names {
                cluster,
                zones: Some(_),
                ..
            } => {
                format!("the DNS of cluster {cluster} does not resolve all members")
            }
            Self::Names { cluster, .. } => {
                format!("the DNS of cluster {cluster} no longer resolves the bridge's members")
            }
        }
    }
}
