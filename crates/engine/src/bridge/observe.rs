//! Reads a bridge back: who is on the transit network, what each node's routes are, what each cluster's
//! DNS was told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::try_join_all;
use ipnet::Ipv4Net;
use serde_json::Value;

use super::{network_name, script, zones};
use crate::context::Context;
use crate::docker::{DockerNetwork, Node};
use crate::error::{Error, Result};
use crate::k3d::{self, Role};
use crate::labels;

/// How long a cluster may take to answer one question.
pub(super) const PATIENCE: &str = "--request-timeout=8s";
/// How long it may take to answer all that is asked before it counts as one that does not: kubectl asks
/// again by itself.
const ANSWERS: Duration = Duration::from_secs(12);

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
    /// Its rules of translation; empty where it cannot list them.
    pub(super) rules: String,
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
    /// The server whose Kubernetes API answers. Without one not everything is known of the cluster, and
    /// nothing can be told to it.
    pub(super) server: Option<String>,
    /// The address of its DNS Service.
    pub(super) dns: Option<String>,
    /// Where its own names lie.
    pub(super) domain: String,
    /// What its DNS was told of this bridge.
    pub(super) stub_zones: Option<String>,
    /// The zones that its DNS was told of by other bridges, or by the user.
    pub(super) other_zones: BTreeSet<String>,
    /// Servers and agents by name.
    pub nodes: Vec<NodeView>,
}

/// A bridge as it is.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The transit network.
    pub network: Option<DockerNetwork>,
    /// Those that were asked for, those that are on the network, and those that should be.
    pub clusters: BTreeMap<String, ClusterView>,
    /// The clusters that its nodes, or its network, name as members, in the order in which they were
    /// declared. One that was made anew is among them before it is on the network again.
    pub recorded: Vec<String>,
    /// The domain that the bridge was made with, where it was made with names and no member is left that could tell
    /// whether there still are.
    pub(super) names_pending: Option<String>,
    /// The clusters on each other bridge.
    pub others: BTreeMap<String, BTreeSet<String>>,
}

/// Reads a bridge, and the clusters of these names.
pub async fn observe(cx: &Context, bridge: &str, clusters: &[String]) -> Result<Observed> {
    cx.guard("reading a bridge", read(cx, bridge, clusters))
        .await
}

async fn read(cx: &Context, bridge: &str, clusters: &[String]) -> Result<Observed> {
    let transit = network_name(bridge);
    let network = cx.docker.network(&transit).await?;
    let names = clusters.iter().cloned();
    let (mut recorded, mut names_pending) = (Vec::new(), None);
    let mut clusters;
    if let Some(network) = &network {
        let attached = cx.docker.containers_on(&transit).await?;
        clusters = views(cx, bridge, names.chain(clusters_of(&attached)).collect()).await?;
        let nodes = clusters.values().flat_map(|view| &view.nodes);
        let on_nodes = told_by(
            nodes
                .filter(|node| node.attached)
                .filter_map(|node| node.script.as_deref()),
        );
        let label = |key: &str| network.labels.get(key);
        let with_names = label(labels::ATLAS_BRIDGE_DNS).is_some_and(|dns| dns == "true");
        names_pending = (on_nodes.is_empty() && with_names).then(|| {
            let domain = label(labels::ATLAS_BRIDGE_DOMAIN).map(String::as_str);
            domain.unwrap_or(zones::DEFAULT_DOMAIN).to_owned()
        });
        recorded = or_of_network(on_nodes, network);
        let away = recorded.iter().filter(|name| !clusters.contains_key(*name));
        let away = away.cloned().collect();
        clusters.extend(views(cx, bridge, away).await?);
    } else {
        clusters = views(cx, bridge, names.collect()).await?;
    }
    let mut others = BTreeMap::new();
    for network in cx.docker.networks(Some(labels::ATLAS_BRIDGE)).await? {
        let name = network.labels.get(labels::ATLAS_BRIDGE);
        if let Some(name) = name.filter(|name| *name != bridge) {
            let attached = cx.docker.containers_on(&network.name).await?;
            others.insert(name.clone(), clusters_of(&attached));
        }
    }
    Ok(Observed {
        network,
        clusters,
        recorded,
        names_pending,
        others,
    })
}

/// The clusters of these names, those that there are.
async fn views(
    cx: &Context,
    bridge: &str,
    names: BTreeSet<String>,
) -> Result<BTreeMap<String, ClusterView>> {
    let views = names.into_iter().map(|name| async move {
        let view = Box::pin(cluster(cx, bridge, &name)).await?;
        Ok::<_, Error>(view.map(|view| (name, view)))
    });
    Ok(try_join_all(views).await?.into_iter().flatten().collect())
}

/// The clusters of these nodes.
pub(super) fn clusters_of(nodes: &[Node]) -> BTreeSet<String> {
    let names = nodes.iter().filter_map(|node| node.label(labels::CLUSTER));
    names.map(str::to_owned).collect()
}

/// The members of a bridge as they were last declared: from the scripts of the nodes on it, else from the
/// network itself.
pub(super) async fn members(
    cx: &Context,
    bridge: &str,
    network: &DockerNetwork,
    attached: &[Node],
) -> Result<Vec<String>> {
    let path = script::path(bridge);
    let scripts = attached
        .iter()
        .map(|node| cx.docker.get_file(&node.name, &path));
    let scripts = try_join_all(scripts).await?.into_iter().flatten();
    let scripts: Vec<String> = scripts.map(text).collect();
    let on_nodes = told_by(scripts.iter().map(String::as_str));
    Ok(or_of_network(on_nodes, network))
}

/// The members that these scripts name.
fn told_by<'a>(scripts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in scripts.filter_map(script::members).flatten() {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn or_of_network(told: Vec<String>, network: &DockerNetwork) -> Vec<String> {
    if !told.is_empty() {
        return told;
    }
    let label = network.labels.get(labels::ATLAS_BRIDGE_MEMBERS);
    let names = label.map(String::as_str).unwrap_or_default().split(',');
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

async fn cluster(cx: &Context, bridge: &str, name: &str) -> Result<Option<ClusterView>> {
    let found = k3d::nodes(cx, name).await?;
    let servers = || found.iter().filter(|(role, _)| *role == Role::Server);
    let running = servers().find(|(_, node)| node.state.running);
    let Some((_, server)) = running.or_else(|| servers().next()) else {
        return Ok(None);
    };
    let args = k3d::NodeArgs::parse(&server.cmd);
    let running = server.state.running.then(|| server.name.clone());
    let nodes: Vec<&Node> = found
        .iter()
        .filter(|(role, _)| *role != Role::LoadBalancer)
        .map(|(_, n)| n)
        .collect();
    let network_name = k3d::network_of(&found, name);
    let (network, kubernetes, nodes) = tokio::try_join!(
        cx.docker.network(&network_name),
        kubernetes(cx, bridge, running.as_deref()),
        try_join_all(nodes.into_iter().map(|one| node(cx, bridge, one))),
    )?;
    let nodes = nodes.into_iter().map(|mut one| {
        one.pods = kubernetes.pods.get(&one.name).copied();
        one
    });
    // k3s's rule, for when there is nobody to ask.
    let usual_dns = args
        .value("--cluster-dns")
        .or_else(|| Some(args.service_cidr.hosts().nth(9)?.to_string()));
    let domain = args.value("--cluster-domain");
    Ok(Some(ClusterView {
        domain: domain.unwrap_or_else(|| zones::CLUSTER_DOMAIN.to_owned()),
        cluster_cidr: args.cluster_cidr,
        service_cidr: args.service_cidr,
        gateway: network.and_then(|network| network.gateway),
        dns: if kubernetes.answers {
            kubernetes.dns
        } else {
            usual_dns
        },
        server: running.filter(|_| kubernetes.answers),
        stub_zones: kubernetes.stub_zones,
        other_zones: kubernetes.other_zones,
        nodes: nodes.collect(),
    }))
}

#[derive(Default)]
struct Kubernetes {
    answers: bool,
    other_zones: BTreeSet<String>,
    pods: BTreeMap<String, Ipv4Net>,
    dns: Option<String>,
    stub_zones: Option<String>,
}

async fn kubernetes(cx: &Context, bridge: &str, server: Option<&str>) -> Result<Kubernetes> {
    let Some(server) = server else {
        return Ok(Kubernetes::default());
    };
    // One call for all: a client's start costs more than what it asks.
    let all = k3d::kubectl(
        cx,
        server,
        &[
            "get",
            "nodes,services,configmaps",
            PATIENCE,
            "--namespace=kube-system",
            "-o",
            "json",
        ],
    );
    let all = match tokio::time::timeout(ANSWERS, Box::pin(all)).await {
        Ok(Ok(answer)) => answer,
        Err(_) => {
            tracing::warn!("the Kubernetes API of {server} did not answer in time");
            return Ok(Kubernetes::default());
        }
        // One sick cluster must not keep the others from being planned, or itself from being destroyed.
        Ok(Err(error)) if is_passing(&error) => {
            tracing::warn!("the Kubernetes API of {server} does not answer: {error}");
            return Ok(Kubernetes::default());
        }
        Ok(Err(error)) => return Err(error),
    };
    Ok(understand(&all, bridge).unwrap_or_else(|| {
        tracing::warn!("the Kubernetes API of {server} did not answer with a list");
        Kubernetes::default()
    }))
}

/// What a list of nodes, and of Services and ConfigMaps in `kube-system`, tells a bridge.
fn understand(list: &str, bridge: &str) -> Option<Kubernetes> {
    let list: Value = serde_json::from_str(list).ok()?;
    let items = list["items"].as_array()?;
    let items = || items.iter();
    let named = |kind: &str, name: &str| {
        items().find(|item| item["kind"] == kind && item["metadata"]["name"] == name)
    };
    let nodes = items().filter(|item| item["kind"] == "Node");
    let pods = nodes.filter_map(|node| {
        let name = node["metadata"]["name"].as_str()?;
        let net = node["spec"]["podCIDR"].as_str()?;
        Some((name.to_owned(), net.parse().ok()?))
    });
    let dns =
        named("Service", "kube-dns").and_then(|service| service["spec"]["clusterIP"].as_str());
    let custom = named("ConfigMap", k3d::dns::CUSTOM).and_then(|map| map["data"].as_object());
    let told = || custom.into_iter().flatten();
    let own = dns_key(bridge);
    let by_others = told()
        .filter(|(key, _)| key.ends_with(DNS_KEY_END) && **key != own)
        .filter_map(|(_, blocks)| blocks.as_str());
    Some(Kubernetes {
        answers: true,
        other_zones: by_others.flat_map(zones::zones_of).collect(),
        pods: pods.collect(),
        dns: dns.map(str::to_owned),
        stub_zones: custom.and_then(|data| data.get(&own)?.as_str().map(str::to_owned)),
    })
}

/// Whether a failure is the node's state of the moment: a command in it failed, it does not run, or it
/// is gone.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Exec { .. }) || error.is_of_ended_container()
}

/// How the keys of server blocks end.
const DNS_KEY_END: &str = ".server";

/// The key of a bridge in that ConfigMap.
pub(super) fn dns_key(bridge: &str) -> String {
    format!("atlas-{bridge}{DNS_KEY_END}")
}

async fn node(cx: &Context, bridge: &str, node: &Node) -> Result<NodeView> {
    let transit = network_name(bridge);
    let path = script::path(bridge);
    let told = if node.state.running {
        ask(cx, &node.name, &path).await?
    } else {
        None
    };
    let running = told.is_some();
    let [table, rules, script] = if let Some(told) = told {
        told
    } else {
        let script = cx.docker.get_file(&node.name, &path).await?;
        let script = script.map(text).unwrap_or_default();
        [String::new(), String::new(), script]
    };
    Ok(NodeView {
        name: node.name.clone(),
        running,
        attached: node.networks.contains_key(&transit),
        address: node.static_addresses.get(&transit).copied(),
        pods: None,
        script: Some(script).filter(|script| !script.is_empty()),
        table,
        rules,
    })
}

/// What a running node says of its routes, of its rules of translation and of its script, in one command; `None` where
/// it ended a moment ago.
async fn ask(cx: &Context, node: &str, path: &str) -> Result<Option<[String; 3]>> {
    let all = format!(
        "ip -4 route show || exit\necho --\niptables -w -t nat -S POSTROUTING 2>/dev/null\necho --\n\
         [ ! -f {path} ] || cat {path}"
    );
    match cx.docker.exec(node, &["sh", "-c", &all]).await {
        Ok(told) => {
            let mut parts = told.splitn(3, "--\n").map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            Ok(Some([next(), next(), next()]))
        }
        Err(error) if is_passing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "read so that it can be given to map"
)]
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_list_tells_pods_names_and_zones() {
        let list = r#"{"items": [
            {"kind": "Node", "metadata": {"name": "n0"}, "spec": {"podCIDR": "10.44.0.0/24"}},
            {"kind": "Node", "metadata": {"name": "n1"}, "spec": {}},
            {"kind": "Service", "metadata": {"name": "kube-dns"}, "spec": {"clusterIP": "10.45.0.10"}},
            {"kind": "ConfigMap", "metadata": {"name": "coredns-custom"}, "data": {
                "atlas-world.server": "eu:53 {\n}\n", "atlas-other.server": "ap:53 {\n}\n", "mine.server": "x:53 {\n}\n", "mine.override": "y {\n}\n"}}
        ]}"#;
        let told = understand(list, "world").unwrap();
        let pods = BTreeMap::from([("n0".to_owned(), "10.44.0.0/24".parse().unwrap())]);
        assert_eq!(told.pods, pods);
        assert_eq!(told.dns.as_deref(), Some("10.45.0.10"));
        assert_eq!(told.stub_zones.as_deref(), Some("eu:53 {\n}\n"));
        assert_eq!(
            told.other_zones,
            BTreeSet::from(["ap", "x"].map(str::to_owned))
        );
    }

    #[test]
    fn a_cluster_without_dns_of_its_own_has_no_names() {
        let told = understand(r#"{"items": []}"#, "world").unwrap();
        assert!(told.answers && told.dns.is_none() && told.stub_zones.is_none());
    }

    #[test]
    fn a_list_that_is_cut_off_tells_nothing() {
        assert!(understand(r#"{"items": [{"kind": "No"#, "world").is_none());
    }
}
