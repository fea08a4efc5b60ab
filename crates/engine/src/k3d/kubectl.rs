//! The Kubernetes API of a cluster, asked through `kubectl` inside a server's container: it works
//! wherever the Docker daemon is, published port or not, and needs no credentials here.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::observe::Observed;
use super::read::kube_api;
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Error, Result};
use crate::kubeconfig::Kubeconfig;

/// Where a server writes its kubeconfig (`K3S_KUBECONFIG_OUTPUT`).
const OUTPUT: &str = "/output/kubeconfig.yaml";

/// Runs `kubectl` in a server and returns its output.
pub(crate) async fn kubectl(cx: &Context, server: &str, args: &[&str]) -> Result<String> {
    let command: Vec<&str> = std::iter::once("kubectl")
        .chain(args.iter().copied())
        .collect();
    cx.guard(
        &format!("asking the Kubernetes API of {server}"),
        cx.docker.exec(server, &command),
    )
    .await
}

/// How long nodes may take to become Ready where the context sets no limit.
const READY_LIMIT: Duration = Duration::from_secs(600);
/// What is kept of the context's time to find out which node it was that did not.
const TO_TELL: Duration = Duration::from_secs(5);

/// Waits until these nodes exist and are Ready.
///
/// # Errors
/// [`Error::NodeFailed`] with the last lines of the log of the first that is not.
pub(super) async fn wait_nodes(cx: &Context, server: &str, nodes: &[String]) -> Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = nodes.iter().map(|node| format!("node/{node}")).collect();
    for condition in ["--for=create", "--for=condition=Ready"] {
        let left = cx.remaining().unwrap_or(READY_LIMIT);
        let seconds = left.saturating_sub(TO_TELL).as_secs().max(1);
        let timeout = format!("--timeout={seconds}s");
        let mut args = vec!["wait", condition, &timeout];
        args.extend(names.iter().map(String::as_str));
        match kubectl(cx, server, &args).await {
            Ok(_) => {}
            Err(Error::Exec { output, .. }) => {
                return Err(not_ready(cx, server, nodes, output).await);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Which node it was, and what its log says.
async fn not_ready(cx: &Context, server: &str, nodes: &[String], said: String) -> Error {
    let ready = ready_nodes(cx, server).await;
    let late = nodes.iter().find(|node| !ready.contains(node));
    let node = late.map_or(server, String::as_str);
    let said = said.lines().last().unwrap_or_default();
    let log = cx.docker.last_lines(node).await;
    Error::node_failed(node, format!("did not become Ready ({said})"), log)
}

/// The nodes that Kubernetes calls Ready; none where it does not answer.
pub(super) async fn ready_nodes(cx: &Context, server: &str) -> Vec<String> {
    const STATES: &str = r#"jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
    let args = ["get", "nodes", "--request-timeout=5s", "-o", STATES];
    match kubectl(cx, server, &args).await {
        Ok(states) => {
            let ready = states.lines().filter_map(|line| line.strip_suffix(" True"));
            ready.map(str::to_owned).collect()
        }
        Err(error) => {
            tracing::debug!("asking for ready nodes: {error}");
            Vec::new()
        }
    }
}

/// The nodes that Kubernetes knows; `None` where it does not answer.
pub(super) async fn known_nodes(cx: &Context, server: &str) -> Option<BTreeSet<String>> {
    const NAMES: &str = r#"jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}"#;
    let args = ["get", "nodes", "--request-timeout=5s", "-o", NAMES];
    match kubectl(cx, server, &args).await {
        Ok(names) => Some(names.lines().map(str::to_owned).collect()),
        Err(error) => {
            tracing::debug!("asking for nodes: {error}");
            None
        }
    }
}

/// Whether a node is known to Kubernetes by another name than its container's.
pub(super) fn has_other_name(node: &Node) -> bool {
    let by_flag = ["--node-name", "--with-node-id"];
    let mut words = node.cmd.iter();
    words.any(|word| by_flag.iter().any(|flag| word.starts_with(flag)))
        || node.env_value("K3S_NODE_NAME").is_some()
}

/// What one needs to use a cluster. Secrets: does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// A whole kubeconfig, with k3d's names in it.
    pub kubeconfig: Kubeconfig,
    /// `https://host:port`.
    pub endpoint: String,
    /// PEM.
    pub cluster_ca_certificate: String,
    /// PEM.
    pub client_certificate: String,
    /// PEM.
    pub client_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.endpoint)
    }
}

/// Reads a cluster's credentials; works on a stopped cluster too. `None` where the server has not
/// written them yet.
pub async fn credentials(cx: &Context, observed: &Observed) -> Result<Option<Credentials>> {
    let Some(server) = observed.server() else {
        return Ok(None);
    };
    let read = cx
        .guard(
            "reading a kubeconfig",
            cx.docker.get_file(&server.name, OUTPUT),
        )
        .await?;
    let Some(bytes) = read else { return Ok(None) };
    let mut api = kube_api(observed);
    api.host_port = api.host_port.or(Some(super::API_PORT));
    let endpoint = api.endpoint().unwrap_or_default();
    let understood = Kubeconfig::of_node(&bytes, &observed.name, &endpoint);
    understood.map(Some).map_err(|reason| Error::Unexpected {
        what: format!("the kubeconfig of cluster {}", observed.name),
        reason,
    })
}
