//! What lies beside a cluster: its entries in a kubeconfig file, and its credentials in the state.
//!
//! A file that cannot be written is refused while a cluster is planned. After that it fails nothing: what could not
//! be written is warned of, and drift.

use atlas_engine::k3d::{self, Credentials, Observed};
use atlas_engine::kubeconfig::Kept;
use atlas_engine::{Context, Error, FieldPath, Problem, Result};
use tfplugin::{Attribute, AttributePath, Block, Diagnostics, Type, Value};

use crate::translate::{block, diagnostics};

/// Computed attributes that make whoever reads them an administrator.
const CREDENTIALS: [&str; 3] = ["kubeconfig_raw", "client_certificate", "client_key"];

/// The block `kubeconfig`.
pub(super) fn schema() -> Block {
    let flag = |description: &str| Attribute::optional(Type::Bool, description);
    Block::new(
        "A kubeconfig file to keep up to date. A new one has mode 0600; one that is there keeps its owner and its mode, \
         but for what everybody may do. What is in it beside the cluster's entries stays as it is.",
    )
    .attribute(
        "path",
        Attribute::optional(
            Type::String,
            "The file; `~/` is the home folder. Default: none, unless `update_default_kubeconfig` is set.",
        ),
    )
    .attribute(
        "update_default_kubeconfig",
        flag(
            "Write to the file that kubectl would write to: of those in `KUBECONFIG` the one with the cluster's entries, else \
             the first that exists, else the last; without `KUBECONFIG`, `~/.kube/config`. `path` goes before it.",
        ),
    )
    .attribute(
        "switch_current_context",
        flag("Make this cluster the current context of that file."),
    )
}

/// The attribute `store_credentials`, of resource and data source.
pub(crate) fn store_credentials() -> Attribute {
    Attribute::optional(
        Type::Bool,
        "Whether the state holds `kubeconfig_raw`, `client_certificate` and `client_key`, with which anybody who reads it \
         is the cluster's administrator. With `false` they are null; the ephemeral resource `atlas_kubeconfig` gives them to \
         one run, and a `kubeconfig` file is written all the same. Default: true.",
    )
}

fn field() -> FieldPath {
    FieldPath::of("kubeconfig").index(0)
}

/// What is to be kept. `None` where it is nothing, or not known yet.
fn kept(value: &Value) -> Result<Option<Kept>> {
    let options = block(value, "kubeconfig");
    if !options.is_known() {
        return Ok(None);
    }
    let flag = |name: &str| options.get(name).as_bool().unwrap_or(false);
    Kept::asked(
        &field(),
        options.get("path").as_str(),
        flag("update_default_kubeconfig"),
        flag("switch_current_context"),
    )
}

/// What is wrong with the block, whatever the world is like.
pub(super) fn problems(config: &Value) -> Vec<Problem> {
    match kept(config) {
        Err(Error::Invalid(problems)) => problems,
        _ => Vec::new(),
    }
}

fn name_of(value: &Value) -> &str {
    value.get("name").as_str().unwrap_or_default()
}

/// Whether the file of a cluster that is to be made can be written.
pub(super) fn planned_new(state: &Value) -> Diagnostics {
    let checked = kept(state).and_then(|kept| match kept {
        Some(kept) => kept.files.check(name_of(state), None, kept.switch),
        None => Ok(()),
    });
    refused(state, checked.err().as_ref())
}

fn refused(state: &Value, error: Option<&Error>) -> Diagnostics {
    let mut found = Diagnostics::new();
    match error {
        None => {}
        Some(Error::Kubeconfig { .. }) => {
            let text = error.map(ToString::to_string).unwrap_or_default();
            let summary = "The kubeconfig file cannot be written";
            found.push_error(place(state), summary, text);
        }
        Some(other) => found = diagnostics("The kubeconfig file cannot be written", other),
    }
    found
}

/// The attribute that says which file.
fn place(state: &Value) -> AttributePath {
    let path = block(state, "kubeconfig").get("path");
    let name = if path.is_null() {
        "update_default_kubeconfig"
    } else {
        "path"
    };
    AttributePath::of("kubeconfig").index(0).attribute(name)
}

/// The same of a cluster that is there. A file that was asked for before holds up no other change: it is warned of.
pub(super) async fn planned_change(
    cx: &Context,
    observed: Option<&Observed>,
    prior: &Value,
    state: &Value,
) -> Diagnostics {
    let wanted = match kept(state) {
        Ok(Some(wanted)) => wanted,
        Ok(None) => return Diagnostics::new(),
        Err(error) => return refused(state, Some(&error)),
    };
    let found = match observed {
        Some(observed) => k3d::credentials(cx, observed).await.ok().flatten(),
        None => None,
    };
    let config = found.as_ref().map(|found| &found.kubeconfig);
    let checked = wanted.files.check(name_of(prior), config, wanted.switch);
    let Err(error) = checked else {
        return Diagnostics::new();
    };
    if block(prior, "kubeconfig") != block(state, "kubeconfig") {
        return refused(state, Some(&error));
    }
    let mut warned = Diagnostics::new();
    let summary = "The kubeconfig file cannot be written";
    warned.push_warning(place(state), summary, error.to_string());
    warned
}

/// What of the file differs from what is declared.
pub(super) fn drift(value: &Value, found: Option<&Credentials>) -> Option<String> {
    match kept(value) {
        Ok(kept) => kept?.files.drift(name_of(value), &found?.kubeconfig),
        Err(error) => Some(error.to_string()),
    }
}

/// Writes the file; where that fails, the user is warned.
pub(super) async fn keep(cx: &Context, state: &Value, found: &Credentials) {
    match kept(state) {
        Ok(None) => {}
        Ok(Some(kept)) => {
            let name = name_of(state);
            let writing = kept.files.keep(cx, name, &found.kubeconfig, kept.switch);
            writing.await;
        }
        Err(error) => cx.warn("The kubeconfig file was not written", error.to_string()),
    }
}

/// Takes a cluster's entries out of the files that are wanted no longer.
pub(super) async fn leave(cx: &Context, prior: &Value, planned: Option<&Value>) {
    let files = |value: &Value| kept(value).ok().flatten().map(|kept| kept.files);
    let left = files(prior).filter(|left| planned.and_then(files).as_ref() != Some(left));
    if let Some(left) = left {
        left.forget(cx, name_of(prior)).await;
    }
}

/// Keeps credentials out of a state that is to be without.
pub(super) fn withhold(state: &mut Value) {
    if state.get("store_credentials").as_bool() == Some(false) {
        for name in CREDENTIALS {
            state.set(name, Value::Null);
        }
    }
}

/// The same in a plan; what is to be stored from now on is not known yet.
pub(super) fn plan_credentials(state: &mut Value, prior: &Value) {
    let wanted = state.get("store_credentials");
    let was_withheld = prior.get("store_credentials").as_bool() == Some(false);
    let comes = was_withheld && wanted.as_bool() != Some(false);
    if wanted.is_unknown() || comes {
        for name in CREDENTIALS {
            state.set(name, Value::Unknown);
        }
    }
    withhold(state);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn of(path: Value, usual: Value, switch: Value) -> Value {
        let options = Value::object([
            ("path", path),
            ("update_default_kubeconfig", usual),
            ("switch_current_context", switch),
        ]);
        Value::object([
            ("name", Value::string("demo")),
            ("kubeconfig", Value::List(vec![options])),
        ])
    }

    fn at(path: &str) -> Value {
        of(Value::string(path), Value::Null, Value::Null)
    }

    #[test]
    fn a_block_that_asks_for_nothing_is_refused_where_it_says_so() {
        let yes = Value::Bool(true);
        let table = [
            (
                of(Value::Null, Value::Null, yes.clone()),
                "kubeconfig[0].switch_current_context",
            ),
            (
                of(Value::Null, Value::Bool(false), yes.clone()),
                "kubeconfig[0].switch_current_context",
            ),
            (at("~bob/x"), "kubeconfig[0].path"),
            (at("$HOME/x"), "kubeconfig[0].path"),
            (at(""), "kubeconfig[0].path"),
            (at("/tmp/"), "kubeconfig[0].path"),
        ];
        for (value, wanted) in table {
            let found = problems(&value);
            let paths: Vec<String> = found.iter().map(|one| one.path.to_string()).collect();
            assert_eq!(paths, [wanted], "{value:?}");
        }
        for value in [
            of(Value::Null, yes.clone(), yes.clone()),
            of(Value::Unknown, Value::Null, yes.clone()),
            of(Value::Null, Value::Unknown, yes.clone()),
            of(Value::Null, Value::Null, Value::Null),
            at("~/.kube/x.yaml"),
            Value::object([("kubeconfig", Value::Unknown)]),
            Value::object([("kubeconfig", Value::List(Vec::new()))]),
        ] {
            assert_eq!(problems(&value), [], "{value:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused_while_the_cluster_is_planned() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("file"), "").unwrap();
        fs::write(path("broken"), "[").unwrap();
        fs::write(path("protected"), "").unwrap();
        fs::set_permissions(path("protected"), fs::Permissions::from_mode(0o400)).unwrap();
        for (name, part) in [
            ("file/x", "a file, not a folder"),
            (".", "is a folder"),
            ("broken", "is not a kubeconfig"),
            ("protected", "write-protected"),
        ] {
            let found = planned_new(&at(&path(name)));
            let told: Vec<_> = found.iter().collect();
            assert_eq!(told.len(), 1, "{name}");
            assert!(found.has_errors());
            assert!(told[0].detail.contains(part), "{:?}", told[0]);
        }
        for name in ["file", "new/folder/x"] {
            assert!(
                planned_new(&at(&path(name))).iter().next().is_none(),
                "{name}"
            );
        }
        assert!(
            planned_new(&of(Value::Unknown, Value::Null, Value::Null))
                .iter()
                .next()
                .is_none()
        );
    }

    #[test]
    fn a_file_that_became_impossible_is_drift_and_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken");
        fs::write(&broken, "users: {secret: [").unwrap();
        let found = Credentials {
            kubeconfig: atlas_engine::kubeconfig::Kubeconfig::unknown("demo"),
            endpoint: String::new(),
            cluster_ca_certificate: String::new(),
            client_certificate: String::new(),
            client_key: String::new(),
        };
        let told = drift(&at(&broken.display().to_string()), Some(&found)).unwrap();
        assert!(
            told.contains("is not a kubeconfig") && !told.contains("secret"),
            "{told}"
        );
        let told = drift(
            &of(Value::Null, Value::Null, Value::Bool(true)),
            Some(&found),
        );
        assert!(told.is_some(), "of a state that an earlier version wrote");
        assert_eq!(drift(&Value::object([]), Some(&found)), None);
        assert_eq!(drift(&at("~/x"), None), None);
    }

    fn with(store: Value) -> Value {
        let mut state = Value::object([
            ("store_credentials", store),
            ("cluster_ca_certificate", Value::string("public")),
        ]);
        for name in CREDENTIALS {
            state.set(name, Value::string("secret"));
        }
        state
    }

    #[test]
    fn credentials_stay_out_of_the_state_where_it_is_said() {
        let mut state = with(Value::Bool(false));
        withhold(&mut state);
        for name in CREDENTIALS {
            assert!(state.get(name).is_null(), "{name}");
        }
        assert_eq!(state.get("cluster_ca_certificate").as_str(), Some("public"));
        for store in [Value::Null, Value::Bool(true)] {
            let mut state = with(store);
            withhold(&mut state);
            assert_eq!(state, with(state.get("store_credentials").clone()));
        }
    }

    #[test]
    fn a_plan_tells_what_becomes_of_stored_credentials() {
        let (secret, withheld) = (Value::string("secret"), Value::Null);
        let (yes, no) = (Value::Bool(true), Value::Bool(false));
        let table = [
            (Value::Null, Value::Null, &secret),
            (yes.clone(), no.clone(), &withheld),
            (Value::Null, no.clone(), &withheld),
            (no.clone(), Value::Null, &Value::Unknown),
            (no.clone(), yes.clone(), &Value::Unknown),
            (no.clone(), Value::Unknown, &Value::Unknown),
            (no.clone(), no.clone(), &withheld),
        ];
        for (before, after, wanted) in table {
            let mut state = with(after);
            plan_credentials(&mut state, &with(before));
            for name in CREDENTIALS {
                assert_eq!(state.get(name), wanted, "{name} of {state:?}");
            }
        }
    }
}
