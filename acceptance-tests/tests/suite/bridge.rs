//! Two regions, each a provider configuration of its own, and the bridge between them.

use std::time::Duration;

use acceptance_tests::{Cluster, Docker, Kubectl, Sandbox, eventually};
use anyhow::{Context, Result, ensure};

use crate::web;

/// One side of the bridge.
struct Side {
    cluster: String,
    kubectl: Kubectl,
    pods: String,
    services: String,
}

impl Side {
    fn new(sandbox: &Sandbox, label: &str, n: u8) -> Self {
        let cluster = sandbox.name(label);
        let kubectl = Kubectl::in_cluster(&cluster);
        Self {
            cluster,
            kubectl,
            pods: sandbox.pods(n),
            services: sandbox.services(n),
        }
    }

    fn server(&self) -> String {
        format!("k3d-{}-server-0", self.cluster)
    }

    /// Its page says where it is.
    fn serve(&self) -> Result<()> {
        self.kubectl
            .apply(&(web::pod("web", &self.cluster, None)? + &web::service("web", None)))?;
        self.kubectl.pod_address("web").map(drop)
    }

    /// A pod here gets the page of the other side in each of the three ways.
    fn expect_reach(&self, other: &Self) -> Result<()> {
        let pod = other.kubectl.pod_address("web")? + ":8080";
        let service = web::cluster_ip(&other.kubectl, "web")?;
        let name = format!("web.default.svc.{}", other.cluster);
        for host in [&pod, &service, &name] {
            web::fetch_from_pod(&self.kubectl, "web", host, &other.cluster)
                .with_context(|| format!("from {} to {}", self.cluster, other.cluster))?;
        }
        Ok(())
    }
}

fn both_ways(us: &Side, eu: &Side) -> Result<()> {
    us.expect_reach(eu)?;
    eu.expect_reach(us)
}

fn config(sandbox: &Sandbox, agents_in_us: u32, bridged: bool) -> String {
    let bridge = format!(
        "resource \"atlas_network_bridge\" \"transit\" {{
  name     = \"{}\"
  subnet   = \"{}\"
  clusters = [atlas_k3d_cluster.us, atlas_k3d_cluster.eu]
}}
",
        sandbox.name("transit"),
        sandbox.subnet(20)
    );
    let region = |region: &str| {
        format!("provider \"atlas\" {{\n  alias = \"{region}\"\n  region = \"{region}\"\n}}\n")
    };
    let us = Cluster::new(sandbox, "us", 0)
        .provider("atlas.us")
        .with(format!("agents = {agents_in_us}"));
    let eu = Cluster::new(sandbox, "eu", 1).provider("atlas.eu");
    let mut text = region("us") + &region("eu") + &us.hcl() + &eu.hcl();
    if bridged {
        text += &bridge;
    }
    text
}

#[test]
fn pods_of_two_regions_reach_each_other_over_a_bridge() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (us, eu) = (Side::new(&sandbox, "us", 0), Side::new(&sandbox, "eu", 1));
    terraform.apply(&config(&sandbox, 0, true))?;
    us.serve()?;
    eu.serve()?;
    both_ways(&us, &eu).context("after the first apply")?;
    // A cluster's own services answer to the same kind of name.
    let own = format!("web.default.svc.{}", us.cluster);
    web::fetch_from_pod(&us.kubectl, "web", &own, &us.cluster)?;
    expect_members(
        &terraform.attributes("atlas_network_bridge.transit")?,
        &[&us, &eu],
    )?;

    // Routes come back with the node, without Terraform.
    docker.run(&["restart", "--time", "3", &us.server()])?;
    eventually(Duration::from_secs(90), || {
        us.kubectl.expect_ready(&[us.server()])
    })?;
    both_ways(&us, &eu).context("after a restart of a node")?;
    terraform
        .expect_no_changes()
        .context("after a restart of a node")?;

    // An agent that joins is a member in the same apply.
    terraform.apply(&config(&sandbox, 1, true))?;
    let agent = format!("k3d-{}-agent-0", us.cluster);
    us.kubectl.apply(&web::pod("far", "agent", Some(&agent))?)?;
    let far = us.kubectl.pod_address("far")? + ":8080";
    web::fetch_from_pod(&eu.kubectl, "web", &far, "agent")?;
    let near = eu.kubectl.pod_address("web")? + ":8080";
    web::fetch_from_pod(&us.kubectl, "far", &near, &eu.cluster)?;

    // Without the bridge there is no way, no route and no name left.
    terraform.apply(&config(&sandbox, 1, false))?;
    for (node, other) in [(us.server(), &eu), (agent, &eu), (eu.server(), &us)] {
        expect_no_trace(docker, &node, other)?;
    }
    for side in [&us, &eu] {
        expect_no_zones(side)?;
    }
    ensure!(
        us.kubectl
            .exec(
                "far",
                &[
                    "timeout",
                    "3",
                    "wget",
                    "-q",
                    "-O",
                    "-",
                    &format!("http://{near}/")
                ]
            )
            .is_err()
    );
    let networks = docker.objects(&sandbox.prefix())?.networks;
    ensure!(
        networks.len() == 2,
        "of the bridge there is left a network: {networks:?}"
    );
    terraform.destroy()?;
    Ok(())
}

fn expect_members(bridge: &serde_json::Value, sides: &[&Side]) -> Result<()> {
    let members = bridge["members"]
        .as_array()
        .context("the bridge has no members")?;
    for side in sides {
        let found = members.iter().any(|member| {
            member["cluster"] == side.cluster.as_str()
                && member["node"] == side.server().as_str()
                && member["address"]
                    .as_str()
                    .is_some_and(|address| address.starts_with("10."))
        });
        ensure!(
            found,
            "{} is not among the members: {members:?}",
            side.server()
        );
    }
    Ok(())
}

fn expect_no_trace(docker: Docker, node: &str, other: &Side) -> Result<()> {
    let routes = docker.exec(node, &["ip", "route"])?;
    ensure!(
        !routes.contains(&other.pods) && !routes.contains(&other.services),
        "{node} routes\n{routes}"
    );
    let scripts = docker.exec(
        node,
        &[
            "sh",
            "-c",
            "ls /bin/k3d-entrypoint-atlas-* 2>/dev/null || true",
        ],
    )?;
    ensure!(scripts.is_empty(), "{node} has {scripts}");
    let rules = docker.exec(node, &["iptables", "-t", "nat", "-S", "POSTROUTING"])?;
    ensure!(
        !rules.contains(&other.pods),
        "{node} has the rules\n{rules}"
    );
    Ok(())
}

fn expect_no_zones(side: &Side) -> Result<()> {
    let arguments = [
        "-n",
        "kube-system",
        "get",
        "configmap",
        "coredns-custom",
        "--ignore-not-found",
    ];
    let zones = side
        .kubectl
        .run(&[&arguments[..], &["-o", "jsonpath={.data}"]].concat())?;
    ensure!(
        !zones.contains("atlas-"),
        "the DNS of {} still has {zones}",
        side.cluster
    );
    Ok(())
}
