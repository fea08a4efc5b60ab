//! Real Ansible with the repository's own playbooks, for a world of a sandbox's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::ansible::playbook_command;
use crate::command::{Finished, Run};
use crate::kubectl::Kubectl;
use crate::sandbox::Sandbox;
use crate::settings::{Settings, workspace};

/// For one playbook. Clusters and Argo CD from nothing take about a minute and a half.
const LIMIT: Duration = Duration::from_secs(600);

/// The counts of one host in a recap, by word.
pub type Recap = BTreeMap<String, u64>;

/// The playbooks of `orchestration/`, run on two regions whose names and networks are a sandbox's.
#[derive(Debug)]
pub struct Playbook {
    folder: PathBuf,
    clusters: [String; 2],
}

impl Playbook {
    /// Describes the sandbox's world in a file of the form of `group_vars/all/world.yml`, and copies
    /// `gitops/`, so that a test can change it.
    pub fn new(sandbox: &Sandbox) -> Result<Self> {
        let folder = sandbox.path("playbook");
        let clusters = [sandbox.name("us"), sandbox.name("eu")];
        fs::create_dir_all(folder.join("state"))?;
        let region = |n: u8, ports: String| {
            format!(
                "    cluster: {}\n    network: {}\n    nodes: {}\n    pods: {}\n    services: {}\n    agents: 0\n    \
                 ports: {ports}\n",
                clusters[usize::from(n)],
                sandbox.name(if n == 0 { "net-us" } else { "net-eu" }),
                sandbox.subnet(n),
                sandbox.pods(n),
                sandbox.services(n),
            )
        };
        let argocd = format!(
            "[{{host_port: {}, container_port: 30443}}]",
            sandbox.port(0)?
        );
        let world = format!(
            "world_regions:\n  us-east:\n{}  eu-central:\n{}world_bridge:\n  name: {}\n  subnet: {}\n",
            region(0, argocd),
            region(1, "[]".to_owned()),
            sandbox.name("world"),
            sandbox.subnet(20),
        );
        fs::write(folder.join("world.yml"), world)?;
        let gitops = Run::new("cp").arg("-r").arg(workspace().join("gitops"));
        gitops.arg(folder.join("gitops")).succeed()?;
        Ok(Self { folder, clusters })
    }

    /// The description of the world, which Terraform reads as well.
    pub fn world(&self) -> PathBuf {
        self.folder.join("world.yml")
    }

    /// Where kubeconfigs and the password are.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The copy of `gitops/` that is given to Argo CD.
    pub fn gitops(&self) -> PathBuf {
        self.folder.join("gitops")
    }

    /// Names of the clusters: us, eu.
    pub fn clusters(&self) -> &[String; 2] {
        &self.clusters
    }

    /// kubectl for a cluster, by the kubeconfig that the playbook wrote.
    pub fn kubectl(&self, cluster: &str) -> Kubectl {
        Kubectl::with_kubeconfig(&self.state().join(format!("{cluster}.yaml")))
    }

    /// Runs a playbook; it must succeed. Returns the recap by host.
    pub fn run(&self, playbook: &str, words: &[&str]) -> Result<BTreeMap<String, Recap>> {
        let finished = self.command(playbook, words)?.succeed()?;
        recap(&finished)
    }

    /// The same; nothing may have changed.
    pub fn expect_unchanged(&self, playbook: &str, words: &[&str]) -> Result<()> {
        let finished = self.command(playbook, words)?.succeed()?;
        let changed = recap(&finished)?
            .values()
            .any(|host| host.get("changed") != Some(&0));
        ensure!(!changed, "nothing should change\n{finished}");
        Ok(())
    }

    fn command(&self, playbook: &str, words: &[&str]) -> Result<Run> {
        let vars = json!({
            "argocd_git_folder": self.gitops(),
            "argocd_applicationsets": [self.gitops().join("applicationsets/smoke.yaml")],
        });
        Ok(playbook_command(playbook)?
            .args(["--extra-vars", &format!("@{}", self.world().display())])
            .args(["--extra-vars", &vars.to_string()])
            .args(words)
            .dir(&workspace().join("orchestration"))
            .limit(LIMIT)
            .env("ATLAS_STATE", self.state())
            .env("ATLAS_KUBECTL", &Settings::get()?.kubectl))
    }
}

/// The last part of what Ansible prints: `host : ok=3 changed=0 …`.
fn recap(finished: &Finished) -> Result<BTreeMap<String, Recap>> {
    let (_, lines) = finished
        .stdout
        .split_once("PLAY RECAP")
        .with_context(|| format!("there is no recap\n{finished}"))?;
    let hosts = lines.lines().filter_map(|line| {
        let (host, counts) = line.split_once(" : ")?;
        let counts = counts.split_whitespace().filter_map(|count| {
            let (word, number) = count.split_once('=')?;
            Some((word.to_owned(), number.parse().ok()?))
        });
        Some((host.trim().to_owned(), counts.collect()))
    });
    Ok(hosts.collect())
}
