//! A provider that is killed at any point leaves nothing that the next apply does not take.

use std::time::Duration;

use acceptance_tests::{
    Fault, FaultProxy, Pattern, Sandbox, Settings, Terraform, descendant_running,
};
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

/// One region of two nodes and nothing in it.
fn small(sandbox: &Sandbox) -> Result<Ledger> {
    let mut ledger = Ledger::new(sandbox)?;
    ledger.regions = vec![("us-east", 2)];
    ledger.database.clear();
    Ok(ledger)
}

#[test]
fn a_destroy_that_was_interrupted_goes_on_and_one_that_cannot_ask_takes_no_data() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ledger = small(&sandbox)?;
    let nodes = [1, 2].map(|number| ledger.node("us-east", number));
    let mut terraform = sandbox.terraform()?;
    terraform.apply(&ledger.hcl())?;

    // Only the stores are left, which tell nothing.
    sandbox
        .docker()
        .run(&["rm", "--force", &nodes[0], &nodes[1]])?
        .success()?;
    terraform
        .expect_destroy_error()?
        .expect(&["perhaps tables", "force_destroy"])?;
    terraform.apply(&ledger.hcl())?;

    // Both nodes have been stopped when the first of them is to be removed.
    let upstream = &Settings::get()?.docker_socket;
    let proxy = FaultProxy::start(&sandbox.path("docker.sock"), upstream)?;
    terraform.set_docker_host(Some(proxy.host()));
    let remove = Pattern::of("DELETE", &format!("/containers/{}", nodes[0]));
    proxy.fault_at(1, remove, Fault::Refuse);
    terraform.expect_destroy_error()?;
    ensure!(proxy.is_spent(), "nothing was to be removed");
    terraform.destroy().map(drop)
}

/// A node that is being stopped lets nobody in any more, though it has just answered.
#[test]
fn where_one_node_turns_a_question_away_another_answers_it() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ledger = small(&sandbox)?;
    sandbox.terraform()?.apply(&ledger.hcl())?;

    let upstream = &Settings::get()?.docker_socket;
    let proxy = FaultProxy::start(&sandbox.path("docker.sock"), upstream)?;
    let mut reading = sandbox.another_terraform("reading")?;
    reading.set_docker_host(Some(proxy.host()));
    // The first command asks the node for its status, the second for what it takes SQL to know.
    let first = ledger.node("us-east", 1);
    let command = Pattern::of("POST", &format!("/containers/{first}/exec"));
    proxy.fault_at(2, command, Fault::Refuse);
    reading.apply(&format!(
        "data \"atlas_cockroachdb_survival\" \"s\" {{ cluster = \"{}\" }}",
        ledger.name
    ))?;
    ensure!(proxy.is_spent(), "there was no second command in {first}");
    Ok(())
}
