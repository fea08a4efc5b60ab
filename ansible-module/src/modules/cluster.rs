//! `k3d_cluster`: clusters as declared.

use std::collections::BTreeSet;

use argspec::{Answer, Failure};
use atlas_engine::k3d::{self, Observed, Pair, Plan, Spec};
use atlas_engine::kubeconfig::Kept;
use atlas_engine::obtainable::{self, Loss};
use atlas_engine::{Error, FieldPath, network};
use serde_json::{Map, Value};

use super::cluster_options::{options, specify};
use super::cluster_view::{object, options_of, tell, view};
use super::kubeconfig::{kept, tell_entries};
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;

pub(super) fn module() -> Module {
    Module {
        name: "k3d_cluster",
        docs: Docs {
            short: "k3d clusters",
            description: &[
                "Creates, changes, starts, stops and removes k3d clusters, in the shape that the k3d CLI gives them. \
                 The k3d CLI lists and deletes such a cluster like its own, and one that the k3d CLI or Terraform \
                 made is taken as it is.",
                "An option that is left out is not compared. An empty list means none.",
                "Agents and ports through the load balancer change in place. What concerns the server, which holds \
                 the cluster's data, makes another cluster, and needs O(recreate).",
                "Every node that is made is waited for until Kubernetes calls it Ready.",
            ],
            examples: include_str!("../../examples/k3d_cluster.yml"),
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
    let file = kept(call.params.inner("kubeconfig").as_ref())?;
    match file.as_ref().map(|kept| kept.files.holding(name)) {
        Some(Ok(holding)) => {
            for path in holding {
                let path = path.display();
                let entries = format!("the cluster's entries in {path}");
                changes.property("kubeconfig", entries, Value::Null);
                changes.action(format!("take the cluster out of {path}"));
            }
        }
        // The run warns of it too: it holds up nothing.
        Some(Err(error)) if call.check => changes.warn(error.to_string()),
        _ => {}
    }
    if call.check {
        return Ok(changes.answer(call, "cluster", object(observed.as_ref())));
    }
    k3d::delete(&call.cx, name).await.map_err(fail)?;
    if let Some(kept) = &file {
        kept.files.forget(&call.cx, name).await;
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
                "Cluster {name} does not exist yet. Check mode assumes that an earlier task creates it"
            ));
            changes.action(format!(
                "{} cluster {name}",
                if running { "start" } else { "stop" }
            ));
            return Ok(changes.answer(call, "cluster", Value::Null));
        }
        return Err(Failure::new(format!(
            "There is no cluster {name} to start or stop. Set state: present to create it."
        )));
    };
    for step in &k3d::plan_power(&found, running).steps {
        tell(step, Some(&found), &mut changes);
    }
    if !changes.is_empty() {
        let some = found
            .nodes
            .iter()
            .any(|(_, node)| node.state.running == running);
        let before = match (some, running) {
            (true, _) => "partly started",
            (false, true) => "stopped",
            (false, false) => "started",
        };
        changes.property("state", before, if running { "started" } else { "stopped" });
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
    let file = kept(call.params.inner("kubeconfig").as_ref())?;
    let outcome = converge(call, &spec, observed, file.as_ref()).await?;
    let (mut changes, observed) = match outcome {
        Converged::Told(changes, observed) => {
            return Ok(changes.answer(call, "cluster", object(observed.as_ref())));
        }
        Converged::Done(changes, observed) => (changes, observed),
    };
    if let Some(Kept { files, switch }) = file
        && let Some(found) = k3d::credentials(&call.cx, &observed).await.map_err(fail)?
    {
        let (name, config) = (&observed.name, &found.kubeconfig);
        if let Ok(differs) = files.difference(name, Some(config), switch)
            && !changes.is_told("kubeconfig")
        {
            tell_entries(&differs, &mut changes);
        }
        files.keep(&call.cx, name, config, switch).await;
    }
    Ok(changes.answer(call, "cluster", object(Some(&observed))))
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
    file: Option<&Kept>,
) -> Result<Converged, Failure> {
    let fail = |error| failure(&error);
    let observed = observed.filter(|found| !found.nodes.is_empty());
    let plan = k3d::plan(spec, observed.as_ref()).map_err(fail)?;
    let policy = call.params.text("recreate").unwrap_or("never");
    let anew = !plan.replace.is_empty() || (observed.is_some() && policy == "always");
    let mut changes = Changes::of(format!("cluster {}", spec.name));
    if anew || !plan.is_empty() {
        describe(spec, observed.as_ref(), &plan, &mut changes).map_err(fail)?;
    }
    match &observed {
        Some(found) if anew => tell_anew(spec, found, &mut changes).map_err(fail)?,
        found => plan
            .steps
            .iter()
            .for_each(|step| tell(step, found.as_ref(), &mut changes)),
    }
    if anew && policy == "never" {
        return Err(changes.refusal());
    }
    if let Some(Kept { files, switch }) = file {
        let there = match &observed {
            Some(observed) if !anew => k3d::credentials(&call.cx, observed).await.map_err(fail)?,
            _ => None,
        };
        let config = there.as_ref().map(|found| &found.kubeconfig);
        let checked = files.check(&spec.name, config, *switch);
        if changes.admit(call, checked)?.is_some() {
            let differs = files.difference(&spec.name, config, *switch);
            tell_entries(&differs.map_err(fail)?, &mut changes);
        }
    }
    let admitted = match &observed {
        Some(going) if anew => k3d::preflight_anew(&call.cx, spec, going).await,
        there => k3d::preflight(&call.cx, spec, there.as_ref()).await,
    };
    changes.admit(call, admitted)?;
    let is_replaced = anew && observed.is_some();
    let of_balancer = FieldPath::of("load_balancer_image");
    let images = k3d::images(spec, &plan, is_replaced, of_balancer);
    let admitted = obtainable::admit(&call.cx, Loss::of(is_replaced), &images).await;
    changes.admit(call, admitted)?;
    if call.check {
        warn_of_network(call, spec, observed.as_ref(), &mut changes).await?;
        return Ok(Converged::Told(changes, observed));
    }
    let done = match &observed {
        Some(found) if plan.is_empty() && !anew => {
            Box::pin(k3d::settle(&call.cx, found)).await.map_err(fail)?;
            found.clone()
        }
        Some(_) if !anew => Box::pin(k3d::update(&call.cx, spec)).await.map_err(fail)?,
        Some(_) => {
            k3d::delete(&call.cx, &spec.name).await.map_err(fail)?;
            Box::pin(k3d::create(&call.cx, spec)).await.map_err(fail)?
        }
        None => Box::pin(k3d::create(&call.cx, spec)).await.map_err(fail)?,
    };
    Ok(Converged::Done(changes, done))
}

/// What a run would refuse, were the network not made until then.
async fn warn_of_network(
    call: &Call,
    spec: &Spec,
    observed: Option<&Observed>,
    changes: &mut Changes,
) -> Result<(), Failure> {
    if let (Some(name), None) = (&spec.network, observed) {
        let found = network::observe(&call.cx, name).await;
        if found.map_err(|error| failure(&error))?.is_none() {
            changes.warn(format!(
                "Network {name} does not exist yet. Check mode assumes that an earlier task creates it"
            ));
        }
    }
    Ok(())
}

/// The properties that differ, and the objects that are made, started or removed for it.
fn describe(
    spec: &Spec,
    observed: Option<&Observed>,
    plan: &Plan,
    changes: &mut Changes,
) -> Result<(), Error> {
    let wanted = k3d::spelled(spec, observed)?;
    let after = view(&wanted);
    let there = observed.and_then(k3d::spec_of);
    let before = there.as_ref().map(view).unwrap_or_default();
    if there.is_none() {
        changes.property("state", "absent", "present");
    }
    let replacing: Vec<&str> = plan
        .replace
        .iter()
        .flat_map(|one| options_of(one.field))
        .copied()
        .collect();
    if plan.replace.iter().any(|one| one.field == "token") {
        changes.replacing("token", "one secret", "another");
    }
    let hidden = there.as_ref().is_some_and(|there| {
        let env = |spec: &Spec| spec.env.iter().map(|item| item.value.clone()).collect();
        let (before, after): (BTreeSet<Pair>, BTreeSet<Pair>) = (env(there), env(&wanted));
        before != after
    });
    let other_words = there.as_ref().is_some_and(|there| {
        let words = |spec: &Spec| -> Vec<String> {
            spec.args.iter().map(|item| item.value.clone()).collect()
        };
        words(there) != words(&wanted)
    });
    for name in names(&before, &after) {
        let pick = |all: &Map<String, Value>| all.get(name).cloned().unwrap_or_default();
        let (before, mut after) = (pick(&before), pick(&after));
        // Values that are not shown can differ where all that is shown is the same.
        if name == "env" && hidden && before == after {
            after = "the same names, other values".into();
        }
        if name == "k3s_args" && other_words && before == after {
            after = "the same flags, other values".into();
        }
        if replacing.contains(&name) {
            changes.replacing(name, before, after);
        } else {
            changes.property(name, before, after);
        }
    }
    Ok(())
}

/// Everything of a cluster goes, and what is declared is made.
fn tell_anew(spec: &Spec, observed: &Observed, changes: &mut Changes) -> Result<(), Error> {
    changes.action(format!("delete cluster {}", spec.name));
    for (_, node) in &observed.nodes {
        changes.object(&node.name, &node.state.status, "absent");
    }
    for step in &k3d::plan(spec, None)?.steps {
        tell(step, Some(observed), changes);
    }
    Ok(())
}

/// The names of two views, in the order of the options.
fn names<'a>(before: &'a Map<String, Value>, after: &'a Map<String, Value>) -> Vec<&'a str> {
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    after.keys().chain(removed).map(String::as_str).collect()
}
