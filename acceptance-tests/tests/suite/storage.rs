//! What a cluster stores outlives its pods, and the node's own restart.

use std::time::Duration;

use acceptance_tests::{Cluster, Kubectl, Sandbox, Settings, eventually};
use anyhow::{Result, ensure};

const CLAIM: &str = "apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: data
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 10Mi
---
";

/// A pod that runs a command with the claim's volume at /data, then sleeps.
fn pod(name: &str, command: &str) -> Result<String> {
    Ok(format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: {image}
    imagePullPolicy: IfNotPresent
    command: [sh, -c, '{command} && exec sleep 3600']
    volumeMounts:
    - name: data
      mountPath: /data
  volumes:
  - name: data
    persistentVolumeClaim:
      claimName: data
",
        image = Settings::get()?.test_image
    ))
}

#[test]
fn a_claims_volume_outlives_its_pod_and_a_restart_of_the_node() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    terraform.apply(&Cluster::new(&sandbox, "s", 0).hcl())?;
    let name = sandbox.name("s");
    let server = format!("k3d-{name}-server-0");
    let kubectl = Kubectl::in_cluster(&name);

    kubectl.apply(&(CLAIM.to_owned() + &pod("writer", "echo kept >/data/file")?))?;
    kubectl.pod_address("writer")?;
    kubectl.run(&["delete", "pod", "writer"])?;

    sandbox.docker().run(&["restart", &server])?;
    eventually(Duration::from_secs(60), || {
        kubectl.expect_ready(std::slice::from_ref(&server))
    })?;
    // Restarted by someone else, it is what it was: addresses, credentials, everything.
    terraform.expect_no_changes()?;

    kubectl.apply(&pod("reader", "true")?)?;
    kubectl.pod_address("reader")?;
    let read = kubectl.exec("reader", &["cat", "/data/file"])?;
    ensure!(read == "kept", "the file holds {read:?}");
    terraform.destroy()?;
    Ok(())
}
