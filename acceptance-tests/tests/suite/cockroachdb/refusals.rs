//! What is refused before anything changes, and what the world refuses, each with its remedy.

use acceptance_tests::{Fault, FaultProxy, Pattern, Sandbox, Settings, Terraform};
use anyhow::{Result, ensure};
use serde_json::json;

use super::{Ledger, US, members, sql};

#[test]
fn bad_regions_clusters_and_databases_are_refused_at_the_line() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let ledger = Ledger::new(&sandbox)?;
    let with = |change: fn(&mut Ledger)| {
        let mut bad = ledger.clone();
        change(&mut bad);
        bad.hcl()
    };
    let hcl = ledger.hcl();
    // Write-only values are as new there as ephemeral ones.
    let bad_license = if Settings::get()?.is_opentofu() {
        vec!["Write-only values", "OpenTofu 1.11"]
    } else {
        vec!["license", "crl-0-"]
    };
    let table: Vec<(String, Vec<&str>)> = vec![
        (
            with(|bad| bad.name = "Ledger".into()),
            vec!["cluster", "cannot be part of a node's host name"],
        ),
        (
            hcl.replace(
                "\"eu-central\", \"witness\"]\n  nodes",
                "\"eu-central\"]\n  nodes",
            ),
            vec!["regions", "is not one of the cluster's regions"],
        ),
        (
            hcl.replace(
                "  certificates = \"${path.root}/certificates\"\n  cache",
                "  cache",
            ),
            vec!["certificates", "insecure = true"],
        ),
        (
            with(|bad| bad.region = "insecure = true".into()),
            vec!["insecure", "no certificates"],
        ),
        (
            with(|bad| bad.region = "cpus = 0".into()),
            vec!["cpus", "0.01 to 1000"],
        ),
        (
            hcl.replace("\"64MiB\"", "\"much\""),
            vec!["cache", "is not a valid size"],
        ),
        (
            with(|bad| bad.cluster = "settings = { version = \"25.1\" }".into()),
            vec!["settings.version", "Change the image"],
        ),
        (
            with(|bad| bad.cluster = "license = \"sesame\"".into()),
            bad_license,
        ),
        (
            hcl.replace("= \"eu-central\"\n", "= \"us-east\"\n"),
            vec!["secondary_region", "already"],
        ),
        (
            hcl.replace(
                "secondary_region =",
                "placement = \"restricted\"\n  secondary_region =",
            ),
            vec!["placement", "survives the loss of a region"],
        ),
    ];
    for (bad, words) in table {
        ensure!(bad != hcl, "nothing was changed for {words:?}");
        let said = terraform.expect_plan_error(&bad)?;
        said.expect(&words)?;
        let secret = said.errors().any(|error| error.text().contains("sesame"));
        ensure!(!secret, "a secret is told");
    }
    Ok(())
}

/// An image of the double whose clock is ahead.
fn fast_image(sandbox: &Sandbox) -> Result<String> {
    let (docker, name) = (sandbox.docker(), sandbox.name("fast"));
    let image = &Settings::get()?.cockroachdb_image;
    docker.run(&["create", "--name", &name, image])?;
    let variable = "ENV ATLAS_DOUBLE_CLOCK_SKEW=2s";
    docker.run(&["commit", "--change", variable, &name, &name])?;
    docker.run(&["rm", "--volumes", &name])?;
    Ok(name)
}

/// What is there already is neither taken over nor destroyed: not by a replacement that creates first, and not by another
/// state. What is refused leaves nothing in that.
fn expect_what_exists_to_be_left_alone(
    sandbox: &Sandbox,
    terraform: &Terraform,
    ledger: &Ledger,
) -> Result<()> {
    let replace = format!("-replace={US}");
    let replaced = terraform
        .command("apply")?
        .args(["-auto-approve", &replace])
        .finish()?;
    let said = replaced.output();
    ensure!(
        replaced.code == Some(1) && said.contains("already exists"),
        "{said}"
    );
    terraform.expect_no_changes()?;

    sql(sandbox, &ledger.node("us-east", 1), "CREATE DATABASE bank")?.success()?;
    let another = sandbox.another_terraform("another")?;
    let Ledger { name, network, .. } = ledger;
    let certificates = terraform.folder().join("certificates");
    let certificates = certificates.display();
    let said = another.expect_apply_error(&format!(
        r#"
resource "atlas_cockroachdb_region" "r" {{
  for_each     = toset(["us-east"])
  cluster      = "{name}"
  name         = each.key
  regions      = ["us-east", "eu-central", "witness"]
  nodes        = 3
  network      = "{network}"
  certificates = "{certificates}"
}}
resource "atlas_cockroachdb_cluster" "c" {{
  name    = "{name}"
  regions = ["us-east"]
}}
resource "atlas_cockroachdb_database" "d" {{
  cluster        = "{name}"
  name           = "bank"
  primary_region = "us-east"
}}
resource "atlas_cockroachdb_cluster" "unknown" {{
  name    = "no-such"
  regions = ["us-east"]
}}
resource "atlas_cockroachdb_database" "unknown" {{
  cluster        = "no-such"
  name           = "bank"
  primary_region = "us-east"
}}
"#
    ))?;
    for parts in [
        &[
            "region of CockroachDB",
            "us-east",
            "already exists",
            "Import it",
        ][..],
        &["cluster of CockroachDB", "already exists", "Import it"],
        &["database", "/bank", "already exists", "Import it"],
        &["no-such", "Create its regions first"],
        &["no-such", "atlas_cockroachdb_cluster"],
    ] {
        said.expect(parts)?;
    }
    let known = another.addresses()?;
    ensure!(known.is_empty(), "the other state holds {known:?}");
    terraform.expect_no_changes()?;

    sql(sandbox, &ledger.node("us-east", 1), "DROP DATABASE bank")?.success()?;
    Ok(())
}

#[test]
fn what_the_world_refuses_is_told_with_its_remedy() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let mut terraform = sandbox.terraform()?;
    let docker = sandbox.docker();
    let mut ledger = Ledger::new(&sandbox)?;
    ledger.regions = vec![("us-east", 3)];
    ledger.database = String::new();

    // What never served holds nothing: it goes without a cluster that could take its replicas.
    let mut broken = ledger.clone();
    let image = &Settings::get()?.localstack_image;
    broken.region = format!("image = \"{image}\"\n  timeouts {{\n    create = \"30s\"\n  }}");
    terraform
        .expect_apply_error(&broken.hcl())?
        .expect(&["atlas-cockroachdb", &ledger.name])?;
    terraform.destroy()?;

    let listener = std::net::TcpListener::bind(("127.0.0.1", ledger.ports[0]))?;
    terraform.expect_apply_error(&ledger.hcl())?.expect(&[
        "sql_ports[0]",
        "is already used",
        "Choose another port",
    ])?;
    drop(listener);

    // A create that failed is finished by the next one, though Terraform has the region as tainted, and destroys that after
    // it.
    let proxy = FaultProxy::in_sandbox(&sandbox)?;
    let start = format!("/containers/{}/start", ledger.node("us-east", 2));
    proxy.fault_at(1, Pattern::of("POST", &start), Fault::Refuse);
    terraform.set_docker_host(Some(proxy.host()));
    terraform.expect_apply_error(&ledger.hcl())?;
    terraform.set_docker_host(None);
    ensure!(proxy.is_spent(), "no node was started");
    ensure!(
        terraform.state_file()?.contains("\"tainted\""),
        "the region is not tainted"
    );
    terraform.apply(&ledger.hcl())?;
    ensure!(
        members(&terraform)? == json!({"us-east": 3}),
        "{}",
        members(&terraform)?
    );
    expect_what_exists_to_be_left_alone(&sandbox, &terraform, &ledger)?;

    // A port cannot go from one node to another while both keep running.
    let [sql, _] = ledger.ports;
    let passed = format!("[{}, {sql}] : []", sandbox.port(2)?);
    let passed = ledger.hcl().replacen(&format!("[{sql}] : []"), &passed, 1);
    terraform.expect_apply_error(&passed)?.expect(&[
        "sql_ports[1]",
        "is already used",
        &ledger.node("us-east", 1),
    ])?;

    // Another authority's certificates would shut the nodes out one by one.
    let other = ledger.hcl().replace("/certificates", "/others");
    terraform.expect_apply_error(&other)?.expect(&[
        "certificates",
        "another authority",
        "ca.crt",
    ])?;

    // A database where no node is.
    ledger.database = "primary_region = \"asia\"".to_owned();
    terraform
        .expect_apply_error(&ledger.hcl())?
        .expect(&["regions", "no node", "us-east"])?;
    ledger.database = String::new();

    // A node that does not come up is told with its last words.
    let mut bad = ledger.clone();
    bad.region = format!("image = \"{image}\"\n  timeouts {{\n    update = \"30s\"\n  }}");
    let said = terraform.expect_apply_error(&bad.hcl())?;
    said.expect(&[&ledger.node("us-east", 1)])?;
    terraform.apply(&ledger.hcl())?;
    docker.exec(
        &ledger.node("us-east", 1),
        &["/cockroach/cockroach", "version"],
    )?;

    // Only the double's clock can be set apart from the machine's.
    if Settings::get()?.cockroachdb_image.contains("double") {
        let mut fast = ledger.clone();
        fast.regions = vec![("us-east", 4)];
        let good = fast.hcl();
        fast.region = format!("image = \"{}\"", fast_image(&sandbox)?);
        terraform.expect_apply_error(&fast.hcl())?.expect(&[
            &ledger.node("us-east", 4),
            "ended",
            "synchronize the clocks of all machines",
            "clock synchronization error",
        ])?;
        terraform.apply(&good)?;
        ensure!(
            members(&terraform)? == json!({"us-east": 4}),
            "{}",
            members(&terraform)?
        );
    }
    terraform.destroy()?;
    Ok(())
}
