//! The part of the collection `atlas.world` that follows from the argument specs: module stubs with their
//! documentation, an action plugin for each, and the action group.
//!
//! Ansible's own tools (`ansible-doc`, `ansible-test`, `ansible-lint`) read documentation and options from
//! Python files; a stub is such a file. What runs is the binary, which the action plugin sends.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use argspec::{Opt, Spec};
use serde_json::{Map, Value, json};

use crate::call::Module;
use crate::modules;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Ansible's sanity tests want this line in every plugin of a collection.
const LICENCE: &str =
    "# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)";
const ORIGIN: &str =
    "# Made by `make collection` from the argument specs in ansible-module/src. Do not edit.";

/// Writes all of it.
pub(crate) fn write(folder: &Path) -> ExitCode {
    match files().into_iter().try_for_each(|(name, content)| {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{} cannot be written: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// Prints a module's spec, as a Python module would hand it to `AnsibleModule`.
pub(crate) fn print_spec(name: &str) -> ExitCode {
    let Some(module) = modules::find(name) else {
        println!("There is no module {name:?}.");
        return ExitCode::FAILURE;
    };
    println!(
        "{}",
        serde_json::to_string_pretty(&module.full_spec()).unwrap_or_default()
    );
    ExitCode::SUCCESS
}

/// Every file by its path in the collection.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for module in modules::all() {
        let name = module.name;
        files.push((format!("plugins/modules/{name}.py"), stub(&module)));
        files.push((format!("plugins/action/{name}.py"), action(name)));
    }
    files.push(("meta/runtime.yml".to_owned(), runtime()));
    files
}

fn runtime() -> String {
    let mut text =
        format!("---\n{ORIGIN}\nrequires_ansible: \">=2.14.0\"\naction_groups:\n  world:\n");
    for module in modules::all() {
        let _ = writeln!(text, "    - {}", module.name);
    }
    text
}

fn action(name: &str) -> String {
    format!(
        r#"{LICENCE}
{ORIGIN}

from __future__ import annotations

from ansible_collections.atlas.world.plugins.plugin_utils.native import NativeModule


class ActionModule(NativeModule):
    """Runs the module {name} of the binary for the target's architecture."""

    MODULE = "{name}"
"#
    )
}

fn stub(module: &Module) -> String {
    let spec = module.full_spec();
    format!(
        r#"#!/usr/bin/python
{LICENCE}
{ORIGIN}

from __future__ import annotations

DOCUMENTATION = r"""
---
{}"""

EXAMPLES = r"""
---
{}
"""

RETURN = r"""
---
{}"""

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(
{}        supports_check_mode=True,
    )
    module.fail_json(msg="This module is a binary, which its action plugin sends. Call it as atlas.world.{}.")


if __name__ == "__main__":
    main()
"#,
        yaml(&documentation(module, &spec)),
        module.docs.examples.trim(),
        yaml(&returns(module)),
        arguments(&spec),
        module.name,
    )
}

/// As wide as the lines of this documentation may be; Ansible's own limit is 160.
const WIDTH: usize = 110;

fn yaml(value: &Value) -> String {
    let text = serde_yaml_ng::to_string(&as_yaml(value)).unwrap_or_default();
    text.lines().map(wrapped).collect()
}

/// A line of YAML over several lines, which say the same: a text that is plain or in single quotes goes on in
/// lines that are further in.
fn wrapped(line: &str) -> String {
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let indent = " ".repeat(indent.max(line.find(|c| c != ' ').unwrap_or(0) + 2));
    let mut text = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        // Two spaces in a row would be folded into one: such a line is left as it is.
        if width > 0 && width + word.len() > WIDTH && !line.trim_start().contains("  ") {
            text = format!("{}\n{indent}", text.trim_end());
            width = indent.len();
        }
        text.push_str(word);
        text.push(' ');
        width += word.len() + 1;
    }
    format!("{}\n", text.trim_end())
}

/// By hand, because `serde_json` gives its numbers to other formats as maps when any crate of the build asks
/// it for arbitrary precision.
fn as_yaml(value: &Value) -> serde_yaml_ng::Value {
    match value {
        Value::Null => serde_yaml_ng::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.to_string().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => values.iter().map(as_yaml).collect::<Vec<_>>().into(),
        Value::Object(values) => {
            let entries = values.iter();
            let entries = entries.map(|(key, value)| (key.as_str().into(), as_yaml(value)));
            entries.collect::<serde_yaml_ng::Mapping>().into()
        }
    }
}

fn documentation(module: &Module, spec: &Spec) -> Value {
    let diff = if module.looks_only { "none" } else { "full" };
    json!({
        "module": module.name,
        "short_description": module.docs.short,
        "version_added": VERSION,
        "description": module.docs.description,
        "author": ["Project Atlas (@atlas-world)"],
        "requirements": [
            "Linux on the target, and there a Docker daemon of API 1.41 (Docker 20.10) or newer",
        ],
        "seealso": see_also(module.name),
        "options": options(&spec.argument_spec),
        "attributes": {
            "check_mode": {
                "description": "Tells what would change, from the same plan that a run carries out.",
                "support": "full",
            },
            "diff_mode": {
                "description": "Shows before and after by property, and what forces another object.",
                "support": diff,
            },
            "idempotent": {
                "description": "A second run changes nothing.",
                "support": "full",
            },
            "platform": {
                "description": "Where it runs: a Linux host that reaches a Docker daemon.",
                "platforms": "posix",
                "support": "full",
            },
        },
    })
}

/// Modules about the same thing, and the Terraform resource that keeps it too.
fn see_also(name: &str) -> Vec<Value> {
    let groups: [&[&str]; 5] = [
        &[
            "k3d_cluster",
            "k3d_cluster_info",
            "k3d_node",
            "load_balancer",
            "kubeconfig",
            "k3d_image_import",
        ],
        &["network", "network_info"],
        &["network_bridge", "network_bridge_info"],
        &["localstack", "localstack_info", "localstack_alias"],
        &[
            "cockroachdb_region",
            "cockroachdb_cluster",
            "cockroachdb_database",
            "cockroachdb_info",
        ],
    ];
    let group = groups.iter().find(|group| group.contains(&name));
    let others = group
        .into_iter()
        .copied()
        .flatten()
        .filter(|other| **other != name);
    let mut all: Vec<Value> = others
        .map(|other| json!({"module": format!("atlas.world.{other}")}))
        .collect();
    let resources = [
        "k3d_cluster",
        "network",
        "network_bridge",
        "localstack",
        "localstack_alias",
        "cockroachdb_region",
        "cockroachdb_cluster",
        "cockroachdb_database",
    ];
    if resources.contains(&name) {
        all.push(json!({
            "name": format!("atlas_{name}"),
            "description": "The Terraform resource that keeps the same thing as declared.",
            "link": format!("https://registry.terraform.io/providers/atlas-world/atlas/latest/docs/resources/{name}"),
        }));
    }
    all
}

fn options<'a>(options: impl IntoIterator<Item = (&'a String, &'a Opt)>) -> Value {
    let all = options
        .into_iter()
        .map(|(name, option)| (name.clone(), option_docs(option)));
    Value::Object(all.collect())
}

fn option_docs(option: &Opt) -> Value {
    let mut docs = Map::new();
    docs.insert("description".to_owned(), json!(option.description));
    docs.insert("type".to_owned(), option.kind.as_str().into());
    if let Some(elements) = option.elements {
        docs.insert("elements".to_owned(), elements.as_str().into());
    }
    if option.required {
        docs.insert("required".to_owned(), true.into());
    }
    for (name, value) in [
        ("default", option.default.clone()),
        ("choices", option.choices.clone().map(Value::from)),
        (
            "aliases",
            (!option.aliases.is_empty()).then(|| json!(option.aliases)),
        ),
        ("suboptions", option.options.as_ref().map(options)),
    ] {
        if let Some(value) = value {
            docs.insert(name.to_owned(), value);
        }
    }
    Value::Object(docs)
}

fn returns(module: &Module) -> Value {
    let mut all = Map::new();
    if !module.looks_only {
        for (name, description) in [
            (
                "actions",
                "What was done, or would be done in check mode, a sentence each.",
            ),
            ("differences", "Names of the properties that differed."),
            ("replace", "Those of them that cannot be changed in place."),
        ] {
            let text = json!({"description": description, "returned": "always", "type": "list", "elements": "str"});
            all.insert(name.to_owned(), text);
        }
    }
    for (name, kind, description) in module.docs.returns {
        let mut text = Map::new();
        text.insert("description".to_owned(), (*description).into());
        text.insert("returned".to_owned(), "success".into());
        let (kind, elements) = match kind.split_once(" of ") {
            Some((kind, elements)) => (kind, Some(elements)),
            None => (*kind, None),
        };
        text.insert("type".to_owned(), kind.into());
        if let Some(elements) = elements {
            text.insert("elements".to_owned(), elements.into());
        }
        all.insert((*name).to_owned(), text.into());
    }
    Value::Object(all)
}

/// The keyword arguments of `AnsibleModule`.
fn arguments(spec: &Spec) -> String {
    let found = serde_json::to_value(spec).unwrap_or_default();
    let mut text = String::new();
    for (name, value) in found.as_object().into_iter().flatten() {
        let _ = writeln!(text, "        {name}={},", python(value, 8));
    }
    text
}

/// A Python literal over several lines.
fn python(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent + 4);
    let end = " ".repeat(indent);
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let lines = entries
                .iter()
                .map(|(key, value)| format!("{pad}{key:?}: {},\n", python(value, indent + 4)));
            format!("{{\n{}{end}}}", lines.collect::<String>())
        }
        Value::Array(items) if items.iter().any(|item| item.is_array() || item.is_object()) => {
            let lines = items
                .iter()
                .map(|item| format!("{pad}{},\n", python(item, indent + 4)));
            format!("[\n{}{end}]", lines.collect::<String>())
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| python(item, indent)).collect();
            format!("[{}]", items.join(", "))
        }
        // Double quotes, as formatters of Python like them.
        Value::String(text) => format!("{text:?}"),
        other => argspec::python::repr(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collection_holds_what_the_specs_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("collection");
        for (name, content) in files() {
            let found = fs::read_to_string(folder.join(&name)).unwrap_or_default();
            assert_eq!(found, content, "{name} is stale: run `make collection`");
        }
        let known: Vec<String> = files().into_iter().map(|(name, _)| name).collect();
        for kind in ["modules", "action"] {
            for entry in fs::read_dir(folder.join("plugins").join(kind)).unwrap() {
                let name = format!(
                    "plugins/{kind}/{}",
                    entry.unwrap().file_name().to_string_lossy()
                );
                let ignored = name.ends_with("__pycache__");
                assert!(
                    ignored || known.contains(&name),
                    "{name} belongs to no module: remove it"
                );
            }
        }
    }

    #[test]
    fn every_option_of_every_module_is_documented() {
        fn check(module: &str, options: &indexmap::IndexMap<String, Opt>) {
            for (name, option) in options {
                let said = !option.description.is_empty() && !option.description[0].is_empty();
                assert!(said, "{module}: {name} says nothing of itself");
                check(
                    module,
                    option
                        .options
                        .as_ref()
                        .unwrap_or(&indexmap::IndexMap::new()),
                );
            }
        }
        for module in modules::all() {
            check(module.name, &module.full_spec().argument_spec);
        }
    }

    #[test]
    fn wrapped_documentation_says_the_same() {
        for module in modules::all() {
            let docs = documentation(&module, &module.full_spec());
            let text = yaml(&docs);
            let read: Value = serde_yaml_ng::from_str(&text).unwrap();
            assert_eq!(read, docs, "{text}");
            assert!(text.lines().all(|line| line.len() <= 120), "{text}");
        }
    }

    #[test]
    fn literals_are_pythons() {
        let spec = Spec::default()
            .option("on", Opt::new(argspec::Kind::Bool, "x").or(true))
            .required_if("state", "present", &["on"]);
        let text = arguments(&spec);
        assert!(text.contains("\"default\": True,"), "{text}");
        assert!(text.contains("required_if=["), "{text}");
    }
}
