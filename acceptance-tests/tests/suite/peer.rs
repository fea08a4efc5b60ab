//! Terraform plans a resource on tfplugin just as it plans the same resource on tf-provider.

use std::fs;
use std::path::{Path, PathBuf};

use acceptance_tests::{Peers, Run, Sandbox, Settings};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// One of the two, with a folder and a state of its own.
struct Side {
    folder: PathBuf,
}

impl Side {
    fn new(folder: PathBuf, provider: &Path) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let binaries = provider.parent().context("no folder")?;
        let overrides = ["terraform.io", "opentofu.org"].map(|host| {
            format!(
                "    \"registry.{host}/atlas-world/null\" = \"{}\"\n",
                binaries.display()
            )
        });
        fs::write(
            folder.join("cli.tfrc"),
            format!(
                "provider_installation {{\n  dev_overrides {{\n{}  }}\n  direct {{}}\n}}\n",
                overrides.concat()
            ),
        )?;
        Ok(Self { folder })
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let run = Run::new(&Settings::get()?.terraform)
            .args(arguments)
            .dir(&self.folder)
            .env("TF_CLI_CONFIG_FILE", self.folder.join("cli.tfrc"))
            .env("CHECKPOINT_DISABLE", "1");
        Ok(run.succeed()?.stdout)
    }

    /// What Terraform plans for a configuration; applied after that.
    fn plan_and_apply(&self, thing: &str) -> Result<Value> {
        let head = "terraform {\n  required_providers {\n    null = { source = \"atlas-world/null\" }\n  }\n}\n";
        fs::write(self.folder.join("main.tf"), format!("{head}{thing}"))?;
        self.run(&["plan", "-out=planned"])?;
        let shown: Value = serde_json::from_str(&self.run(&["show", "-json", "planned"])?)?;
        self.run(&["apply", "planned"])?;
        let change = &shown["resource_changes"][0]["change"];
        Ok(json!({
            "actions": change["actions"],
            "before": change["before"],
            "after": change["after"],
            "after_unknown": change["after_unknown"],
            "replace_paths": change["replace_paths"],
        }))
    }
}

#[test]
fn terraform_plans_alike_on_both_frameworks() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let peers = Peers::build(&[])?;
    let ours = Side::new(sandbox.path("ours"), &peers.ours)?;
    let theirs = Side::new(sandbox.path("theirs"), &peers.theirs)?;
    let thing = |lines: &str| format!("resource \"null_thing\" \"t\" {{\n{lines}\n}}\n");
    for (what, config, action) in [
        ("new", thing("triggers = { a = \"1\" }"), json!(["create"])),
        ("again", thing("triggers = { a = \"1\" }"), json!(["no-op"])),
        (
            "changed in place",
            thing("triggers = { a = \"1\" }\nnote = \"n\""),
            json!(["update"]),
        ),
        (
            "replaced",
            thing("triggers = { a = \"2\" }\nnote = \"n\""),
            json!(["delete", "create"]),
        ),
        ("gone", String::new(), json!(["delete"])),
    ] {
        let (our, their) = (
            ours.plan_and_apply(&config)?,
            theirs.plan_and_apply(&config)?,
        );
        ensure!(our == their, "{what}: ours {our}\ntheirs {their}");
        ensure!(our["actions"] == action, "{what}: {our}");
    }
    Ok(())
}
