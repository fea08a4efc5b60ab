//! Docker as a user sees it: by its command line.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command::{Finished, Run};
use crate::naming::is_of;

/// The daemon that `DOCKER_HOST` names, or the default one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Docker;

/// A container as `docker inspect` shows it.
#[derive(Debug, Clone)]
pub struct Container(Value);

/// Names of Docker objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Containers, in any state.
    pub containers: BTreeSet<String>,
    /// Networks.
    pub networks: BTreeSet<String>,
    /// Volumes.
    pub volumes: BTreeSet<String>,
}

impl Docker {
    /// The daemon.
    pub fn new() -> Self {
        Self
    }

    /// Runs one of Docker's commands, which must succeed.
    pub fn run(self, arguments: &[&str]) -> Result<Finished> {
        Self::command(arguments).succeed()
    }

    fn command(arguments: &[&str]) -> Run {
        Run::new("docker")
            .args(arguments)
            .limit(Duration::from_secs(120))
    }

    /// The container of this name, `None` if there is none.
    pub fn find(self, name: &str) -> Result<Option<Container>> {
        let finished = Self::command(&["container", "inspect", name]).finish()?;
        if finished.code == Some(0) {
            let mut found: Vec<Value> = serde_json::from_str(&finished.stdout)?;
            return Ok(found.pop().map(Container));
        }
        if finished.stderr.to_lowercase().contains("no such container") {
            return Ok(None);
        }
        bail!("{finished}")
    }

    /// The container of this name.
    pub fn container(self, name: &str) -> Result<Container> {
        self.find(name)?
            .with_context(|| format!("there is no container {name}"))
    }

    /// The network of this name, as `docker network inspect` shows it; `None` if there is none.
    pub fn network(self, name: &str) -> Result<Option<Value>> {
        let finished = Self::command(&["network", "inspect", name]).finish()?;
        if finished.code == Some(0) {
            let mut found: Vec<Value> = serde_json::from_str(&finished.stdout)?;
            return Ok(found.pop());
        }
        let said = finished.stderr.to_lowercase();
        // Docker's words for it have changed.
        if said.contains("no such network") || said.contains(&format!("network {name} not found")) {
            return Ok(None);
        }
        bail!("{finished}")
    }

    /// Runs a command in a container; it must succeed. Returns its standard output.
    pub fn exec(self, container: &str, command: &[&str]) -> Result<String> {
        let arguments: Vec<&str> = ["exec", container].iter().chain(command).copied().collect();
        Ok(self.run(&arguments)?.text().to_owned())
    }

    /// Everything whose name holds the prefix, or that belongs to a cluster whose name begins so.
    pub fn objects(self, prefix: &str) -> Result<Objects> {
        let listed = |arguments: &[&str]| -> Result<BTreeSet<String>> {
            let finished = self.run(arguments)?;
            let names = finished.stdout.lines().filter(|line| is_of(line, prefix));
            Ok(names
                .filter_map(|line| line.split('|').next())
                .map(str::to_owned)
                .collect())
        };
        Ok(Objects {
            containers: listed(&[
                "ps",
                "-a",
                "--format",
                "{{.Names}}|{{.Label \"k3d.cluster\"}}",
            ])?,
            networks: listed(&["network", "ls", "--format", "{{.Name}}"])?,
            volumes: listed(&[
                "volume",
                "ls",
                "--format",
                "{{.Name}}|{{.Label \"k3d.cluster\"}}",
            ])?,
        })
    }

    /// The anonymous volumes of these containers, which go with them or are lost for ever.
    pub fn anonymous_volumes(self, containers: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for name in containers {
            if let Some(container) = self.find(name)? {
                found.extend(
                    container
                        .volumes()
                        .into_iter()
                        .filter(|name| is_anonymous(name)),
                );
            }
        }
        Ok(found)
    }

    /// Those of these volumes that still exist.
    pub fn remaining_volumes(self, names: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        let all = self.run(&["volume", "ls", "--quiet"])?;
        Ok(all
            .stdout
            .lines()
            .filter(|name| names.contains(*name))
            .map(str::to_owned)
            .collect())
    }

    /// Removes everything of this prefix, as far as it can; the first failure is told.
    pub fn remove_all(self, prefix: &str) -> Result<()> {
        ensure!(
            prefix.len() >= 4,
            "{prefix:?} is too short to remove everything of it"
        );
        let objects = self.objects(prefix)?;
        let mut failures = Vec::new();
        let mut remove = |command: &[&str], names: &BTreeSet<String>| {
            if names.is_empty() {
                return;
            }
            let arguments = command
                .iter()
                .copied()
                .chain(names.iter().map(String::as_str));
            let done = Self::command(&arguments.collect::<Vec<_>>()).succeed();
            // Something that went meanwhile is as good as removed.
            failures.extend(
                done.err()
                    .filter(|error| !error.to_string().contains("o such ")),
            );
        };
        remove(&["rm", "--force", "--volumes"], &objects.containers);
        remove(&["network", "rm"], &objects.networks);
        remove(&["volume", "rm", "--force"], &objects.volumes);
        let images = self.run(&["images", "--format", "{{.Repository}}"])?;
        let images = images.stdout.lines().filter(|name| is_of(name, prefix));
        let images: BTreeSet<String> = images.map(str::to_owned).collect();
        remove(&["rmi", "--force"], &images);
        failures.into_iter().next().map_or(Ok(()), Err)
    }
}

impl Container {
    /// Docker's id for it: another container of the same name has another.
    pub fn id(&self) -> &str {
        self.text("/Id")
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.0
            .pointer("/State/Running")
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    /// When it was last started, as Docker writes it.
    pub fn started_at(&self) -> &str {
        self.text("/State/StartedAt")
    }

    /// One label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0["Config"]["Labels"][key].as_str()
    }

    /// Its address in a network.
    pub fn address(&self, network: &str) -> Option<&str> {
        let address = self.0["NetworkSettings"]["Networks"][network]["IPAddress"].as_str();
        address.filter(|address| !address.is_empty())
    }

    /// The names of its volumes.
    pub fn volumes(&self) -> BTreeSet<String> {
        let mounts = self.0["Mounts"].as_array().into_iter().flatten();
        mounts
            .filter_map(|mount| mount["Name"].as_str().map(str::to_owned))
            .collect()
    }

    /// Everything, by JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Objects {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("containers", &self.containers),
            ("networks", &self.networks),
            ("volumes", &self.volumes),
        ];
        for (kind, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            writeln!(f, "  {kind}: {}", names.join(", "))?;
        }
        Ok(())
    }
}

fn is_anonymous(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_never_removed() {
        assert!(Docker::new().remove_all("").is_err());
    }
}
