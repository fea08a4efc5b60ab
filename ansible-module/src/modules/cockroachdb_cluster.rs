//! `cockroachdb_cluster`: what is done once for all regions of a `CockroachDB` cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use argspec::{Answer, Failure, Kind, Opt, Spec as Options, python};
use atlas_engine::cockroachdb::cluster::{self, Observed, Spec};
use atlas_engine::cockroachdb::quorum::{Failure as Loss, Kind as LossOf};
use atlas_engine::cockroachdb::topology::{NodeStatus, Topology};
use atlas_engine::error;
use serde_json::{Map, Value, json};

use super::state;
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::{Params, Reader};

pub(super) fn module() -> Module {
    Module {
        name: "cockroachdb_cluster",
        docs: Docs {
            short: "CockroachDB clusters, made of regions that exist",
            description: &[
                "Initializes a cluster once, waits for all its nodes, sets its settings and licence, and spreads its system \
                 ranges over the regions so that the loss of one leaves a majority. Its regions come first, by \
                 M(atlas.world.cockroachdb_region).",
                "An option that is not given is not compared, and neither is a setting that is not named. In check \
                 mode regions that do not exist yet are assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/cockroachdb_cluster.yml"),
            returns: &[(
                "cluster",
                "dict",
                "The cluster as it is, with the attributes of the Terraform resource atlas_cockroachdb_cluster; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option("name", Opt::new(Kind::Str, "Its name, the same as O(atlas.world.cockroachdb_region#module:cluster) of its regions.").required())
        .option("state", state(&["present", "absent"], "Whether the cluster exists. Removing it removes all its nodes and their volumes, of every region; while it holds tables, or does not answer, only with O(force_destroy)."))
        .option("regions", Opt::list(Kind::Str, "Names of its regions. Each must have a live node before the cluster counts as made. Left out, they are those that are there."))
        .option("certificates", Opt::new(Kind::Path, "The same folder as in its regions. What Atlas made in it goes with the last cluster that uses it; your own files stay, also an authority that you brought."))
        .option("settings", Opt::new(Kind::Dict, "Cluster settings by name. Others are left alone."))
        .option("license", Opt::new(Kind::Str, "The licence key, C(crl-0-…). It is never shown. Left out, the licence is left alone; without one, CockroachDB allows five open transactions at a time after its grace period of 7 days.").secret())
        .option("force_destroy", Opt::new(Kind::Bool, "Whether removing the cluster may remove tables.").or(false))
}

/// The nodes that have not left, in the words of the Terraform resource.
fn nodes(topology: Option<&Topology>) -> Vec<Value> {
    let node = |node: &NodeStatus| {
        json!({
            "id": node.id,
            "address": node.address,
            "region": node.tier("region"),
            "zone": node.tier("zone"),
            "build": node.build,
            "live": node.is_live,
            "available": node.is_available,
            "membership": node.membership,
        })
    };
    let members = topology.into_iter().flat_map(Topology::members);
    members.map(node).collect()
}

/// What the loss of each node, zone or region leaves, in the words of Terraform's `atlas_cockroachdb_survival`.
pub(super) fn losses(observed: &Observed, kind: LossOf) -> Map<String, Value> {
    let told = |one: &Loss| {
        let value = json!({
            "survived": one.is_survived,
            "margin": one.margin,
            "lost_ranges": one.lost_ranges,
        });
        (one.name.clone(), value)
    };
    let all = observed.report.failures.iter();
    all.filter(|one| one.kind == kind).map(told).collect()
}

/// The cluster as it is, in the words of the Terraform resource.
pub(super) fn object(name: &str, observed: &Observed) -> Value {
    if observed.is_gone() {
        return Value::Null;
    }
    let topology = observed.view.topology();
    let regions = losses(observed, LossOf::Region).into_iter();
    let margins: Map<String, Value> = regions
        .map(|(region, loss)| (region, loss["margin"].clone()))
        .collect();
    json!({
        "name": name,
        "id": name,
        "regions": observed.regions(),
        "settings": observed.settings,
        "nodes": nodes(topology),
        "connection_urls": observed.urls(),
        "console_urls": observed.consoles(),
        "underreplicated_ranges": topology.map(Topology::underreplicated),
        "unavailable_ranges": topology.map(Topology::unavailable),
        "quorum_margins": margins,
        "has_license": observed.has_license,
    })
}

/// Values as statements take them: YAML's `true` is no `True`.
fn settings(params: &Params) -> BTreeMap<String, String> {
    let given = params.inner("settings").unwrap_or_default().0;
    let text = |value: Value| match value {
        Value::Bool(flag) => flag.to_string(),
        other => python::str(&other),
    };
    let given = given.into_iter().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| (name, text(value))).collect()
}

/// The folder with the authority.
fn certificates(params: &Params) -> Result<Option<PathBuf>, Failure> {
    let mut reader = Reader::default();
    let folder = reader.local_path(params, "certificates");
    reader.finish().map(|()| folder)
}

/// What is asked for; what is not given is as it is.
fn specify(params: &Params, observed: &Observed) -> Result<Spec, Failure> {
    let given = params.texts("regions");
    let spec = Spec {
        name: params.required("name"),
        regions: given.map_or_else(|| observed.regions(), |all| all.into_iter().collect()),
        settings: settings(params),
        license: params.text("license").map(str::to_owned),
        certificates: certificates(params)?,
        ..Spec::default()
    };
    error::refuse(spec.problems()).map_err(|error| failure(&error))?;
    Ok(spec)
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let params = &call.params;
    let name = params.required("name");
    let asked = settings(params);
    let observed = cluster::observe(&call.cx, &name, asked.keys())
        .await
        .map_err(fail)?;
    let mut changes = Changes::of(format!("CockroachDB cluster {name}"));
    if params.text("state") == Some("absent") {
        if !observed.is_gone() {
            changes.property("state", "present", "absent");
            changes.action(format!("remove all nodes of {name}"));
            let force = params.flag("force_destroy").unwrap_or(false);
            changes.admit(call, cluster::admit_delete(&call.cx, &name, force).await)?;
            if !call.check {
                let spec = Spec {
                    name: name.clone(),
                    certificates: certificates(params)?,
                    ..Spec::default()
                };
                cluster::delete(&call.cx, &spec, force)
                    .await
                    .map_err(fail)?;
                return Ok(changes.answer(call, "cluster", Value::Null));
            }
        }
        return Ok(changes.answer(call, "cluster", object(&name, &observed)));
    }
    let spec = specify(params, &observed)?;
    changes.admit(call, cluster::admit(&call.cx, &spec).await)?;
    let plan = cluster::plan(&spec, &observed);
    if plan.steps.contains(&cluster::Step::Init) {
        changes.property("state", "absent", "present");
        changes.property("regions", Value::Null, json!(spec.regions));
    }
    for one in &plan.differences {
        // A cluster that does not serve yet has no values.
        let before = (!one.before.is_empty()).then(|| one.before.clone());
        changes.property(&one.field, json!(before), one.after.clone());
    }
    for step in &plan.steps {
        changes.action(step.summary(&name));
    }
    if call.check || changes.is_empty() {
        return Ok(changes.answer(call, "cluster", object(&name, &observed)));
    }
    let made = cluster::apply(&call.cx, &spec).await.map_err(fail)?;
    Ok(changes.answer(call, "cluster", object(&name, &made)))
}
