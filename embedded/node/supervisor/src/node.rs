//! What both roles know of the node: where files lie, its name and address.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::cli::Options;

/// The version of everything Kubernetes in the image.
pub(crate) const VERSION: &str = "v1.33.4";
/// k3s's data folder.
pub(crate) const DATA: &str = "/var/lib/rancher/k3s";
/// k3s's admin kubeconfig.
pub(crate) const KUBECONFIG: &str = "/etc/rancher/k3s/k3s.yaml";
/// Where the upstream programs lie.
const PROGRAMS: &str = "/usr/lib/atlas/bin";

/// The path of an upstream program.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(PROGRAMS).join(name)
}

/// A path under the data folder.
pub(crate) fn data(path: &str) -> PathBuf {
    Path::new(DATA).join(path)
}

/// A node's identity.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
}

impl Node {
    /// From flags, else the host name and the address of the interface that leads out, as k3s does.
    pub(crate) fn of(options: &Options) -> Result<Self> {
        let name = match &options.node_name {
            Some(name) => name.clone(),
            None => std::fs::read_to_string("/proc/sys/kernel/hostname")?
                .trim()
                .to_lowercase(),
        };
        let address = match &options.node_ip {
            Some(address) => address
                .parse()
                .with_context(|| format!("--node-ip {address}"))?,
            None => default_address()?,
        };
        Ok(Self { name, address })
    }
}

fn default_address() -> Result<Ipv4Addr> {
    let routes = ip(&["-j", "-4", "route", "show", "default"])?;
    let Some(device) = routes[0]["dev"].as_str() else {
        bail!("the node has no default route; it must be on a Docker network with a gateway");
    };
    let found = ip(&["-j", "-4", "addr", "show", "dev", device])?;
    found[0]["addr_info"][0]["local"]
        .as_str()
        .and_then(|address| address.parse().ok())
        .with_context(|| format!("{device} has no IPv4 address"))
}

fn ip(args: &[&str]) -> Result<serde_json::Value> {
    let output = Command::new("ip").args(args).output().context("ip")?;
    serde_json::from_slice(&output.stdout).context("what ip prints")
}

/// Writes a file, and its folder where that is missing.
pub(crate) fn write(path: impl AsRef<Path>, content: &str, mode: u32) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let path = path.as_ref();
    let attempt = || -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(mode)
            .open(&new)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    attempt().with_context(|| format!("writing {}", path.display()))
}
