//! Thousands of random specs and arguments through Ansible's own validator and through ours.
//!
//! Needs a Python with ansible-core, named by `ATLAS_ANSIBLE_PYTHON`; fails without one, because a test
//! that is silently skipped proves nothing.

use std::collections::BTreeSet;
use std::process::Command;

use argspec::{Spec, validate};
use serde::Deserialize;
use serde_json::{Map, Value};

const SEED: &str = "20261124";
const CASES: usize = 6000;

#[derive(Deserialize)]
struct Case {
    spec: Spec,
    params: Map<String, Value>,
    errors: Option<Vec<String>>,
    validated: Option<Map<String, Value>>,
    secrets: Option<BTreeSet<String>>,
    crash: Option<String>,
}

/// Where both differ on purpose or by nature, each with its reason.
fn normalized(message: &str) -> String {
    // The list of valid booleans is a Python set: its order changes from run to run.
    let message = match message.split_once(" Valid booleans include: ") {
        Some((before, _)) => before.to_owned(),
        None => message.to_owned(),
    };
    // What is supported instead is told of one of the unsupported options, which a set picks.
    match message.split_once(". Supported parameters include: ") {
        Some((before, _)) => before.to_owned(),
        None => message,
    }
}

/// A flag that stands as default of a secret of another type makes no sense.
fn without_flags(mut secrets: BTreeSet<String>) -> BTreeSet<String> {
    secrets.retain(|secret| secret != "True" && secret != "False");
    secrets
}

/// The one value on which ours is stricter: Python's integers have no end, and ours refuses a float too
/// large to say which whole number it was.
fn is_too_large(message: &str) -> bool {
    message.contains("1e+20") && message.ends_with("cannot be converted to an int")
}

#[test]
fn both_validators_agree() {
    let python = std::env::var("ATLAS_ANSIBLE_PYTHON")
        .expect("ATLAS_ANSIBLE_PYTHON names a Python that has ansible-core (`make test` sets it)");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference.py");
    let output = Command::new(python)
        .args([script, SEED, &CASES.to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut disagreements = Vec::new();
    let (mut accepted, mut refused, mut hidden) = (0, 0, 0);
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let ours = validate(&case.spec, case.params.clone());
        let messages: Vec<String> = ours
            .problems
            .iter()
            .map(|one| normalized(one.text()))
            .collect();
        if let Some(crash) = case.crash {
            // Ansible's validator has no answer here; ours must at least refuse, unless it was the spec
            // that made no sense: a secret whose default is a list.
            if ours.problems.is_empty() && !crash.contains("unhashable") {
                disagreements.push(format!("ansible fell over ({crash}), ours accepts\n{line}"));
            }
            continue;
        }
        let errors: Vec<String> = case
            .errors
            .unwrap()
            .iter()
            .map(|one| normalized(one))
            .collect();
        if errors.is_empty() {
            accepted += 1;
        } else {
            refused += 1;
        }
        let secrets = without_flags(case.secrets.unwrap());
        let texts = without_flags(ours.secrets.texts().clone());
        hidden += usize::from(!secrets.is_empty());
        // Where Ansible refuses arguments, it may have stopped to look for more.
        let same = secrets == texts || (!errors.is_empty() && secrets.is_subset(&texts));
        if !same {
            disagreements.push(format!(
                "ansible hides {secrets:?}\nours: {texts:?}\n{line}"
            ));
        }
        if messages.iter().any(|one| is_too_large(one)) {
            continue;
        }
        if errors != messages {
            disagreements.push(format!("ansible: {errors:?}\nours: {messages:?}\n{line}"));
        } else if errors.is_empty() && case.validated.as_ref() != Some(&ours.params) {
            disagreements.push(format!("values differ: ours {:?}\n{line}", ours.params));
        }
    }
    assert!(
        accepted > CASES / 10 && refused > CASES / 10 && hidden > CASES / 50,
        "{accepted} accepted, {refused} refused, {hidden} with secrets"
    );
    assert!(
        disagreements.is_empty(),
        "{} of {CASES} disagree:\n{}",
        disagreements.len(),
        disagreements
            .iter()
            .take(5)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n\n")
    );
}
