//! A server: control plane and node in one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::children::Children;
use crate::cli::Options;
use crate::join::{BootstrapToken, registered};
use crate::kubelet::{self, Cluster, Identity};
use crate::node::{self, Node};
use crate::{containerd, kube, logs, manifests, network, pki, storage};

/// How long each part may take to come up.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a server until it is stopped.
pub(crate) fn run(options: &Options) -> Result<()> {
    let node = Node::of(options)?;
    let cluster = Cluster {
        pods: options.cluster_cidr.to_string(),
        dns: match &options.cluster_dns {
            Some(address) => address.clone(),
            // k3s's choice: the tenth address.
            None => options
                .service_cidr
                .hosts()
                .nth(9)
                .context("--service-cidr is too small")?
                .to_string(),
        },
        domain: options.cluster_domain.clone(),
    };
    let secret = token(options)?;
    let bootstrap = BootstrapToken::derive(&secret);
    logs::info(&format!(
        "Starting atlas-node {} as server {}",
        node::VERSION,
        node.name
    ));
    let mut children = Children::default();
    containerd::start(&mut children)?;
    let importing = std::thread::spawn(containerd::import_images);
    pki::prepare(options, &node, &bootstrap)?;
    start_etcd(&mut children, options)?;
    start_apiserver(&mut children, options, &node)?;
    network::prepare(&cluster.pods)?;
    let admin = pki::conf("super-admin.conf");
    children.wait_for("the API server becoming ready", PATIENCE, || {
        kube::is_ready(&admin)
    })?;
    let kubeconfig = pki::admin_kubeconfig()?;
    node::write(node::KUBECONFIG, &kubeconfig, options.kubeconfig_mode)?;
    if let Some(output) = &options.kubeconfig_output {
        node::write(output, &kubeconfig, options.kubeconfig_mode)?;
    }
    start_controllers(&mut children, options)?;
    importing
        .join()
        .map_err(|_| anyhow::anyhow!("importing images failed"))??;
    let kubelet_conf = pki::conf("kubelet.conf");
    let identity = Identity {
        kubeconfig: &kubelet_conf,
        bootstrap: None,
        authority: &pki::tls("ca.crt"),
    };
    kubelet::start(&mut children, options, &node, &cluster, &identity)?;
    kubelet::start_proxy(&mut children, options, &node, &cluster, &admin)?;
    network::follow_nodes(&admin, &node.name);
    let joining = std::thread::spawn(pki::allow_joining);
    manifests::stage(options, &node, &cluster)?;
    manifests::apply_and_follow(&admin)?;
    joining
        .join()
        .map_err(|_| anyhow::anyhow!("allowing nodes to join failed"))??;
    if !options.disable.contains("local-storage") {
        storage::provide(&admin);
    }
    children.wait_for("the node registering", PATIENCE, || {
        registered(&admin, &node.name)
    })?;
    label_control_plane(&admin, &node.name)?;
    logs::info("k3s is up and running");
    children.watch()
}

/// The given token, else the one of an earlier start, else a new one.
fn token(options: &Options) -> Result<String> {
    let path = node::data("server/token");
    let token = match (&options.token, std::fs::read_to_string(&path)) {
        (Some(token), _) => token.clone(),
        (None, Ok(kept)) => kept.trim().to_owned(),
        (None, Err(_)) => {
            let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
            id.trim().replace('-', "")
        }
    };
    node::write(path, &format!("{token}\n"), 0o600)?;
    Ok(token)
}

fn start_etcd(children: &mut Children, options: &Options) -> Result<()> {
    let tls = |file: &str| pki::tls(&format!("etcd/{file}")).display().to_string();
    let data = node::data("server/db/etcd");
    let mut args = vec![
        "--name=default".to_owned(),
        format!("--data-dir={}", data.display()),
        // One member, reached from inside only: its address never changes.
        "--listen-client-urls=https://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=https://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=https://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=https://127.0.0.1:2380".to_owned(),
        "--initial-cluster=default=https://127.0.0.1:2380".to_owned(),
        format!("--cert-file={}", tls("server.crt")),
        format!("--key-file={}", tls("server.key")),
        format!("--trusted-ca-file={}", tls("ca.crt")),
        "--client-cert-auth=true".to_owned(),
        format!("--peer-cert-file={}", tls("peer.crt")),
        format!("--peer-key-file={}", tls("peer.key")),
        format!("--peer-trusted-ca-file={}", tls("ca.crt")),
        "--peer-client-cert-auth=true".to_owned(),
    ];
    args.extend(options.etcd_args.iter().map(|arg| format!("--{arg}")));
    children.start("etcd", &args)
}

fn start_apiserver(children: &mut Children, options: &Options, node: &Node) -> Result<()> {
    let tls = |file: &str| pki::tls(file).display().to_string();
    let mut args = vec![
        format!(
            "--advertise-address={}",
            options.advertise_address.unwrap_or(node.address)
        ),
        "--allow-privileged=true".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!("--client-ca-file={}", tls("ca.crt")),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--enable-bootstrap-token-auth=true".to_owned(),
        format!("--etcd-cafile={}", tls("etcd/ca.crt")),
        format!("--etcd-certfile={}", tls("apiserver-etcd-client.crt")),
        format!("--etcd-keyfile={}", tls("apiserver-etcd-client.key")),
        "--etcd-servers=https://127.0.0.1:2379".to_owned(),
        format!(
            "--kubelet-client-certificate={}",
            tls("apiserver-kubelet-client.crt")
        ),
        format!(
            "--kubelet-client-key={}",
            tls("apiserver-kubelet-client.key")
        ),
        "--kubelet-preferred-address-types=InternalIP,Hostname".to_owned(),
        format!("--proxy-client-cert-file={}", tls("front-proxy-client.crt")),
        format!("--proxy-client-key-file={}", tls("front-proxy-client.key")),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        format!(
            "--requestheader-client-ca-file={}",
            tls("front-proxy-ca.crt")
        ),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--secure-port=6443".to_owned(),
        format!(
            "--service-account-issuer=https://kubernetes.default.svc.{}",
            options.cluster_domain
        ),
        format!("--service-account-key-file={}", tls("sa.pub")),
        format!("--service-account-signing-key-file={}", tls("sa.key")),
        format!("--service-cluster-ip-range={}", options.service_cidr),
        format!("--tls-cert-file={}", tls("apiserver.crt")),
        format!("--tls-private-key-file={}", tls("apiserver.key")),
    ];
    args.extend(options.apiserver_args.iter().map(|arg| format!("--{arg}")));
    children.start("kube-apiserver", &args)
}

fn start_controllers(children: &mut Children, options: &Options) -> Result<()> {
    let tls = |file: &str| pki::tls(file).display().to_string();
    let conf = |file: &str| pki::conf(file).display().to_string();
    let common = |file: &str| {
        vec![
            format!("--kubeconfig={}", conf(file)),
            format!("--authentication-kubeconfig={}", conf(file)),
            format!("--authorization-kubeconfig={}", conf(file)),
            "--bind-address=127.0.0.1".to_owned(),
            "--leader-elect=false".to_owned(),
        ]
    };
    let mut manager = common("controller-manager.conf");
    manager.extend([
        "--allocate-node-cidrs=true".to_owned(),
        format!("--cluster-cidr={}", options.cluster_cidr),
        format!("--service-cluster-ip-range={}", options.service_cidr),
        format!("--client-ca-file={}", tls("ca.crt")),
        format!("--cluster-signing-cert-file={}", tls("ca.crt")),
        format!("--cluster-signing-key-file={}", tls("ca.key")),
        "--controllers=*,bootstrap-signer-controller,token-cleaner-controller".to_owned(),
        format!(
            "--requestheader-client-ca-file={}",
            tls("front-proxy-ca.crt")
        ),
        format!("--root-ca-file={}", tls("ca.crt")),
        format!("--service-account-private-key-file={}", tls("sa.key")),
        "--use-service-account-credentials=true".to_owned(),
    ]);
    manager.extend(
        options
            .controller_manager_args
            .iter()
            .map(|arg| format!("--{arg}")),
    );
    children.start("kube-controller-manager", &manager)?;
    let mut scheduler = common("scheduler.conf");
    scheduler.extend(options.scheduler_args.iter().map(|arg| format!("--{arg}")));
    children.start("kube-scheduler", &scheduler)
}

/// The labels by which `kubectl get nodes` shows a server's role, as k3s sets them.
fn label_control_plane(admin: &Path, name: &str) -> Result<()> {
    let labels = [
        "node-role.kubernetes.io/control-plane=true",
        "node-role.kubernetes.io/master=true",
    ];
    kube::output(
        kube::kubectl(admin)
            .args(["label", "node", name, "--overwrite"])
            .args(labels),
    )?;
    Ok(())
}
