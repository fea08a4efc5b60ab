//! Reads back which images the daemon and the nodes have.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::spec::{Spec, canonical};
use crate::context::Context;
use crate::error::{Error, Remedy, Result};
use crate::k3d::{self, Role};

/// Prints a line for each of a node's images: its name, then its manifest on the same line. An image whose
/// content was collected shows none and counts as missing.
const LIST: &str = r#"for name in "$@"; do
  digest=$(ctr images ls "name==$name" | awk 'NR == 2 {print $3}')
  [ -n "$digest" ] || continue
  echo "$name $(ctr content get "$digest" 2>/dev/null | tr -d '\n')"
done"#;

/// Images of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeImages {
    /// The container.
    pub node: String,
    /// Digests of configurations by canonical reference.
    pub images: BTreeMap<String, String>,
}

/// Images as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Digests of configurations in the daemon, by reference as asked for; `None` where it lacks one.
    pub daemon: BTreeMap<String, Option<String>>,
    /// Running servers and agents.
    pub nodes: Vec<NodeImages>,
    /// Servers and agents that do not run, and can be given nothing.
    pub left_out: Vec<String>,
}

impl Observed {
    /// What is to be told of the nodes that are left out; `None` where there are none.
    pub fn warning(&self) -> Option<String> {
        (!self.left_out.is_empty()).then(|| {
            format!(
                "These nodes do not run and have no images yet: {}. Start them and import again",
                self.left_out.join(", ")
            )
        })
    }
}

/// Reads the images that are asked for, in the daemon and in every running node.
///
/// # Errors
/// [`Error::NotFound`] where there is no such cluster.
pub async fn observe(cx: &Context, spec: &Spec) -> Result<Observed> {
    cx.guard("reading images", read(cx, spec)).await
}

async fn read(cx: &Context, spec: &Spec) -> Result<Observed> {
    let cluster = k3d::nodes(cx, &spec.cluster).await?;
    if !cluster.iter().any(|(role, _)| *role == Role::Server) {
        return Err(Error::NotFound {
            kind: "cluster",
            name: spec.cluster.clone(),
            remedy: Remedy::CreateCluster {
                name: spec.cluster.clone(),
            },
        });
    }
    let daemon = try_join_all(spec.images.iter().map(|image| async move {
        Ok::<_, Error>((image.clone(), cx.docker.image_id(image).await?))
    }));
    let names: Vec<String> = spec.images.iter().map(|image| canonical(image)).collect();
    let (running, others): (Vec<_>, Vec<_>) = cluster
        .iter()
        .filter(|(role, _)| *role != Role::LoadBalancer)
        .partition(|(_, node)| node.state.running);
    let nodes = try_join_all(
        running
            .iter()
            .map(|(_, node)| node_images(cx, &node.name, &names)),
    );
    let (daemon, nodes) = tokio::try_join!(daemon, nodes)?;
    Ok(Observed {
        daemon: daemon.into_iter().collect(),
        nodes,
        left_out: others
            .into_iter()
            .map(|(_, node)| node.name.clone())
            .collect(),
    })
}

async fn node_images(cx: &Context, node: &str, names: &[String]) -> Result<NodeImages> {
    let mut command = vec!["sh", "-c", LIST, "sh"];
    command.extend(names.iter().map(String::as_str));
    let listed = match cx.docker.exec(node, &command).await {
        Err(error) if error.is_of_ended_container() => String::new(),
        listed => listed?,
    };
    let images = listed.lines().filter_map(|line| {
        let (name, manifest) = line.split_once(' ')?;
        Some((name.to_owned(), config_digest(manifest)?))
    });
    Ok(NodeImages {
        node: node.to_owned(),
        images: images.collect(),
    })
}

/// The configuration's digest in an image manifest.
fn config_digest(manifest: &str) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_str(manifest).ok()?;
    manifest["config"]["digest"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_do_not_run_are_told_to_be_left_out() {
        let mut observed = Observed::default();
        assert_eq!(observed.warning(), None);
        observed.left_out.push("k3d-demo-agent-0".to_owned());
        assert!(observed.warning().unwrap().contains("k3d-demo-agent-0"));
    }

    #[test]
    fn a_manifest_says_which_configuration_it_is_of() {
        let manifest = r#"{"schemaVersion": 2, "config": {"digest": "sha256:ab", "size": 3}}"#;
        assert_eq!(config_digest(manifest).as_deref(), Some("sha256:ab"));
        assert_eq!(config_digest(""), None);
    }
}
