//! Whatever goes wrong while a cluster is made, the next apply goes on from there, and after a
//! destroy nothing is left.

use std::time::Duration;

use acceptance_tests::{
    Cluster, Fault, FaultProxy, Kubectl, Pattern, Running, Sandbox, Terraform, descendant_running,
    eventually,
};
use anyhow::{Context, Result, ensure};

fn config(sandbox: &Sandbox) -> String {
    Cluster::new(sandbox, "f", 0).with("agents = 1").hcl()
}

fn server(sandbox: &Sandbox) -> String {
    format!("k3d-{}-server-0", sandbox.name("f"))
}

/// Starts to apply and returns in the middle of it: the server runs, but is far from ready.
fn half_applied(sandbox: &Sandbox, terraform: &Terraform) -> Result<Running> {
    let mut running = terraform.start_apply(&config(sandbox))?;
    let docker = sandbox.docker();
    eventually(Duration::from_secs(60), || {
        let ended = !running.is_running()?;
        ensure!(
            !ended,
            "the apply ended before the server ran:\n{}",
            running.output()
        );
        ensure!(
            docker
                .find(&server(sandbox))?
                .is_some_and(|found| found.is_running()),
            "no server yet"
        );
        Ok(())
    })?;
    Ok(running)
}

/// The same configuration is applied, works, and goes without a trace.
fn expect_recovery(sandbox: &Sandbox, terraform: &Terraform) -> Result<()> {
    terraform.apply(&config(sandbox))?;
    let name = sandbox.name("f");
    let nodes = ["server-0", "agent-0"].map(|ending| format!("k3d-{name}-{ending}"));
    Kubectl::in_cluster(&name).expect_ready(&nodes)?;
    terraform.destroy().map(drop)
}

#[test]
fn ctrl_c_during_create_stops_soon_and_the_next_apply_goes_on() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let running = half_applied(&sandbox, &terraform)?;
    let interrupted = std::time::Instant::now();
    running.interrupt()?;
    let finished = running.wait()?;
    ensure!(
        finished.code == Some(1),
        "an interrupted apply should fail\n{finished}"
    );
    let took = interrupted.elapsed();
    ensure!(
        took < Duration::from_secs(10),
        "it took {} s to stop\n{finished}",
        took.as_secs()
    );
    expect_recovery(&sandbox, &terraform).with_context(|| format!("interrupted was:\n{finished}"))
}

#[test]
fn a_killed_provider_leaves_nothing_that_the_next_apply_does_not_take() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let running = half_applied(&sandbox, &terraform)?;
    let provider = descendant_running(running.pid(), "terraform-provider-atlas");
    provider
        .context("there is no provider below Terraform")?
        .kill()?;
    let finished = running.wait()?;
    ensure!(
        finished.code == Some(1),
        "an apply without provider should fail\n{finished}"
    );
    expect_recovery(&sandbox, &terraform).with_context(|| format!("killed was:\n{finished}"))
}

/// Terraform with a fault proxy before the daemon.
fn behind_proxy(sandbox: &Sandbox) -> Result<(Terraform, FaultProxy)> {
    let proxy = FaultProxy::in_sandbox(sandbox)?;
    let mut terraform = sandbox.terraform()?;
    terraform.set_docker_host(Some(proxy.host()));
    Ok((terraform, proxy))
}

/// The cluster on a subnet that Docker chooses.
fn anywhere(sandbox: &Sandbox, agents: u32) -> String {
    let config = Cluster::new(sandbox, "f", 0)
        .with(format!("agents = {agents}"))
        .hcl();
    let lines = config.lines().filter(|line| !line.contains("subnet ="));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn any_call_may_fail_and_the_next_apply_goes_on() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, proxy) = behind_proxy(&sandbox)?;
    let config = anywhere(&sandbox, 1);
    let address = "atlas_k3d_cluster.f";
    // The network that was only made to learn of a free subnet stays behind, and nobody knows of it.
    proxy.fault_at(1, Pattern::of("DELETE", "/networks/*"), Fault::Refuse);
    let finished = terraform.apply_only(&config)?;
    ensure!(
        proxy.is_spent() && finished.code == Some(1),
        "the network was not probed\n{finished}"
    );
    proxy.heal();
    terraform.forget(address)?;
    // One apply after another, each a step farther than the one before.
    let faults = [
        (Pattern::of("POST", "/networks/create"), Fault::CutAfter),
        (Pattern::of("POST", "/volumes/create"), Fault::Refuse),
        (Pattern::of("POST", "/containers/create"), Fault::CutAfter),
        (
            Pattern::of("PUT", "/containers/*/archive"),
            Fault::CutBefore,
        ),
        (Pattern::of("POST", "/containers/*/start"), Fault::Refuse),
        (Pattern::of("GET", "/containers/*/logs"), Fault::CutBefore),
    ];
    for (pattern, fault) in faults {
        proxy.fault_at(1, pattern.clone(), fault);
        let finished = terraform.apply_only(&config)?;
        ensure!(
            proxy.is_spent(),
            "{pattern:?} was never called, so {fault:?} proves nothing\n{finished}"
        );
        // A call that is safe to repeat may be repeated; else the user is told what failed.
        let told = finished.code == Some(0) || finished.output().contains("Error:");
        ensure!(told, "{fault:?} at {pattern:?}\n{finished}");
        proxy.heal();
    }
    terraform.apply(&config)?;
    let kubectl = Kubectl::in_cluster(&sandbox.name("f"));
    eventually(Duration::from_secs(1), || kubectl.nodes())?;
    let subnet = terraform.attributes(address)?["subnet"].clone();
    let network = sandbox
        .docker()
        .network(&format!("k3d-{}", sandbox.name("f")))?;
    let network = network.context("the cluster has no network")?;
    ensure!(
        network["IPAM"]["Config"][0]["Subnet"] == subnet,
        "the state says {subnet}: {network}"
    );
    let fixed = network["Labels"]["k3d.x.atlas.probe"].is_null();
    ensure!(
        fixed,
        "nodes are on a network that was only a probe: {network}"
    );

    // A node whose files never came is not started without them.
    proxy.fault_at(
        1,
        Pattern::of("PUT", "/containers/*/archive"),
        Fault::CutBefore,
    );
    let more = anywhere(&sandbox, 2);
    let finished = terraform.apply_only(&more)?;
    ensure!(
        proxy.is_spent() && finished.code == Some(1),
        "no upload was cut\n{finished}"
    );
    proxy.heal();
    terraform
        .apply(&more)
        .with_context(|| format!("after an upload that was cut:\n{finished}"))?;
    let name = sandbox.name("f");
    let nodes = ["server-0", "agent-0", "agent-1"].map(|ending| format!("k3d-{name}-{ending}"));
    kubectl.expect_ready(&nodes)?;

    // The way down is no different.
    for (pattern, fault) in [
        (Pattern::of("DELETE", "/containers/*"), Fault::CutAfter),
        (Pattern::of("DELETE", "/networks/*"), Fault::Refuse),
    ] {
        proxy.fault_at(1, pattern.clone(), fault);
        let finished = terraform
            .command("destroy")?
            .arg("-auto-approve")
            .finish()?;
        let left = sandbox.docker().objects(&sandbox.prefix())?;
        ensure!(
            proxy.is_spent() || left.is_empty(),
            "{pattern:?} was never called, and there is left:\n{left}\n{finished}"
        );
        // What is left is in the state, and the user is told why.
        let told = finished.code == Some(0) || finished.output().contains("Error:");
        ensure!(
            told && (finished.code != Some(0) || left.is_empty()),
            "{fault:?} at {pattern:?} left:\n{left}\n{finished}"
        );
        proxy.heal();
    }
    terraform.destroy()?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "there is left:\n{left}");
    Ok(())
}

#[test]
fn an_answer_that_never_came_is_not_a_second_network() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, proxy) = behind_proxy(&sandbox)?;
    let config = format!(
        "resource \"atlas_network\" \"n\" {{\n  name   = \"{}\"\n  subnet = \"{}\"\n}}\n",
        sandbox.name("net"),
        sandbox.subnet(0)
    );
    let creation = Pattern::of("POST", "/networks/create");
    for fault in [Fault::Refuse, Fault::CutBefore, Fault::CutAfter] {
        proxy.fault_at(1, creation.clone(), fault);
        let finished = terraform.apply_only(&config)?;
        ensure!(proxy.is_spent(), "{finished}");
        proxy.heal();
        terraform
            .apply(&config)
            .with_context(|| format!("after {fault:?}:\n{finished}"))?;
        terraform.destroy()?;
    }
    Ok(())
}

#[test]
fn what_a_cut_connection_may_have_made_is_remembered() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, proxy) = behind_proxy(&sandbox)?;
    let network = format!(
        "resource \"atlas_network\" \"n\" {{\n  name   = \"{}\"\n  subnet = \"{}\"\n}}\n",
        sandbox.name("net"),
        sandbox.subnet(0)
    );
    for (config, call) in [
        (network, "/networks/create"),
        (config(&sandbox), "/containers/create"),
    ] {
        proxy.fault_at(1, Pattern::of("POST", call), Fault::CutAfter);
        let finished = terraform.apply_only(&config)?;
        ensure!(
            proxy.is_spent() && finished.code == Some(1),
            "{call} was not cut\n{finished}"
        );
        proxy.heal();
        let made = sandbox.docker().objects(&sandbox.prefix())?;
        ensure!(!made.is_empty(), "{call} made nothing\n{finished}");
        // Without an apply in between: what was made must be in the state.
        terraform
            .destroy()
            .with_context(|| format!("{call} was cut:\n{finished}"))?;
    }
    Ok(())
}

#[test]
fn a_node_that_ends_instead_of_becoming_ready_is_named_with_its_last_lines() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let odd = "k3s {\n    extra_server_args = [\"--no-such-flag\"]\n  }";
    let said = terraform.expect_apply_error(&Cluster::new(&sandbox, "f", 0).with(odd).hcl())?;
    said.expect(&[
        &server(&sandbox),
        "flag provided but not defined",
        "no-such-flag",
    ])?;
    terraform.destroy().map(drop)
}

#[test]
fn a_daemon_that_fails_while_reading_is_not_an_empty_world() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, proxy) = behind_proxy(&sandbox)?;
    let config = format!(
        "resource \"atlas_network\" \"n\" {{\n  name   = \"{}\"\n  subnet = \"{}\"\n}}\n",
        sandbox.name("net"),
        sandbox.subnet(0)
    );
    terraform.apply(&config)?;
    proxy.fault_always(Pattern::of("GET", "/networks/*"), Fault::Refuse);
    proxy.fault_always(Pattern::of("GET", "/networks"), Fault::Refuse);
    // An error, and never a plan to make again what is there.
    terraform
        .expect_plan_error(&config)?
        .expect(&["refused by the fault proxy"])?;
    proxy.heal();
    terraform.expect_no_changes()?;
    terraform.destroy()?;
    Ok(())
}
