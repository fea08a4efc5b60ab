//! A provider that is killed at any point leaves nothing that the next apply does not take.

use std::time::Duration;

use acceptance_tests::{
    Fault, FaultProxy, Pattern, Sandbox, Settings, Terraform, descendant_running,
};
use anyhow::{Context, Result, bail, ensure};

use super::{Ledger, members};

/// Kills the provider when it makes the n-th call of this kind.
fn killed_at(
    sandbox: &Sandbox,
    terraform: &mut Terraform,
    hcl: &str,
    (n, method, path): (usize, &str, &str),
) -> Result<()> {
    let proxy = FaultProxy::in_sandbox(sandbox)?;
    terraform.set_docker_host(Some(proxy.host()));
    let call = Pattern::of(method, path);
    let mut running = terraform.start_apply(hcl)?;
    while proxy.calls(&call).len() < n {
        if !running.is_running()? {
            bail!(
                "{method} {path} came less than {n} times in\n{}",
                running.wait()?
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let provider = descendant_running(running.pid(), "terraform-provider-atlas");
    provider.context("no provider runs")?.kill()?;
    let finished = running.wait()?;
    ensure!(
        finished.code == Some(1),
        "it was to be killed at {method} {path}\n{finished}"
    );
    terraform.set_docker_host(None);
    Ok(())
}

#[test]
fn a_killed_provider_leaves_nothing_that_the_next_apply_does_not_take() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let mut terraform = sandbox.terraform()?;
    let mut ledger = Ledger::new(&sandbox)?;
    let docker = sandbox.docker();
    // Its state has nothing of what it made, until it comes to the end.
    for moment in [
        (3, "POST", "/containers/create"),
        (1, "PUT", "/containers/*/archive"),
        (1, "POST", "/containers/*/start"),
    ] {
        killed_at(&sandbox, &mut terraform, &ledger.hcl(), moment)?;
    }
    terraform.apply(&ledger.hcl())?;
    let third = format!("/containers/{}", ledger.node("us-east", 3));
    let of_third = |what: &str| format!("{third}{what}");
    for (nodes, method, path) in [
        (3, "PUT", of_third("/archive")),
        (2, "POST", of_third("/stop")),
        (3, "POST", of_third("/start")),
        (2, "DELETE", of_third("")),
    ] {
        ledger.regions[0].1 = nodes;
        let hcl = ledger.hcl();
        killed_at(&sandbox, &mut terraform, &hcl, (1, method, &path))?;
        terraform
            .apply(&hcl)
            .with_context(|| format!("after it was killed at {method} {path}"))?;
        ensure!(
            members(&terraform)?["us-east"] == nodes,
            "{}",
            members(&terraform)?
        );
    }
    ledger.region = format!("version = \"{}\"", Settings::get()?.cockroachdb_older);
    let stop = (2, "POST", "/containers/*/stop");
    killed_at(&sandbox, &mut terraform, &ledger.hcl(), stop)?;
    terraform.apply(&ledger.hcl())?;
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
        .expect(&["possibly tables", "force_destroy"])?;
    terraform.apply(&ledger.hcl())?;

    // Both nodes have been stopped when the first of them is to be removed.
    let proxy = FaultProxy::in_sandbox(&sandbox)?;
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

    let proxy = FaultProxy::in_sandbox(&sandbox)?;
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
