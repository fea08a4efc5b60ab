//! The life of an `atlas_network`.

use acceptance_tests::Sandbox;
use anyhow::{Context, Result, ensure};

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
