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

/// An example with the names, addresses and ports of a sandbox in place of its own.
fn at_home(sandbox: &Sandbox, text: &str) -> Result<String> {
    let mut text = text.replace("= \"example", &format!("= \"{}example", sandbox.prefix()));
    for n in 0..3 {
        for (theirs, ours) in [
            (format!("10.{}.0.0/24", 99 + n), sandbox.subnet(n)),
            (format!("10.{}.128.0/17", 99 + n), sandbox.pods(n)),
            (format!("10.{}.64.0/18", 99 + n), sandbox.services(n)),
        ] {
            text = text.replace(&theirs, &ours);
        }
    }
    let port = sandbox.port(0)?.to_string();
    let text = text
        .replace("10.102.0.0/24", &sandbox.subnet(20))
        .replace("10.103.0.0/24", &sandbox.subnet(21))
        .replace("10.104.0.0/24", &sandbox.subnet(22))
        .replace("10.105.0.0/24", &sandbox.subnet(23))
        .replace("10.106.0.0/24", &sandbox.subnet(24))
        .replace("10.107.0.0/24", &sandbox.subnet(25))
        .replace("18566", &sandbox.port(1)?.to_string())
        .replace("18567", &sandbox.port(2)?.to_string())
        .replace("18080", &port)
        // Those of tests that run beside this one come and go.
        .replace(
            "= data.atlas_k3d_clusters.all.names",
            "= length(data.atlas_k3d_clusters.all.names) > 0",
        );
    for theirs in [
        "10.99.", "10.100.", "10.101.", "10.102.", "10.103.", "10.104.", "10.105.", "10.106.",
        "10.107.",
    ] {
        ensure!(!text.contains(theirs), "{theirs} is left in\n{text}");
    }
    Ok(text)
}

/// What is looked up must be there when it is planned: look-ups come with a second apply.
#[test]
fn every_example_is_applied() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let is_opentofu = Settings::get()?.is_opentofu();
    let (mut made, mut looked_up) = (String::new(), String::new());
    for example in examples()? {
        let text = at_home(&sandbox, &text(&example)?)?;
        if text.contains("resource \"") {
            made += &text;
        } else if !(is_opentofu && text.contains("ephemeral ")) {
            looked_up += &text;
        }
    }
    terraform.apply(&made)?;
    terraform.apply(&(made + &looked_up))?;
    let pods = terraform.output("us_pods")?;
    ensure!(pods.is_string(), "the function gave {pods}");
    terraform.destroy()?;
    Ok(())
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
