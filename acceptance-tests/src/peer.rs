//! The same tiny provider on two frameworks: tfplugin, and tf-provider, the only other one in Rust.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::command::Run;
use crate::settings::{cache, workspace};

const NAME: &str = "terraform-provider-null";

/// The binaries, both called `terraform-provider-null`, each in a folder of its own.
#[derive(Debug, Clone)]
pub struct Peers {
    /// On tfplugin.
    pub ours: PathBuf,
    /// On tf-provider.
    pub theirs: PathBuf,
}

impl Peers {
    /// Builds both with these flags of cargo: `--release` where they are measured.
    pub fn build(flags: &[&str]) -> Result<Self> {
        let peer = workspace().join("acceptance-tests/peer/Cargo.toml");
        let here = workspace().join("Cargo.toml");
        let protoc = built(cargo(&peer, &["--package", "protoc"]), "protoc")?;
        let theirs = cargo(&peer, &["--package", NAME]).env("PROTOC", protoc);
        let ours = cargo(&here, &["--package", "tfplugin", "--example", NAME]);
        Ok(Self {
            ours: built(ours.args(flags), NAME)?,
            theirs: built(theirs.args(flags), NAME)?,
        })
    }
}

fn cargo(manifest: &Path, arguments: &[&str]) -> Run {
    let mut run = Run::cargo_build();
    // What tf-provider needs is pinned and changes seldom: kept, also for other checkouts.
    if manifest.starts_with(workspace().join("acceptance-tests")) {
        run = run.arg("--target-dir").arg(cache().join("peer"));
    }
    run.arg("--manifest-path").arg(manifest).args(arguments)
}

fn built(run: Run, name: &str) -> Result<PathBuf> {
    run.succeed()?.executable(name)
}
