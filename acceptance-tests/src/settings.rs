//! What the tests are told by their surroundings. `scripts/test.sh` sets all of it; each has a
//! default that suits a developer who runs one test by hand.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use crate::command::Run;

/// Where programs and images are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `ATLAS_TERRAFORM`: Terraform or OpenTofu.
    pub terraform: PathBuf,
    /// `ATLAS_PROVIDER`: the provider's binary; without it, it is built from this checkout.
    pub provider: PathBuf,
    /// `ATLAS_NODE_IMAGE`.
    pub node_image: String,
    /// `ATLAS_LOADBALANCER_IMAGE`.
    pub loadbalancer_image: String,
    /// `ATLAS_LOCALSTACK_IMAGE`.
    pub localstack_image: String,
    /// `ATLAS_TOOLS_IMAGE`.
    pub tools_image: String,
    /// `ATLAS_REPLICATOR_IMAGE`.
    pub replicator_image: String,
    /// `ATLAS_COCKROACHDB_IMAGE`: the double, or the published image with its version as tag.
    pub cockroachdb_image: String,
    /// `ATLAS_COCKROACHDB_OLDER`: the tag of an older version of the same image, for upgrades.
    pub cockroachdb_older: String,
    /// `ATLAS_TEST_IMAGE`: an image inside every node, with a shell, `wget` and `httpd`.
    pub test_image: String,
    /// `ATLAS_K3D_583`.
    pub k3d_583: PathBuf,
    /// `ATLAS_K3D_590`.
    pub k3d_590: PathBuf,
    /// `ATLAS_KUBECTL`.
    pub kubectl: PathBuf,
    /// `ATLAS_DOCKER_SOCKET`: the daemon's socket, for the fault proxy.
    pub docker_socket: PathBuf,
}

impl Settings {
    /// Reads them once; the provider is built at most once.
    pub fn get() -> Result<&'static Self> {
        static SETTINGS: OnceLock<Result<Settings, String>> = OnceLock::new();
        SETTINGS
            .get_or_init(|| Self::read().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow!("{error}"))
    }

    fn read() -> Result<Self> {
        let bin = cache().join("bin");
        Ok(Self {
            terraform: path("ATLAS_TERRAFORM", "terraform"),
            provider: provider()?,
            node_image: text("ATLAS_NODE_IMAGE", "atlas/node:v1.33.4"),
            loadbalancer_image: text("ATLAS_LOADBALANCER_IMAGE", "atlas/loadbalancer:1"),
            localstack_image: text("ATLAS_LOCALSTACK_IMAGE", "atlas/localstack:4.9.2"),
            tools_image: text("ATLAS_TOOLS_IMAGE", "atlas/tools:1"),
            replicator_image: text("ATLAS_REPLICATOR_IMAGE", "atlas/replicator:1"),
            cockroachdb_image: text("ATLAS_COCKROACHDB_IMAGE", "atlas/cockroach-double:v25.4.11"),
            cockroachdb_older: text("ATLAS_COCKROACHDB_OLDER", "v25.4.10"),
            test_image: text("ATLAS_TEST_IMAGE", "docker.io/atlas/busybox:1"),
            k3d_583: path("ATLAS_K3D_583", bin.join("k3d-v5.8.3")),
            k3d_590: path("ATLAS_K3D_590", bin.join("k3d-v5.9.0")),
            kubectl: path("ATLAS_KUBECTL", "kubectl"),
            docker_socket: path("ATLAS_DOCKER_SOCKET", "/var/run/docker.sock"),
        })
    }

    /// `ATLAS_CLI`: the command `atlas`; without it, it is built from this checkout, once and only where a test asks.
    pub fn cli() -> Result<&'static Path> {
        static CLI: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        CLI.get_or_init(|| {
            program("ATLAS_CLI", "atlas-cli", "atlas").map_err(|error| format!("{error:#}"))
        })
        .as_deref()
        .map_err(|error| anyhow!("{error}"))
    }

    /// The images that provider, modules and scripts take, by their variables.
    pub fn images(&self) -> [(&'static str, &str); 5] {
        [
            ("ATLAS_NODE_IMAGE", self.node_image.as_str()),
            ("ATLAS_LOADBALANCER_IMAGE", self.loadbalancer_image.as_str()),
            ("ATLAS_LOCALSTACK_IMAGE", self.localstack_image.as_str()),
            ("ATLAS_REPLICATOR_IMAGE", self.replicator_image.as_str()),
            ("ATLAS_COCKROACHDB_IMAGE", self.cockroachdb_image.as_str()),
        ]
    }

    /// Whether OpenTofu is under test.
    pub fn is_opentofu(&self) -> bool {
        let name = self
            .terraform
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with("tofu")
    }
}

/// The repository's root.
pub(crate) fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

fn variable(key: &str) -> Option<String> {
    std::env::var(key).ok().filter(|value| !value.is_empty())
}

fn text(key: &str, default: &str) -> String {
    variable(key).unwrap_or_else(|| default.to_owned())
}

fn path(key: &str, default: impl Into<PathBuf>) -> PathBuf {
    variable(key).map_or_else(|| default.into(), PathBuf::from)
}

/// Where set-up keeps what it built.
pub(crate) fn cache() -> PathBuf {
    if let Some(folder) = variable("ATLAS_CACHE_DIR") {
        return folder.into();
    }
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_default().join("atlas")
}

fn provider() -> Result<PathBuf> {
    const NAME: &str = "terraform-provider-atlas";
    program("ATLAS_PROVIDER", NAME, NAME)
}

/// The program that a variable names, else what this checkout's package makes.
fn program(key: &str, package: &str, name: &str) -> Result<PathBuf> {
    if let Some(given) = variable(key) {
        let given = PathBuf::from(given);
        if given.file_name().is_none_or(|found| found != name) || !given.is_file() {
            bail!(
                "{key} is {}, which is no file named {name}",
                given.display()
            );
        }
        return Ok(given);
    }
    let built = Run::cargo_build()
        .args(["--package", package])
        .dir(workspace())
        .succeed()
        .with_context(|| format!("building {name}, because {key} is not set"))?;
    built.executable(name)
}
