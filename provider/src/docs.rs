//! The registry's documentation, written from the schemas and the examples: `terraform-provider-atlas
//! docs FOLDER`. A test compares what lies in the repository with what is written now.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use tfplugin::{Attribute, Block, Provider as _, Schema, Type};

use crate::provider::Atlas;

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
    all.insert(
        "index.md".to_owned(),
        page(
            "atlas Provider",
            &Atlas.schema(),
            &example("provider/provider.tf"),
            "",
        ),
    );
    for one in Atlas.resources() {
        let import = example(&format!("resources/{}/import.sh", one.name()));
        all.insert(
            format!("resources/{}.md", short(one.name())),
            page(
                &format!("{} (Resource)", one.name()),
                &one.schema(),
                &example(&format!("resources/{}/resource.tf", one.name())),
                &import,
            ),
        );
    }
    for one in Atlas.data_sources() {
        let text = example(&format!("data-sources/{}/data-source.tf", one.name()));
        let title = format!("{} (Data Source)", one.name());
        all.insert(
            format!("data-sources/{}.md", short(one.name())),
            page(&title, &one.schema(), &text, ""),
        );
    }
    for one in Atlas.ephemeral_resources() {
        let text = example(&format!(
            "ephemeral-resources/{}/ephemeral-resource.tf",
            one.name()
        ));
        let title = format!("{} (Ephemeral Resource)", one.name());
        let name = format!("ephemeral-resources/{}.md", short(one.name()));
        all.insert(name, page(&title, &one.schema(), &text, ""));
    }
    for one in Atlas.functions() {
        let signature = one.signature();
        let mut text = format!(
            "# {} (Function)\n\n{}\n\n",
            one.name(),
            signature.description
        );
        push_example(
            &mut text,
            &example(&format!("functions/{}/function.tf", one.name())),
        );
        text.push_str("## Arguments\n\n");
        for (position, parameter) in signature.parameters.iter().enumerate() {
            let kind = kind(&parameter.kind);
            let _ = writeln!(
                text,
                "{}. `{}` ({kind}) {}",
                position + 1,
                parameter.name,
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

fn page(title: &str, schema: &Schema, example: &str, import: &str) -> String {
    let mut text = format!("# {title}\n\n{}\n\n", schema.block.description());
    push_example(&mut text, example);
    text.push_str("## Schema\n\n");
    push_block(&mut text, &schema.block);
    if !import.is_empty() {
        let _ = write!(text, "## Import\n\n```shell\n{}\n```\n", import.trim());
    }
    text
}

fn push_example(text: &mut String, example: &str) {
    if !example.is_empty() {
        let _ = write!(
            text,
            "## Example\n\n```terraform\n{}\n```\n\n",
            example.trim()
        );
    }
}

fn push_block(text: &mut String, block: &Block) {
    for (heading, wanted) in [("Required", 0), ("Optional", 1), ("Read-only", 2)] {
        let chosen: Vec<_> = block
            .attributes()
            .iter()
            .filter(|(_, one)| rank(one) == wanted)
            .collect();
        let blocks = if wanted == 1 { block.blocks() } else { &[] };
        if chosen.is_empty() && blocks.is_empty() {
            continue;
        }
        let _ = write!(text, "### {heading}\n\n");
        for (name, one) in chosen {
            push_attribute(text, name, one, 0);
        }
        for (name, one) in blocks {
            push_nested(text, name, one, 0);
        }
        text.push('\n');
    }
}

fn push_nested(text: &mut String, name: &str, one: &tfplugin::NestedBlock, depth: usize) {
    let indent = "  ".repeat(depth);
    let often = match (one.nesting, one.max) {
        (tfplugin::Nesting::Single, _) | (_, 1) => "block, at most one",
        _ => "block, repeatable",
    };
    let _ = writeln!(
        text,
        "{indent}- `{name}` ({often}) {}",
        one.block.description()
    );
    for (name, attribute) in one.block.attributes() {
        push_attribute(text, name, attribute, depth + 1);
    }
    for (name, inner) in one.block.blocks() {
        push_nested(text, name, inner, depth + 1);
    }
}

fn push_attribute(text: &mut String, name: &str, one: &Attribute, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut notes = vec![if one.attributes().is_empty() {
        kind(one.kind())
    } else {
        nested_kind(one.kind())
    }];
    if depth > 0 && one.is_required() {
        notes.push("required".to_owned());
    }
    if one.is_sensitive() {
        notes.push("sensitive".to_owned());
    }
    if one.is_write_only() {
        notes.push("write-only".to_owned());
    }
    let _ = writeln!(
        text,
        "{indent}- `{name}` ({}) {}",
        notes.join(", "),
        one.description()
    );
    for (name, inner) in one.attributes() {
        push_attribute(text, name, inner, depth + 1);
    }
}

fn rank(one: &Attribute) -> u8 {
    match (one.is_required(), one.is_optional()) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    }
}

fn nested_kind(kind: &Type) -> String {
    if matches!(kind, Type::List(_)) {
        "list of objects"
    } else {
        "object"
    }
    .to_owned()
}

fn kind(kind: &Type) -> String {
    match kind {
        Type::Bool => "bool".to_owned(),
        Type::Number => "number".to_owned(),
        Type::String => "string".to_owned(),
        Type::Dynamic => "any".to_owned(),
        Type::List(of) => format!("list of {}", self::kind(of)),
        Type::Set(of) => format!("set of {}", self::kind(of)),
        Type::Map(of) => format!("map of {}", self::kind(of)),
        Type::Object(_) => "object".to_owned(),
        Type::Tuple(_) => "tuple".to_owned(),
    }
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
}
