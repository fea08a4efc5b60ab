//! `k3d_cluster`: clusters as declared.

use std::path::PathBuf;

use argspec::{Answer, Failure};
use atlas_engine::k3d::{self, Observed, Plan, Spec};
use atlas_engine::kubeconfig;
use serde_json::{Map, Value, json};

use super::cluster_options::{options, specify};
use super::cluster_view::{object, options_of, tell, view};
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;

pub(super) fn module() -> Module {
    Module {
        name: "k3d_cluster",
        docs: Docs {
            short: "k3d clusters",
            description: &[
                "Makes, changes, starts, stops and removes k3d clusters, in the shape that the k3d CLI gives them. \
                 The k3d CLI lists and deletes such a cluster like its own, and one that the k3d CLI or Terraform \
                 made is taken as it is.",
                "An option that is not given is not compared. An empty list means none.",
                "Agents and ports through the load balancer change in place. What concerns the server, which holds \
                 the cluster's data, makes another cluster, and needs O(recreate).",
                "Every node that is made is waited for until Kubernetes calls it Ready.",
            ],
            examples: "
- name: A cluster with two agents, and a port through its load balancer
  atlas.world.k3d_cluster:
    name: dc-us
    agents: 2
    network: atlas-us-east
    cluster_cidr: 10.64.128.0/17
    service_cidr: 10.64.64.0/18
    ports:
      - container_port: 80
        host_port: 8080
    kubeconfig:
      path: ~/.kube/dc-us.yaml

- name: Stop it, keeping its data
  atlas.world.k3d_cluster:
    name: dc-us
    state: stopped

- name: Remove it
  atlas.world.k3d_cluster:
    name: dc-us
    state: absent
",
            returns: &[(
                "cluster",
                "dict",
                "The cluster as it is, with the attributes of the Terraform data source atlas_k3d_cluster but its credentials; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let name = call.params.required("name");
    let observed = Box::pin(k3d::observe(&call.cx, &name))
        .await
        .map_err(|error| failure(&error))?;
    match call.params.text("state") {
        Some("absent") => absent(call, &name, observed).await,
        Some("started") => power(call, &name, observed, true).await,
        Some("stopped") => power(call, &name, observed, false).await,
        _ => present(call, observed).await,
    }
}

/// The kubeconfig file that is to be kept, and whether to switch to the cluster in it.
fn kubeconfig_file(call: &Call) -> Result<Option<(PathBuf, bool)>, Failure> {
    let Some(options) = call.params.inner("kubeconfig") else {
        return Ok(None);
    };
    let switch = options.flag("switch_current_context").unwrap_or(false);
    if let Some(path) = options.text("path") {
        return Ok(Some((path.into(), switch)));
    }
    if options.flag("update_default_kubeconfig") == Some(true) {
        let path = kubeconfig::default_path().map_err(|error| failure(&error))?;
        return Ok(Some((path, switch)));
    }
    Ok(None)
}

async fn absent(call: &Call, name: &str, observed: Option<Observed>) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let mut changes = Changes::of(format!("cluster {name}"));
    if let Some(found) = &observed {
        changes.property("state", "present", "absent");
        for (_, node) in &found.nodes {
            changes.object(&node.name, &node.state.status, "absent");
        }
        changes.action(format!("delete cluster {name}"));
    }
    let file = kubeconfig_file(call)?;
    if let Some((path, _)) = &file
        && kubeconfig::names_cluster(path, name).map_err(fail)?
    {
        changes.property(
            "kubeconfig",
            format!("entries in {}", path.display()),
            "no entries",
        );
        changes.action(format!("take the cluster out of {}", path.display()));
    }
    if call.check {
        return Ok(changes.answer(call, "cluster", object(observed.as_ref())));
    }
    k3d::delete(&call.cx, name).await.map_err(fail)?;
    if let Some((path, _)) = &file {
        kubeconfig::remove_from(path, name).map_err(fail)?;
    }
    Ok(changes.answer(call, "cluster", Value::Null))
}

async fn power(
    call: &Call,
    name: &str,
    observed: Option<Observed>,
    running: bool,
) -> Result<Answer, Failure> {
    let mut changes = Changes::of(format!("cluster {name}"));
    let Some(found) = observed.filter(|found| found.server().is_some()) else {
        if call.check {
            changes.warn(format!(
                "Cluster {name} does not exist yet, and is taken to be made by an earlier task"
            ));
            changes.action(format!(
                "{} cluster {name}",
                if running { "start" } else { "stop" }
            ));
            return Ok(changes.answer(call, "cluster", Value::Null));
        }
        return Err(Failure::new(format!(
            "There is no cluster {name} to start or stop. Set state: present to make one."
        )));
    };
    for step in &k3d::plan_power(&found, running).steps {
        tell(step, Some(&found), &mut changes);
    }
    if call.check || changes.is_empty() {
        return Ok(changes.answer(call, "cluster", object(Some(&found))));
    }
    let done = if running {
        Box::pin(k3d::start(&call.cx, name)).await
    } else {
        Box::pin(k3d::stop(&call.cx, name)).await
    };
    let done = done.map_err(|error| failure(&error))?;
    Ok(changes.answer(call, "cluster", object(Some(&done))))
}

async fn present(call: &Call, observed: Option<Observed>) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let spec = specify(&call.params, observed.as_ref())?;
    let file = kubeconfig_file(call)?;
    let outcome = converge(call, &spec, observed, file.as_ref()).await?;
    let (mut changes, observed) = match outcome {
        Converged::Told(changes, observed) => {
            return Ok(changes.answer(call, "cluster", object(observed.as_ref())));
        }
        Converged::Done(changes, observed) => (changes, observed),
    };
    if let Some((path, switch)) = file
        && let Some(found) = k3d::credentials(&call.cx, &observed).await.map_err(fail)?
        && !kubeconfig::is_merged(&path, &found.kubeconfig, switch).map_err(fail)?
    {
        kubeconfig::merge_into(&path, &found.kubeconfig, switch).map_err(fail)?;
        tell_kubeconfig(&path, &mut changes);
    }
    Ok(changes.answer(call, "cluster", object(Some(&observed))))
}

fn tell_kubeconfig(path: &std::path::Path, changes: &mut Changes) {
    if changes.is_told("kubeconfig") {
        return;
    }
    changes.property(
        "kubeconfig",
        format!("{} without the cluster's entries", path.display()),
        format!("{} with the cluster's entries", path.display()),
    );
    changes.action(format!(
        "write the cluster's entries into {}",
        path.display()
    ));
}

/// How far a convergence went.
pub(super) enum Converged {
    /// Nothing was to be done, or only to be told: the cluster is as it was.
    Told(Changes, Option<Observed>),
    /// It is as declared now.
    Done(Changes, Observed),
}

/// Plans, tells, and unless it is only asked for, makes the cluster what `spec` says.
pub(super) async fn converge(
    call: &Call,
    spec: &Spec,
    observed: Option<Observed>,
    file: Option<&(PathBuf, bool)>,
) -> Result<Converged, Failure> {
    let fail = |error| failure(&error);
    let observed = observed.filter(|found| !found.nodes.is_empty());
    let plan = k3d::plan(spec, observed.as_ref()).map_err(fail)?;
    let policy = call.params.text("recreate").unwrap_or("never");
    let anew = !plan.replace.is_empty() || (observed.is_some() && policy == "always");
    let mut changes = Changes::of(format!("cluster {}", spec.name));
    describe(spec, observed.as_ref(), &plan, &mut changes);
    if anew {
        changes.action(format!("delete cluster {}", spec.name));
        changes.action(format!("create cluster {}", spec.name));
        if policy == "never" {
            return Err(changes.refusal());
        }
    }
    if let Some((path, switch)) = file {
        let there = match &observed {
            Some(observed) if !anew => k3d::credentials(&call.cx, observed).await.map_err(fail)?,
            _ => None,
        };
        let merged = match &there {
            Some(found) => kubeconfig::is_merged(path, &found.kubeconfig, *switch).map_err(fail)?,
            None => false,
        };
        if !merged {
            tell_kubeconfig(path, &mut changes);
        }
    }
    // What would be refused in the run is refused in the check as well.
    k3d::preflight(&call.cx, spec, observed.as_ref().filter(|_| !anew))
        .await
        .or_else(|error| if anew { Ok(()) } else { Err(error) })
        .map_err(fail)?;
    if call.check {
        return Ok(Converged::Told(changes, observed));
    }
    let done = match &observed {
        Some(found) if plan.is_empty() && !anew => found.clone(),
        Some(_) if !anew => Box::pin(k3d::update(&call.cx, spec)).await.map_err(fail)?,
        Some(_) => {
            k3d::delete(&call.cx, &spec.name).await.map_err(fail)?;
            Box::pin(k3d::create(&call.cx, spec)).await.map_err(fail)?
        }
        None => Box::pin(k3d::create(&call.cx, spec)).await.map_err(fail)?,
    };
    Ok(Converged::Done(changes, done))
}

/// The properties that differ, and the objects that are made, started or removed for it.
fn describe(spec: &Spec, observed: Option<&Observed>, plan: &Plan, changes: &mut Changes) {
    let wanted = view(spec);
    let there = observed.and_then(k3d::spec_of);
    if let (Some(observed), Some(there)) = (observed, there) {
        let before = view(&there);
        let pick =
            |all: &Map<String, Value>, name: &str| all.get(name).cloned().unwrap_or_default();
        // Values that are not shown can differ where all that is shown is the same.
        let after = |name: &str| {
            let hidden = name == "env" && before.get(name) == wanted.get(name);
            if hidden {
                "the same names, other values".into()
            } else {
                pick(&wanted, name)
            }
        };
        for replace in &plan.replace {
            if replace.field == "token" {
                changes.replacing("token", "one secret", "another");
            }
            for name in options_of(replace.field) {
                changes.replacing(name, pick(&before, name), after(name));
            }
        }
        changes.property("agents", there.agents, spec.agents);
        for block in observed.changed_blocks(spec) {
            for name in options_of(block) {
                changes.property(name, pick(&before, name), after(name));
            }
        }
    } else {
        changes.property("state", "absent", "present");
        for (name, value) in &wanted {
            let default = value.is_null() || *value == json!([]) || *value == json!(false);
            if !default {
                changes.property(name, Value::Null, value.clone());
            }
        }
    }
    for step in &plan.steps {
        tell(step, observed, changes);
    }
}
