//! The life of an `atlas_network`.

use std::collections::BTreeSet;

use acceptance_tests::{Face, Faces, Sandbox, Settings};
use anyhow::{Context, Result, ensure};
use serde_json::json;

fn config(name: &str, subnet: &str) -> String {
    format!(
        "resource \"atlas_network\" \"n\" {{
  name   = \"{name}\"
  subnet = \"{subnet}\"
  labels = {{ owner = \"test\" }}
}}
"
    )
}

#[test]
fn a_network_lives_is_imported_and_comes_back_when_it_disappears() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (name, subnet) = (sandbox.name("net"), sandbox.subnet(0));
    let config = config(&name, &subnet);
    terraform.apply(&config)?;

    let real = docker.network(&name)?.context("the network was not made")?;
    ensure!(
        real["IPAM"]["Config"][0]["Subnet"] == subnet.as_str(),
        "{real}"
    );
    ensure!(real["Labels"]["owner"] == "test", "{real}");
    let state = terraform.attributes("atlas_network.n")?;
    ensure!(state["network_id"] == real["Id"], "{state}");
    let gateway = subnet.replace(".0/24", ".1");
    ensure!(state["gateway"] == gateway.as_str(), "{state}");

    // Imported, it is what it was before.
    terraform.forget("atlas_network.n")?;
    terraform.import(&config, "atlas_network.n", &name)?;
    let imported = terraform.attributes("atlas_network.n")?;
    ensure!(imported == state, "imported: {imported}\nbefore: {state}");

    // Deleted behind Terraform's back, it is made again.
    docker.run(&["network", "rm", &name])?;
    terraform
        .expect_changes()?
        .expect("atlas_network.n", &["create"])?;
    terraform.repair()?;
    ensure!(
        docker.network(&name)?.is_some(),
        "the network did not come back"
    );

    // So it is by a module, after which Terraform has nothing to do. This takes about ten seconds.
    docker.run(&["network", "rm", &name])?;
    let ansible = sandbox.ansible()?;
    let faces = Faces {
        terraform: &terraform,
        address: "atlas_network.n",
        ansible: &ansible,
        module: "network",
        arguments: json!({"name": name, "subnet": subnet, "labels": {"owner": "test"}}),
    };
    faces.expect_mended(&["create"], Face::Module)?;

    // Another subnet is another network, and the plan says so.
    let moved = self::config(&name, &sandbox.subnet(1));
    terraform
        .plan(&moved)?
        .expect("atlas_network.n", &["delete", "create"])?;
    terraform.apply(&moved)?;
    terraform.destroy()?;
    Ok(())
}

#[test]
fn an_existing_network_is_neither_taken_nor_touched() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (name, subnet) = (sandbox.name("foreign"), sandbox.subnet(0));
    docker.run(&["network", "create", "--subnet", &subnet, &name])?;
    let before = docker.network(&name)?;
    terraform
        .expect_apply_error(&config(&name, &subnet))?
        .expect(&[&name, "import"])?;
    ensure!(docker.network(&name)? == before, "the network was touched");
    ensure!(
        terraform.addresses()?.is_empty(),
        "the state knows a network that is not its own"
    );
    Ok(())
}

/// A network that a state has lost, or that `create_before_destroy` is about to destroy, is not taken by a create: each
/// state would destroy what the other keeps.
#[test]
fn a_create_takes_only_what_an_interrupted_create_began() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (name, subnet) = (sandbox.name("net"), sandbox.subnet(0));
    let (address, plain) = ("atlas_network.n", config(&name, &subnet));
    terraform.apply(&plain)?;
    let made = docker.network(&name)?;

    terraform.forget(address)?;
    terraform
        .expect_apply_error(&plain)?
        .expect(&[&name, "already exists", "import"])?;
    ensure!(
        docker.network(&name)? == made && terraform.addresses()?.is_empty(),
        "the network was touched, or entered the state"
    );

    terraform.import(&plain, address, &name)?;
    let before = "  lifecycle {\n    create_before_destroy = true\n  }\n}\n";
    let before = plain.trim_end().trim_end_matches('}').to_owned() + before;
    terraform.write(&before)?;
    let replaced = terraform
        .command("apply")?
        .args(["-auto-approve", "-replace", address])
        .finish()?;
    ensure!(
        replaced.code == Some(1) && replaced.output().contains("already exists"),
        "{replaced}"
    );
    ensure!(docker.network(&name)? == made, "the network was touched");
    terraform.expect_no_changes()?;

    // What a create left that was killed before it could tell: its mark, and a network that no state knows.
    terraform.forget(address)?;
    let mark = format!("atlas-begun-network-{name}");
    docker.run(&["volume", "create", &mark])?;
    terraform.apply(&plain)?;
    ensure!(docker.network(&name)? == made, "the network was remade");
    terraform.destroy().map(drop)
}

#[test]
fn an_import_of_what_is_not_there_says_so() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let name = sandbox.name("none");
    terraform.write(&config(&name, &sandbox.subnet(0)))?;
    let finished = terraform
        .command("import")?
        .args(["atlas_network.n", &name])
        .finish()?;
    ensure!(
        finished.code == Some(1) && finished.output().contains(&name),
        "{finished}"
    );
    Ok(())
}

/// An `atlas_network` block.
fn network(label: &str, name: &str, subnet: &str, more: &str) -> String {
    format!(
        "resource \"atlas_network\" \"{label}\" {{\n  name   = \"{name}\"\n  subnet = \"{subnet}\"\n  {more}\n}}\n"
    )
}

#[test]
fn a_network_in_use_is_not_made_anew_and_who_uses_it_is_named() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (name, user) = (sandbox.name("net"), sandbox.name("user"));
    let image = &Settings::get()?.tools_image;
    let with = |labels: &str, limit: &str| {
        let more = format!("{labels}\n  timeouts {{\n    delete = \"{limit}\"\n  }}");
        network("n", &name, &sandbox.subnet(0), &more)
    };
    let labels = "labels = { owner = \"us\" }";
    terraform.apply(&with(labels, "6s"))?;
    let run = ["run", "--detach", "--name", &user, "--network", &name];
    let sleep = ["--entrypoint", "sleep", image, "600"];
    docker.run(&[&run[..], &sleep[..]].concat())?;
    let id = docker.network(&name)?.context("no network")?["Id"].clone();

    let other = "labels = { owner = \"them\" }";
    terraform
        .expect_plan_error(&with(other, "6s"))?
        .expect_at("labels", &[&user, "Change its name"])?;
    // Nobody leaves: the destroy says who stays, within its limit.
    terraform.apply(&with(labels, "6s"))?;
    terraform
        .expect_destroy_error()?
        .expect(&[&user, "disconnect"])?;
    ensure!(
        docker.network(&name)?.context("no network")?["Id"] == id,
        "another network"
    );

    // Whoever leaves is waited for.
    terraform.apply(&with(labels, "2m"))?;
    let destroy = terraform.command("destroy")?.arg("-auto-approve").start()?;
    docker.run(&["rm", "--force", &user])?;
    let finished = destroy.wait()?;
    ensure!(finished.code == Some(0), "{finished}");
    Ok(())
}

#[test]
fn subnets_may_move_on_by_one_and_names_change_in_one_apply() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let named = |label: &str, n: u8| network(label, &sandbox.name(label), &sandbox.subnet(n), "");
    terraform.apply(&(named("a", 0) + &named("b", 1)))?;
    terraform.apply(&(named("a", 1) + &named("b", 2)))?;
    // The same networks by other names.
    terraform.apply(&(named("c", 1) + &named("d", 2)))?;
    // Another one of Atlas's is in the way of a plan that is never applied: it can be destroyed nevertheless.
    terraform.write(&(named("c", 1) + &named("d", 2) + &named("e", 2)))?;
    terraform.destroy().map(drop)
}

/// Terraform plans before it destroys, and does not tell the provider why. The refusal says how to destroy without.
#[test]
fn what_is_planned_on_a_foreign_subnet_holds_up_no_destroy() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let (foreign, taken) = (sandbox.name("foreign"), sandbox.subnet(1));
    docker.run(&["network", "create", "--subnet", &taken, &foreign])?;
    let ours = network("a", &sandbox.name("a"), &sandbox.subnet(0), "");
    terraform.apply(&ours)?;
    terraform.write(&(ours + &network("b", &sandbox.name("b"), &taken, "")))?;
    terraform
        .expect_destroy_error()?
        .expect(&[&foreign, "-refresh=false"])?;
    terraform
        .command("destroy")?
        .args(["-auto-approve", "-refresh=false"])
        .succeed()?;
    ensure!(
        docker.network(&foreign)?.is_some() && docker.network(&sandbox.name("a"))?.is_none(),
        "the foreign network went, or ours stayed"
    );
    Ok(())
}

/// Each waits for what the other has, and both keep what is in them.
#[test]
fn servers_and_clusters_swap_their_ports_in_one_apply() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let shared = sandbox.name("net");
    let server = |label: &str, port: u16| {
        format!(
            "resource \"atlas_localstack\" \"{label}\" {{
  name    = \"{}\"
  network = atlas_network.n.name
  port    = {port}
}}
",
            sandbox.name(label)
        )
    };
    let cluster = |label: &str, n: u8, port: u16| {
        format!(
            "resource \"atlas_k3d_cluster\" \"{label}\" {{
  name         = \"{}\"
  network      = atlas_network.n.name
  cluster_cidr = \"{}\"
  service_cidr = \"{}\"
  port {{
    host_port      = {port}
    container_port = 80
    node_filters   = [\"loadbalancer\"]
  }}
}}
",
            sandbox.name(label),
            sandbox.pods(n),
            sandbox.services(n),
        )
    };
    let ports = [0, 1, 2, 3].map(|n| sandbox.port(n));
    let [a, b, c, d] = ports;
    let (a, b, c, d) = (a?, b?, c?, d?);
    let config = |[a, b, c, d]: [u16; 4]| {
        network("n", &shared, &sandbox.subnet(0), "")
            + &server("s", a)
            + &server("t", b)
            + &cluster("k", 0, c)
            + &cluster("l", 1, d)
    };
    terraform.apply(&config([a, b, c, d]))?;
    let node = format!("k3d-{}-server-0", sandbox.name("k"));
    let before = docker.container(&node)?.id().to_owned();
    terraform.apply(&config([b, a, d, c]))?;
    terraform.expect_no_changes()?;
    ensure!(
        docker.container(&node)?.id() == before,
        "{node} was recreated"
    );
    terraform.destroy().map(drop)
}

#[test]
fn whatever_is_made_at_once_on_one_network_has_addresses_of_its_own_that_stay() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let shared = sandbox.name("net");
    let (cluster, database, server) = (sandbox.name("k"), sandbox.name("db"), sandbox.name("s"));
    let config = network("n", &shared, &sandbox.subnet(0), "")
        + &format!(
            r#"
resource "atlas_k3d_cluster" "k" {{
  name         = "{cluster}"
  network      = atlas_network.n.name
  agents       = 1
  cluster_cidr = "{}"
  service_cidr = "{}"
}}
resource "atlas_cockroachdb_region" "r" {{
  cluster  = "{database}"
  name     = "us-east"
  regions  = ["us-east"]
  nodes    = 2
  network  = atlas_network.n.name
  image    = "{}"
  insecure = true
}}
resource "atlas_localstack" "s" {{
  name    = "{server}"
  network = atlas_network.n.name
  port    = {}
}}
"#,
            sandbox.pods(0),
            sandbox.services(0),
            Settings::get()?.cockroachdb_image,
            sandbox.port(0)?,
        );
    terraform.apply(&config)?;
    terraform.expect_no_changes()?;
    let names = [
        format!("k3d-{cluster}-server-0"),
        format!("k3d-{cluster}-agent-0"),
        format!("k3d-{cluster}-serverlb"),
        format!("atlas-cockroachdb-{database}-us-east-1"),
        format!("atlas-cockroachdb-{database}-us-east-2"),
        format!("atlas-localstack-{server}"),
    ];
    let mut fixed = BTreeSet::new();
    for name in &names {
        let pointer = format!("/NetworkSettings/Networks/{shared}/IPAMConfig/IPv4Address");
        let container = docker.container(name)?;
        let address = container
            .at(&pointer)
            .and_then(|one| one.as_str().map(str::to_owned));
        let address = address.with_context(|| format!("{name} has no fixed address"))?;
        ensure!(fixed.insert(address.clone()), "{address} is given twice");
    }
    terraform.destroy().map(drop)
}

/// Two states, as two people or two pipelines have them, make servers on one network at the same time.
#[test]
fn two_applies_at_once_on_one_network_do_not_meet() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let docker = sandbox.docker();
    let shared = sandbox.name("net");
    docker.run(&["network", "create", "--subnet", &sandbox.subnet(0), &shared])?;
    let image = &Settings::get()?.cockroachdb_image;
    let region = |label: &str| {
        format!(
            "resource \"atlas_cockroachdb_region\" \"r\" {{
  cluster  = \"{}\"
  name     = \"us-east\"
  regions  = [\"us-east\"]
  nodes    = 3
  network  = \"{shared}\"
  image    = \"{image}\"
  insecure = true
}}
",
            sandbox.name(label)
        )
    };
    let both = [
        (sandbox.terraform()?, region("x")),
        (sandbox.another_terraform("other")?, region("y")),
    ];
    let started = both
        .iter()
        .map(|(terraform, config)| terraform.start_apply(config));
    for running in started.collect::<Result<Vec<_>>>()? {
        running.wait()?.success()?;
    }
    for (terraform, _) in &both {
        terraform.expect_no_changes()?;
    }
    for (terraform, _) in &both {
        terraform
            .command("destroy")?
            .arg("-auto-approve")
            .succeed()?;
    }
    Ok(())
}
