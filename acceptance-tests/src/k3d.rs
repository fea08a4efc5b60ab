//! The real k3d command line, on our images.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command::{Finished, Run};
use crate::settings::Settings;

/// Which k3d.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum K3dVersion {
    /// The one whose shape the engine writes.
    V5_8_3,
    /// The newest.
    V5_9_0,
}

/// A k3d with a home folder of its own.
#[derive(Debug)]
pub struct K3d {
    program: PathBuf,
    home: PathBuf,
    loadbalancer_image: String,
}

impl K3d {
    pub(crate) fn new(version: K3dVersion, home: PathBuf) -> Result<Self> {
        let settings = Settings::get()?;
        let (program, variable) = match version {
            K3dVersion::V5_8_3 => (&settings.k3d_583, "ATLAS_K3D_583"),
            K3dVersion::V5_9_0 => (&settings.k3d_590, "ATLAS_K3D_590"),
        };
        ensure!(
            program.is_file(),
            "k3d is not at {} (set {variable}, or run `make world` or scripts/setup.sh once)",
            program.display()
        );
        fs::create_dir_all(&home)?;
        Ok(Self {
            program: program.clone(),
            home,
            loadbalancer_image: settings.loadbalancer_image.clone(),
        })
    }

    /// The same, with another image for load balancers.
    #[must_use]
    pub fn loadbalancer(mut self, image: &str) -> Self {
        image.clone_into(&mut self.loadbalancer_image);
        self
    }

    /// Its kubeconfig file, which it merges into unless told otherwise.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.join("kubeconfig")
    }

    /// Runs it to its end: exit code 0, and no warning or error in its log but those that `allowed`
    /// parts of lines name.
    pub fn run_allowing(&self, arguments: &[&str], allowed: &[&str]) -> Result<Finished> {
        without_complaints(self.command()?.args(arguments).succeed()?, allowed)
    }

    /// The same, with no complaint allowed.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        self.run_allowing(arguments, &[])
    }

    /// `k3d cluster create` on our node image; further arguments follow.
    pub fn create(&self, name: &str, arguments: &[&str]) -> Result<Finished> {
        without_complaints(self.create_command(name)?.args(arguments).succeed()?, &[])
    }

    /// The same, to be run by the caller.
    pub fn create_command(&self, name: &str) -> Result<Run> {
        let own = ["cluster", "create", name, "--timeout", "180s", "--image"];
        Ok(self.command()?.args(own).arg(&Settings::get()?.node_image))
    }

    /// `k3d cluster list` of this one cluster, as JSON; `None` if k3d does not list it.
    pub fn listed(&self, name: &str) -> Result<Option<Value>> {
        let finished = self.run(&["cluster", "list", "-o", "json"])?;
        let all: Vec<Value> = serde_json::from_str(&finished.stdout)
            .with_context(|| format!("k3d listed no JSON\n{finished}"))?;
        Ok(all.into_iter().find(|cluster| cluster["name"] == name))
    }

    fn command(&self) -> Result<Run> {
        let settings = Settings::get()?;
        Ok(Run::new(&self.program)
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", &self.home)
            .env("KUBECONFIG", self.kubeconfig())
            .env("LOG_COLORS", "false")
            .env("K3D_IMAGE_LOADBALANCER", &self.loadbalancer_image)
            .env("K3D_IMAGE_TOOLS", &settings.tools_image)
            .limit(Duration::from_secs(240)))
    }
}

/// k3d lists every container on the machine before it looks at each, and a test beside this one may
/// remove its own in between. One of this test's own that is missing shows in what the test looks at.
const GONE_MEANWHILE: &str = "Failed to get details for container";

fn without_complaints(finished: Finished, allowed: &[&str]) -> Result<Finished> {
    let output = finished.output();
    let complaints: Vec<&str> = output
        .lines()
        .filter(|line| is_complaint(line) && !line.contains(GONE_MEANWHILE))
        .filter(|line| !allowed.iter().any(|part| line.contains(part)))
        .collect();
    ensure!(
        complaints.is_empty(),
        "k3d complains:\n{}\n{finished}",
        complaints.join("\n")
    );
    Ok(finished)
}

/// Whether a log line is above the level of information, in either of k3d's formats.
fn is_complaint(line: &str) -> bool {
    let levels = ["WARN", "ERRO", "FATA", "PANI"];
    levels.iter().any(|level| line.starts_with(level))
        || ["warning", "error", "fatal", "panic"]
            .iter()
            .any(|level| line.contains(&format!("level={level}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_from_information() {
        assert!(is_complaint("ERRO[0001] Failed to stop"));
        assert!(is_complaint("time=\"x\" level=warning msg=\"y\""));
        assert!(!is_complaint("INFO[0000] Starting cluster 'WARN'"));
    }
}
