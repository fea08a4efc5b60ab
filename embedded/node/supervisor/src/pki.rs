//! Certificates and kubeconfigs of a server, by kubeadm's phases: the same layout and subjects as any
//! upstream cluster. The API server's certificate, which names the node's address, is made anew at every
//! start, because Docker may have given it another one; all else stays, so that copies of a kubeconfig
//! remain of use.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::cli::Options;
use crate::containerd;
use crate::join::{BootstrapToken, point_at};
use crate::node::{self, Node};

/// A file of the PKI.
pub(crate) fn tls(file: &str) -> PathBuf {
    node::data("server/tls").join(file)
}

/// A kubeconfig of a component: `super-admin.conf` (in the group system:masters, as k3s's admin is), `controller-manager.conf`, `scheduler.conf`,
/// `kubelet.conf`.
pub(crate) fn conf(file: &str) -> PathBuf {
    node::data("server/cred").join(file)
}

fn config_file() -> PathBuf {
    node::data("server/kubeadm.yaml")
}

/// The kubeconfigs of a server, each with a client certificate that kubeadm makes for a year.
const KUBECONFIGS: [&str; 5] = [
    "admin.conf",
    "super-admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
    "kubelet.conf",
];
/// When a client certificate is made anew, at the next start: k3s does it 120 days before the end.
const RENEWAL_AGE: Duration = Duration::from_secs(245 * 24 * 60 * 60);

/// Certificates beside the kubeconfigs' that kubeadm makes for a year as well.
const YEARLY: [&str; 6] = [
    "apiserver-kubelet-client",
    "apiserver-etcd-client",
    "front-proxy-client",
    "etcd/server",
    "etcd/peer",
    "etcd/healthcheck-client",
];

/// Forgets all that ends within the year, where its end comes near. All of it was made at once.
fn forget_old() -> Result<()> {
    let made = std::fs::metadata(tls("apiserver-kubelet-client.crt"));
    let age = made
        .and_then(|found| found.modified())
        .ok()
        .and_then(|time| time.elapsed().ok());
    if age.is_none_or(|age| age < RENEWAL_AGE) {
        return Ok(());
    }
    for name in YEARLY {
        forget(&tls(&format!("{name}.crt")))?;
        forget(&tls(&format!("{name}.key")))?;
    }
    for file in KUBECONFIGS {
        forget(&conf(file))?;
    }
    Ok(())
}

/// Makes all that is missing or tied to an old address.
pub(crate) fn prepare(options: &Options, node: &Node, token: &BootstrapToken) -> Result<()> {
    node::write(config_file(), &kubeadm_config(options, node, token), 0o600)?;
    forget_old()?;
    for file in ["apiserver.crt", "apiserver.key"] {
        forget(&tls(file))?;
    }
    // What people hold copies of stays the same from start to start.
    for file in KUBECONFIGS {
        point_at(&conf(file), &format!("https://{}:6443", node.address))?;
    }
    kubeadm(&["certs", "all"], &[])?;
    let folder = format!("--kubeconfig-dir={}", node::data("server/cred").display());
    kubeadm(&["kubeconfig", "all"], &[&folder])
}

/// Puts the bootstrap token, the cluster's public description and the rights of joining nodes into
/// the cluster.
pub(crate) fn allow_joining() -> Result<()> {
    let kubeconfig = format!("--kubeconfig={}", conf("super-admin.conf").display());
    kubeadm(&["bootstrap-token"], &[&kubeconfig])
}

/// The admin's kubeconfig in k3s's form: one entry named `default`, at 127.0.0.1.
pub(crate) fn admin_kubeconfig() -> Result<String> {
    let text = std::fs::read_to_string(conf("super-admin.conf"))?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
            .with_context(|| format!("super-admin.conf has no {key}"))
    };
    Ok(render_kubeconfig(
        value("certificate-authority-data")?,
        value("client-certificate-data")?,
        value("client-key-data")?,
    ))
}

fn render_kubeconfig(ca: &str, certificate: &str, key: &str) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: \
         https://127.0.0.1:6443\n  name: default\ncontexts:\n- context:\n    cluster: default\n    \
         user: default\n  name: default\ncurrent-context: default\nkind: Config\npreferences: {{}}\n\
         users:\n- name: default\n  user:\n    client-certificate-data: {certificate}\n    \
         client-key-data: {key}\n"
    )
}

fn kubeadm_config(options: &Options, node: &Node, token: &BootstrapToken) -> String {
    let mut sans = String::new();
    let fixed = ["127.0.0.1", "localhost", node.name.as_str()];
    for san in fixed
        .into_iter()
        .chain(options.tls_sans.iter().map(String::as_str))
    {
        let _ = write!(sans, "\n    - {san:?}");
    }
    format!(
        r#"apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: {address}
  bindPort: 6443
nodeRegistration:
  name: {name:?}
  criSocket: unix://{socket}
bootstrapTokens:
  - token: {token:?}
    ttl: 0s
    usages: [signing, authentication]
    groups: ["system:bootstrappers:kubeadm:default-node-token"]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
certificatesDir: {tls}
encryptionAlgorithm: ECDSA-P256
networking:
  podSubnet: {pods}
  serviceSubnet: {services}
  dnsDomain: {domain}
apiServer:
  certSANs:{sans}
"#,
        address = node.address,
        name = node.name,
        socket = containerd::SOCKET,
        token = token.to_string(),
        version = node::VERSION,
        tls = node::data("server/tls").display(),
        pods = options.cluster_cidr,
        services = options.service_cidr,
        domain = options.cluster_domain,
    )
}

fn kubeadm(phase: &[&str], flags: &[&str]) -> Result<()> {
    let output = Command::new(node::program("kubeadm"))
        .args(["init", "phase"])
        .args(phase)
        .arg(format!("--config={}", config_file().display()))
        .args(flags)
        .output()
        .context("kubeadm")?;
    if !output.status.success() {
        bail!(
            "kubeadm {}: {}",
            phase.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

fn forget(path: &std::path::Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
