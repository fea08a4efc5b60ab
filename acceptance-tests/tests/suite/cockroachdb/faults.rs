//! A provider that is killed at any point leaves nothing that the next apply does not take.

use std::time::Duration;

use acceptance_tests::{Sandbox, Settings, Terraform, descendant_running};
use anyhow::{Context, Result, ensure};

use super::{Ledger, members};

/// Applies, kills the provider after a while, and applies again.
fn killed_and_applied_again(terraform: &Terraform, hcl: &str, after: Duration) -> Result<()> {
    let mut running = terraform.start_apply(hcl)?;
    let started = std::time::Instant::now();
    while started.elapsed() < after && running.is_running()? {
        std::thread::sleep(Duration::from_millis(50));
    }
    if let Some(provider) = descendant_running(running.pid(), "terraform-provider-atlas") {
        provider.kill()?;
    }
    let finished = running.wait()?;
    terraform
        .apply(hcl)
        .with_context(|| format!("killed after {after:?} was:\n{finished}"))?;
    Ok(())
}

#[test]
fn a_killed_provider_leaves_nothing_that_the_next_apply_does_not_take() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let mut ledger = Ledger::new(&sandbox)?;
    let docker = sandbox.docker();
    for (nodes, after) in [(2, 900), (3, 1300), (2, 1600), (3, 2200), (2, 2600)] {
        ledger.regions[0].1 = nodes;
        killed_and_applied_again(&terraform, &ledger.hcl(), Duration::from_millis(after))?;
        ensure!(
            members(&terraform)?["us-east"] == nodes,
            "{}",
            members(&terraform)?
        );
    }
    ledger.region = format!("version = \"{}\"", Settings::get()?.cockroachdb_older);
    killed_and_applied_again(&terraform, &ledger.hcl(), Duration::from_millis(2500))?;
    let left = docker.objects(&sandbox.prefix())?;
    ensure!(left.volumes.len() == 5, "there is:\n{left}");
    terraform.destroy()?;
    Ok(())
}
