//! kubectl: with a kubeconfig as a user has it, or inside a node, where there is always one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command::Run;
use crate::sandbox::eventually;
use crate::settings::Settings;

/// kubectl for one cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    File(PathBuf),
    Node(String),
}

impl Kubectl {
    /// The machine's kubectl with this kubeconfig file.
    pub fn with_kubeconfig(file: &Path) -> Self {
        Self {
            way: Way::File(file.to_owned()),
        }
    }

    /// The kubectl inside the first server of this cluster.
    pub fn in_cluster(name: &str) -> Self {
        Self::in_node(&format!("k3d-{name}-server-0"))
    }

    /// The kubectl inside this container.
    pub fn in_node(container: &str) -> Self {
        Self {
            way: Way::Node(container.to_owned()),
        }
    }

    /// Runs it; it must succeed. Returns its standard output.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        Ok(self
            .command(&[])?
            .args(arguments)
            .succeed()?
            .text()
            .to_owned())
    }

    /// Runs it and reads its JSON (`-o json` is added).
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.run(&[arguments, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("kubectl {arguments:?} gave {text}"))
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        self.command(&["-i"])?
            .args(["apply", "-f", "-"])
            .stdin(manifests)
            .succeed()
            .map(drop)
    }

    /// Runs a command in a pod; it must succeed. Returns its standard output.
    pub fn exec(&self, pod: &str, command: &[&str]) -> Result<String> {
        self.run(&[&["exec", pod, "--"], command].concat())
    }

    /// The nodes with whether they are ready, by name.
    pub fn nodes(&self) -> Result<Vec<(String, bool)>> {
        let nodes = self.json(&["get", "nodes"])?;
        let items = nodes["items"]
            .as_array()
            .context("kubectl lists no items")?;
        let mut found: Vec<_> = items
            .iter()
            .map(|node| {
                let conditions = node["status"]["conditions"].as_array();
                let ready = conditions
                    .into_iter()
                    .flatten()
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
                (
                    node["metadata"]["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    ready,
                )
            })
            .collect();
        found.sort();
        Ok(found)
    }

    /// Fails unless exactly these nodes are there and ready now: what an apply promises.
    pub fn expect_ready(&self, names: &[String]) -> Result<()> {
        let found = self.nodes()?;
        let mut wanted: Vec<_> = names.iter().map(|name| (name.clone(), true)).collect();
        wanted.sort();
        ensure!(
            found == wanted,
            "nodes (name, ready) are {found:?}, not {wanted:?}"
        );
        Ok(())
    }

    /// Waits for the same: the k3d command line ends before its nodes are ready.
    pub fn wait_ready(&self, names: &[String]) -> Result<()> {
        eventually(Duration::from_secs(60), || self.expect_ready(names))
    }

    /// Waits until a pod is ready, and returns its address.
    pub fn pod_address(&self, pod: &str) -> Result<String> {
        let waited = self.run(&["wait", "--for=condition=Ready", "--timeout=90s", "pod", pod]);
        if let Err(error) = waited {
            let told = self.run(&["describe", "pod", pod]).unwrap_or_default();
            return Err(error.context(told));
        }
        eventually(Duration::from_secs(5), || {
            let pod = self.json(&["get", "pod", pod])?;
            let address = pod["status"]["podIP"]
                .as_str()
                .filter(|address| !address.is_empty());
            address.map(str::to_owned).context("the pod has no address")
        })
    }

    fn command(&self, exec_options: &[&str]) -> Result<Run> {
        let limit = Duration::from_secs(120);
        Ok(match &self.way {
            Way::File(file) => Run::new(&Settings::get()?.kubectl).env("KUBECONFIG", file),
            Way::Node(node) => Run::new("docker")
                .arg("exec")
                .args(exec_options)
                .args([node.as_str(), "kubectl"]),
        }
        .limit(limit))
    }
}
