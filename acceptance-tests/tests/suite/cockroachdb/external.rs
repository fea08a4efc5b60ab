//! Nodes that Atlas does not run.

use std::time::Duration;

use acceptance_tests::{Sandbox, Settings, eventually};
use anyhow::{Result, ensure};
use serde_json::json;

use super::{CLUSTER, Ledger, members};

/// A node that Atlas did not make, without certificates.
fn start_elsewhere(sandbox: &Sandbox, ledger: &Ledger, name: &str, locality: &str) -> Result<()> {
    let locality = format!("--locality={locality}");
    let volume = format!("{name}:/cockroach/cockroach-data");
    let join = format!("--join={}:26257", ledger.node("us-east", 1));
    let (cluster, advertised) = (
        format!("--cluster-name={}", ledger.name),
        format!("--advertise-addr={name}:26257"),
    );
    let image = &Settings::get()?.cockroachdb_image;
    sandbox.docker().run(&[
        "run",
        "--detach",
        "--init",
        "--name",
        name,
        "--network",
        &ledger.network,
        "--volume",
        &volume,
        image,
        "start",
        "--insecure",
        &locality,
        "--store=path=/cockroach/cockroach-data",
        "--cache=64MiB",
        &cluster,
        &join,
        &advertised,
    ])?;
    Ok(())
}

#[test]
fn nodes_that_run_elsewhere_are_waited_for_and_counted() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let docker = sandbox.docker();
    let mut ledger = Ledger::new(&sandbox)?;
    // So many that the one elsewhere is not missed.
    ledger.regions = vec![("us-east", 3)];
    ledger.database = String::new();
    let insecure = |ledger: &Ledger| {
        let certificates = "certificates = \"${path.root}/certificates\"";
        let hcl = ledger.hcl();
        let regions = hcl.replacen(certificates, "insecure = true", 1);
        regions.replace(certificates, "")
    };
    terraform.apply(&insecure(&ledger))?;
    let url = terraform.attributes(CLUSTER)?["connection_urls"]["us-east"][0].clone();
    ensure!(
        url.as_str()
            .is_some_and(|url| url.ends_with("sslmode=disable")),
        "{url}"
    );

    ledger.more = r#"
resource "atlas_cockroachdb_region" "w" {
  cluster   = atlas_cockroachdb_cluster.c.name
  name      = "witness"
  regions   = ["us-east", "eu-central", "witness"]
  placement = "external"
  nodes     = 1
  insecure  = true
  timeouts {
    create = "60s"
  }
}
"#
    .to_owned();
    // One that says it is somewhere else is told at once: nobody else would come.
    let elsewhere = sandbox.name("elsewhere");
    start_elsewhere(&sandbox, &ledger, &elsewhere, "region=witnes")?;
    terraform.expect_apply_error(&insecure(&ledger))?.expect(&[
        "regions",
        &elsewhere,
        "region=witnes,",
        "--locality=region=witness",
    ])?;

    docker.run(&["rm", "--force", &elsewhere])?;
    let running = terraform.start_apply(&insecure(&ledger))?;
    start_elsewhere(&sandbox, &ledger, &elsewhere, "region=witness")?;
    running.wait()?.success()?;
    terraform.expect_no_changes()?;
    ensure!(
        members(&terraform)? == json!({"us-east": 3, "witness": 1}),
        "{}",
        members(&terraform)?
    );

    // Missing, it is told; Atlas does not start it.
    docker.run(&["kill", &elsewhere])?;
    let plan = eventually(Duration::from_secs(30), || terraform.expect_changes())?;
    plan.expect("atlas_cockroachdb_region.w", &["update"])?;
    docker.run(&["start", &elsewhere])?;
    eventually(Duration::from_secs(30), || terraform.expect_no_changes())?;

    // It is nobody's to remove but its owner's.
    ledger.more = String::new();
    terraform.apply(&insecure(&ledger))?;
    ensure!(docker.container(&elsewhere)?.is_running(), "it was stopped");
    docker.run(&["rm", "--force", &elsewhere])?;
    docker.run(&["volume", "rm", &elsewhere])?;
    ledger.cluster = "force_destroy = true".to_owned();
    terraform.apply_only(&insecure(&ledger))?.success()?;
    terraform.destroy()?;
    Ok(())
}
