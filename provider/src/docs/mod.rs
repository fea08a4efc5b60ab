//! The registry's documentation, written from the schemas and the examples: `terraform-provider-atlas
//! docs FOLDER`. A test compares what lies in the repository with what is written now.

mod schema;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use tfplugin::{Provider as _, Schema};

use crate::provider::Atlas;
use crate::timeouts;

/// Writes all pages into a folder.
pub(crate) fn write(folder: &Path) -> ExitCode {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let attempt = || -> std::io::Result<()> {
        for (name, text) in pages(&examples) {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(path, text)?;
        }
        Ok(())
    };
    match attempt() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// All pages by path.
fn pages(examples: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let example = |path: &str| std::fs::read_to_string(examples.join(path)).unwrap_or_default();
    let index = Page {
        name: "atlas",
        kind: "Provider",
        schema: &Atlas.schema(),
        example: &example("provider/provider.tf"),
    };
    let index = format!(
        "{}\n{}\n```terraform\n{}\n```\n",
        index.text(),
        timeouts::DOCUMENTATION,
        example("provider/timeouts.tf").trim()
    );
    all.insert("index.md".to_owned(), index);
    for one in Atlas.resources() {
        let files = format!("resources/{}", one.name());
        let page = Page {
            name: one.name(),
            kind: "Resource",
            schema: &one.schema(),
            example: &example(&format!("{files}/resource.tf")),
        };
        let import = import(
            &example(&format!("{files}/import-by-string-id.tf")),
            &example(&format!("{files}/import.sh")),
        );
        let name = format!("resources/{}.md", short(one.name()));
        all.insert(name, page.text() + &import);
    }
    for one in Atlas.data_sources() {
        let page = Page {
            name: one.name(),
            kind: "Data Source",
            schema: &one.schema(),
            example: &example(&format!("data-sources/{}/data-source.tf", one.name())),
        };
        let name = format!("data-sources/{}.md", short(one.name()));
        all.insert(name, page.text());
    }
    for one in Atlas.ephemeral_resources() {
        let file = format!("ephemeral-resources/{}/ephemeral-resource.tf", one.name());
        let page = Page {
            name: one.name(),
            kind: "Ephemeral Resource",
            schema: &one.schema(),
            example: &example(&file),
        };
        let name = format!("ephemeral-resources/{}.md", short(one.name()));
        all.insert(name, page.text());
    }
    for one in Atlas.functions() {
        let signature = one.signature();
        let mut text = opening(one.name(), "Function", signature.description);
        text += &usage(&example(&format!("functions/{}/function.tf", one.name())));
        text.push_str("## Arguments\n\n");
        for (position, parameter) in signature.parameters.iter().enumerate() {
            let _ = writeln!(
                text,
                "{}. `{}` ({}) {}",
                position + 1,
                parameter.name,
                schema::kind(&parameter.kind),
                parameter.description
            );
        }
        all.insert(format!("functions/{}.md", one.name()), text);
    }
    all
}

fn short(name: &str) -> &str {
    name.strip_prefix("atlas_").unwrap_or(name)
}

/// Whatever has a schema.
struct Page<'a> {
    name: &'a str,
    kind: &'a str,
    schema: &'a Schema,
    example: &'a str,
}

impl Page<'_> {
    fn text(&self) -> String {
        let block = &self.schema.block;
        let opening = opening(self.name, self.kind, block.description());
        opening + &usage(self.example) + &schema::section(block)
    }
}

/// Front matter, heading and description.
fn opening(name: &str, kind: &str, description: &str) -> String {
    let (first, _) = description.split_once("\n\n").unwrap_or((description, ""));
    let title = if kind == "Provider" {
        format!("{name} Provider")
    } else {
        format!("{name} {kind} - atlas")
    };
    let heading = if kind == "Provider" {
        title.clone()
    } else {
        format!("{name} ({kind})")
    };
    format!(
        "---\npage_title: \"{title}\"\nsubcategory: \"{}\"\ndescription: |-\n  {first}\n---\n\n# {heading}\n\n{description}\n\n",
        subcategory(name)
    )
}

/// Where the registry's menu lists it.
fn subcategory(name: &str) -> &'static str {
    let groups = [
        ("atlas_k3d", "Kubernetes"),
        ("atlas_kubeconfig", "Kubernetes"),
        ("atlas_network", "Networks"),
        ("atlas_localstack", "LocalStack"),
        ("atlas_cockroachdb", "CockroachDB"),
        ("atlas_docker", "Docker"),
    ];
    let group = groups.iter().find(|(prefix, _)| name.starts_with(prefix));
    group.map_or("", |(_, group)| group)
}

fn usage(example: &str) -> String {
    if example.is_empty() {
        return String::new();
    }
    format!(
        "## Example Usage\n\n```terraform\n{}\n```\n\n",
        example.trim()
    )
}

fn import(block: &str, command: &str) -> String {
    if block.is_empty() && command.is_empty() {
        return String::new();
    }
    format!(
        "\n## Import\n\nWith an `import` block (Terraform 1.5 or newer):\n\n```terraform\n{}\n```\n\n\
         With the command:\n\n```shell\n{}\n```\n",
        block.trim(),
        command.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_the_repository_are_what_the_schemas_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (name, text) in pages(&folder.join("examples")) {
            let found =
                std::fs::read_to_string(folder.join("docs").join(&name)).unwrap_or_default();
            assert_eq!(found, text, "docs/{name} is out of date: run `make docs`");
        }
    }

    #[test]
    fn every_page_has_an_example_and_every_resource_says_how_it_is_imported() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        for (name, text) in pages(&examples) {
            assert!(text.contains("\n## Example Usage\n"), "{name}");
            let imported = text.contains("\n## Import\n") && text.contains("\nimport {\n");
            assert_eq!(imported, name.starts_with("resources/"), "{name}");
        }
    }
}
