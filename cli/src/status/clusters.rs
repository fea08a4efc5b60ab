//! Clusters, their nodes, and Argo CD on one of them.

use atlas_engine::k3d::{Health, Workload};

use super::container::{missing, restart, row};
use super::{Row, State};
use crate::facts::{Answer, Cluster, Container, Facts};
use crate::world::Region;

/// Argo CD's namespace.
const ARGOCD: &str = "argocd";

/// The rows of each region that has a cluster.
pub(super) fn rows(facts: &Facts) -> Vec<(&str, Vec<Row>)> {
    let regions = facts.world.regions.iter();
    regions
        .map(|(name, region)| {
            let rows = match facts.clusters.get(name) {
                Some(Answer::Known(cluster)) => of_region(facts, region, cluster),
                Some(Answer::Unknown(why)) => vec![Row::unknown("cluster", &region.cluster, why)],
                None => Vec::new(),
            };
            (name.as_str(), rows)
        })
        .collect()
}

fn of_region(facts: &Facts, region: &Region, cluster: &Cluster) -> Vec<Row> {
    if cluster.containers.is_empty() {
        return vec![missing("cluster", &region.cluster)];
    }
    let kubeconfig = kubeconfig(facts, region);
    let mut rows = vec![of_kubernetes(region, cluster, &kubeconfig)];
    let nodes = cluster.containers.iter();
    rows.extend(nodes.map(|node| of_node(node, &cluster.kubernetes)));
    let absent = cluster.missing.iter();
    rows.extend(absent.map(|name| missing("node", name)));
    rows
}

fn of_kubernetes(region: &Region, cluster: &Cluster, kubeconfig: &str) -> Row {
    let name = &region.cluster;
    let runs = |role: &str| {
        let mut nodes = cluster.containers.iter();
        nodes.any(|node| node.role == role && node.running)
    };
    if !runs("server") {
        return Row::down("cluster", name, "no server of it runs")
            .remedy("make world starts it again");
    }
    let health = match &cluster.kubernetes {
        Answer::Known(health) => health,
        Answer::Unknown(why) => {
            return Row::unknown("cluster", name, format!("its Kubernetes API: {why}"))
                .remedy(restart(&first_server(cluster)));
        }
    };
    let workloads = || {
        let all = health.workloads.iter();
        all.filter(|workload| workload.namespace != ARGOCD)
    };
    if let Some(late) = workloads().find(|workload| workload.ready < workload.wanted) {
        return not_ready("cluster", name, late, kubeconfig);
    }
    if !cluster.differs.is_empty() {
        return Row::differs("cluster", name, cluster.differs.join("; "))
            .remedy("make plan shows the whole, make world sets it right");
    }
    let count = workloads().count();
    Row::well("cluster", name, format!("answers, {count} workloads ready"))
}

fn first_server(cluster: &Cluster) -> String {
    let mut nodes = cluster.containers.iter();
    let server = nodes.find(|node| node.role == "server");
    server.map(|node| node.name.clone()).unwrap_or_default()
}

fn not_ready(kind: &'static str, name: &str, late: &Workload, kubeconfig: &str) -> Row {
    let Workload {
        kind: of_kind,
        namespace,
        name: workload,
        wanted,
        ready,
    } = late;
    let detail = format!("{ready} of {wanted} Pods of {of_kind} {namespace}/{workload} ready");
    Row::down(kind, name, detail).remedy(format!(
        "kubectl --kubeconfig {kubeconfig} -n {namespace} describe {of_kind} {workload}"
    ))
}

fn of_node(node: &Container, kubernetes: &Answer<Health>) -> Row {
    let kind = match node.role.as_str() {
        "server" => "server",
        "agent" => "agent",
        _ => "load balancer",
    };
    row(kind, &node.name, Some(node), |node| {
        if kind == "load balancer" {
            return Row::well(kind, &node.name, "runs");
        }
        match kubernetes {
            Answer::Unknown(_) => {
                Row::unknown(kind, &node.name, "runs; whether it is Ready is not known")
            }
            Answer::Known(_) if node.has_other_name => Row::well(kind, &node.name, "runs"),
            Answer::Known(health) => match health.of(&node.name) {
                Some(None) => Row::well(kind, &node.name, "Ready"),
                Some(Some(why)) => Row::down(kind, &node.name, format!("not Ready: {why}"))
                    .remedy(restart(&node.name)),
                None => Row::down(kind, &node.name, "runs; Kubernetes does not know it")
                    .remedy("make world lets it join again"),
            },
        }
    })
}

/// Argo CD, where the description publishes it.
pub(super) fn argocd(facts: &Facts) -> Option<Row> {
    let (name, _) = facts.world.argocd()?;
    let region = facts.world.regions.get(name)?;
    let told = |state, detail: &str| Row::new("Argo CD", "", state, detail);
    let kubernetes = match facts.clusters.get(name)? {
        Answer::Known(cluster) => &cluster.kubernetes,
        Answer::Unknown(_) => return Some(told(State::Unknown, "its cluster does not answer")),
    };
    let Answer::Known(health) = kubernetes else {
        return Some(told(State::Unknown, "its cluster does not answer"));
    };
    let workloads = || {
        let all = health.workloads.iter();
        all.filter(|workload| workload.namespace == ARGOCD)
    };
    let count = workloads().count();
    if count == 0 {
        let row = told(State::Down, "is not deployed");
        return Some(row.remedy("make world deploys it"));
    }
    if let Some(late) = workloads().find(|workload| workload.ready < workload.wanted) {
        return Some(not_ready("Argo CD", "", late, &kubeconfig(facts, region)));
    }
    let detail = format!("in {}, {count} workloads ready", region.cluster);
    Some(told(State::Well, &detail))
}

/// The path of a region's kubeconfig.
pub(super) fn kubeconfig(facts: &Facts, region: &Region) -> String {
    let name = format!("{}.yaml", region.cluster);
    let mut files = facts.files.iter();
    let file = files.find(|file| file.path.ends_with(&name));
    file.map_or(name.clone(), |file| file.path.display().to_string())
}
