//! k3s's folder of manifests: what lies there is applied, at start and whenever it changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

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

/// The shortest and the longest pause before what could not be applied is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What was done with the files of the folder, each as of its time of change.
#[derive(Default)]
struct Progress {
    applied: BTreeMap<PathBuf, SystemTime>,
    /// Why not; said once.
    refused: BTreeMap<PathBuf, String>,
}

/// Applies everything in the folder, then follows it for ever.
pub(crate) fn apply_and_follow(kubeconfig: &Path) -> Result<()> {
    let watch = Inotify::init()?;
    watch
        .watches()
        .add(folder(), WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO)?;
    let mut progress = Progress::default();
    progress.apply(&folder(), |file| apply(kubeconfig, file));
    let kubeconfig = kubeconfig.to_owned();
    std::thread::spawn(move || follow(watch, &kubeconfig, progress));
    Ok(())
}

fn follow(mut watch: Inotify, kubeconfig: &Path, mut progress: Progress) {
    let mut buffer = [0; 4096];
    let mut pause = RETRY.0;
    loop {
        if progress.refused.is_empty() {
            pause = RETRY.0;
            if watch.read_events_blocking(&mut buffer).is_err() {
                return;
            }
        } else {
            // A definition may come from another file, or a webhook may not be up yet.
            std::thread::sleep(pause);
            pause = (pause * 2).min(RETRY.1);
            if watch.read_events(&mut buffer).is_ok() {
                pause = RETRY.0;
            }
        }
        progress.apply(&folder(), |file| apply(kubeconfig, file));
    }
}

impl Progress {
    /// Applies what is new or has changed, and what was refused.
    fn apply(&mut self, folder: &Path, mut apply: impl FnMut(&Path) -> Result<()>) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let mut changed: Vec<(PathBuf, SystemTime)> = entries
            .flatten()
            .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.modified().ok()?)))
            .filter(|(path, _)| {
                path.extension()
                    .is_some_and(|kind| kind == "yaml" || kind == "yml" || kind == "json")
            })
            .filter(|(path, time)| self.applied.get(path) != Some(time))
            .collect();
        changed.sort();
        let mut refused = BTreeMap::new();
        for (path, time) in changed {
            match apply(&path) {
                Ok(()) => {
                    logs::info(&format!("Applied manifest at {}", path.display()));
                    self.applied.insert(path, time);
                }
                Err(error) => {
                    let reason = format!("{error:#}");
                    if self.refused.get(&path) != Some(&reason) {
                        logs::warn(&format!("manifest {}: {reason}", path.display()));
                    }
                    refused.insert(path, reason);
                }
            }
        }
        self.refused = refused;
    }
}

fn apply(kubeconfig: &Path, file: &Path) -> Result<()> {
    let options = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=atlas-node",
        "-f",
    ];
    kube::output(kube::kubectl(kubeconfig).args(options).arg(file)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn what_was_refused_is_tried_again_and_what_was_applied_is_not() {
        let folder = std::env::temp_dir().join(format!("manifests-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["a.yaml", "b.yaml", "c.txt"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        let mut progress = Progress::default();
        let mut tried = Vec::new();
        for b_is_ready in [false, true, true] {
            progress.apply(&folder, |file| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                tried.push(name.clone().into_owned());
                if name == "b.yaml" && !b_is_ready {
                    bail!("not yet");
                }
                Ok(())
            });
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(tried, ["a.yaml", "b.yaml", "b.yaml"]);
        assert!(progress.refused.is_empty());
    }
}
