//! One object that Terraform and an Ansible module describe alike: what is broken behind their backs is foretold by both,
//! mended by either, and then neither has anything to do.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::ansible::Ansible;
use crate::terraform::Terraform;

/// Who mends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// `terraform apply`.
    Terraform,
    /// A run of the module.
    Module,
}

/// The two descriptions of one object.
#[derive(Debug, Clone)]
pub struct Faces<'a> {
    /// With its configuration applied.
    pub terraform: &'a Terraform,
    /// The resource's address.
    pub address: &'a str,
    /// For the module.
    pub ansible: &'a Ansible,
    /// Its name, `k3d_cluster` for instance.
    pub module: &'a str,
    /// Its arguments.
    pub arguments: Value,
}

impl Faces<'_> {
    /// Mends what is broken: a check run of the module and a plan both foretell that, the plan by these actions. Whoever
    /// mends does what it has foretold; the other one finds nothing to do, and neither does the first. Returns what
    /// the module says that it will do.
    pub fn expect_mended(&self, planned: &[&str], by: Face) -> Result<Vec<String>> {
        let foretold = self.run(true)?;
        ensure!(
            foretold["changed"] == true,
            "the module's check foretells nothing: {foretold}"
        );
        let plan = self.terraform.expect_changes()?;
        plan.expect(self.address, planned)?;
        match by {
            Face::Terraform => self.terraform.repair().map(drop)?,
            Face::Module => {
                let done = self.run(false)?;
                for told in ["changed", "actions", "differences"] {
                    ensure!(
                        done[told] == foretold[told],
                        "{told} was foretold as {}\nand is {}",
                        foretold[told],
                        done[told]
                    );
                }
                self.terraform
                    .expect_no_changes()
                    .with_context(|| format!("after the module's run: {done}"))?;
            }
        }
        self.expect_nothing_to_do()
            .with_context(|| format!("mended by {by:?}"))?;
        let actions = foretold["actions"].as_array().into_iter().flatten();
        let actions = actions.filter_map(Value::as_str).map(str::to_owned);
        Ok(actions.collect())
    }

    /// Fails unless the module's check is empty.
    pub fn expect_nothing_to_do(&self) -> Result<()> {
        let told = self.run(true)?;
        ensure!(
            told["changed"] == false,
            "the module would change something: {told}"
        );
        Ok(())
    }

    fn run(&self, check: bool) -> Result<Value> {
        let mut task = json!({"name": self.module, "check_mode": check, "diff": true});
        task[format!("atlas.world.{}", self.module)] = self.arguments.clone();
        let told = self.ansible.succeed(&[task])?;
        told.into_iter().next().context("the module told nothing")
    }
}
