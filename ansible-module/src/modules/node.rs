//! `k3d_node`: agents by their own names.

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::k3d::{self, NodeSpec, Observed, node_container};
use atlas_engine::size;
use serde_json::{Value, json};

use super::cluster_view::tell;
use super::state;
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::Reader;

pub(super) fn module() -> Module {
    Module {
        name: "k3d_node",
        docs: Docs {
            short: "Single agents of k3d clusters",
            description: &[
                "Adds an agent to a cluster by its own name, beside those that the cluster counts, and removes it \
                 again. The container is called C(k3d-NAME-0), as C(k3d node create) calls it.",
                "An agent that is added takes what is not given from the cluster's other agents. A change drains and \
                 recreates it. It goes with its cluster.",
                "In check mode a cluster that does not exist yet is assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/k3d_node.yml"),
            returns: &[(
                "node",
                "dict",
                "The node as it is: its name, role, ip, state and image; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    let text = |description: &str| Opt::new(Kind::Str, description);
    Options::default()
        .option("cluster", text("The cluster's name.").required())
        .option("name", text("The node's own name.").required())
        .option(
            "state",
            state(&["present", "absent"], "Whether the node exists and runs."),
        )
        .option(
            "role",
            text("What it is for.").choices(&["agent"]).or("agent"),
        )
        .option("image", text("Its image."))
        .option("memory", text("Its memory limit, for instance V(2g)."))
        .option(
            "k3s_args",
            Opt::list(Kind::Str, "Further arguments of k3s."),
        )
        .option(
            "node_labels",
            Opt::list(Kind::Str, "Kubernetes labels, C(key=value)."),
        )
}

fn object(name: &str, observed: Option<&Observed>) -> Value {
    let container = node_container(name);
    let nodes = observed
        .map(|observed| observed.nodes.as_slice())
        .unwrap_or_default();
    let found = nodes.iter().find(|(_, node)| node.name == container);
    found.map_or(Value::Null, |(role, node)| {
        let network = observed
            .map(|observed| observed.network_name.as_str())
            .unwrap_or_default();
        let address = node.networks.get(network).copied().flatten();
        json!({
            "name": node.name,
            "role": role.as_str(),
            "ip": address.map(|address| address.to_string()),
            "state": node.state.status,
            "image": node.image,
        })
    })
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let params = &call.params;
    let (cluster, name) = (params.required("cluster"), params.required("name"));
    let mut reader = Reader::default();
    let spec = NodeSpec {
        cluster: cluster.clone(),
        name: name.clone(),
        image: params.text("image").map(str::to_owned),
        memory: reader.size(params, "memory"),
        args: params.texts("k3s_args"),
        node_labels: params
            .texts("node_labels")
            .map(|labels| labels.into_iter().collect()),
    };
    reader.finish()?;
    let observed = Box::pin(k3d::observe(&call.cx, &cluster))
        .await
        .map_err(fail)?;
    let mut changes = Changes::of(format!("node {name} of cluster {cluster}"));
    let wanted = params.text("state") != Some("absent");
    let Some(found) = observed.filter(|found| found.server().is_some()) else {
        return without_cluster(call, changes, &cluster, wanted);
    };
    let plan = if wanted {
        k3d::plan_node(&spec, &found).map_err(fail)?
    } else {
        k3d::plan_delete_node(&name, &found)
    };
    if wanted {
        describe(&spec, &found, &mut changes);
    } else if !plan.is_empty() {
        changes.property("state", "present", "absent");
    }
    for step in &plan.steps {
        tell(step, Some(&found), &mut changes);
    }
    if call.check || changes.is_empty() {
        return Ok(changes.answer(call, "node", object(&name, Some(&found))));
    }
    if wanted {
        let done = Box::pin(k3d::apply_node(&call.cx, &spec))
            .await
            .map_err(fail)?;
        return Ok(changes.answer(call, "node", object(&name, Some(&done))));
    }
    k3d::delete_node(&call.cx, &cluster, &name)
        .await
        .map_err(fail)?;
    Ok(changes.answer(call, "node", Value::Null))
}

/// The properties that differ.
fn describe(spec: &NodeSpec, observed: &Observed, changes: &mut Changes) {
    let (before, after) = k3d::node_specs(spec, observed);
    let view = |spec: &NodeSpec| {
        let memory = spec.memory.filter(|bytes| *bytes > 0);
        let args = spec.args.as_ref().filter(|args| !args.is_empty());
        let args = args.map(|args| args.iter().map(|arg| k3d::shown_argument(arg)));
        let args = args.map(Iterator::collect::<Vec<_>>);
        let labels = spec
            .node_labels
            .as_ref()
            .filter(|labels| !labels.is_empty());
        [
            ("image", json!(spec.image)),
            ("memory", json!(memory.map(size::render))),
            ("k3s_args", json!(args)),
            ("node_labels", json!(labels)),
        ]
    };
    if before.is_none() {
        changes.property("state", "absent", "present");
    }
    let before = before.as_ref().map(view);
    for (position, (name, after)) in view(&after).into_iter().enumerate() {
        let before = before.as_ref().map(|all| all[position].1.clone());
        changes.property(name, before.unwrap_or_default(), after);
    }
}

fn without_cluster(
    call: &Call,
    mut changes: Changes,
    cluster: &str,
    wanted: bool,
) -> Result<Answer, Failure> {
    if wanted && !call.check {
        return Err(Failure::new(format!(
            "There is no cluster {cluster}. Create it first, for instance with k3d_cluster."
        )));
    }
    if wanted {
        changes.warn(format!(
            "Cluster {cluster} does not exist yet. Check mode assumes that an earlier task creates it"
        ));
        changes.action("create the node");
    }
    Ok(changes.answer(call, "node", Value::Null))
}
