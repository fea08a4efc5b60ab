//! Carries a bridge's plan out.

use futures_util::future::{join_all, try_join_all};

use super::observe::{
    CUSTOM_DNS, Observed, PATIENCE, clusters_of, dns_key, is_passing, members, observe,
};
use super::plan::{Plan, Step, plan};
use super::spec::{Spec, spec_of};
use super::{network_name, script};
use crate::context::Context;
use crate::docker::{File, NetworkSpec};
use crate::error::{Error, Result};
use crate::k3d::kubectl;
use crate::labels::{self, labels};
use crate::lock::{self, Lock};
use crate::network::refuse_overlap;
use crate::path::FieldPath;
use crate::presence::Presence;

/// The lock of all bridges: two that share a cluster share its DNS.
const LOCK: &str = "bridges";

/// A bridge of which everything was checked and nothing changed. Other runs wait until it is dropped.
pub struct Admitted {
    spec: Spec,
    observed: Observed,
    todo: Plan,
    lock: Lock,
}

/// Checks all that can be checked before a bridge is made or changed.
///
/// # Errors
/// A member that does not exist, overlapping networks, or a change that needs another bridge.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Admitted> {
    let lock = lock::take(cx, LOCK).await?;
    let observed = observe(cx, &spec.name, &names(spec)).await?;
    let todo = plan(spec, &observed)?;
    for (position, name) in names(spec).iter().enumerate() {
        if !observed.clusters.contains_key(name) {
            let path = FieldPath::of("clusters").index(position).name("name");
            return Err(Error::invalid(
                path,
                format!("there is no cluster {name:?}."),
                "Create it first; a reference to the cluster resource does that by itself.",
            ));
        }
    }
    if !todo.replace.is_empty() {
        let fields = todo
            .replace
            .iter()
            .map(|field| (*field).to_owned())
            .collect();
        return Err(Error::NeedsReplacement {
            kind: "bridge",
            name: spec.name.clone(),
            fields,
        });
    }
    if observed.network.is_none() {
        let existing = cx
            .guard("listing networks", cx.docker.networks(None))
            .await?;
        let (own, path) = (network_name(&spec.name), FieldPath::of("subnet"));
        let overlap = refuse_overlap(spec.subnet, &own, &path, &existing);
        crate::error::refuse(overlap.into_iter().collect())?;
    }
    Ok(Admitted {
        spec: spec.clone(),
        observed,
        todo,
        lock,
    })
}

impl Admitted {
    /// How much of it is there already.
    pub fn presence(&self) -> Presence {
        Presence::of(self.observed.network.is_some(), self.todo.is_empty())
    }

    /// Makes it so.
    pub async fn carry_out(self, cx: &Context) -> Result<Observed> {
        let Self {
            spec,
            observed,
            todo,
            lock,
        } = self;
        carry_out(cx, &spec, &todo).await?;
        let now = observe(cx, &spec.name, &names(&spec)).await?;
        drop(lock);
        let left = observed.clusters.keys();
        let left = left.filter(|name| !spec.members.iter().any(|one| one.cluster == **name));
        on_other_bridges(cx, left).await;
        Ok(now)
    }
}

fn names(spec: &Spec) -> Vec<String> {
    let members = spec.members.iter();
    members.map(|member| member.cluster.clone()).collect()
}

/// Makes the bridge, or brings it to what is wanted.
///
/// # Errors
/// As [`admit`], and whatever fails on the way.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    admit(cx, spec).await?.carry_out(cx).await
}

/// Takes routes, names and attachments back and removes the transit network.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let lock = lock::take(cx, LOCK).await?;
    let observed = observe(cx, name, &[]).await?;
    cx.tell(&format!("removing bridge {name}"));
    let views = || observed.clusters.values();
    let told = views()
        .filter(|view| view.stub_zones.is_some())
        .filter_map(|view| view.server.as_ref());
    let told = told.map(|server| async move {
        // Names that lead nowhere do less harm than a bridge that cannot be removed.
        if let Err(error) = set_names(cx, name, server, None).await {
            tracing::warn!("the DNS of {server} keeps the names of bridge {name}: {error}");
            cx.tell(&format!("the DNS of {server} could not be told"));
        }
    });
    join_all(told).await;
    let nodes = views().flat_map(|view| &view.nodes);
    let nodes = nodes.filter(|node| node.attached || node.script.is_some());
    try_join_all(nodes.map(|node| leave(cx, name, &node.name, node.running))).await?;
    cx.guard("removing the transit network", async {
        let transit = network_name(name);
        // Also nodes of clusters that have no server any more; what is not k3d's keeps the network.
        for node in cx.docker.containers_on(&transit).await? {
            if node.label(labels::CLUSTER).is_some() {
                cx.docker.detach(&transit, &node.name).await?;
            }
        }
        cx.docker.remove_network(&transit).await
    })
    .await?;
    drop(lock);
    on_other_bridges(cx, observed.clusters.keys()).await;
    Ok(())
}

/// A zone that this bridge defined may be another's to define now.
async fn on_other_bridges(cx: &Context, clusters: impl Iterator<Item = &String>) {
    for cluster in clusters {
        if let Err(error) = rejoin(cx, cluster).await {
            tracing::warn!("the other bridges of {cluster}: {error}");
        }
    }
}

/// Puts a cluster's new nodes on every bridge that the cluster is on, and a cluster that was made anew on
/// every bridge that it was on.
pub async fn rejoin(cx: &Context, cluster: &str) -> Result<()> {
    let list = cx.docker.networks(Some(labels::ATLAS_BRIDGE));
    let bridges = cx.guard("listing bridges", list).await?;
    if bridges.is_empty() {
        return Ok(());
    }
    let _lock = lock::take(cx, LOCK).await?;
    for network in bridges {
        let Some(name) = network.labels.get(labels::ATLAS_BRIDGE) else {
            continue;
        };
        // Looked at from outside first: what other clusters do is no business of this one.
        let attached = cx.docker.containers_on(&network.name).await?;
        let on_it = clusters_of(&attached).contains(cluster)
            || members(cx, name, &network, &attached)
                .await?
                .iter()
                .any(|member| member == cluster);
        if !on_it {
            continue;
        }
        let mut observed = observe(cx, name, &[cluster.to_owned()]).await?;
        // Others that are being made join by themselves, once they are whole.
        observed.clusters.retain(|other, view| {
            other == cluster || view.server.is_some() || view.nodes.iter().any(|node| node.attached)
        });
        let Some(spec) = spec_of(name, &observed).filter(|spec| spec.members.len() > 1) else {
            continue;
        };
        match plan(&spec, &observed) {
            Ok(todo) => carry_out(cx, &spec, &todo).await?,
            // The cluster is well; it is the bridge that must be declared otherwise, and its own plan says
            // how.
            Err(error) => {
                tracing::warn!("cluster {cluster} cannot join bridge {name}: {error}");
                cx.tell(&format!("cluster {cluster} cannot join bridge {name}"));
            }
        }
    }
    Ok(())
}

async fn carry_out(cx: &Context, spec: &Spec, todo: &Plan) -> Result<()> {
    for step in &todo.steps {
        cx.tell(&format!("bridge {}: {}", spec.name, step.summary()));
    }
    if todo
        .steps
        .iter()
        .any(|step| matches!(step, Step::CreateNetwork { .. }))
    {
        create_network(cx, spec).await?;
    }
    let transit = network_name(&spec.name);
    let attach = todo.steps.iter().filter_map(|step| match step {
        Step::Attach { node, address } => Some(async {
            // An address that is to change, or a network that is gone: both need a clean start.
            cx.docker.detach(&transit, node).await?;
            let attached = cx.docker.attach(&transit, node, Some(*address)).await;
            unless_passing(node, attached)
        }),
        _ => None,
    });
    cx.guard("attaching nodes to the bridge", try_join_all(attach))
        .await?;
    let route = todo.steps.iter().filter_map(|step| match step {
        Step::Route {
            node,
            running,
            script,
        } => Some(async {
            let set = set_routes(cx, &spec.name, node, *running, script).await;
            unless_passing(node, set)
        }),
        _ => None,
    });
    cx.guard("setting routes", try_join_all(route)).await?;
    let leaving = todo.steps.iter().filter_map(|step| match step {
        Step::Leave { node, running } => Some(leave(cx, &spec.name, node, *running)),
        _ => None,
    });
    try_join_all(leaving).await?;
    let names = todo.steps.iter().filter_map(|step| match step {
        Step::Names { server, zones, .. } => {
            Some(set_names(cx, &spec.name, server, zones.as_deref()))
        }
        _ => None,
    });
    try_join_all(names).await.map(drop)
}

/// A node that went or stopped since it was looked at, as another run scales its cluster down for
/// instance, is no failure of this one: the next plan sees what is there then.
fn unless_passing(node: &str, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if is_passing(&error) => {
            tracing::warn!("node {node} changed meanwhile: {error}");
            Ok(())
        }
        other => other,
    }
}

async fn create_network(cx: &Context, spec: &Spec) -> Result<()> {
    let name = network_name(&spec.name);
    let members = names(spec).join(",");
    let request = NetworkSpec {
        name,
        subnet: Some(spec.subnet),
        gateway: None,
        labels: labels([
            (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
            (labels::ATLAS_BRIDGE, &spec.name),
            (labels::ATLAS_BRIDGE_MEMBERS, &members),
            (
                labels::ATLAS_BRIDGE_DNS,
                if spec.dns { "true" } else { "false" },
            ),
        ]),
    };
    let work = cx.docker.create_network(&request);
    cx.guard("creating the transit network", work).await
}

async fn set_routes(
    cx: &Context,
    bridge: &str,
    node: &str,
    running: bool,
    content: &str,
) -> Result<()> {
    let path = script::path(bridge);
    if running {
        // Routes of the script before, if there is one, must not outlive it.
        let old = format!("[ ! -x {path} ] || {path} down");
        cx.docker.exec(node, &["sh", "-c", &old]).await?;
    }
    let file = File {
        path: path.clone(),
        content: content.as_bytes().into(),
        mode: 0o744,
    };
    cx.docker.put_files(node, &[file]).await?;
    if running {
        cx.docker.exec(node, &["sh", &path]).await?;
    }
    Ok(())
}

async fn leave(cx: &Context, bridge: &str, node: &str, running: bool) -> Result<()> {
    let work = async {
        let path = script::path(bridge);
        let undo = format!("[ ! -x {path} ] || {path} down; rm -f {path}");
        let undone = if running {
            let done = cx.docker.exec(node, &["sh", "-c", &undo]).await;
            let went = done.is_ok();
            unless_passing(node, done.map(drop))?;
            went
        } else {
            false
        };
        if !undone {
            // A file cannot be removed from a stopped container; one that does nothing can be put.
            let nothing = File {
                path,
                content: b"#!/bin/sh\nexit 0\n".into(),
                mode: 0o744,
            };
            unless_passing(node, cx.docker.put_files(node, &[nothing]).await)?;
        }
        cx.docker.detach(&network_name(bridge), node).await?;
        if undone {
            let settled = cx.docker.exec(node, &["sh", "-c", &script::settle()]).await;
            unless_passing(node, settled.map(drop))?;
        }
        Ok(())
    };
    cx.guard("taking a node off the bridge", work).await
}

/// Tells a cluster's DNS, and waits until it answers with what it was told: Kubernetes alone would take
/// minutes to pass a changed ConfigMap on.
async fn set_names(cx: &Context, bridge: &str, server: &str, zones: Option<&str>) -> Result<()> {
    let patch = serde_json::json!({"data": {dns_key(bridge): zones}}).to_string();
    let namespace = "--namespace=kube-system";
    // Created where it is missing; its other keys are the user's.
    let question = [
        "get",
        "configmap",
        CUSTOM_DNS,
        namespace,
        "--ignore-not-found",
        PATIENCE,
        "-o",
        "name",
    ];
    if kubectl(cx, server, &question).await?.trim().is_empty() {
        match kubectl(cx, server, &["create", "configmap", CUSTOM_DNS, namespace]).await {
            // Somebody else's addition came first.
            Err(Error::Exec { output, .. }) if output.contains("AlreadyExists") => {}
            other => drop(other?),
        }
    }
    kubectl(
        cx,
        server,
        &[
            "patch",
            "configmap",
            CUSTOM_DNS,
            namespace,
            PATIENCE,
            "--type=merge",
            "-p",
            &patch,
        ],
    )
    .await?;
    let deployment = "deployment/coredns";
    kubectl(cx, server, &["rollout", "restart", deployment, namespace]).await?;
    kubectl(
        cx,
        server,
        &["rollout", "status", deployment, namespace, "--timeout=180s"],
    )
    .await?;
    Ok(())
}
