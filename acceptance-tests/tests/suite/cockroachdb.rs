//! CockroachDB's regions, clusters and databases: their life, what is found to differ, and what is refused.
//!
//! The image is that of `ATLAS_COCKROACHDB_IMAGE`: the test double, unless it names the published one.

use std::time::Duration;

use acceptance_tests::{
    Finished, Plan, Sandbox, Settings, Terraform, descendant_running, eventually,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const CLUSTER: &str = "atlas_cockroachdb_cluster.c";
const DATABASE: &str = "atlas_cockroachdb_database.d";
const US: &str = "atlas_cockroachdb_region.r[\"us-east\"]";

/// A cluster as a configuration.
#[derive(Clone)]
struct Ledger {
    name: String,
    network: String,
    subnet: String,
    ports: [u16; 2],
    /// Regions and their nodes.
    regions: Vec<(&'static str, u32)>,
    /// More lines of each region.
    region: String,
    /// More lines of the cluster.
    cluster: String,
    /// The lines of the database; empty for none.
    database: String,
    /// More of the configuration.
    more: String,
}

const SURVIVES_A_REGION: &str = r#"
  primary_region   = "us-east"
  secondary_region = "eu-central"
  regions          = ["us-east", "eu-central", "witness"]
  survival_goal    = "region"
"#;

impl Ledger {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        Ok(Self {
            name: sandbox.name("db"),
            network: sandbox.name("db"),
            subnet: sandbox.subnet(0),
            ports: [sandbox.port(0)?, sandbox.port(1)?],
            regions: vec![("us-east", 2), ("eu-central", 2), ("witness", 1)],
            region: String::new(),
            cluster: "settings = { \"kv.rangefeed.enabled\" = \"true\" }".to_owned(),
            database: SURVIVES_A_REGION.to_owned(),
            more: String::new(),
        })
    }

    fn hcl(&self) -> String {
        let Self {
            name,
            network,
            subnet,
            ports: [sql, http],
            region,
            cluster,
            database,
            more,
            ..
        } = self;
        let nodes: Vec<String> = self
            .regions
            .iter()
            .map(|(region, nodes)| format!("{region} = {nodes}"))
            .collect();
        let nodes = nodes.join(", ");
        let mut hcl = format!(
            r#"
resource "atlas_network" "n" {{
  name   = "{network}"
  subnet = "{subnet}"
}}
resource "atlas_cockroachdb_region" "r" {{
  for_each     = {{ {nodes} }}
  cluster      = "{name}"
  name         = each.key
  regions      = ["us-east", "eu-central", "witness"]
  nodes        = each.value
  zones        = ["${{each.key}}-a", "${{each.key}}-b"]
  network      = atlas_network.n.name
  certificates = "${{path.root}}/certificates"
  cache        = "64MiB"
  sql_ports    = each.key == "us-east" ? [{sql}] : []
  http_ports   = each.key == "us-east" ? [{http}] : []
  {region}
  lifecycle {{
    create_before_destroy = true
  }}
}}
resource "atlas_cockroachdb_cluster" "c" {{
  name         = "{name}"
  regions      = [for region in atlas_cockroachdb_region.r : region.name]
  certificates = "${{path.root}}/certificates"
  {cluster}
}}
"#
        );
        if !database.is_empty() {
            hcl = format!(
                r#"{hcl}
resource "atlas_cockroachdb_database" "d" {{
  cluster = atlas_cockroachdb_cluster.c.name
  name    = "bank"
  {database}
}}
"#
            );
        }
        hcl + more
    }

    fn node(&self, region: &str, number: u32) -> String {
        format!("atlas-cockroachdb-{}-{region}-{number}", self.name)
    }
}

/// Runs a statement through a node, as root.
fn sql(sandbox: &Sandbox, node: &str, statement: &str) -> Result<Finished> {
    let host = format!("--host={node}:26257");
    sandbox.docker().run(&[
        "exec",
        node,
        "/cockroach/cockroach",
        "sql",
        &host,
        "--certs-dir=/cockroach/cockroach-certs",
        "--format=csv",
        "--execute",
        statement,
    ])
}

/// How many members each region has, as the cluster tells Terraform now.
fn members(terraform: &Terraform) -> Result<Value> {
    terraform.command("refresh")?.succeed()?;
    let cluster = terraform.attributes(CLUSTER)?;
    let nodes = cluster["nodes"].as_array().cloned().unwrap_or_default();
    let mut counts = serde_json::Map::new();
    for node in nodes {
        ensure!(node["live"] == true, "{node} is not live");
        let region = node["region"].as_str().unwrap_or_default().to_owned();
        let count = counts.get(&region).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(region, json!(count + 1));
    }
    Ok(Value::Object(counts))
}

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
            words.contains("The cluster will survive less") && words.contains(region.trim_end()),
            "there is no warning in\n{said}"
        );
    }

    // What is imported is what it was.
    for (address, id) in [
        (US, format!("{}/us-east", ledger.name)),
        (CLUSTER, ledger.name.clone()),
        (DATABASE, format!("{}/bank", ledger.name)),
    ] {
        terraform.forget(address)?;
        terraform.write(&ledger.hcl())?;
        terraform
            .command("import")?
            .args([address, &id])
            .succeed()?;
    }
    terraform.apply_only(&ledger.hcl())?.success()?;
    terraform.expect_no_changes()?;

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
    let down = ledger.node("eu-central", 1);
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

/// Applies, kills the provider after a while, and applies again.
fn killed_and_applied_again(terraform: &Terraform, hcl: &str, after: Duration) -> Result<()> {
    let mut running = terraform.start_apply(hcl)?;
    let started = std::time::Instant::now();
    while started.elapsed() < after && running.is_running()? {
        std::thread::sleep(Duration::from_millis(50));
    }
    if let Some(provider) = descendant_running(running.pid(), "terraform-provider-atlas") {
        provider.kill()?;
    }
    let finished = running.wait()?;
    terraform
        .apply(hcl)
        .with_context(|| format!("killed after {after:?} was:\n{finished}"))?;
    Ok(())
}

#[test]
fn a_killed_provider_leaves_nothing_that_the_next_apply_does_not_take() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let mut ledger = Ledger::new(&sandbox)?;
    let docker = sandbox.docker();
    for (nodes, after) in [(2, 900), (3, 1300), (2, 1600), (3, 2200), (2, 2600)] {
        ledger.regions[0].1 = nodes;
        killed_and_applied_again(&terraform, &ledger.hcl(), Duration::from_millis(after))?;
        ensure!(
            members(&terraform)?["us-east"] == nodes,
            "{}",
            members(&terraform)?
        );
    }
    ledger.region = format!("version = \"{}\"", Settings::get()?.cockroachdb_older);
    killed_and_applied_again(&terraform, &ledger.hcl(), Duration::from_millis(2500))?;
    let left = docker.objects(&sandbox.prefix())?;
    ensure!(left.volumes.len() == 5, "there is:\n{left}");
    terraform.destroy()?;
    Ok(())
}

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
            vec!["regions", "is not among the cluster's regions"],
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
            vec!["cache", "is no size"],
        ),
        (
            with(|bad| bad.cluster = "settings = { version = \"25.1\" }".into()),
            vec!["settings.version", "Change the image"],
        ),
        (
            with(|bad| bad.cluster = "license = \"sesame\"".into()),
            vec!["license", "crl-0-"],
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
            vec!["placement", "survives a region"],
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

#[test]
fn what_the_world_refuses_is_told_with_its_remedy() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let docker = sandbox.docker();
    let mut ledger = Ledger::new(&sandbox)?;
    ledger.regions = vec![("us-east", 3)];
    ledger.database = String::new();

    let listener = std::net::TcpListener::bind(("127.0.0.1", ledger.ports[0]))?;
    terraform.expect_apply_error(&ledger.hcl())?.expect(&[
        "sql_ports[0]",
        "is taken",
        "Choose another port",
    ])?;
    drop(listener);
    terraform.apply(&ledger.hcl())?;

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
    bad.region = "image = \"atlas/localstack:4.9.2\"".to_owned();
    let image = &Settings::get()?.localstack_image;
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
