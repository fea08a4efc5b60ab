//! A cluster is made, scaled, upgraded, imported, and loses and gets a region.

use std::time::Duration;

use acceptance_tests::{Sandbox, Settings, Terraform, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{CLUSTER, DATABASE, Ledger, US, members, sql};

#[test]
fn a_cluster_of_three_regions_lives_and_survives_the_loss_of_any() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let docker = sandbox.docker();
    let mut ledger = Ledger::new(&sandbox)?;
    ledger.more = format!(
        "data \"atlas_cockroachdb_survival\" \"s\" {{\n  cluster = \"{}\"\n  depends_on = [atlas_cockroachdb_database.d]\n}}\n",
        ledger.name
    );
    terraform.apply(&ledger.hcl())?;
    ensure!(
        members(&terraform)? == json!({"us-east": 2, "eu-central": 2, "witness": 1}),
        "{}",
        terraform.attributes(CLUSTER)?
    );
    let survival = eventually(Duration::from_secs(60), || {
        terraform.command("refresh")?.succeed()?;
        let survival = terraform.attributes("data.atlas_cockroachdb_survival.s")?;
        ensure!(survival["survives_region"] == true, "{survival}");
        Ok(survival)
    })?;
    // Nothing to spare where two of five voters are, one where one is.
    ensure!(
        survival["regions"]["us-east"]["margin"] == 0
            && survival["regions"]["witness"]["margin"] == 1,
        "{survival}"
    );
    let state = terraform.state_file()?;
    ensure!(!state.contains("PRIVATE KEY"), "a key is in the state");

    // A third node joins, takes part, and leaves again.
    ledger.regions[0].1 = 3;
    terraform.plan(&ledger.hcl())?.expect(US, &["update"])?;
    terraform.apply(&ledger.hcl())?;
    ensure!(
        members(&terraform)?["us-east"] == 3,
        "{}",
        members(&terraform)?
    );
    ledger.regions[0].1 = 2;
    terraform.apply(&ledger.hcl())?;
    ensure!(
        members(&terraform)?["us-east"] == 2,
        "{}",
        members(&terraform)?
    );
    let gone = docker.find(&ledger.node("us-east", 3))?;
    ensure!(gone.is_none(), "its container is left");

    // Less is warned of: two regions, or four nodes.
    let mut less = ledger.clone();
    less.regions[1].1 = 1;
    for (config, region) in [
        (less.hcl(), "eu-central: 1"),
        (
            ledger.hcl().replace(", witness = 1", ""),
            "eu-central: 2, us-east: 2 ",
        ),
    ] {
        terraform.write(&config)?;
        let said = terraform.command("plan")?.succeed()?.output();
        let words = said.replace("│", " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        let words = words.join(" ");
        ensure!(
            words.contains("The cluster will survive fewer failures")
                && words.contains(region.trim_end()),
            "there is no warning in\n{said}"
        );
    }

    // What is imported is what it was. The folder is on this machine, and no node tells it.
    let folder = ",certificates=./certificates";
    for (address, id) in [
        (US, format!("{}/us-east{folder}", ledger.name)),
        (CLUSTER, format!("{}{folder}", ledger.name)),
        (DATABASE, format!("{}/bank", ledger.name)),
    ] {
        terraform.forget(address)?;
        terraform.write(&ledger.hcl())?;
        terraform
            .command("import")?
            .args([address, &id])
            .succeed()?;
    }
    // Which settings are its own, only the configuration knows.
    let plan = terraform.plan(&ledger.hcl())?;
    plan.expect(US, &["no-op"])?;
    plan.expect(DATABASE, &["no-op"])?;
    let changed = plan.changed(CLUSTER);
    let is_changed = |name: &str| changed.iter().any(|path| path == name);
    ensure!(
        is_changed("settings") && !is_changed("certificates"),
        "{plan}"
    );
    terraform.apply(&ledger.hcl())?;

    // Data outlives what needs another container.
    let node = ledger.node("us-east", 1);
    sql(
        &sandbox,
        &node,
        "CREATE TABLE bank.t (id INT PRIMARY KEY); INSERT INTO bank.t VALUES (7)",
    )?;
    ledger.region = "max_sql_memory = \"64MiB\"".to_owned();
    terraform.plan(&ledger.hcl())?.expect(US, &["update"])?;
    terraform.apply(&ledger.hcl())?;
    let found = sql(&sandbox, &node, "SELECT id FROM bank.t")?;
    ensure!(found.stdout.contains('7'), "{found}");

    // The witness goes, after the database has let it go; the goal cannot stay.
    let two = &ledger.database.replace(", \"witness\"]", "]");
    let mut fewer = ledger.clone();
    fewer.database.clone_from(two);
    terraform
        .expect_plan_error(&fewer.hcl())?
        .expect(&["survival_goal", "at least three regions"])?;
    fewer.database = two.replace("\"region\"\n", "\"zone\"\n");
    let warned = terraform.plan(&fewer.hcl())?;
    warned.expect(DATABASE, &["update"])?;
    fewer.regions.pop();
    // Three voters in the primary region want three nodes.
    fewer.regions[0].1 = 3;
    terraform.apply(&fewer.hcl())?;
    ensure!(
        members(&terraform)? == json!({"us-east": 3, "eu-central": 2}),
        "{}",
        members(&terraform)?
    );

    // And comes back; the third node may go when the database does not need it any more.
    let mut more = ledger.clone();
    more.regions[0].1 = 3;
    terraform.apply(&more.hcl())?;
    terraform.apply(&ledger.hcl())?;
    let database = terraform.attributes(DATABASE)?;
    ensure!(database["survival_goal"] == "region", "{database}");

    // Tables stay, unless that is said.
    let refused = terraform
        .command("destroy")?
        .arg("-auto-approve")
        .finish()?;
    let said = refused.output();
    ensure!(
        refused.code == Some(1) && said.contains("force_destroy"),
        "{said}"
    );
    sql(&sandbox, &node, "DROP TABLE bank.t")?;
    terraform.destroy()?;
    let left = terraform.folder().join("certificates");
    ensure!(!left.exists(), "{} is left", left.display());
    Ok(())
}

#[test]
fn nodes_are_upgraded_one_by_one() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let settings = Settings::get()?;
    let (_, newer) = settings
        .cockroachdb_image
        .rsplit_once(':')
        .context("the image has no tag")?;
    let mut ledger = Ledger::new(&sandbox)?;
    ledger.region = format!("version = \"{}\"", settings.cockroachdb_older);
    terraform.apply(&ledger.hcl())?;
    let builds = |terraform: &Terraform| -> Result<Vec<String>> {
        let cluster = terraform.attributes(CLUSTER)?;
        let nodes = cluster["nodes"].as_array().cloned().unwrap_or_default();
        Ok(nodes
            .iter()
            .map(|node| node["build"].as_str().unwrap_or_default().to_owned())
            .collect())
    };
    let older = builds(&terraform)?;
    ensure!(
        older.len() == 5
            && older
                .iter()
                .all(|build| build.starts_with(&settings.cockroachdb_older)),
        "{older:?}"
    );
    ledger.region = format!("version = \"{newer}\"");
    terraform.plan(&ledger.hcl())?.expect(US, &["update"])?;
    // One that is down takes no drain, and the others wait for it: it waits for nobody. The cluster takes it for live yet.
    let down = ledger.node("eu-central", 2);
    sandbox.docker().run(&["kill", &down])?;
    terraform.apply_only(&ledger.hcl())?.success()?;
    terraform.command("refresh")?.succeed()?;
    terraform.expect_no_changes()?;
    let after = builds(&terraform)?;
    ensure!(
        after.len() == 5 && after.iter().all(|build| build.starts_with(newer)),
        "{after:?}"
    );
    terraform.destroy()?;
    Ok(())
}
