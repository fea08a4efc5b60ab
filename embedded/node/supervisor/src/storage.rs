//! A small provisioner for the default StorageClass `local-path`: a claim that a pod waits for gets a
//! folder on the node where the pod will run, and the folder goes with the claim.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::kube::{self, Watch, kubectl};
use crate::{logs, node};

/// The name in the StorageClass.
const PROVISIONER: &str = "atlas.world/local-path";
/// The scheduler's word for where a claim's pod will run.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Serves claims for ever.
pub(crate) fn provide(kubeconfig: &Path) {
    for kind in ["persistentvolumeclaims", "persistentvolumes"] {
        let kubeconfig = kubeconfig.to_owned();
        std::thread::spawn(move || {
            loop {
                if let Err(error) = follow(&kubeconfig, kind) {
                    logs::warn(&format!("following {kind}: {error:#}"));
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        });
    }
}

fn follow(kubeconfig: &Path, kind: &str) -> Result<()> {
    let mut command = kubectl(kubeconfig);
    let all = ["get", kind, "--all-namespaces", "--watch", "-o", "json"];
    let mut text = String::new();
    for line in Watch::start(command.args(all))? {
        let line = line?;
        text.push_str(&line);
        // kubectl prints indented objects: only an object's last line is a lone brace at the margin.
        if line == "}" {
            let object: Value = serde_json::from_str(&text)?;
            text.clear();
            let done = if kind == "persistentvolumes" {
                reclaim(kubeconfig, &object)
            } else {
                bind(kubeconfig, &object)
            };
            if let Err(error) = done {
                logs::warn(&format!("{}: {error:#}", object["metadata"]["name"]));
            }
        }
    }
    Ok(())
}

/// Makes the volume of a claim whose pod has a place.
fn bind(kubeconfig: &Path, claim: &Value) -> Result<()> {
    let Some(volume) = volume_for(claim) else {
        return Ok(());
    };
    logs::info(&format!("Providing volume {}", volume["metadata"]["name"]));
    let path = node::data("server/volume.json");
    node::write(&path, &volume.to_string(), 0o600)?;
    kube::output(
        kubectl(kubeconfig)
            .args(["apply", "--server-side", "-f"])
            .arg(&path),
    )?;
    Ok(())
}

fn volume_for(claim: &Value) -> Option<Value> {
    let meta = &claim["metadata"];
    let waiting = claim["status"]["phase"] == "Pending"
        && meta["annotations"]["volume.kubernetes.io/storage-provisioner"] == PROVISIONER;
    let place = meta["annotations"][SELECTED_NODE]
        .as_str()
        .filter(|_| waiting)?;
    let name = format!("pvc-{}", meta["uid"].as_str()?);
    let folder = format!("{}/storage/{name}", node::DATA);
    Some(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "hostPath": {"path": folder, "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [place]},
            ]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim["spec"]["storageClassName"],
            "volumeMode": "Filesystem",
        },
    }))
}

/// Forgets a volume whose claim is gone. Its folder is removed where it lies on this node; on an
/// agent it goes with the agent.
fn reclaim(kubeconfig: &Path, volume: &Value) -> Result<()> {
    let ours = volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == PROVISIONER;
    if !ours || volume["status"]["phase"] != "Released" {
        return Ok(());
    }
    let (Some(name), Some(folder)) = (
        volume["metadata"]["name"].as_str(),
        volume["spec"]["hostPath"]["path"].as_str(),
    ) else {
        return Ok(());
    };
    let folder = PathBuf::from(folder);
    if folder.starts_with(node::data("storage")) && folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("removing {}", folder.display()))?;
    }
    // The watch may tell of it more than once.
    let delete = [
        "delete",
        "persistentvolume",
        name,
        "--wait=false",
        "--ignore-not-found",
    ];
    kube::output(kubectl(kubeconfig).args(delete))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_gets_a_volume_only_once_its_pod_has_a_place() {
        let mut claim = json!({
            "metadata": {"name": "data", "namespace": "default", "uid": "1", "annotations": {
                "volume.kubernetes.io/storage-provisioner": PROVISIONER}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            "status": {"phase": "Pending"},
        });
        assert_eq!(volume_for(&claim), None);
        claim["metadata"]["annotations"][SELECTED_NODE] = json!("node-a");
        let volume = volume_for(&claim).unwrap();
        assert_eq!(volume["metadata"]["name"], "pvc-1");
        claim["status"]["phase"] = json!("Bound");
        assert_eq!(volume_for(&claim), None);
    }
}
