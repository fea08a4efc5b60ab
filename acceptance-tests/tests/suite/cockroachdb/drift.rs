//! What was changed behind Terraform's back is seen and mended.

use acceptance_tests::{Plan, Sandbox, Terraform};
use anyhow::{Result, ensure};
use serde_json::json;

use super::{CLUSTER, DATABASE, Ledger, US, members, sql};

/// What the plan shows for an address, and that an apply mends it.
fn expect_mended(terraform: &Terraform, address: &str, path: &str) -> Result<Plan> {
    let plan = terraform.plan_json()?;
    plan.expect(address, &["update"])?;
    let changed = plan.changed(address);
    ensure!(
        changed.iter().any(|found| found == path),
        "the plan shows {changed:?} and not {path}\n{plan}"
    );
    terraform.repair()?;
    Ok(plan)
}

#[test]
fn what_was_changed_by_hand_is_seen_and_mended() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let docker = sandbox.docker();
    let mut ledger = Ledger::new(&sandbox)?;
    terraform.apply(&ledger.hcl())?;
    let node = ledger.node("us-east", 1);

    docker.run(&["kill", &ledger.node("eu-central", 2)])?;
    expect_mended(
        &terraform,
        "atlas_cockroachdb_region.r[\"eu-central\"]",
        "drift",
    )?;
    docker.run(&["rm", "--force", &ledger.node("us-east", 2)])?;
    expect_mended(&terraform, US, "nodes")?;
    sql(
        &sandbox,
        &node,
        "SET CLUSTER SETTING kv.rangefeed.enabled = false",
    )?;
    expect_mended(&terraform, CLUSTER, "settings.kv.rangefeed.enabled")?;
    sql(
        &sandbox,
        &node,
        "ALTER DATABASE system CONFIGURE ZONE DISCARD",
    )?;
    expect_mended(&terraform, CLUSTER, "drift")?;
    sql(&sandbox, &node, "ALTER DATABASE bank SURVIVE ZONE FAILURE")?;
    expect_mended(&terraform, DATABASE, "survival_goal")?;

    // Certificates change without a restart.
    let before = docker.container(&node)?.started_at().to_owned();
    let read = |node: &str| docker.exec(node, &["cat", "/cockroach/cockroach-certs/node.crt"]);
    let old = read(&node)?;
    ledger.region = "certificate_days = 30".to_owned();
    terraform.apply(&ledger.hcl())?;
    ensure!(read(&node)? != old, "the certificate is the old one");
    ensure!(
        docker.container(&node)?.started_at() == before,
        "it was restarted"
    );
    sql(&sandbox, &node, "SELECT 1")?;

    // All nodes stopped at once come back together.
    for (region, count) in ledger.regions.clone() {
        for number in 1..=count {
            docker.run(&["kill", &ledger.node(region, number)])?;
        }
    }
    terraform.repair()?;
    ensure!(
        members(&terraform)? == json!({"us-east": 2, "eu-central": 2, "witness": 1}),
        "{}",
        members(&terraform)?
    );
    terraform.destroy()?;
    Ok(())
}
