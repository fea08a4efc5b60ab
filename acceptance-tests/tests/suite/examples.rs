//! Every example in the provider's documentation works as it stands there.

use std::fs;
use std::path::{Path, PathBuf};

use acceptance_tests::{Sandbox, Settings};
use anyhow::{Context, Result, ensure};

/// The examples' folder; each folder in it that holds `*.tf` files is one example.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../provider/examples")
}

/// All examples, by path.
fn examples() -> Result<Vec<PathBuf>> {
    let (mut found, mut below) = (Vec::new(), vec![folder()]);
    while let Some(folder) = below.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let paths: Vec<PathBuf> = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        if paths
            .iter()
            .any(|path| path.extension().is_some_and(|extension| extension == "tf"))
        {
            found.push(folder);
        }
        below.extend(paths.into_iter().filter(|path| path.is_dir()));
    }
    found.sort();
    Ok(found)
}

/// The text of an example's files, without the declaration of the provider, which the harness has.
fn text(example: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(example)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "tf"));
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .map(fs::read_to_string)
        .collect::<Result<_, _>>()?;
    Ok(without_block(&texts.join("\n"), "terraform {"))
}

/// Takes out a block whose head and end stand at the beginning of a line.
fn without_block(text: &str, head: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside = inside || line == head;
        if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
        inside = inside && line != "}";
    }
    kept
}

#[test]
fn every_example_is_valid() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let examples = examples()?;
    ensure!(
        !examples.is_empty(),
        "there is no example in {}",
        folder().display()
    );
    for example in examples {
        let text = text(&example)?;
        if Settings::get()?.is_opentofu() && text.contains("ephemeral ") {
            continue;
        }
        terraform.write(&text)?;
        let checked = terraform.command("validate")?.succeed();
        checked.with_context(|| example.display().to_string())?;
    }
    Ok(())
}
