//! The embedded images keep the contract of k3d's own: the k3d command line alone, without Atlas,
//! leads a cluster through its life on them.

use std::time::Duration;

use acceptance_tests::{K3d, K3dVersion, Kubectl, Sandbox, Settings, eventually};
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

const CONFIG_MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: put
  namespace: later
data: {by: the-folder}
";

/// What k3s's flags say, in one container without k3d.
#[test]
fn the_node_images_flags_do_what_those_of_k3s_do() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (docker, settings) = (sandbox.docker(), Settings::get()?);
    let name = sandbox.name("flags");
    let run = |name: &str, flags: &[&str]| -> Result<()> {
        let own = [
            "run",
            "--detach",
            "--privileged",
            "--name",
            name,
            "--hostname",
            name,
        ];
        let tmpfs = [
            "--tmpfs",
            "/run",
            "--tmpfs",
            "/var/run",
            &settings.node_image,
            "server",
        ];
        docker
            .run(&[&own[..], &tmpfs[..], flags].concat())
            .map(drop)
    };
    let refused = sandbox.name("refused");
    run(&refused, &["--no-such-flag"])?;
    docker.run(&["wait", &refused])?;
    let log = docker.run(&["logs", &refused])?.output();
    ensure!(
        log.contains("flag provided but not defined: -no-such-flag"),
        "an unknown flag is answered by\n{log}"
    );

    run(
        &name,
        &[
            "--node-taint=dedicated=tests:NoSchedule",
            "--node-label",
            "colour=green",
            "--disable=coredns",
            "--cluster-dns=10.43.0.99",
            "--etcd-arg=snapshot-count=5000",
        ],
    )?;
    let node = name.as_str();
    let kubectl = Kubectl::in_node(node);
    eventually(Duration::from_secs(120), || {
        let log = docker.run(&["logs", node])?.output();
        ensure!(log.contains("k3s is up and running"), "not up:\n{log}");
        Ok(())
    })?;
    let found = kubectl.json(&["get", "node", node])?;
    ensure!(found["metadata"]["labels"]["colour"] == "green", "{found}");
    let taints = found["spec"]["taints"].to_string();
    ensure!(
        taints.contains("dedicated") && taints.contains("NoSchedule"),
        "its taints are {taints}"
    );
    let kubelet = kubectl.run(&[
        "get",
        "--raw",
        &format!("/api/v1/nodes/{node}/proxy/configz"),
    ])?;
    ensure!(
        kubelet.contains("\"clusterDNS\":[\"10.43.0.99\"]"),
        "{kubelet}"
    );
    let dns = [
        "get",
        "deployments",
        "--namespace=kube-system",
        "-o",
        "name",
    ];
    let deployed = kubectl.run(&dns)?;
    ensure!(!deployed.contains("coredns"), "disabled is {deployed}");
    let etcd = docker.exec(
        node,
        &["sh", "-c", "tr '\\0' ' ' </proc/$(pidof etcd)/cmdline"],
    )?;
    ensure!(etcd.contains("--snapshot-count=5000"), "{etcd}");

    // A manifest is applied once it can be, though its file does not change again.
    let file = sandbox.path("put.yaml");
    std::fs::write(&file, CONFIG_MAP)?;
    let folder = format!("{node}:/var/lib/rancher/k3s/server/manifests/put.yaml");
    docker.run(&["cp", &file.display().to_string(), &folder])?;
    eventually(Duration::from_secs(20), || {
        let log = docker.run(&["logs", node])?.output();
        ensure!(
            log.contains("level=warning msg=\"manifest"),
            "not refused:\n{log}"
        );
        Ok(())
    })?;
    kubectl.run(&["create", "namespace", "later"])?;
    eventually(Duration::from_secs(40), || {
        kubectl.run(&["get", "configmap", "put", "--namespace=later"])
    })?;
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
