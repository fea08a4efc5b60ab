//! `kubeconfig`: a cluster's entries in a kubeconfig file.

use std::path::{Path, PathBuf};

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::k3d;
use atlas_engine::kubeconfig::{self, Difference};
use serde_json::{Value, json};

use super::state;
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;

pub(super) fn module() -> Module {
    Module {
        name: "kubeconfig",
        docs: Docs {
            short: "Kubeconfig entries of k3d clusters",
            description: &[
                "Keeps a cluster's entries in a kubeconfig file on the host of the module. Other entries stay as \
                 they are. The file is written only where it must change, with mode 0600, in one step.",
                "Credentials are not returned.",
                "In check mode a cluster that does not exist yet is taken to be made by an earlier task.",
            ],
            examples: "
- name: Use the cluster from the usual kubeconfig
  atlas.world.kubeconfig:
    cluster: dc-us
    switch_current_context: true

- name: A file for one cluster
  atlas.world.kubeconfig:
    cluster: dc-eu
    path: ~/.kube/dc-eu.yaml
",
            returns: &[(
                "kubeconfig",
                "dict",
                "The file, and the names of the cluster, context and user in it.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option("cluster", Opt::new(Kind::Str, "The cluster's name.").required())
        .option(
            "state",
            state(
                &["present", "absent"],
                "Whether the file has the cluster's entries. A file that holds nothing else is removed.",
            ),
        )
        .option(
            "path",
            Opt::new(Kind::Path, "The file. Left out, that of E(KUBECONFIG), or C(~/.kube/config)."),
        )
        .option(
            "switch_current_context",
            Opt::new(Kind::Bool, "Make this cluster the current context.").or(false),
        )
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let name = call.params.required("cluster");
    let path = match call.params.text("path") {
        Some(path) => PathBuf::from(path),
        None => kubeconfig::default_path().map_err(fail)?,
    };
    let file = path.display().to_string();
    let object = json!({
        "path": file,
        "cluster": format!("k3d-{name}"),
        "context": format!("k3d-{name}"),
        "user": format!("admin@k3d-{name}"),
    });
    let mut changes = Changes::of(format!("kubeconfig {file}"));
    if call.params.text("state") == Some("absent") {
        if kubeconfig::names_cluster(&path, &name).map_err(fail)? {
            changes.property("state", "present", "absent");
            changes.action(format!("take cluster {name} out of {file}"));
            if !call.check {
                kubeconfig::remove_from(&path, &name).map_err(fail)?;
            }
        }
        return Ok(changes.answer(call, "kubeconfig", Value::Null));
    }
    let observed = Box::pin(k3d::observe(&call.cx, &name))
        .await
        .map_err(fail)?;
    let credentials = match &observed {
        Some(observed) => k3d::credentials(&call.cx, observed).await.map_err(fail)?,
        None => None,
    };
    let switch = call.params.flag("switch_current_context").unwrap_or(false);
    let Some(found) = credentials else {
        if !call.check {
            return Err(Failure::new(format!(
                "There is no cluster {name} that has a kubeconfig. Create it first, for instance with k3d_cluster."
            )));
        }
        changes.warn(format!(
            "Cluster {name} does not exist yet, and is taken to be made by an earlier task"
        ));
        let differs = kubeconfig::difference(&path, &name, None, switch).map_err(fail)?;
        tell_entries(&path, &differs, &mut changes);
        return Ok(changes.answer(call, "kubeconfig", object));
    };
    let config = &found.kubeconfig;
    let differs = kubeconfig::difference(&path, &name, Some(config), switch).map_err(fail)?;
    tell_entries(&path, &differs, &mut changes);
    if !call.check {
        kubeconfig::merge_into(&path, config, switch).map_err(fail)?;
    }
    Ok(changes.answer(call, "kubeconfig", object))
}

/// What changes in a kubeconfig file, by property.
pub(super) fn tell_entries(path: &Path, differs: &Difference, changes: &mut Changes) {
    let file = path.display();
    if let Some(others) = differs.entries {
        let before = if others {
            format!("other entries of that name in {file}").into()
        } else {
            Value::Null
        };
        let after = format!("the cluster's entries in {file}");
        changes.property("kubeconfig", before, after);
        changes.action(format!("write the cluster's entries into {file}"));
    }
    if let Some((before, after)) = &differs.context {
        let before = if before.is_empty() {
            Value::Null
        } else {
            before.as_str().into()
        };
        changes.property("current_context", before, after.as_str());
        changes.action(format!("make {after} the current context of {file}"));
    }
}
