//! Two regions, each a provider configuration of its own, and the bridge between them.

use std::time::Duration;

use acceptance_tests::{Cluster, Docker, Kubectl, Sandbox, Settings, eventually};
use anyhow::{Context, Result, ensure};

use crate::web;

const BRIDGE: &str = "atlas_network_bridge.transit";

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
        let name = format!("web.default.svc.{}.atlas.internal", other.cluster);
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

/// A bridge between clusters, by their labels.
fn bridge(sandbox: &Sandbox, label: &str, n: u8, clusters: &[&str], more: &str) -> String {
    let clusters: Vec<String> = clusters
        .iter()
        .map(|one| format!("atlas_k3d_cluster.{one}"))
        .collect();
    format!(
        "resource \"atlas_network_bridge\" \"{label}\" {{
  name     = \"{}\"
  subnet   = \"{}\"
  clusters = [{}]
  {more}
}}
",
        sandbox.name(label),
        sandbox.subnet(n),
        clusters.join(", "),
    )
}

/// Two regions with this many agents each.
fn regions(sandbox: &Sandbox, agents: u32) -> String {
    let region = |region: &str| {
        format!("provider \"atlas\" {{\n  alias = \"{region}\"\n  region = \"{region}\"\n}}\n")
    };
    let cluster = |label: &str, n: u8| {
        Cluster::new(sandbox, label, n)
            .provider(&format!("atlas.{label}"))
            .with(format!("agents = {agents}"))
            .hcl()
    };
    region("us") + &region("eu") + &cluster("us", 0) + &cluster("eu", 1)
}

fn transit(sandbox: &Sandbox) -> String {
    bridge(sandbox, "transit", 20, &["us", "eu"], "")
}

#[test]
fn pods_of_two_regions_reach_each_other_over_a_bridge() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (us, eu) = (Side::new(&sandbox, "us", 0), Side::new(&sandbox, "eu", 1));
    terraform.apply(&(regions(&sandbox, 0) + &transit(&sandbox)))?;
    us.serve()?;
    eu.serve()?;
    both_ways(&us, &eu).context("after the first apply")?;
    // A cluster's own services answer to the same kind of name.
    let own = format!("web.default.svc.{}.atlas.internal", us.cluster);
    web::fetch_from_pod(&us.kubectl, "web", &own, &us.cluster)?;
    let before = terraform.attributes(BRIDGE)?;
    expect_members(&before, &[&us, &eu])?;

    // Routes come back with the node, without Terraform.
    docker.run(&["restart", "--time", "3", &us.server()])?;
    eventually(Duration::from_secs(90), || {
        us.kubectl.expect_ready(&[us.server()])
    })?;
    both_ways(&us, &eu).context("after a restart of a node")?;
    terraform
        .expect_no_changes()
        .context("after a restart of a node")?;

    // A cluster whose API hangs is no reason not to plan the others.
    docker.exec(&eu.server(), &["pkill", "-STOP", "kube-apiserver"])?;
    let planned = terraform.expect_no_changes();
    docker.exec(&eu.server(), &["pkill", "-CONT", "kube-apiserver"])?;
    planned.context("while the API of a member hangs")?;

    // Agents that join on both sides at once are members in the same apply.
    terraform.apply(&(regions(&sandbox, 1) + &transit(&sandbox)))?;
    let agent = format!("k3d-{}-agent-0", us.cluster);
    us.kubectl.apply(&web::pod("far", "agent", Some(&agent))?)?;
    let far = us.kubectl.pod_address("far")? + ":8080";
    web::fetch_from_pod(&eu.kubectl, "web", &far, "agent")?;
    let near = eu.kubectl.pod_address("web")? + ":8080";
    web::fetch_from_pod(&us.kubectl, "far", &near, &eu.cluster)?;

    // The host and containers have names in pods.
    let host = docker.network(&format!("k3d-{}", us.cluster))?;
    let gateway =
        host.and_then(|found| Some(found["IPAM"]["Config"][0]["Gateway"].as_str()?.to_owned()));
    let gateway = gateway.context("the cluster's network has no gateway")?;
    web::resolve_from_pod(&us.kubectl, "web", "host.k3d.internal", &gateway)?;
    expect_containers_have_names(&sandbox, &[&us, &eu])?;

    break_in_many_ways(&sandbox, &us, &eu)?;
    let plan = terraform.expect_changes()?;
    plan.expect(BRIDGE, &["update"])?;
    let drift = plan.before(BRIDGE).context("no state")?["drift"].to_string();
    for said in [
        format!("routes of node {}", us.server()),
        format!("node {agent} is not on the bridge"),
        format!("routes of node {}", eu.server()),
        format!("routes of node k3d-{}-agent-0", eu.cluster),
        format!("the DNS of cluster {}", us.cluster),
        format!("the DNS of cluster {}", eu.cluster),
    ] {
        ensure!(
            drift.contains(&said),
            "the plan does not say {said:?}: {drift}"
        );
    }
    terraform.repair()?;
    both_ways(&us, &eu).context("after all was mended")?;
    web::fetch_from_pod(&us.kubectl, "far", &near, &eu.cluster)?;

    // Without the bridge there is no way, no route and no name left.
    terraform.apply(&regions(&sandbox, 1))?;
    for (node, other) in [(us.server(), &eu), (agent, &eu), (eu.server(), &us)] {
        expect_no_trace(docker, &node, other)?;
    }
    for side in [&us, &eu] {
        expect_no_zones(side)?;
    }
    let fetch = ["timeout", "3", "wget", "-q", "-O", "-"];
    let url = format!("http://{near}/");
    ensure!(
        us.kubectl
            .exec("far", &[&fetch[..], &[&url]].concat())
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

/// A container on the bridge's network is reached from every member by its name.
fn expect_containers_have_names(sandbox: &Sandbox, sides: &[&Side]) -> Result<()> {
    let docker = sandbox.docker();
    let (name, network) = (sandbox.name("box"), network_of(sandbox, "transit"));
    let image = &Settings::get()?.node_image;
    let run = ["run", "--detach", "--name", &name, "--network", &network];
    docker.run(&[&run[..], &["--entrypoint", "sleep", image, "infinity"]].concat())?;
    let found = docker.container(&name)?;
    let address = found.address(&network).context("it has no address")?;
    for side in sides {
        let host = format!("{name}.docker.atlas.internal");
        web::resolve_from_pod(&side.kubectl, "web", &host, address)?;
        side.kubectl
            .exec("web", &["ping", "-c", "1", "-W", "5", &host])?;
    }
    docker.run(&["rm", "--force", "--volumes", &name]).map(drop)
}

/// The transit network of a bridge.
fn network_of(sandbox: &Sandbox, label: &str) -> String {
    format!("atlas-bridge-{}", sandbox.name(label))
}

/// Each node and each DNS of a bridge with an agent on both sides is broken in another way.
fn break_in_many_ways(sandbox: &Sandbox, us: &Side, eu: &Side) -> Result<()> {
    let docker = sandbox.docker();
    let bridge = sandbox.name("transit");
    docker.exec(&us.server(), &["ip", "route", "del", &eu.pods])?;
    let agent = format!("k3d-{}-agent-0", us.cluster);
    let network = network_of(sandbox, "transit");
    docker.run(&["network", "disconnect", "--force", &network, &agent])?;
    let rule = ["iptables", "-w", "-t", "nat", "-D", "POSTROUTING"];
    let between = ["-s", &eu.pods, "-d", &us.pods, "-j", "ACCEPT"];
    docker.exec(&eu.server(), &[&rule[..], &between].concat())?;
    let script = format!("/bin/k3d-entrypoint-atlas-bridge-{bridge}.sh");
    docker.exec(&format!("k3d-{}-agent-0", eu.cluster), &["rm", &script])?;
    let change = ["-n", "kube-system", "patch", "configmap", "coredns-custom"];
    for (side, names) in [
        (us, serde_json::Value::Null),
        (eu, "a.internal:53 {\n}\n".into()),
    ] {
        let mut patch = serde_json::json!({"data": {}});
        patch["data"][format!("atlas-{bridge}.server")] = names;
        let patch = patch.to_string();
        let merge = ["--type=merge", "-p", &patch];
        side.kubectl.run(&[&change[..], &merge].concat())?;
    }
    Ok(())
}

#[test]
fn a_bridge_follows_its_members() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (us, eu) = (Side::new(&sandbox, "us", 0), Side::new(&sandbox, "eu", 1));
    let ap = Side::new(&sandbox, "ap", 2);
    let address = BRIDGE;
    let clusters = regions(&sandbox, 0) + &Cluster::new(&sandbox, "ap", 2).hcl();
    // Two bridges share one cluster, whose DNS hears of every zone once.
    let second = bridge(&sandbox, "second", 21, &["us", "ap"], "");
    terraform.apply(&(clusters.clone() + &transit(&sandbox) + &second))?;
    for side in [&us, &eu, &ap] {
        side.serve()?;
    }
    both_ways(&us, &eu).context("over the first bridge")?;
    both_ways(&us, &ap).context("over the second bridge")?;
    // They cannot share two: there is one way between two clusters. The same apply may remove the other bridge, so the plan
    // warns, and the apply waits as long as it may.
    let limit = "timeouts {\n    create = \"4s\"\n  }";
    let third = bridge(&sandbox, "third", 22, &["us", "eu"], limit);
    let said = terraform
        .expect_apply_error(&(clusters.clone() + &transit(&sandbox) + &second + &third))?;
    said.expect(&[&us.cluster, &eu.cluster, &sandbox.name("transit")])?;

    // Whoever does not know it cannot take it over, least of all with other members.
    terraform.forget(address)?;
    for (members, said) in [
        (["us", "eu"], "already exists with subnet"),
        (["eu", "ap"], us.cluster.as_str()),
    ] {
        let other = bridge(&sandbox, "transit", 20, &members, "");
        let said_all = terraform.expect_apply_error(&(clusters.clone() + &other + &second))?;
        said_all.expect(&[&sandbox.name("transit"), said, "mport it"])?;
        let known = terraform.addresses()?;
        ensure!(!known.contains(address), "the state took it: {known:?}");
    }
    both_ways(&us, &eu).context("after others tried to take the bridge")?;

    // Imported, it is what it was.
    let both = clusters.clone() + &transit(&sandbox) + &second;
    terraform.import(&both, address, &sandbox.name("transit"))?;

    // The third cluster comes over, without names; the zone that both bridges needed stays.
    let three = bridge(&sandbox, "transit", 20, &["us", "eu", "ap"], "");
    terraform.apply(&(clusters.clone() + &transit(&sandbox)))?;
    both_ways(&us, &eu).context("after the second bridge went")?;
    terraform.apply(&(clusters.clone() + &three))?;
    both_ways(&eu, &ap).context("in a bridge of three")?;

    // A member that is made anew joins in the same apply.
    terraform
        .command("taint")?
        .arg("atlas_k3d_cluster.us")
        .succeed()?;
    terraform
        .expect_changes()?
        .expect("atlas_k3d_cluster.us", &["delete", "create"])?;
    terraform.repair().context("after a member was replaced")?;
    us.serve()?;
    both_ways(&us, &eu).context("after a member was replaced")?;

    // A transit network that somebody removed comes back with everything on it. A plan from before that is stale.
    let domain = "domain = \"world.example\"";
    let moved = bridge(&sandbox, "transit", 20, &["us", "eu", "ap"], domain);
    terraform
        .plan(&(clusters.clone() + &moved))?
        .expect(address, &["update"])?;
    let network = network_of(&sandbox, "transit");
    for side in [&us, &eu, &ap] {
        docker.run(&["network", "disconnect", "--force", &network, &side.server()])?;
    }
    docker.run(&["network", "rm", &network])?;
    terraform.expect_stale_plan("bridge")?;
    terraform.write(&(clusters.clone() + &three))?;
    terraform.expect_changes()?.expect(address, &["create"])?;
    terraform.repair()?;
    both_ways(&us, &eu).context("after the transit network was removed")?;

    // Names move to another domain in place.
    terraform.apply(&(clusters.clone() + &moved))?;
    let name = format!("web.default.svc.{}.world.example", eu.cluster);
    web::fetch_from_pod(&us.kubectl, "web", &name, &eu.cluster)?;

    // One leaves, and no names for those that stay.
    let without_names = bridge(&sandbox, "transit", 20, &["us", "eu"], "dns = false");
    terraform
        .plan(&(clusters.clone() + &without_names))?
        .expect(address, &["update"])?;
    terraform.apply(&(clusters + &without_names))?;
    expect_no_trace(docker, &ap.server(), &us)?;
    for side in [&us, &eu, &ap] {
        expect_no_zones(side)?;
    }
    let pod = eu.kubectl.pod_address("web")? + ":8080";
    web::fetch_from_pod(&us.kubectl, "web", &pod, &eu.cluster)?;
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
