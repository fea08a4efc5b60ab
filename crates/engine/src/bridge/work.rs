//! A bridge's steps, in stages: the network, attachments, routes, those that leave, names. Within a stage they run side by
//! side.

use futures_util::future::try_join_all;

use super::observe::{dns_key, is_passing};
use super::plan::{Plan, Step};
use super::spec::Spec;
use super::{network_name, script};
use crate::context::Context;
use crate::docker::{File, NetworkSpec};
use crate::error::Result;
use crate::k3d::dns;
use crate::labels::{self, labels};

/// Carries all steps out.
pub(super) async fn carry_out(cx: &Context, spec: &Spec, todo: &Plan) -> Result<()> {
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
    let members = spec.clusters().collect::<Vec<_>>().join(",");
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
            (labels::ATLAS_BRIDGE_DOMAIN, &spec.domain),
        ]),
    };
    let work = cx.docker.create_network(&request);
    cx.guard("creating the transit network", work)
        .await
        .map(drop)
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

/// Takes routes and attachment of one node back.
pub(super) async fn leave(cx: &Context, bridge: &str, node: &str, running: bool) -> Result<()> {
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

/// Tells a cluster's DNS the bridge's names, or takes them back.
pub(super) async fn set_names(
    cx: &Context,
    bridge: &str,
    server: &str,
    zones: Option<&str>,
) -> Result<()> {
    dns::tell(cx, server, &dns_key(bridge), zones).await
}
