//! Carries a bridge's plan out.

use futures_util::future::try_join_all;

use super::observe::{CUSTOM_DNS, Observed, dns_key, observe};
use super::plan::{Plan, Step, plan};
use super::spec::{Spec, spec_of};
use super::{network_name, script};
use crate::context::Context;
use crate::docker::{File, NetworkSpec};
use crate::error::{Error, Result};
use crate::k3d::kubectl;
use crate::labels::{self, labels};
use crate::network::refuse_overlap;
use crate::path::FieldPath;

/// Makes the bridge, or brings it to what is wanted.
///
/// # Errors
/// A member that does not exist, overlapping networks, or a change that needs another bridge.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let names: Vec<String> = spec
        .members
        .iter()
        .map(|member| member.cluster.clone())
        .collect();
    let observed = observe(cx, &spec.name, &names).await?;
    let todo = plan(spec, &observed)?;
    for (position, name) in names.iter().enumerate() {
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
    carry_out(cx, spec, &todo).await?;
    observe(cx, &spec.name, &names).await
}

/// Takes routes, names and attachments back and removes the transit network.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let observed = observe(cx, name, &[]).await?;
    cx.tell(&format!("removing bridge {name}"));
    let views = || observed.clusters.values();
    let told = views()
        .filter(|view| view.stub_zones.is_some())
        .filter_map(|view| view.server.as_ref());
    try_join_all(told.map(|server| set_names(cx, name, server, None))).await?;
    let nodes = views().flat_map(|view| &view.nodes);
    try_join_all(nodes.map(|node| leave(cx, name, &node.name, node.running))).await?;
    cx.guard(
        "removing the transit network",
        cx.docker.remove_network(&network_name(name)),
    )
    .await
}

/// Puts a cluster's new nodes on every bridge that the cluster is on.
pub async fn rejoin(cx: &Context, cluster: &str) -> Result<()> {
    let bridges = cx
        .guard(
            "listing bridges",
            cx.docker.networks(Some(labels::ATLAS_BRIDGE)),
        )
        .await?;
    for network in bridges {
        let Some(name) = network.labels.get(labels::ATLAS_BRIDGE) else {
            continue;
        };
        // Looked at from outside first: what other clusters do is no business of this one.
        let attached = cx.docker.containers_on(&network.name).await?;
        if !attached
            .iter()
            .any(|node| node.label(labels::CLUSTER) == Some(cluster))
        {
            continue;
        }
        let observed = observe(cx, name, &[]).await?;
        if let Some(spec) = spec_of(name, &observed)
            && spec.members.len() > 1
        {
            let todo = plan(&spec, &observed)?;
            carry_out(cx, &spec, &todo).await?;
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
            cx.docker.attach(&transit, node, Some(*address)).await
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
        } => Some(set_routes(cx, &spec.name, node, *running, script)),
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

async fn create_network(cx: &Context, spec: &Spec) -> Result<()> {
    let name = network_name(&spec.name);
    let work = async {
        let existing = cx.docker.networks(None).await?;
        let path = FieldPath::of("subnet");
        crate::error::refuse(
            refuse_overlap(spec.subnet, &name, &path, &existing)
                .into_iter()
                .collect(),
        )?;
        cx.docker
            .create_network(&NetworkSpec {
                name: name.clone(),
                subnet: Some(spec.subnet),
                gateway: None,
                labels: labels([
                    (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
                    (labels::ATLAS_BRIDGE, &spec.name),
                ]),
            })
            .await
    };
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
        if running {
            let undo = format!("[ ! -x {path} ] || {path} down; rm -f {path}");
            cx.docker.exec(node, &["sh", "-c", &undo]).await?;
        } else {
            // A file cannot be removed from a stopped container; one that does nothing can be put.
            let nothing = File {
                path,
                content: b"#!/bin/sh\nexit 0\n".into(),
                mode: 0o744,
            };
            cx.docker.put_files(node, &[nothing]).await?;
        }
        cx.docker.detach(&network_name(bridge), node).await
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
        "-o",
        "name",
    ];
    if kubectl(cx, server, &question).await?.trim().is_empty() {
        kubectl(cx, server, &["create", "configmap", CUSTOM_DNS, namespace]).await?;
    }
    kubectl(
        cx,
        server,
        &[
            "patch",
            "configmap",
            CUSTOM_DNS,
            namespace,
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
