//! What a cluster's Kubernetes says of its nodes and of what runs on them, asked with one command.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kubectl;
use super::observe::Observed;
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Error, Result};

/// How a cluster is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// By Kubernetes' name of the node: `None` where it is Ready, else why it is not.
    pub nodes: BTreeMap<String, Option<String>>,
    /// Deployments, StatefulSets and DaemonSets of all namespaces.
    pub workloads: Vec<Workload>,
}

/// What runs on a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// `deployment`, `statefulset`, `daemonset`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many Pods it should have.
    pub wanted: u64,
    /// How many of them are ready.
    pub ready: u64,
}

impl Health {
    /// What it says of this container; `None` where Kubernetes knows no node of its name.
    pub fn of(&self, node: &str) -> Option<&Option<String>> {
        self.nodes.get(node)
    }
}

/// Whether Kubernetes may know a node by another name than its container's.
pub fn has_other_name(node: &Node) -> bool {
    kubectl::has_other_name(node)
}

/// Asks the first server that runs.
///
/// # Errors
/// [`Error::NotFound`] where none runs, so that there is nobody to ask; what the command or Docker says.
pub async fn health(cx: &Context, observed: &Observed) -> Result<Health> {
    let mut servers = observed.of_role(super::Role::Server);
    let Some(server) = servers.find(|server| server.state.running) else {
        return Err(Error::NotFound {
            kind: "running server of cluster",
            name: observed.name.clone(),
            remedy: "Start one of its servers.".into(),
        });
    };
    let args = [
        "get",
        "nodes,deployments.apps,statefulsets.apps,daemonsets.apps",
        "--all-namespaces",
        "--request-timeout=3s",
        "-o",
        "json",
    ];
    let list = kubectl::kubectl(cx, &server.name, &args).await?;
    understand(&list).ok_or_else(|| Error::Unexpected {
        what: format!("the health of cluster {}", observed.name),
        reason: "kubectl did not print a list".to_owned(),
    })
}

fn understand(list: &str) -> Option<Health> {
    let list: Value = serde_json::from_str(list).ok()?;
    let mut health = Health::default();
    for item in list["items"].as_array()? {
        let name = item["metadata"]["name"].as_str()?.to_owned();
        match item["kind"].as_str()? {
            "Node" => {
                health.nodes.insert(name, not_ready(item));
            }
            kind => {
                let count = |path: &str| item.pointer(path).and_then(Value::as_u64);
                let namespace = item["metadata"]["namespace"].as_str().unwrap_or_default();
                // A DaemonSet has a Pod for every node; the others say how many they want.
                let (wanted, ready) = if kind == "DaemonSet" {
                    let wanted = count("/status/desiredNumberScheduled");
                    (wanted.unwrap_or(0), count("/status/numberReady"))
                } else {
                    let wanted = count("/spec/replicas").unwrap_or(1);
                    (wanted, count("/status/readyReplicas"))
                };
                health.workloads.push(Workload {
                    kind: kind.to_lowercase(),
                    namespace: namespace.to_owned(),
                    name,
                    wanted,
                    ready: ready.unwrap_or(0),
                });
            }
        }
    }
    Some(health)
}

/// Why a node is not Ready; `None` where it is.
fn not_ready(node: &Value) -> Option<String> {
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    match ready {
        Some(ready) if ready["status"] == "True" => None,
        Some(ready) => {
            let message = ready["message"].as_str().unwrap_or_default();
            Some(message.trim_end_matches('.').to_owned())
        }
        None => Some("it has not reported that it is".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_list_tells_nodes_and_workloads() {
        let list = r#"{"items": [
            {"kind": "Node", "metadata": {"name": "n0"}, "status": {"conditions": [
                {"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}]}},
            {"kind": "Node", "metadata": {"name": "n1"}, "status": {"conditions": [
                {"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}]}},
            {"kind": "Deployment", "metadata": {"name": "d", "namespace": "a"}, "spec": {"replicas": 2},
             "status": {"readyReplicas": 1}},
            {"kind": "StatefulSet", "metadata": {"name": "s", "namespace": "a"}, "spec": {}, "status": {}},
            {"kind": "DaemonSet", "metadata": {"name": "e", "namespace": "b"},
             "status": {"desiredNumberScheduled": 3, "numberReady": 3}}
        ]}"#;
        let told = understand(list).unwrap();
        assert_eq!(told.of("n0"), Some(&None));
        let reason = "Kubelet stopped posting node status".to_owned();
        assert_eq!(told.of("n1"), Some(&Some(reason)));
        assert_eq!(told.of("n2"), None);
        let counts = told.workloads.iter();
        let counts: Vec<_> = counts
            .map(|one| (one.kind.as_str(), one.ready, one.wanted))
            .collect();
        assert_eq!(
            counts,
            [
                ("deployment", 1, 2),
                ("statefulset", 0, 1),
                ("daemonset", 3, 3)
            ]
        );
    }

    #[test]
    fn a_list_that_is_cut_off_tells_nothing() {
        assert!(understand(r#"{"items": [{"kind""#).is_none());
    }
}
