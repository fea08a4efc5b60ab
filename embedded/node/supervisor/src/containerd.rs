//! The container runtime, Debian's containerd, and the images that come with the node.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::children::Children;
use crate::{logs, node};

/// Where k3s has it, too.
pub(crate) const SOCKET: &str = "/run/k3s/containerd/containerd.sock";
/// The image of the container that holds a pod's network.
pub(crate) const PAUSE_IMAGE: &str = "docker.io/atlas/pause:1";
/// Images that come with the node image.
const SHIPPED_IMAGES: &str = "/usr/lib/atlas/images";

/// Bit of CAP_SYS_RESOURCE in a capability mask.
const SYS_RESOURCE: u64 = 1 << 24;

/// Whether this container may lower OOM scores and raise limits.
pub(crate) fn may_sys_resource() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_none_or(|mask| mask & SYS_RESOURCE != 0)
}

/// Starts it and waits for its socket.
pub(crate) fn start(children: &mut Children) -> Result<()> {
    let path = node::data("agent/etc/containerd/config.toml");
    node::write(&path, &config(!may_sys_resource()), 0o600)?;
    // A socket left by an earlier run would answer the wait below.
    let _ = std::fs::remove_file(SOCKET);
    let args = ["--config".to_owned(), path.display().to_string()];
    children.start("containerd", &args)?;
    children.wait_for("containerd listening", Duration::from_secs(60), || {
        UnixStream::connect(SOCKET).is_ok()
    })?;
    logs::info("Containerd is now running");
    Ok(())
}

/// Imports the images that come with the node and those that a user put into k3s's folder.
pub(crate) fn import_images() -> Result<()> {
    let known = ctr(&["images", "list", "--quiet"])?;
    for folder in [Path::new(SHIPPED_IMAGES), &node::data("agent/images")] {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|kind| kind != "tar") {
                continue;
            }
            // Shipped archives are named after their image, and never change within a node.
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .replace('@', ":");
            if folder == Path::new(SHIPPED_IMAGES) && known.contains(&format!("/{stem}\n")) {
                continue;
            }
            ctr(&[
                "images",
                "import",
                "--all-platforms",
                &path.display().to_string(),
            ])?;
        }
    }
    Ok(())
}

fn ctr(args: &[&str]) -> Result<String> {
    let output = Command::new(node::program("ctr"))
        .args(["--address", SOCKET, "--namespace", "k8s.io"])
        .args(args)
        .output()
        .context("ctr")?;
    if !output.status.success() {
        bail!(
            "ctr {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn config(restrict_oom_score: bool) -> String {
    format!(
        r#"version = 2
root = "{root}"
state = "/run/k3s/containerd"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = {restrict_oom_score}
  stream_server_address = "127.0.0.1"
  stream_server_port = "10010"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"#,
        root = node::data("agent/containerd").display(),
    )
}
