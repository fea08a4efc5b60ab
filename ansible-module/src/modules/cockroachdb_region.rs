//! `cockroachdb_region`: the nodes of one region of a `CockroachDB` cluster.

use argspec::{Answer, Failure};
use atlas_engine::cockroachdb::names;
use atlas_engine::cockroachdb::region::{self, Around, Observed, Placement, Spec};
use atlas_engine::obtainable::{self, Loss};
use atlas_engine::{FieldPath, size};
use serde_json::{Value, json};

use super::cockroachdb_region_options::{options, specify};
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;

pub(super) fn module() -> Module {
    Module {
        name: "cockroachdb_region",
        docs: Docs {
            short: "The nodes of one region of a CockroachDB cluster",
            description: &[
                "Creates, changes and removes the nodes of a region, in containers, or waits for nodes that run \
                 elsewhere. New nodes start and wait for the cluster's C(init), which \
                 M(atlas.world.cockroachdb_cluster) does; in a cluster that serves they join at once.",
                "Nodes that are taken away are drained and decommissioned first. What needs another container (a \
                 version, a port) is changed node by node, each is drained and recreated on its volume, and the next \
                 follows when all ranges are replicated.",
                "An option that is left out is not compared. In check mode a network that does not exist yet is \
                 assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/cockroachdb_region.yml"),
            returns: &[(
                "region",
                "dict",
                "The region as it is, with the attributes of the Terraform resource atlas_cockroachdb_region; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

/// The region as it is, in the words of the Terraform resource.
pub(super) fn object(observed: &Observed, placement: Placement) -> Value {
    let id = format!("{}/{}", observed.cluster, observed.region);
    let in_region = observed.view.topology().into_iter();
    let in_region: Vec<_> = in_region
        .flat_map(|topology| topology.in_region(&observed.region))
        .collect();
    let ids: Vec<u64> = in_region.iter().map(|node| node.id).collect();
    if placement == Placement::External {
        return json!({
            "cluster": observed.cluster,
            "name": observed.region,
            "id": id,
            "placement": "external",
            "nodes": observed.view.topology().map_or(0, |all| observed.live_elsewhere(all)),
            "node_ids": ids,
        });
    }
    if observed.is_gone() {
        return Value::Null;
    }
    let found = observed.spec().unwrap_or_default();
    let containers = observed.members.iter();
    let containers: Vec<&str> = containers.map(|one| one.container.name.as_str()).collect();
    let volumes = observed.volumes.iter();
    let volumes: Vec<String> = volumes
        .map(|number| names::node(&observed.cluster, &observed.region, *number))
        .collect();
    json!({
        "cluster": observed.cluster,
        "name": observed.region,
        "id": id,
        "placement": "docker",
        "regions": found.regions,
        "join": found.join,
        "nodes": containers.len(),
        "image": found.image,
        "network": found.network,
        "zones": found.zones,
        "addresses": found.addresses,
        "sql_ports": found.sql_ports,
        "http_ports": found.http_ports,
        "cache": found.resources.cache,
        "max_sql_memory": found.resources.max_sql_memory,
        "memory": found.resources.memory.map(size::render),
        "cpus": found.resources.nano_cpus.map(processors),
        "certificate_days": is_secure(observed).then_some(found.certificate_days),
        "host_names": found.host_names,
        "insecure": !is_secure(observed),
        "containers": containers,
        "volumes": volumes,
        "node_ids": ids,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a thousand processors have thirteen digits"
)]
fn processors(billionths: i64) -> f64 {
    billionths as f64 / 1e9
}

pub(super) fn is_secure(observed: &Observed) -> bool {
    let mut members = observed.members.iter();
    members.any(|one| one.found.secure)
}

/// What a new region is made with.
fn describe(spec: &Spec, changes: &mut Changes) {
    changes.property("state", "absent", "present");
    let list = |all: Value| match all.as_array() {
        Some(items) if items.is_empty() => Value::Null,
        _ => all,
    };
    let resources = &spec.resources;
    let secure = spec.certificates.is_some();
    for (name, value) in [
        ("nodes", json!(spec.nodes)),
        ("image", json!(spec.image)),
        ("network", json!(spec.network)),
        ("zones", list(json!(spec.zones))),
        ("addresses", list(json!(spec.addresses))),
        ("sql_ports", list(json!(spec.sql_ports))),
        ("http_ports", list(json!(spec.http_ports))),
        ("cache", json!(resources.cache)),
        ("max_sql_memory", json!(resources.max_sql_memory)),
        ("memory", json!(resources.memory.map(size::render))),
        ("cpus", json!(resources.nano_cpus.map(processors))),
        (
            "certificate_days",
            json!(secure.then_some(spec.certificate_days)),
        ),
        ("insecure", json!(!secure)),
    ] {
        changes.property(name, Value::Null, value);
    }
}

/// A step that is needed for something that differs, and what that is.
fn tell(spec: &Spec, observed: &Observed, plan: &region::Plan, changes: &mut Changes) {
    if observed.is_gone() && spec.placement == Placement::Docker {
        describe(spec, changes);
    }
    for one in &plan.differences {
        let (before, after) = (one.before.clone(), one.after.clone());
        if one.replaces {
            changes.replacing(&one.field, before, after);
        } else {
            changes.property(&one.field, before, after);
        }
    }
    for step in &plan.steps {
        changes.action(step.summary(&spec.cluster, &spec.name));
    }
    if !plan.steps.is_empty()
        && let Some(text) = region::warning(observed, spec.nodes)
    {
        changes.warn(text);
    }
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let (cluster, name) = (
        call.params.required("cluster"),
        call.params.required("name"),
    );
    let observed = region::observe(&call.cx, &cluster, &name)
        .await
        .map_err(fail)?;
    let title = format!("region {cluster}/{name}");
    let mut changes = Changes::of(title.clone());
    if call.params.text("state") == Some("absent") {
        if call.params.text("placement") == Some("external") {
            // They are nobody's to remove but their owner's.
            return Ok(changes.answer(call, "region", Value::Null));
        }
        return remove(call, &observed, changes, &title).await;
    }
    let spec = specify(&call.params, &observed)?;
    changes.admit(call, region::admit(&call.cx, &spec).await)?;
    let around = Around::now(&spec);
    let plan = region::plan(&spec, &observed, &around);
    if let Some(text) = around.warning() {
        changes.warn(text);
    }
    tell(&spec, &observed, &plan, &mut changes);
    let policy = call.params.text("recreate").unwrap_or("never");
    let anew = !plan.replace().is_empty() || (policy == "always" && !observed.is_gone());
    if anew {
        if policy == "never" {
            return Err(changes.refusal());
        }
        changes.action(format!("recreate {title}"));
        let admitted = region::admit_delete(&call.cx, &cluster, &name).await;
        changes.admit(call, admitted)?;
        let image = [(FieldPath::of("image"), spec.image.as_str())];
        let admitted = obtainable::admit(&call.cx, Loss::Whole, &image).await;
        changes.admit(call, admitted)?;
    }
    if call.check || changes.is_empty() {
        return Ok(changes.answer(call, "region", object(&observed, spec.placement)));
    }
    if anew {
        region::delete(&call.cx, &cluster, &name)
            .await
            .map_err(fail)?;
    }
    let made = region::apply(&call.cx, &spec).await.map_err(fail)?;
    Ok(changes.answer(call, "region", object(&made, spec.placement)))
}

async fn remove(
    call: &Call,
    observed: &Observed,
    mut changes: Changes,
    title: &str,
) -> Result<Answer, Failure> {
    // Of nodes that run elsewhere nothing is here.
    if observed.is_gone() {
        return Ok(changes.answer(call, "region", Value::Null));
    }
    changes.property("state", "present", "absent");
    changes.action(format!("remove {title}"));
    if let Some(text) = region::warning(observed, 0) {
        changes.warn(text);
    }
    let admitted = region::admit_delete(&call.cx, &observed.cluster, &observed.region).await;
    changes.admit(call, admitted)?;
    if call.check {
        return Ok(changes.answer(call, "region", object(observed, Placement::Docker)));
    }
    region::delete(&call.cx, &observed.cluster, &observed.region)
        .await
        .map_err(|error| failure(&error))?;
    Ok(changes.answer(call, "region", Value::Null))
}
