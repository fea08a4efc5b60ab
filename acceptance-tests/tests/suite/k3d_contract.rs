//! The embedded images keep the contract of k3d's own: the k3d command line alone, without Atlas,
//! leads a cluster through its life on them.

use acceptance_tests::{K3d, K3dVersion, Kubectl, Sandbox};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

#[test]
fn k3d_5_8_3_leads_a_cluster_through_its_life() -> Result<()> {
    life(K3dVersion::V5_8_3)
}

#[test]
fn k3d_5_9_0_leads_a_cluster_through_its_life() -> Result<()> {
    life(K3dVersion::V5_9_0)
}

fn life(version: K3dVersion) -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (k3d, docker) = (sandbox.k3d(version)?, sandbox.docker());
    let name = sandbox.name("own");
    let (server, agent) = (
        format!("k3d-{name}-server-0"),
        format!("k3d-{}-0", sandbox.name("extra")),
    );
    let api = format!("127.0.0.1:{}", sandbox.port(0)?);
    k3d.create(&name, &["--api-port", &api, "--subnet", &sandbox.subnet(0)])?;
    // k3d merged its kubeconfig, which leads through its load balancer.
    let kubectl = Kubectl::with_kubeconfig(&k3d.kubeconfig());
    kubectl.wait_ready(std::slice::from_ref(&server))?;
    expect_listed(&k3d, &name, 1, 0)?;

    // k3d copies a node of the cluster to make a new one.
    k3d.run(&[
        "node",
        "create",
        &sandbox.name("extra"),
        "--cluster",
        &name,
        "--role",
        "agent",
    ])?;
    kubectl.wait_ready(&[agent.clone(), server.clone()])?;
    expect_listed(&k3d, &name, 1, 1)?;

    k3d.run(&["cluster", "stop", &name])?;
    for node in [&server, &agent] {
        ensure!(!docker.container(node)?.is_running(), "{node} still runs");
    }
    k3d.run(&["cluster", "start", &name])?;
    kubectl.wait_ready(&[agent, server])?;

    k3d.run(&["cluster", "delete", &name])?;
    ensure!(k3d.listed(&name)?.is_none(), "k3d still lists it");
    let left = docker.objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "k3d left\n{left}");
    Ok(())
}

fn expect_listed(k3d: &K3d, name: &str, servers: u64, agents: u64) -> Result<()> {
    let listed = k3d.listed(name)?.context("k3d does not list it")?;
    let count = |key: &str| listed[key].as_u64();
    let found = [
        "serversRunning",
        "serversCount",
        "agentsRunning",
        "agentsCount",
    ]
    .map(count);
    ensure!(
        found == [servers, servers, agents, agents].map(Some),
        "{listed}"
    );
    ensure!(listed["hasLoadbalancer"] == Value::Bool(true), "{listed}");
    Ok(())
}
