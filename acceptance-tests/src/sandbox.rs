//! A test's own corner of the machine.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::ansible::Ansible;
use crate::command::Run;
use crate::docker::Docker;
use crate::evidence;
use crate::k3d::{K3d, K3dVersion};
use crate::settings::{Settings, workspace};
use crate::slot::Slot;
use crate::terraform::Terraform;

/// Names, addresses, ports and a folder which no other test has. When it is dropped, panic or not,
/// every Docker object whose name begins with its prefix is removed. `ATLAS_KEEP=1` leaves them, for
/// a look at what a failed test left behind.
#[derive(Debug)]
pub struct Sandbox {
    // Dropped in order: first Docker's objects (in `drop`), then the folder, the slot last.
    folder: TempDir,
    slot: Slot,
}

impl Sandbox {
    /// Opens one, and removes what a killed test left under the same prefix. Where Docker keeps some of that, another
    /// prefix is taken.
    pub fn open() -> Result<Self> {
        Settings::get()?;
        let mut spoilt = Vec::new();
        loop {
            let slot = Slot::take()?;
            if let Err(error) = Docker::new().remove_all(&slot.prefix()) {
                eprintln!("an older test left {}*: {error:#}", slot.prefix());
                // Held until another one is found.
                spoilt.push(slot);
                continue;
            }
            let folder = TempDir::with_prefix("atlas-acceptance-")?;
            evidence::opened(slot.prefix());
            return Ok(Self { folder, slot });
        }
    }

    /// Begins the names of everything in it, `at07-` for instance.
    pub fn prefix(&self) -> String {
        self.slot.prefix()
    }

    /// A name in it.
    pub fn name(&self, ending: &str) -> String {
        format!("{}{ending}", self.prefix())
    }

    /// All of its addresses, a /16.
    pub fn network(&self) -> String {
        self.slot.network()
    }

    /// The n-th /24 for nodes or for a bridge (n below 32).
    pub fn subnet(&self, n: u8) -> String {
        self.slot.subnet(n)
    }

    /// The /20 for the pods of the n-th cluster (n below 4).
    pub fn pods(&self, n: u8) -> String {
        self.slot.pods(n)
    }

    /// The /20 for the Services of the n-th cluster (n below 4).
    pub fn services(&self, n: u8) -> String {
        self.slot.services(n)
    }

    /// The n-th port of 127.0.0.1 that is free now.
    pub fn port(&self, n: usize) -> Result<u16> {
        self.slot.port(n)
    }

    /// A file or folder of its own, not created.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Copies folders of the repository into its own: `terraform init` writes a lock file beside the configuration, where
    /// another test's would be in its way.
    pub fn copy_of_repository(&self, folders: &[&str]) -> Result<&Path> {
        let copy = Run::new("cp").arg("-r").args(folders);
        copy.arg(self.folder()).dir(workspace()).succeed()?;
        Ok(self.folder())
    }

    /// The daemon that the tests' environment names.
    pub fn docker(&self) -> Docker {
        Docker::new()
    }

    /// Terraform with an empty folder and state.
    pub fn terraform(&self) -> Result<Terraform> {
        self.another_terraform("terraform")
    }

    /// The same in a folder of this name, for tests that need several states.
    pub fn another_terraform(&self, folder: &str) -> Result<Terraform> {
        Terraform::new(self.path(folder), self.prefix())
    }

    /// Ansible with the collection under test.
    pub fn ansible(&self) -> Result<Ansible> {
        Ansible::new(self.path("ansible"))
    }

    /// The k3d command line.
    pub fn k3d(&self, version: K3dVersion) -> Result<K3d> {
        K3d::new(version, self.path("k3d"))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        evidence::closed(&self.prefix());
        if std::env::var_os("ATLAS_KEEP").is_some_and(|value| !value.is_empty()) {
            let folder = std::mem::replace(
                &mut self.folder,
                match TempDir::new() {
                    Ok(empty) => empty,
                    Err(_) => return,
                },
            );
            eprintln!(
                "kept: Docker objects {}*, folder {}",
                self.prefix(),
                folder.keep().display()
            );
            return;
        }
        if let Err(error) = self.docker().remove_all(&self.prefix()) {
            eprintln!(
                "leftovers of {}* could not be removed: {error:#}",
                self.prefix()
            );
        }
    }
}

/// Tries until it succeeds; fails with the last error when `limit` has passed. For what becomes true
/// by itself (a pod that starts), never for what a finished apply promises.
pub fn eventually<T: Debug>(limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if started.elapsed() > limit => {
                return Err(error).with_context(|| format!("still so after {} s", limit.as_secs()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(250)),
        }
    }
}
