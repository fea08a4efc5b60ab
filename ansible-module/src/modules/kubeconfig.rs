//! `kubeconfig`: a cluster's entries in a kubeconfig file.

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::kubeconfig::{Difference, Files, Kept};
use atlas_engine::{FieldPath, k3d};
use serde_json::{Value, json};

use super::state;
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::Params;

pub(super) fn module() -> Module {
    Module {
        name: "kubeconfig",
        docs: Docs {
            short: "Kubeconfig entries of k3d clusters",
            description: &[
                "Keeps a cluster's entries in a kubeconfig file on the host of the module. What else is in it stays as \
                 it is. The file is written only where it must change. A new one has mode 0600; one that is there keeps \
                 its owner and its mode, but for what everybody may do.",
                "Credentials are not returned.",
                "In check mode a cluster that does not exist yet is assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/kubeconfig.yml"),
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
            Opt::new(
                Kind::Path,
                "The file. Left out, the one that kubectl would write to: of those in E(KUBECONFIG) the one with the \
                 cluster's entries, else the first that exists, else the last; without E(KUBECONFIG), C(~/.kube/config).",
            ),
        )
        .option(
            "switch_current_context",
            Opt::new(Kind::Bool, "Make this cluster the current context.").or(false),
        )
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let name = call.params.required("cluster");
    let files = match call.params.text("path") {
        Some(path) => Files::at(path, &FieldPath::of("path")),
        None => Files::usual(),
    }
    .map_err(fail)?;
    if call.params.text("state") == Some("absent") {
        return absent(call, &name, &files).await;
    }
    let file = files.file(&name).map_err(fail)?.display().to_string();
    let object = json!({
        "path": file,
        "cluster": format!("k3d-{name}"),
        "context": format!("k3d-{name}"),
        "user": format!("admin@k3d-{name}"),
    });
    let mut changes = Changes::of(format!("kubeconfig {file}"));
    let observed = Box::pin(k3d::observe(&call.cx, &name))
        .await
        .map_err(fail)?;
    let credentials = match &observed {
        Some(observed) => k3d::credentials(&call.cx, observed).await.map_err(fail)?,
        None => None,
    };
    let switch = call.params.flag("switch_current_context").unwrap_or(false);
    let config = credentials.as_ref().map(|found| &found.kubeconfig);
    if config.is_none() {
        if !call.check {
            return Err(Failure::new(format!(
                "There is no cluster {name} that has a kubeconfig. Create it first, for instance with k3d_cluster."
            )));
        }
        changes.warn(format!(
            "Cluster {name} does not exist yet. Check mode assumes that an earlier task creates it"
        ));
    }
    files.check(&name, config, switch).map_err(fail)?;
    let differs = files.difference(&name, config, switch).map_err(fail)?;
    tell_entries(&differs, &mut changes);
    if let (Some(config), false) = (config, call.check) {
        let merging = files.merge(&call.cx, &name, config, switch);
        merging.await.map_err(fail)?;
    }
    Ok(changes.answer(call, "kubeconfig", object))
}

async fn absent(call: &Call, name: &str, files: &Files) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let holding = files.holding(name).map_err(fail)?;
    let holding: Vec<String> = holding
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let file = holding.join(", ");
    let mut changes = Changes::of(format!("kubeconfig {file}"));
    if !holding.is_empty() {
        changes.property("state", "present", "absent");
        changes.action(format!("take cluster {name} out of {file}"));
        if !call.check {
            files.remove(&call.cx, name).await.map_err(fail)?;
        }
    }
    Ok(changes.answer(call, "kubeconfig", Value::Null))
}

/// The file that an option `kubeconfig` asks for.
pub(super) fn kept(options: Option<&Params>) -> Result<Option<Kept>, Failure> {
    let Some(options) = options else {
        return Ok(None);
    };
    let flag = |name: &str| options.flag(name).unwrap_or(false);
    let asked = Kept::asked(
        &FieldPath::of("kubeconfig"),
        options.text("path"),
        flag("update_default_kubeconfig"),
        flag("switch_current_context"),
    );
    asked.map_err(|error| failure(&error))
}

/// What changes in a kubeconfig file, by property.
pub(super) fn tell_entries(differs: &Difference, changes: &mut Changes) {
    let file = differs.path.display();
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
    if let Some((before, after)) = differs.mode {
        changes.property("mode", format!("{before:04o}"), format!("{after:04o}"));
        changes.action(format!("let nobody but its owner use {file}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(options: &Value) -> Result<Option<Kept>, String> {
        let options = options.as_object().cloned().map(Params);
        kept(options.as_ref()).map_err(|failure| failure.msg)
    }

    #[test]
    fn an_option_that_asks_for_nothing_is_refused_in_its_own_words() {
        assert_eq!(asked(&Value::Null), Ok(None));
        assert_eq!(asked(&json!({"switch_current_context": false})), Ok(None));
        assert!(asked(&json!({"path": "/x", "switch_current_context": true})).is_ok());
        let told = asked(&json!({"switch_current_context": true})).unwrap_err();
        assert!(
            told.starts_with("kubeconfig.switch_current_context: "),
            "{told}"
        );
        let told = asked(&json!({"path": "~nobody/x"})).unwrap_err();
        assert!(told.starts_with("kubeconfig.path: "), "{told}");
    }

    #[test]
    fn what_changes_in_a_file_is_told_by_property() {
        let mut changes = Changes::of("kubeconfig x");
        let differs = Difference {
            path: "/x".into(),
            entries: Some(true),
            context: Some((String::new(), "k3d-demo".to_owned())),
            mode: Some((0o644, 0o600)),
        };
        tell_entries(&differs, &mut changes);
        for name in ["kubeconfig", "current_context", "mode"] {
            assert!(changes.is_told(name), "{name}");
        }
    }
}
