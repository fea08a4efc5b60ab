//! Real Terraform (or OpenTofu) with the provider under test, in a folder of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command::{Finished, Run, Running};
use crate::docker::Docker;
use crate::plan::{Diagnostics, Plan};
use crate::settings::Settings;

/// For one command. A cluster takes about half a minute; several on a busy machine take a few.
const LIMIT: Duration = Duration::from_secs(300);

/// One configuration and its state.
#[derive(Debug)]
pub struct Terraform {
    folder: PathBuf,
    prefix: String,
    docker_host: Option<String>,
}

impl Terraform {
    pub(crate) fn new(folder: PathBuf, prefix: String) -> Result<Self> {
        let settings = Settings::get()?;
        fs::create_dir_all(folder.join("home"))?;
        let binaries = settings.provider.parent().unwrap_or(Path::new("."));
        let registry = if settings.is_opentofu() {
            "registry.opentofu.org"
        } else {
            "registry.terraform.io"
        };
        let cli = format!(
            "disable_checkpoint = true\nprovider_installation {{\n  dev_overrides {{\n    \
             \"{registry}/atlas-world/atlas\" = {:?}\n  }}\n  direct {{}}\n}}\n",
            binaries.display().to_string(),
        );
        fs::write(folder.join("cli.tfrc"), cli)?;
        let required = "terraform {\n  required_providers {\n    \
                        atlas = { source = \"atlas-world/atlas\" }\n  }\n}\n";
        fs::write(folder.join("versions.tf"), required)?;
        Ok(Self {
            folder,
            prefix,
            docker_host: None,
        })
    }

    /// Has the provider speak to this daemon, a fault proxy for instance; `None` for the usual one.
    pub fn set_docker_host(&mut self, host: Option<String>) {
        self.docker_host = host;
    }

    /// The folder of the configuration.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Replaces the configuration.
    pub fn write(&self, config: &str) -> Result<()> {
        Ok(fs::write(self.folder.join("main.tf"), config)?)
    }

    /// Applies a configuration; the plan after it must be empty.
    pub fn apply(&self, config: &str) -> Result<Finished> {
        let applied = self.apply_only(config)?.success()?;
        self.expect_no_changes()
            .with_context(|| format!("after this apply:\n{applied}"))?;
        Ok(applied)
    }

    /// Applies a configuration, with whatever outcome, and looks no further.
    pub fn apply_only(&self, config: &str) -> Result<Finished> {
        self.start_apply(config)?.wait()
    }

    /// Starts to apply a configuration.
    pub fn start_apply(&self, config: &str) -> Result<Running> {
        self.write(config)?;
        self.command("apply")?.arg("-auto-approve").start()
    }

    /// Fails, showing the plan, unless there is nothing to do.
    pub fn expect_no_changes(&self) -> Result<()> {
        let planned = self.plan_exit_code()?;
        match planned.code {
            Some(0) => Ok(()),
            Some(2) => bail!("the plan should be empty and is not\n{planned}"),
            _ => bail!("planning failed\n{planned}"),
        }
    }

    /// Fails unless there is something to do (`-detailed-exitcode` gives 2); returns the plan.
    pub fn expect_changes(&self) -> Result<Plan> {
        let planned = self.plan_exit_code()?;
        ensure!(
            planned.code == Some(2),
            "the plan should hold changes\n{planned}"
        );
        self.plan_json()
    }

    /// The configuration that is applied anyway, once more; afterwards there is nothing to do.
    pub fn repair(&self) -> Result<Finished> {
        let repaired = self.command("apply")?.arg("-auto-approve").succeed()?;
        self.expect_no_changes()
            .with_context(|| format!("after this apply:\n{repaired}"))?;
        Ok(repaired)
    }

    /// Plans what is configured.
    pub fn plan_json(&self) -> Result<Plan> {
        self.command("plan")?.arg("-out=planned").succeed()?;
        Ok(Plan::new(self.show(&["planned"])?))
    }

    /// Plans another configuration without applying it.
    pub fn plan(&self, config: &str) -> Result<Plan> {
        self.write(config)?;
        self.plan_json()
    }

    /// Plans another configuration, which must fail; returns what was said.
    pub fn expect_plan_error(&self, config: &str) -> Result<Diagnostics> {
        self.write(config)?;
        self.expect_error_of("plan", &[])
    }

    /// Applies another configuration, which must fail; returns what was said.
    pub fn expect_apply_error(&self, config: &str) -> Result<Diagnostics> {
        self.write(config)?;
        self.expect_error_of("apply", &["-auto-approve"])
    }

    /// Applies the plan of [`Terraform::plan_json`] as it was saved, which must fail because an object of this kind is not
    /// as it was when that plan was made, and must say so.
    pub fn expect_stale_plan(&self, noun: &str) -> Result<()> {
        let said = self.expect_error_of("apply", &["planned"])?;
        let summary = format!("The {noun} has changed since the plan");
        said.expect(&[&summary, "Plan again"])?;
        ensure!(
            !said.to_string().contains("bug in the provider"),
            "Terraform takes it for a bug:\n{said}"
        );
        Ok(())
    }

    /// Destroys everything, which must fail; returns what was said.
    pub fn expect_destroy_error(&self) -> Result<Diagnostics> {
        self.expect_error_of("destroy", &["-auto-approve"])
    }

    /// The state.
    pub fn show_json(&self) -> Result<Value> {
        self.show(&[])
    }

    /// One resource's or data source's attributes in the state.
    pub fn attributes(&self, address: &str) -> Result<Value> {
        let state = self.show_json()?;
        let resources = state["values"]["root_module"]["resources"].as_array();
        let found = resources
            .into_iter()
            .flatten()
            .find(|resource| resource["address"] == address);
        let found = found.with_context(|| format!("{address} is not in the state: {state}"))?;
        Ok(found["values"].clone())
    }

    /// All addresses in the state.
    pub fn addresses(&self) -> Result<BTreeSet<String>> {
        let listed = self.command("state")?.arg("list").finish()?;
        // Without any state file there is nothing, and Terraform calls that an error.
        if listed.code != Some(0) && !listed.stderr.contains("No state file was found") {
            bail!("{listed}");
        }
        Ok(listed.stdout.lines().map(str::to_owned).collect())
    }

    /// The state file's text.
    pub fn state_file(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join("terraform.tfstate"))?)
    }

    /// One output's value, secrets included.
    pub fn output(&self, name: &str) -> Result<Value> {
        let shown = self.command("output")?.args(["-json", name]).succeed()?;
        Ok(serde_json::from_str(&shown.stdout)?)
    }

    /// Imports an object; the plan after it must be empty.
    pub fn import(&self, config: &str, address: &str, id: &str) -> Result<Finished> {
        self.write(config)?;
        let imported = self.command("import")?.args([address, id]).succeed()?;
        self.expect_no_changes()
            .with_context(|| format!("after this import:\n{imported}"))?;
        Ok(imported)
    }

    /// Forgets an object without touching it.
    pub fn forget(&self, address: &str) -> Result<()> {
        self.command("state")?
            .args(["rm", address])
            .succeed()
            .map(drop)
    }

    /// Destroys everything; afterwards nothing of the sandbox's prefix is left in Docker, and none of
    /// the anonymous volumes that its containers had.
    pub fn destroy(&self) -> Result<Finished> {
        let docker = Docker::new();
        let volumes = docker.anonymous_volumes(&docker.objects(&self.prefix)?.containers)?;
        let destroyed = self.command("destroy")?.arg("-auto-approve").succeed()?;
        let mut left = docker.objects(&self.prefix)?;
        left.volumes.extend(docker.remaining_volumes(&volumes)?);
        ensure!(
            left.is_empty(),
            "after destroy there is left:\n{left}\n{destroyed}"
        );
        let known = self.addresses()?;
        ensure!(known.is_empty(), "after destroy the state holds {known:?}");
        Ok(destroyed)
    }

    /// A Terraform command in this folder, to be completed by the test.
    pub fn command(&self, name: &str) -> Result<Run> {
        let settings = Settings::get()?;
        let home = self.folder.join("home");
        let mut run = Run::new(&settings.terraform)
            .arg(name)
            .dir(&self.folder)
            .limit(LIMIT)
            .env("TF_CLI_CONFIG_FILE", self.folder.join("cli.tfrc"))
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("CHECKPOINT_DISABLE", "1")
            .env("ATLAS_NODE_IMAGE", &settings.node_image)
            .env("ATLAS_LOADBALANCER_IMAGE", &settings.loadbalancer_image)
            .env("ATLAS_LOCALSTACK_IMAGE", &settings.localstack_image)
            .env("KUBECONFIG", home.join("kubeconfig"))
            .env("HOME", home)
            .without_env("AWS_ACCESS_KEY_ID")
            .without_env("AWS_SECRET_ACCESS_KEY")
            .without_env("TF_CLI_ARGS")
            .without_env("TF_CLI_ARGS_plan")
            .without_env("TF_CLI_ARGS_apply")
            .without_env("TF_WORKSPACE")
            .without_env("TF_DATA_DIR")
            .without_env("TF_REATTACH_PROVIDERS");
        if let Some(host) = &self.docker_host {
            run = run.env("DOCKER_HOST", host);
        }
        Ok(run)
    }

    fn plan_exit_code(&self) -> Result<Finished> {
        self.command("plan")?.arg("-detailed-exitcode").finish()
    }

    fn expect_error_of(&self, command: &str, arguments: &[&str]) -> Result<Diagnostics> {
        let finished = self
            .command(command)?
            .arg("-json")
            .args(arguments)
            .finish()?;
        ensure!(
            finished.code == Some(1),
            "{command} should have failed\n{finished}"
        );
        let said = Diagnostics::from_log(&finished.stdout);
        ensure!(
            said.errors().next().is_some(),
            "{command} failed without an error\n{finished}"
        );
        Ok(said)
    }

    fn show(&self, arguments: &[&str]) -> Result<Value> {
        let shown = self
            .command("show")?
            .arg("-json")
            .args(arguments)
            .succeed()?;
        Ok(serde_json::from_str(&shown.stdout)?)
    }
}
