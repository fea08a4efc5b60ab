//! What may be asked of a cluster. Names follow k3d's configuration file (`k3d.io/v1alpha5`).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::Ipv4Net;

use crate::path::FieldPath;

/// A join token. Prints as dots; compare with [`Token::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps a token.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The token itself, for the node that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A value for the nodes that its filters name.
#[derive(Debug, Clone)]
pub struct Filtered<T> {
    /// The value.
    pub value: T,
    /// Node filters as written; what none of them means depends on the value.
    pub filters: Vec<String>,
    /// Where the user wrote it, for messages. Its filters are at `.node_filters[n]`.
    pub path: FieldPath,
}

/// `key` and `value`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Not empty.
    pub key: String,
    /// May be empty.
    pub value: String,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The host's address; `None` is 127.0.0.1.
    pub host: Option<IpAddr>,
    /// The host's port; `None` lets Docker choose.
    pub host_port: Option<u16>,
    /// The port in the node, and on the load balancer.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// A folder of the host or a named volume; `None` is an anonymous volume.
    pub source: Option<String>,
    /// Absolute path in the node, optionally with `:ro` and the like behind it.
    pub destination: String,
}

/// Where the Kubernetes API is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeApi {
    /// The host name in kubeconfigs; `None` is `host_ip`.
    pub host: Option<String>,
    /// The address to bind; `None` is 127.0.0.1.
    pub host_ip: Option<IpAddr>,
    /// The port to bind; `None` is a free one, chosen once.
    pub host_port: Option<u16>,
}

impl KubeApi {
    /// The URL that kubeconfigs have, where it is known how the API is published.
    pub fn endpoint(&self) -> Option<String> {
        let host = self
            .host
            .clone()
            .or(self.host_ip.map(|ip| ip.to_string()))?;
        let port = self.host_port?;
        // A colon ends the name of a host, unless it is in brackets.
        Some(match host.parse::<Ipv6Addr>() {
            Ok(ip) => format!("https://[{ip}]:{port}"),
            Err(_) => format!("https://{host}:{port}"),
        })
    }
}

/// A cluster as a user wants it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, as in k3d"
)]
#[derive(Debug, Clone)]
pub struct Spec {
    /// At most 32 characters, RFC 1123.
    pub name: String,
    /// Number of servers; 1.
    pub servers: u32,
    /// Number of agents.
    pub agents: u32,
    /// Image of servers and agents.
    pub image: String,
    /// Image of the load balancer.
    pub load_balancer_image: String,
    /// Whether nobody asked for that image: it is for a load balancer that is made, and one that is there
    /// keeps its own.
    pub load_balancer_image_is_default: bool,
    /// An existing network; `None` makes `k3d-NAME`.
    pub network: Option<String>,
    /// Subnet of the network that is made; `None` lets Docker choose one that is free.
    pub subnet: Option<Ipv4Net>,
    /// For pods.
    pub cluster_cidr: Ipv4Net,
    /// For Services.
    pub service_cidr: Ipv4Net,
    /// Join token; `None` makes one.
    pub token: Option<Token>,
    /// Where the Kubernetes API is published.
    pub kube_api: KubeApi,
    /// Published ports; without filters: through the load balancer, to all nodes.
    pub ports: Vec<Filtered<Port>>,
    /// Mounts; without filters: in all nodes and the load balancer, as k3d does.
    pub volumes: Vec<Filtered<Volume>>,
    /// Environment; without filters: of all servers and agents.
    pub env: Vec<Filtered<Pair>>,
    /// Container labels; without filters: on all servers and agents.
    pub labels: Vec<Filtered<Pair>>,
    /// Further arguments of k3s; without filters: for all servers and agents.
    pub args: Vec<Filtered<String>>,
    /// Kubernetes node labels, `key=value`; without filters: on all servers and agents.
    pub node_labels: Vec<Filtered<String>>,
    /// Whether a load balancer stands before the cluster.
    pub load_balancer: bool,
    /// Whether there is a volume for image tarballs (the k3d CLI needs it to start a cluster).
    pub image_volume: bool,
    /// Whether `host.k3d.internal` names the host inside nodes.
    pub host_ip_injection: bool,
    /// Memory limit of each server in bytes.
    pub servers_memory: Option<i64>,
    /// Memory limit of each agent in bytes.
    pub agents_memory: Option<i64>,
}

impl Spec {
    /// A cluster of one server with everything else at its default.
    pub fn new(name: &str, image: &str, load_balancer_image: &str) -> Self {
        let defaults = super::NodeArgs::default();
        Self {
            name: name.to_owned(),
            servers: 1,
            agents: 0,
            image: image.to_owned(),
            load_balancer_image: load_balancer_image.to_owned(),
            load_balancer_image_is_default: false,
            network: None,
            subnet: None,
            cluster_cidr: defaults.cluster_cidr,
            service_cidr: defaults.service_cidr,
            token: None,
            kube_api: KubeApi::default(),
            ports: Vec::new(),
            volumes: Vec::new(),
            env: Vec::new(),
            labels: Vec::new(),
            args: Vec::new(),
            node_labels: Vec::new(),
            load_balancer: true,
            image_volume: true,
            host_ip_injection: true,
            servers_memory: None,
            agents_memory: None,
        }
    }

    /// The network its nodes are on.
    pub fn network_name(&self) -> String {
        self.network
            .clone()
            .unwrap_or_else(|| super::network_name(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_brackets_around_an_address_of_ipv6() {
        for (host, host_ip, expected) in [
            (None, "127.0.0.1", "https://127.0.0.1:1"),
            (None, "::1", "https://[::1]:1"),
            (Some("fd00::2"), "::1", "https://[fd00::2]:1"),
            (Some("[fd00::2]"), "::1", "https://[fd00::2]:1"),
            (Some("kube.example"), "::1", "https://kube.example:1"),
        ] {
            let api = KubeApi {
                host: host.map(str::to_owned),
                host_ip: host_ip.parse().ok(),
                host_port: Some(1),
            };
            assert_eq!(api.endpoint().as_deref(), Some(expected));
        }
        assert_eq!(KubeApi::default().endpoint(), None);
    }
}
