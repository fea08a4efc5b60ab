//! k3s's folder of manifests: what lies there is applied, at start and whenever it changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use inotify::{Inotify, WatchMask};

use crate::cli::Options;
use crate::kubelet::Cluster;
use crate::node::Node;
use crate::{kube, logs, node};

/// Manifests that come with the image.
const SHIPPED: &str = "/usr/lib/atlas/manifests";

fn folder() -> PathBuf {
    node::data("server/manifests")
}

/// Puts the shipped manifests into the folder, but for those that are disabled.
pub(crate) fn stage(options: &Options, node: &Node, cluster: &Cluster) -> Result<()> {
    for entry in std::fs::read_dir(SHIPPED).with_context(|| SHIPPED.to_owned())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let component = name.trim_end_matches(".yaml");
        let target = folder().join(&name);
        if options.disable.contains(component) {
            let _ = std::fs::remove_file(target);
            continue;
        }
        let text = std::fs::read_to_string(&path)?
            .replace("%{CLUSTER_DNS}", &cluster.dns)
            .replace("%{CLUSTER_DOMAIN}", &cluster.domain)
            .replace("%{CLUSTER_CIDR}", &cluster.pods)
            .replace("%{NODE_HOSTS}", &format!("{} {}", node.address, node.name));
        node::write(target, &text, 0o644)?;
    }
    if !options.disable.contains("coredns") {
        logs::info("Cluster dns configmap has been set successfully");
    }
    Ok(())
}

/// Applies everything in the folder, then follows it for ever.
pub(crate) fn apply_and_follow(kubeconfig: &Path) -> Result<()> {
    let watch = Inotify::init()?;
    watch
        .watches()
        .add(folder(), WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO)?;
    let mut applied = BTreeMap::new();
    apply(kubeconfig, &mut applied);
    let kubeconfig = kubeconfig.to_owned();
    std::thread::spawn(move || follow(watch, &kubeconfig, &mut applied));
    Ok(())
}

fn follow(mut watch: Inotify, kubeconfig: &Path, applied: &mut BTreeMap<PathBuf, SystemTime>) {
    let mut buffer = [0; 4096];
    while let Ok(events) = watch.read_events_blocking(&mut buffer) {
        drop(events);
        apply(kubeconfig, applied);
    }
}

fn apply(kubeconfig: &Path, applied: &mut BTreeMap<PathBuf, SystemTime>) {
    let Ok(entries) = std::fs::read_dir(folder()) else {
        return;
    };
    let mut changed: Vec<(PathBuf, SystemTime)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.modified().ok()?)))
        .filter(|(path, _)| {
            path.extension()
                .is_some_and(|kind| kind == "yaml" || kind == "yml" || kind == "json")
        })
        .filter(|(path, time)| applied.get(path) != Some(time))
        .collect();
    changed.sort();
    for (path, time) in changed {
        let done = kube::output(
            kube::kubectl(kubeconfig)
                .args([
                    "apply",
                    "--server-side",
                    "--force-conflicts",
                    "--field-manager=atlas-node",
                ])
                .arg("-f")
                .arg(&path),
        );
        match done {
            Ok(_) => {
                logs::info(&format!("Applied manifest at {}", path.display()));
                applied.insert(path, time);
            }
            Err(error) => logs::warn(&format!("manifest {}: {error:#}", path.display())),
        }
    }
}
