//! What a create that fails hands back: Terraform taints a state, and destroys what it names at the next apply.

use acceptance_tests::{Fault, FaultProxy, Pattern, Sandbox};
use anyhow::{Context as _, Result, ensure};
use rmpv::Value;
use tfplugin::proto::tfplugin6 as wire;

use super::core::{self, decode, encode};
use super::{NETWORK, Session, value};

/// The answer to the create of a network whose creation at the daemon ends in `fault`, and the name.
async fn failed_create(
    sandbox: &Sandbox,
    fault: Fault,
) -> Result<(wire::apply_resource_change::Response, Session, FaultProxy)> {
    let proxy = FaultProxy::in_sandbox(sandbox)?;
    let host = Value::from(proxy.host());
    let mut session = Session::configured(&[("docker_host", host)]).await?;
    let config = session.network(&[
        ("name", Value::from(sandbox.name("half"))),
        ("subnet", Value::from(sandbox.subnet(0))),
    ])?;
    let mut proposed = config.clone();
    for computed in ["id", "network_id", "gateway"] {
        proposed.insert(computed.to_owned(), core::unknown());
    }
    let planned = session.plan(None, Some(&config), Some(&proposed)).await?;
    proxy.fault_at(1, Pattern::of("POST", "/networks/create"), fault);
    let request = wire::apply_resource_change::Request {
        type_name: NETWORK.to_owned(),
        prior_state: value(None)?,
        planned_state: planned.planned_state,
        config: encode(&config)?,
        planned_private: planned.planned_private,
        ..Default::default()
    };
    let applied = session.client.apply_resource_change(request).await?;
    ensure!(proxy.is_spent(), "nothing failed");
    Ok((applied.into_inner(), session, proxy))
}

#[tokio::test]
async fn a_create_that_the_daemon_refused_is_not_tainted() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (applied, _session, _proxy) = failed_create(&sandbox, Fault::Refuse).await?;
    ensure!(!applied.diagnostics.is_empty(), "it did not fail");
    ensure!(decode(applied.new_state)?.is_none(), "it is tainted");
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left behind\n{left}");
    Ok(())
}

/// Whatever was made belongs to the state, so that it is destroyed by whoever the user tells to, and by nobody else.
#[tokio::test]
async fn a_create_whose_end_is_not_known_is_tainted_and_its_mark_is_gone() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (applied, mut session, _proxy) = failed_create(&sandbox, Fault::CutAfter).await?;
    let told = format!("{:?}", applied.diagnostics);
    ensure!(!applied.diagnostics.is_empty(), "it did not fail");
    let state = decode(applied.new_state)?.context("nothing is remembered")?;
    ensure!(state["name"] == Value::from(sandbox.name("half")), "{told}");
    ensure!(
        !state.values().any(|one| matches!(one, Value::Ext(..))),
        "what is not known is kept as unknown"
    );
    // Terraform destroys it first.
    let destruction = session.plan(Some(&state), None, None).await?;
    let gone = session
        .apply(Some(&state), None, destruction.planned_state)
        .await?;
    ensure!(gone.is_none(), "destroyed, it is {gone:?}");
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left behind\n{left}");
    Ok(())
}

#[tokio::test]
async fn a_value_that_came_to_null_is_refused_at_its_attribute_before_anything_is_asked()
-> Result<()> {
    let sandbox = Sandbox::open()?;
    let nowhere = format!("unix://{}", sandbox.path("nowhere.sock").display());
    let mut session = Session::configured(&[("docker_host", Value::from(nowhere))]).await?;
    let config = session.network(&[("subnet", Value::from(sandbox.subnet(0)))])?;
    let request = wire::plan_resource_change::Request {
        type_name: NETWORK.to_owned(),
        prior_state: value(None)?,
        proposed_new_state: encode(&config)?,
        config: encode(&config)?,
        ..Default::default()
    };
    let planned = session.client.plan_resource_change(request).await?;
    let found = planned.into_inner().diagnostics;
    let summaries: Vec<&str> = found.iter().map(|one| one.summary.as_str()).collect();
    ensure!(summaries == ["name has no value"], "{summaries:?}");
    ensure!(
        format!("{:?}", found[0].attribute).contains("name"),
        "{found:?}"
    );
    Ok(())
}
