//! Reads a bridge back: who is on the transit network, what each node's routes are, what each cluster's
//! DNS was told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use futures_util::future::try_join_all;
use ipnet::Ipv4Net;

use super::{network_name, script};
use crate::context::Context;
use crate::docker::{DockerNetwork, Node};
use crate::error::Result;
use crate::k3d::{self, Role};
use crate::labels;

/// The ConfigMap that CoreDNS reads additions from.
pub(super) const CUSTOM_DNS: &str = "coredns-custom";

/// A node as the bridge sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// The container.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is on the transit network.
    pub attached: bool,
    /// Its fixed address there.
    pub address: Option<Ipv4Addr>,
    /// The network of its pods.
    pub pods: Option<Ipv4Net>,
    /// The script that it has for this bridge.
    pub(super) script: Option<String>,
    /// Its routing table.
    pub(super) table: String,
}

/// A cluster as the bridge sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    /// For pods.
    pub cluster_cidr: Ipv4Net,
    /// For Services.
    pub service_cidr: Ipv4Net,
    /// The gateway of the cluster's own network.
    pub gateway: Option<Ipv4Addr>,
    /// The server that answers for the Kubernetes API, where it runs.
    pub(super) server: Option<String>,
    /// The address of its DNS Service.
    pub(super) dns: Option<String>,
    /// What its DNS was told of this bridge.
    pub(super) stub_zones: Option<String>,
    /// Servers and agents by name.
    pub nodes: Vec<NodeView>,
}

/// A bridge as it is.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The transit network.
    pub network: Option<DockerNetwork>,
    /// Those that were asked for, and those that are on the network.
    pub clusters: BTreeMap<String, ClusterView>,
}

/// Reads a bridge, and the clusters of these names.
pub async fn observe(cx: &Context, bridge: &str, clusters: &[String]) -> Result<Observed> {
    cx.guard("reading a bridge", read(cx, bridge, clusters))
        .await
}

async fn read(cx: &Context, bridge: &str, clusters: &[String]) -> Result<Observed> {
    let transit = network_name(bridge);
    let network = cx.docker.network(&transit).await?;
    let mut names: BTreeSet<String> = clusters.iter().cloned().collect();
    if network.is_some() {
        let attached = cx.docker.containers_on(&transit).await?;
        names.extend(
            attached
                .iter()
                .filter_map(|node| node.label(labels::CLUSTER).map(str::to_owned)),
        );
    }
    let views = names.iter().map(|name| async move {
        let found = k3d::observe(cx, name).await?;
        Ok::<_, crate::Error>(match found {
            Some(found) => cluster(cx, bridge, &found)
                .await?
                .map(|view| (name.clone(), view)),
            None => None,
        })
    });
    let clusters = try_join_all(views).await?.into_iter().flatten().collect();
    Ok(Observed { network, clusters })
}

async fn cluster(cx: &Context, bridge: &str, found: &k3d::Observed) -> Result<Option<ClusterView>> {
    let Some(server) = found.server() else {
        return Ok(None);
    };
    let args = k3d::NodeArgs::parse(&server.cmd);
    let running = server.state.running.then(|| server.name.clone());
    let nodes: Vec<&Node> = found
        .nodes
        .iter()
        .filter(|(role, _)| *role != Role::LoadBalancer)
        .map(|(_, n)| n)
        .collect();
    let (kubernetes, nodes) = tokio::try_join!(
        kubernetes(cx, bridge, running.as_deref()),
        try_join_all(nodes.into_iter().map(|one| node(cx, bridge, one))),
    )?;
    let nodes = nodes.into_iter().map(|mut one| {
        one.pods = kubernetes.pods.get(&one.name).copied();
        one
    });
    Ok(Some(ClusterView {
        cluster_cidr: args.cluster_cidr,
        service_cidr: args.service_cidr,
        gateway: found.network.as_ref().and_then(|network| network.gateway),
        server: running,
        dns: kubernetes.dns,
        stub_zones: kubernetes.stub_zones,
        nodes: nodes.collect(),
    }))
}

#[derive(Default)]
struct Kubernetes {
    pods: BTreeMap<String, Ipv4Net>,
    dns: Option<String>,
    stub_zones: Option<String>,
}

async fn kubernetes(cx: &Context, bridge: &str, server: Option<&str>) -> Result<Kubernetes> {
    let Some(server) = server else {
        return Ok(Kubernetes::default());
    };
    let nodes = k3d::kubectl(
        cx,
        server,
        &[
            "get",
            "nodes",
            "-o",
            r#"jsonpath={range .items[*]}{.metadata.name}{" "}{.spec.podCIDR}{"\n"}{end}"#,
        ],
    );
    let dns = k3d::kubectl(
        cx,
        server,
        &[
            "get",
            "service",
            "kube-dns",
            "--namespace=kube-system",
            "--ignore-not-found",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ],
    );
    let custom = k3d::kubectl(
        cx,
        server,
        &[
            "get",
            "configmap",
            CUSTOM_DNS,
            "--namespace=kube-system",
            "--ignore-not-found",
            "-o",
            "json",
        ],
    );
    let (nodes, dns, custom) = tokio::try_join!(nodes, dns, custom)?;
    let pods = nodes.lines().filter_map(|line| {
        let (name, net) = line.split_once(' ')?;
        Some((name.to_owned(), net.parse().ok()?))
    });
    let custom: serde_json::Value = serde_json::from_str(&custom).unwrap_or_default();
    Ok(Kubernetes {
        pods: pods.collect(),
        dns: Some(dns.trim().to_owned()).filter(|dns| !dns.is_empty()),
        stub_zones: custom["data"][dns_key(bridge)].as_str().map(str::to_owned),
    })
}

/// The key of a bridge in that ConfigMap.
pub(super) fn dns_key(bridge: &str) -> String {
    format!("atlas-{bridge}.server")
}

async fn node(cx: &Context, bridge: &str, node: &Node) -> Result<NodeView> {
    let transit = network_name(bridge);
    let path = script::path(bridge);
    let content = cx.docker.get_file(&node.name, &path);
    let table = async {
        if node.state.running {
            cx.docker
                .exec(&node.name, &["ip", "-4", "route", "show"])
                .await
        } else {
            Ok(String::new())
        }
    };
    let (content, table) = tokio::try_join!(content, table)?;
    Ok(NodeView {
        name: node.name.clone(),
        running: node.state.running,
        attached: node.networks.contains_key(&transit),
        address: node.static_addresses.get(&transit).copied(),
        pods: None,
        script: content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        table,
    })
}
