//! The node's part of Kubernetes: kubelet and kube-proxy, the same on servers and agents.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::children::Children;
use crate::cli::Options;
use crate::containerd;
use crate::node::{self, Node};

/// What a node must know of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) pods: String,
    pub(crate) dns: String,
    pub(crate) domain: String,
}

/// How the kubelet proves itself.
pub(crate) struct Identity<'a> {
    pub(crate) kubeconfig: &'a Path,
    /// For an agent's first start.
    pub(crate) bootstrap: Option<&'a Path>,
    pub(crate) authority: &'a Path,
}

/// Starts the kubelet.
pub(crate) fn start(
    children: &mut Children,
    options: &Options,
    node: &Node,
    cluster: &Cluster,
    identity: &Identity<'_>,
) -> Result<()> {
    let config: PathBuf = node::data("agent/etc/kubelet.yaml");
    node::write(
        &config,
        &configuration(cluster, identity.authority, &resolver(options)?),
        0o600,
    )?;
    let mut args = vec![
        format!("--config={}", config.display()),
        format!("--kubeconfig={}", identity.kubeconfig.display()),
        format!("--hostname-override={}", node.name),
        format!("--node-ip={}", node.address),
        "--root-dir=/var/lib/kubelet".to_owned(),
        "--cert-dir=/var/lib/kubelet/pki".to_owned(),
    ];
    if let Some(bootstrap) = identity.bootstrap {
        args.push(format!("--bootstrap-kubeconfig={}", bootstrap.display()));
    }
    if !options.node_labels.is_empty() {
        args.push(format!("--node-labels={}", options.node_labels.join(",")));
    }
    if !options.node_taints.is_empty() {
        args.push(format!(
            "--register-with-taints={}",
            options.node_taints.join(",")
        ));
    }
    args.extend(options.kubelet_args.iter().map(|arg| format!("--{arg}")));
    children.start("kubelet", &args)
}

/// Starts kube-proxy.
pub(crate) fn start_proxy(
    children: &mut Children,
    options: &Options,
    node: &Node,
    cluster: &Cluster,
    kubeconfig: &Path,
) -> Result<()> {
    let mut args = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--hostname-override={}", node.name),
        format!("--cluster-cidr={}", cluster.pods),
        "--proxy-mode=nftables".to_owned(),
        // These limits are the host's, and a container may not write them.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0s".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
    ];
    args.extend(options.kube_proxy_args.iter().map(|arg| format!("--{arg}")));
    children.start("kube-proxy", &args)
}

/// The resolver of pods. One that only the node itself can reach is no use to them: like k3s, fall
/// back to a public one.
fn resolver(options: &Options) -> Result<String> {
    const HOST: &str = "/etc/resolv.conf";
    if let Some(path) = &options.resolv_conf {
        return Ok(path.clone());
    }
    let text = std::fs::read_to_string(HOST).unwrap_or_default();
    let mut servers = text
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver "));
    if servers.any(|server| !server.trim().starts_with("127.")) {
        return Ok(HOST.to_owned());
    }
    let path = node::data("agent/etc/resolv.conf");
    node::write(&path, "nameserver 8.8.8.8\n", 0o644)?;
    Ok(path.display().to_string())
}

fn configuration(cluster: &Cluster, authority: &Path, resolv: &str) -> String {
    let mut text = format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {authority}}}
authorization: {{mode: Webhook}}
cgroupDriver: cgroupfs
clusterDNS: ["{dns}"]
clusterDomain: {domain}
containerRuntimeEndpoint: unix://{socket}
# The disk is the host's, and filling it up is not this node's to prevent.
evictionHard: {{memory.available: 50Mi, nodefs.available: 0%, imagefs.available: 0%}}
imageGCHighThresholdPercent: 100
failSwapOn: false
resolvConf: {resolv}
rotateCertificates: true
nodeStatusUpdateFrequency: 5s
"#,
        authority = authority.display(),
        dns = cluster.dns,
        domain = cluster.domain,
        socket = containerd::SOCKET,
        resolv = resolv,
    );
    if !containerd::may_sys_resource() {
        let _ = writeln!(text, "featureGates: {{KubeletInUserNamespace: true}}");
    }
    text
}
