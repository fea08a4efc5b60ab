//! What was changed behind Terraform's back is seen and mended.

use acceptance_tests::{Face, Faces, Sandbox, Terraform};
use anyhow::{Result, ensure};
use serde_json::json;

use super::{CLUSTER, DATABASE, EU, Ledger, US, members, sql};

/// What was broken at once, the plan shows at each address and path, and one apply mends it.
fn expect_mended(terraform: &Terraform, shown: &[(&str, &str)]) -> Result<()> {
    let plan = terraform.plan_json()?;
    for (address, path) in shown {
        let what = if path.is_empty() { "create" } else { "update" };
        plan.expect(address, &[what])?;
        let changed = plan.changed(address);
        ensure!(
            path.is_empty() || changed.iter().any(|found| found == path),
            "the plan of {address} shows {changed:?} and not {path}\n{plan}"
        );
    }
    terraform.repair()?;
    Ok(())
}

/// Ways to break regions, the cluster and the database, some at a time: each is shown by the plan and mended by the apply,
/// after which there is nothing to do.
fn expect_what_is_broken_to_be_mended(
    sandbox: &Sandbox,
    terraform: &Terraform,
    ledger: &Ledger,
) -> Result<()> {
    let docker = sandbox.docker();
    let node = ledger.node("us-east", 1);
    let sql = |statement: &str| sql(sandbox, &node, statement)?.success();
    let rangefeed = "settings.kv.rangefeed.enabled";

    sql("SET CLUSTER SETTING kv.rangefeed.enabled = false")?;
    sql("ALTER DATABASE bank SURVIVE ZONE FAILURE")?;
    docker
        .run(&["kill", &ledger.node("eu-central", 2)])?
        .success()?;
    let shown = [
        (EU, "drift"),
        (CLUSTER, rangefeed),
        (DATABASE, "survival_goal"),
    ];
    expect_mended(terraform, &shown)?;

    sql("ALTER DATABASE system CONFIGURE ZONE DISCARD")?;
    sql("ALTER DATABASE bank DROP SECONDARY REGION")?;
    docker
        .run(&["rm", "--force", &ledger.node("us-east", 2)])?
        .success()?;
    let shown = [
        (US, "nodes"),
        (CLUSTER, "drift"),
        (DATABASE, "secondary_region"),
    ];
    expect_mended(terraform, &shown)?;

    sql("ALTER RANGE meta CONFIGURE ZONE DISCARD")?;
    sql("ALTER DATABASE bank SET PRIMARY REGION \"witness\"")?;
    docker
        .run(&["pause", &ledger.node("eu-central", 2)])?
        .success()?;
    let shown = [
        (EU, "drift"),
        (CLUSTER, "drift"),
        (DATABASE, "primary_region"),
    ];
    expect_mended(terraform, &shown)?;

    // With its store a node is lost, and another comes back at its address.
    let lost = ledger.node("us-east", 2);
    sql("RESET CLUSTER SETTING kv.rangefeed.enabled")?;
    sql("DROP DATABASE bank CASCADE")?;
    docker.run(&["rm", "--force", &lost])?.success()?;
    docker.run(&["volume", "rm", &lost])?.success()?;
    let shown = [(US, "nodes"), (CLUSTER, rangefeed), (DATABASE, "")];
    expect_mended(terraform, &shown)?;

    let certificates = terraform.folder().join("certificates");
    std::fs::remove_file(certificates.join("client.root.crt"))?;
    sql("ALTER DATABASE bank SURVIVE ZONE FAILURE")?;
    sql("ALTER DATABASE bank DROP REGION \"witness\"")?;
    docker.exec(&node, &["rm", "/cockroach/cockroach-certs/ca.crt"])?;
    expect_mended(
        terraform,
        &[(US, "drift"), (EU, "drift"), (DATABASE, "regions")],
    )?;
    ensure!(
        certificates.join("client.root.crt").exists(),
        "root has no certificate"
    );
    Ok(())
}

#[test]
fn what_was_changed_by_hand_is_seen_and_mended() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let docker = sandbox.docker();
    let mut ledger = Ledger::new(&sandbox)?;
    terraform.apply(&ledger.hcl())?;
    let node = ledger.node("us-east", 1);
    expect_what_is_broken_to_be_mended(&sandbox, &terraform, &ledger)?;

    // A module foretells and mends the same: nodes are taken to go on by either.
    let ansible = sandbox.ansible()?;
    let faces = Faces {
        terraform: &terraform,
        address: EU,
        ansible: &ansible,
        module: "cockroachdb_region",
        arguments: json!({
            "cluster": ledger.name,
            "name": "eu-central",
            "certificates": terraform.folder().join("certificates"),
        }),
    };
    docker.run(&["pause", &ledger.node("eu-central", 1)])?;
    faces.expect_mended(&["update"], Face::Module)?;

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
