//! A node's container, in k3d's shape: labels, environment, mounts and ports as `k3d cluster create`
//! (v5.8) gives them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;

use super::desired::{Desired, DesiredNode, api_host, api_host_ip, own_tls_sans};
use super::read::HOST_ALIAS;
use super::spec::{Spec, Token};
use super::{API_PORT, Role, entrypoint, image_volume, loadbalancer, node_name};
use crate::docker::{ContainerSpec, DockerNetwork, File, PortKey, Published, Runtime};
use crate::labels::{self, Labels, labels};

/// What is decided when a cluster is made and read back ever after.
pub(super) struct Facts {
    pub(super) network: DockerNetwork,
    pub(super) network_external: bool,
    pub(super) token: Token,
    /// The host's port of the Kubernetes API.
    pub(super) api_port: u16,
    /// Further names of hosts, as the k3d CLI's label has them.
    pub(super) host_aliases: Option<String>,
    /// What the k3d CLI gave to all servers and agents of their hosts.
    pub(super) runtime: Runtime,
}

/// The container of one node.
pub(super) fn container(
    spec: &Spec,
    node: &DesiredNode,
    facts: &Facts,
    address: Option<Ipv4Addr>,
) -> ContainerSpec {
    let mut binds: Vec<String> = Vec::new();
    if spec.image_volume {
        binds.push(format!("{}:/k3d/images", image_volume(&spec.name)));
    }
    binds.extend(node.binds.iter().cloned());
    let mut ports = node.ports.clone();
    let carries_api = match node.role {
        Role::LoadBalancer => true,
        Role::Server => !spec.load_balancer,
        Role::Agent => false,
    };
    if carries_api {
        ports.insert(
            PortKey::tcp(API_PORT),
            vec![Published {
                address: Some(api_host_ip(spec)),
                port: Some(facts.api_port),
            }],
        );
    }
    ContainerSpec {
        name: node.name.clone(),
        image: node.image.clone(),
        entrypoint: (node.role != Role::LoadBalancer).then(|| vec![entrypoint::PATH.to_owned()]),
        cmd: command(spec, node),
        env: environment(spec, node, facts),
        labels: node_labels(spec, node, facts, address),
        binds,
        ports,
        network: facts.network.name.clone(),
        address,
        extra_hosts: hosts(spec, node, facts),
        memory: (node.memory > 0).then_some(node.memory),
        nano_cpus: None,
        runtime: match node.role {
            Role::LoadBalancer => Runtime::default(),
            Role::Server | Role::Agent => facts.runtime.clone(),
        },
        is_node: true,
    }
}

fn command(spec: &Spec, node: &DesiredNode) -> Vec<String> {
    let mut args = node.args.clone();
    match node.role {
        Role::LoadBalancer => return Vec::new(),
        Role::Server => args.tls_sans.extend(own_tls_sans(spec)),
        Role::Agent => {}
    }
    args.render(node.role)
}

/// Files that must be in place before the node starts.
pub(super) fn files(desired: &Desired, node: &DesiredNode) -> Vec<File> {
    match node.role {
        Role::LoadBalancer => vec![loadbalancer::file(&desired.upstreams, &desired.settings)],
        _ => entrypoint::files(node.memory),
    }
}

/// Where nodes join: always the first server, as k3d does.
fn join_url(spec: &Spec) -> String {
    format!(
        "https://{}:{API_PORT}",
        node_name(&spec.name, Role::Server, 0)
    )
}

fn environment(spec: &Spec, node: &DesiredNode, facts: &Facts) -> Vec<String> {
    let mut env: Vec<String> = node
        .env
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if node.role != Role::LoadBalancer {
        env.push(format!("K3S_TOKEN={}", facts.token.reveal()));
    }
    if node.role == Role::Agent {
        env.push(format!("K3S_URL={}", join_url(spec)));
    }
    env.push("K3S_KUBECONFIG_OUTPUT=/output/kubeconfig.yaml".to_owned());
    env
}

#[derive(Deserialize)]
struct HostAlias {
    ip: String,
    hostnames: Vec<String>,
}

/// Docker writes these lines into `/etc/hosts` at every start, so they survive restarts.
fn hosts(spec: &Spec, node: &DesiredNode, facts: &Facts) -> Vec<String> {
    if node.role == Role::LoadBalancer {
        return Vec::new();
    }
    let gateway = facts.network.gateway.filter(|_| spec.host_ip_injection);
    let aliases = facts.host_aliases.as_deref();
    let aliases: Vec<HostAlias> = aliases
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let aliases = aliases.iter().flat_map(|alias| {
        let names = alias.hostnames.iter();
        names.map(|name| format!("{name}:{}", alias.ip))
    });
    gateway
        .map(|gateway| format!("{HOST_ALIAS}:{gateway}"))
        .into_iter()
        .chain(aliases)
        .collect()
}

fn node_labels(
    spec: &Spec,
    node: &DesiredNode,
    facts: &Facts,
    address: Option<Ipv4Addr>,
) -> Labels {
    let balancer = if spec.load_balancer {
        node_name(&spec.name, Role::LoadBalancer, 0)
    } else {
        String::new()
    };
    let subnet = facts
        .network
        .subnet
        .map(|net| net.to_string())
        .unwrap_or_default();
    let mut all: BTreeMap<String, String> = node.labels.clone();
    all.extend(labels([
        (labels::APP, labels::APP_VALUE),
        (labels::VERSION, labels::VERSION_VALUE),
        (labels::ROLE, node.role.as_str()),
        (labels::CLUSTER, &spec.name),
        (labels::NETWORK, &facts.network.name),
        (labels::NETWORK_ID, &facts.network.id),
        (labels::NETWORK_IPRANGE, &subnet),
        (
            labels::NETWORK_EXTERNAL,
            if facts.network_external {
                "true"
            } else {
                "false"
            },
        ),
        (labels::TOKEN, facts.token.reveal()),
        (labels::URL, &join_url(spec)),
        (labels::LOADBALANCER, &balancer),
        (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
    ]));
    if spec.image_volume {
        all.insert(labels::IMAGE_VOLUME.to_owned(), image_volume(&spec.name));
    }
    if node.role == Role::Server {
        all.extend(labels([
            (labels::API_HOST_IP, &api_host_ip(spec).to_string()),
            (labels::API_HOST, &api_host(spec)),
            (labels::API_PORT, &facts.api_port.to_string()),
            (
                labels::ATLAS_HOST_ALIAS,
                &spec.host_ip_injection.to_string(),
            ),
        ]));
    }
    if let Some(aliases) = &facts.host_aliases {
        all.insert(labels::HOST_ALIASES.to_owned(), aliases.clone());
    }
    if let Some(address) = address {
        all.insert(labels::STATIC_IP.to_owned(), address.to_string());
    }
    all
}
