//! CockroachDB by tasks and by the playbook: what a check run foretells is what the run does, a second run has nothing
//! to do, and neither has the playbook on what Terraform made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use acceptance_tests::{Ansible, Finished, Playbook, Run, Sandbox, Settings, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The database alone.
const DATABASE: &[&str] = &["--tags", "cockroachdb"];
const REGIONS: [(&str, u8); 3] = [("eu-central", 2), ("us-east", 2), ("witness", 1)];

/// Options of tasks on one cluster of a sandbox.
struct Ledger {
    name: String,
    network: Value,
    certificates: String,
}

impl Ledger {
    fn new(sandbox: &Sandbox) -> Self {
        Self {
            name: sandbox.name("db"),
            network: json!({"name": sandbox.name("db"), "subnet": sandbox.subnet(0)}),
            certificates: sandbox.path("certificates").display().to_string(),
        }
    }

    /// A region that exists, with these options.
    fn region(&self, name: &str, more: Value) -> Value {
        let own = json!({"cluster": self.name, "name": name, "certificates": self.certificates});
        with(own, more)
    }

    /// A new one.
    fn new_region(&self, name: &str, nodes: u8) -> Value {
        let more = json!({
            "regions": REGIONS.map(|(name, _)| name),
            "nodes": nodes,
            "zones": [format!("{name}-a"), format!("{name}-b")],
            "network": self.network["name"],
            "cache": "64MiB",
        });
        self.region(name, more)
    }

    fn cluster(&self, more: Value) -> Value {
        with(json!({"name": self.name}), more)
    }

    fn database(&self, more: Value) -> Value {
        with(json!({"cluster": self.name, "name": "bank"}), more)
    }
}

/// Both, the second over the first.
fn with(mut all: Value, more: Value) -> Value {
    if let Value::Object(more) = more {
        for (key, value) in more {
            all[key] = value;
        }
    }
    all
}

fn task(module: &str, arguments: &Value) -> Value {
    let mut task = json!({"name": module, "diff": true});
    task[format!("atlas.world.{module}")] = arguments.clone();
    task
}

fn expect_differences(result: &Value, wanted: &[&str]) -> Result<()> {
    ensure!(
        result["differences"] == json!(wanted),
        "not {wanted:?} differ: {result}"
    );
    Ok(())
}

fn expect_nothing_left(sandbox: &Sandbox) -> Result<()> {
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "there is left:\n{left}");
    Ok(())
}

#[test]
fn regions_a_cluster_and_a_database_live_as_their_tasks_say() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let ledger = Ledger::new(&sandbox);
    let mut steps = vec![("network", ledger.network.clone())];
    let new = |(name, nodes)| ("cockroachdb_region", ledger.new_region(name, nodes));
    steps.extend(REGIONS.map(new));
    let regions = REGIONS.map(|(name, _)| name);
    steps.push((
        "cockroachdb_cluster",
        ledger.cluster(json!({"regions": regions, "settings": {"kv.rangefeed.enabled": true}})),
    ));
    steps.push((
        "cockroachdb_database",
        ledger.database(json!({
            "primary_region": "us-east",
            "secondary_region": "eu-central",
            "regions": regions,
            "survival_goal": "region",
        })),
    ));
    let made = ansible.converge(&steps)?;
    let cluster = &made[4]["cluster"];
    ensure!(
        cluster["quorum_margins"] == json!({"eu-central": 0, "us-east": 0, "witness": 1}),
        "{cluster}"
    );
    ensure!(
        cluster["settings"]["kv.rangefeed.enabled"] == "true",
        "{cluster}"
    );
    let database = &made[5]["database"];
    ensure!(
        database["survival_goal"] == "region" && database["secondary_region"] == "eu-central",
        "{database}"
    );

    expect_changes_in_place(&sandbox, &ansible, &ledger)?;
    expect_truth(&sandbox, &ansible, &ledger)?;
    expect_no_licence_shown(&sandbox, &ansible, &ledger)?;

    expect_removals_foretold(&sandbox, &ansible, &ledger)?;

    // What is used is not removed, and then all of it goes.
    let used = ledger.region("witness", json!({"state": "absent"}));
    let mut refused = task("cockroachdb_region", &used);
    refused["ignore_errors"] = true.into();
    let played = ansible.play(&[refused])?;
    let told = &played.tasks.first().context("no result")?.result["msg"];
    ensure!(
        told.as_str().is_some_and(|msg| msg.contains("(bank)")),
        "{told}\n{}",
        played.finished
    );
    let absent = json!({"state": "absent"});
    ansible.converge(&[
        ("cockroachdb_database", ledger.database(absent.clone())),
        (
            "cockroachdb_cluster",
            ledger.cluster(with(
                absent.clone(),
                json!({"certificates": ledger.certificates}),
            )),
        ),
        ("network", with(ledger.network.clone(), absent.clone())),
    ])?;
    // With the cluster went its regions and its authority.
    let region = ledger.region("us-east", absent.clone());
    let gone = [
        task("cockroachdb_region", &region),
        task("cockroachdb_database", &ledger.database(absent)),
    ];
    for told in ansible.succeed(&gone)? {
        ensure!(told["changed"] == false, "{told}");
    }
    ensure!(
        !sandbox.path("certificates").join("ca.key").exists(),
        "the authority's key is left"
    );
    expect_nothing_left(&sandbox)
}

/// A check run tells what a removal would be refused, and goes on: an earlier task may make room.
fn expect_removals_foretold(sandbox: &Sandbox, ansible: &Ansible, ledger: &Ledger) -> Result<()> {
    let node = format!("atlas-cockroachdb-{}-us-east-1", ledger.name);
    sql(sandbox, &node, "CREATE TABLE bank.t (a INT PRIMARY KEY)")?.success()?;
    let absent = json!({"state": "absent"});
    let cases = [
        (
            task(
                "cockroachdb_region",
                &ledger.region("witness", absent.clone()),
            ),
            "(bank)",
        ),
        (
            task("cockroachdb_database", &ledger.database(absent.clone())),
            "force_destroy",
        ),
        (
            task("cockroachdb_cluster", &ledger.cluster(absent)),
            "force_destroy",
        ),
    ];
    let tasks = cases.iter().map(|(task, _)| {
        let mut task = task.clone();
        task["check_mode"] = true.into();
        task
    });
    let told = ansible.succeed(&tasks.collect::<Vec<_>>())?;
    for ((task, words), result) in cases.iter().zip(&told) {
        let warned = result["warnings"].to_string();
        ensure!(
            result["changed"] == true
                && warned.contains("run would fail")
                && warned.contains(words),
            "{task}: {result}"
        );
    }
    sql(sandbox, &node, "DROP TABLE bank.t")?
        .success()
        .map(drop)
}

/// What changes without another region, cluster or database: one option at a time, the others stay as they are.
fn expect_changes_in_place(sandbox: &Sandbox, ansible: &Ansible, ledger: &Ledger) -> Result<()> {
    let port = sandbox.port(0)?;
    let steps = [
        (
            "cockroachdb_region",
            ledger.region("us-east", json!({"nodes": 3})),
            &["nodes"][..],
        ),
        (
            "cockroachdb_region",
            ledger.region("us-east", json!({"nodes": 2})),
            &["nodes"],
        ),
        (
            "cockroachdb_region",
            ledger.region("witness", json!({"http_ports": [port]})),
            &["http_ports"],
        ),
        (
            "cockroachdb_cluster",
            ledger.cluster(json!({"settings": {"kv.rangefeed.enabled": false}})),
            &["settings.kv.rangefeed.enabled"],
        ),
        (
            "cockroachdb_database",
            ledger.database(json!({"primary_region": "eu-central", "secondary_region": "us-east"})),
            &["primary_region", "secondary_region"],
        ),
        (
            "cockroachdb_database",
            ledger.database(json!({"secondary_region": "", "survival_goal": "zone"})),
            &["secondary_region", "survival_goal"],
        ),
    ];
    let done = ansible.converge(&steps.clone().map(|(module, options, _)| (module, options)))?;
    for (told, (.., differ)) in done.iter().zip(&steps) {
        expect_differences(told, differ)?;
    }
    let shrunk = &done[1]["region"];
    ensure!(
        shrunk["zones"] == json!(["us-east-a", "us-east-b"]) && shrunk["cache"] == "64MiB",
        "{shrunk}"
    );
    let warned = done[5]["warnings"].to_string();
    ensure!(warned.contains("will not afterwards"), "{}", done[5]);

    // Fewer nodes are warned of before anything happens.
    let fewer = ledger.region("us-east", json!({"nodes": 1}));
    let mut fewer = task("cockroachdb_region", &fewer);
    fewer["check_mode"] = true.into();
    let told = ansible.succeed(&[fewer])?;
    let warned = told[0]["warnings"].to_string();
    ensure!(warned.contains("of no region"), "{}", told[0]);
    Ok(())
}

/// What the look-up tells of regions, nodes and what is survived, while all nodes are there and while one is not.
fn expect_truth(sandbox: &Sandbox, ansible: &Ansible, ledger: &Ledger) -> Result<()> {
    let look = task("cockroachdb_info", &json!({"name": ledger.name}));
    let none = task("cockroachdb_info", &json!({"name": "no-such-cluster"}));
    let told = ansible.succeed(&[look.clone(), none])?;
    let found = &told[0]["clusters"][0];
    let nodes = found["nodes"].as_array().map(Vec::len);
    let regions = found["regions"].as_array().into_iter().flatten();
    let counted: Vec<_> = regions
        .map(|region| (region["name"].clone(), region["nodes"].clone()))
        .collect();
    let wanted = REGIONS.map(|(name, nodes)| (json!(name), json!(nodes)));
    ensure!(nodes == Some(5) && counted == wanted, "{found}");
    ensure!(
        found["answer"] == "live" && found["survives_region"] == true,
        "{found}"
    );
    ensure!(told[1]["clusters"] == json!([]), "{}", told[1]);

    // A node that is down is lost with each failure.
    let witness = format!("atlas-cockroachdb-{}-witness-1", ledger.name);
    sandbox.docker().run(&["kill", &witness])?;
    eventually(Duration::from_secs(30), || {
        let told = ansible.succeed(std::slice::from_ref(&look))?;
        let found = &told[0]["clusters"][0];
        ensure!(
            found["survives_region"] == false
                && found["survives_node"] == true
                && found["losses"]["regions"]["us-east"]["survived"] == false
                && found["losses"]["regions"]["witness"]["survived"] == true,
            "{found}"
        );
        Ok(())
    })?;
    let started =
        ansible.converge(&[("cockroachdb_region", ledger.region("witness", json!({})))])?;
    ensure!(
        started[0]["actions"] == json!([format!("start {witness}")]),
        "{}",
        started[0]
    );
    Ok(())
}

/// The licence, wherever it goes: into a cluster, or into what is refused.
fn expect_no_licence_shown(sandbox: &Sandbox, ansible: &Ansible, ledger: &Ledger) -> Result<()> {
    let secrets = ["crl-0-hush-91d0", "hush-no-licence-5c77"];
    // Not in the playbook, which Ansible quotes.
    let vars = sandbox.path("vars.json");
    fs::write(
        &vars,
        json!({"good": secrets[0], "bad": secrets[1]}).to_string(),
    )?;
    let tasks: Vec<Value> = [
        json!({"license": "{{ good }}"}),
        json!({"license": "{{ good }}", "settings": {"no.such.setting": "1"}}),
        json!({"license": "{{ bad }}"}),
    ]
    .into_iter()
    .map(|options| {
        let mut one = task("cockroachdb_cluster", &ledger.cluster(options));
        one["ignore_errors"] = true.into();
        one
    })
    .collect();
    let command = ansible.command(&tasks)?;
    let command = command.args(["-vvvv", "--extra-vars", &format!("@{}", vars.display())]);
    let played = ansible.finish(command)?;
    let outcomes: Vec<&str> = played
        .tasks
        .iter()
        .map(|task| task.outcome.as_str())
        .collect();
    ensure!(
        outcomes[1..] == ["failed"; 2],
        "{outcomes:?}\n{}",
        played.finished
    );
    let everything = played.everything();
    for secret in secrets {
        let line = everything.lines().find(|line| line.contains(secret));
        ensure!(line.is_none(), "a licence is shown: {line:?}");
    }
    Ok(())
}

#[test]
fn a_region_that_waits_is_made_anew_only_with_consent_and_goes_without_a_trace() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let ledger = Ledger::new(&sandbox);
    let region = ledger.new_region("witness", 1);
    ansible.converge(&[
        ("network", ledger.network.clone()),
        ("cockroachdb_region", region),
    ])?;
    let insecure = json!({
        "cluster": ledger.name,
        "name": "witness",
        "insecure": true,
    });
    let refused = |check: bool| {
        let mut refused = task("cockroachdb_region", &insecure);
        refused["check_mode"] = check.into();
        refused["ignore_errors"] = true.into();
        refused
    };
    let played = ansible.play(&[refused(true), refused(false)])?;
    for one in &played.tasks {
        let msg = one.result["msg"].as_str().unwrap_or_default();
        ensure!(
            one.outcome == "failed"
                && one.result["replace"] == json!(["insecure"])
                && msg.contains("recreate: on_change"),
            "{one:?}"
        );
    }
    let consent = with(insecure, json!({"recreate": "on_change"}));
    let done = ansible.converge(&[
        ("cockroachdb_region", consent),
        (
            "cockroachdb_region",
            json!({"cluster": ledger.name, "name": "witness", "state": "absent"}),
        ),
        (
            "network",
            with(ledger.network.clone(), json!({"state": "absent"})),
        ),
    ])?;
    ensure!(done[0]["region"]["insecure"] == true, "{}", done[0]);
    expect_nothing_left(&sandbox)
}

#[test]
fn what_cannot_be_is_refused_with_its_option() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let ledger = Ledger::new(&sandbox);
    let region = |more: Value| with(ledger.new_region("us-east", 2), more);
    let database = |more: Value| {
        let shape = json!({"primary_region": "us-east", "regions": ["us-east", "eu-central"]});
        ledger.database(with(shape, more))
    };
    let cases = [
        (
            "cockroachdb_region",
            ledger.region("us-east", json!({})),
            "nodes: the region does not exist",
        ),
        (
            "cockroachdb_region",
            region(json!({"nodes": 65})),
            "nodes: 65 nodes",
        ),
        (
            "cockroachdb_region",
            region(json!({"regions": ["witness"]})),
            "regions: \"us-east\"",
        ),
        (
            "cockroachdb_region",
            region(json!({"network": "bridge"})),
            "network: Docker's own",
        ),
        (
            "cockroachdb_region",
            region(json!({"sql_ports": [70000]})),
            "sql_ports[0]: 70000",
        ),
        (
            "cockroachdb_region",
            region(json!({"addresses": ["here"]})),
            "addresses[0]: \"here\"",
        ),
        (
            "cockroachdb_region",
            region(json!({"cache": "much"})),
            "cache: \"much\"",
        ),
        (
            "cockroachdb_region",
            region(json!({"memory": "much"})),
            "memory: \"much\"",
        ),
        (
            "cockroachdb_region",
            region(json!({"cpus": 0.001})),
            "cpus: 0.001",
        ),
        (
            "cockroachdb_region",
            region(json!({"certificate_days": 4000})),
            "certificate_days: 4000",
        ),
        (
            "cockroachdb_region",
            region(json!({"insecure": true})),
            "insecure: an insecure cluster",
        ),
        (
            "cockroachdb_region",
            region(json!({"image": "a:1", "version": "v2"})),
            "parameters are mutually exclusive: image|version",
        ),
        (
            "cockroachdb_cluster",
            ledger.cluster(json!({})),
            "regions: the cluster has no regions",
        ),
        (
            "cockroachdb_cluster",
            ledger
                .cluster(json!({"regions": ["us-east"], "settings": {"enterprise.license": "1"}})),
            "Use the option license",
        ),
        (
            "cockroachdb_database",
            ledger.database(json!({})),
            "primary_region: the database",
        ),
        (
            "cockroachdb_database",
            database(json!({"survival_goal": "region"})),
            "survival_goal: a database in 2 regions",
        ),
        (
            "cockroachdb_database",
            database(json!({"secondary_region": "witness"})),
            "secondary_region: \"witness\"",
        ),
    ];
    let tasks: Vec<Value> = cases
        .iter()
        .flat_map(|(module, options, _)| {
            [true, false].map(|check| {
                let mut one = task(module, options);
                one["check_mode"] = check.into();
                one["ignore_errors"] = true.into();
                one
            })
        })
        .collect();
    let played = ansible.play(&tasks)?;
    ensure!(played.tasks.len() == tasks.len(), "{}", played.finished);
    for (told, (module, options, words)) in played.tasks.chunks(2).zip(&cases) {
        for one in told {
            let msg = one.result["msg"].as_str().unwrap_or_default();
            ensure!(
                one.outcome == "failed" && msg.contains(words),
                "{module} {options} should say {words:?}: {one:?}"
            );
        }
    }

    // Only the world can refuse these: a check run leaves them to earlier tasks, and says so.
    for (module, options, words) in [
        (
            "cockroachdb_region",
            region(json!({})),
            "there is no network",
        ),
        (
            "cockroachdb_cluster",
            ledger.cluster(json!({"regions": ["us-east"]})),
            "Create its regions first",
        ),
        (
            "cockroachdb_database",
            database(json!({})),
            "with the module cockroachdb_cluster.",
        ),
    ] {
        let mut foretold = task(module, &options);
        foretold["check_mode"] = true.into();
        let mut refused = task(module, &options);
        refused["ignore_errors"] = true.into();
        let played = ansible.play(&[foretold, refused])?;
        let [foretold, refused] = played.tasks.as_slice() else {
            anyhow::bail!("two tasks\n{}", played.finished)
        };
        let warned = foretold.result["warnings"].to_string();
        ensure!(
            foretold.result["changed"] == true
                && warned.contains(words)
                && warned.contains("an earlier task"),
            "{foretold:?}"
        );
        let msg = refused.result["msg"].as_str().unwrap_or_default();
        ensure!(
            refused.outcome == "failed" && msg.contains(words),
            "{refused:?}"
        );
    }
    expect_nothing_left(&sandbox)
}

/// Runs a statement through a node, as root.
fn sql(sandbox: &Sandbox, node: &str, statement: &str) -> Result<Finished> {
    let host = format!("--host={node}:26257");
    let certificates = "--certs-dir=/cockroach/cockroach-certs";
    let sql = [
        "exec",
        node,
        "/cockroach/cockroach",
        "sql",
        &host,
        certificates,
    ];
    sandbox
        .docker()
        .run(&[&sql[..], &["--format=csv", "--execute", statement]].concat())
}

#[test]
fn the_playbook_makes_the_database_of_all_regions_and_takes_it_away_without_its_quorum()
-> Result<()> {
    let sandbox = Sandbox::open()?;
    let playbook = Playbook::with_database(&sandbox)?;
    let docker = sandbox.docker();
    let foretold = playbook.run("site.yml", &[DATABASE, &["--check", "--diff"]].concat())?;
    expect_nothing_left(&sandbox)?;
    let made = playbook.run("site.yml", DATABASE)?;
    ensure!(
        foretold["dc_us"]["changed"] > 0 && foretold == made,
        "the check run foretold {foretold:?}, and done was {made:?}"
    );
    let first = playbook.node("us-east", 1);
    let goal = sql(
        &sandbox,
        &first,
        "SELECT survival_goal FROM [SHOW DATABASES] WHERE database_name = 'ledger'",
    )?;
    ensure!(goal.stdout.contains("region"), "{goal}");
    sql(
        &sandbox,
        &first,
        "CREATE TABLE ledger.public.t (id INT PRIMARY KEY)",
    )?;
    let secret = playbook.state().join("cockroachdb/ca.key");
    let rights = fs::metadata(&secret)?.permissions().mode() & 0o777;
    ensure!(rights == 0o600, "the authority's key has mode {rights:o}");
    playbook.expect_unchanged("site.yml", DATABASE)?;
    playbook.expect_unchanged("site.yml", &[DATABASE, &["--check", "--diff"]].concat())?;

    // A node that goes missing comes back on its volume, whatever the play is limited to.
    docker.run(&["rm", "--force", &first])?;
    playbook.run("site.yml", &[DATABASE, &["--limit", "dc_eu"]].concat())?;
    let rows = sql(&sandbox, &first, "SELECT count(*) FROM ledger.public.t")?;
    ensure!(rows.stdout.contains('0'), "{rows}");

    // Three nodes of five are lost, and a table is in it.
    let lost = [
        playbook.node("us-east", 1),
        playbook.node("us-east", 2),
        playbook.node("witness", 1),
    ];
    docker.run(&["kill", &lost[0], &lost[1], &lost[2]])?;
    let mut careful = task(
        "cockroachdb_cluster",
        &json!({"name": sandbox.name("ledger"), "state": "absent"}),
    );
    careful["ignore_errors"] = true.into();
    let played = sandbox.ansible()?.play(&[careful])?;
    let msg = &played.tasks.first().context("no result")?.result["msg"];
    ensure!(
        msg.as_str()
            .is_some_and(|msg| msg.contains("does not answer") && msg.contains("force_destroy")),
        "{msg}\n{}",
        played.finished
    );
    let gone = playbook.run("teardown.yml", DATABASE)?;
    let changed: u64 = gone.values().filter_map(|host| host.get("changed")).sum();
    ensure!(changed == 2, "{gone:?}");
    expect_nothing_left(&sandbox)?;
    ensure!(!secret.exists(), "the authority's key is left");
    playbook.expect_unchanged("teardown.yml", DATABASE)
}

/// The world's own Terraform makes the database; all else of it is left out here.
#[test]
fn the_database_that_terraform_made_is_the_playbooks_and_goes_down_by_its_labels() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let playbook = Playbook::with_database(&sandbox)?;
    let settings = Settings::get()?;
    let provider = settings.provider.parent().context("no folder")?;
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let copy = sandbox.copy_of_repository(&["infrastructure"])?;
    let in_world = |run: Run| {
        run.dir(root.as_ref())
            .env("ATLAS_CACHE_DIR", sandbox.path("cache"))
            .env("ATLAS_STATE_DIR", playbook.state())
            .env("ATLAS_PROVIDER_DIR", provider)
            .env("ATLAS_WORLD", playbook.world())
            .env("ATLAS_TERRAFORM", &settings.terraform)
            .env("ATLAS_COCKROACHDB_IMAGE", &settings.cockroachdb_image)
            .limit(Duration::from_secs(240))
    };
    let script = |lines: &str| -> Result<Finished> {
        let script = format!(
            "set -euo pipefail\nsource scripts/lib.sh\nsource scripts/provider.sh\nuse_provider\nATLAS_ROOT={}\n{lines}\n",
            copy.display()
        );
        in_world(Run::new("bash").args(["-c", &script])).succeed()
    };
    // Together with all that it depends on.
    let apply = "world_do apply -auto-approve -target=data.atlas_cockroachdb_survival.world";
    script(apply)?;
    let again = script(apply)?;
    ensure!(
        again.stdout.contains("0 added, 0 changed, 0 destroyed"),
        "{again}"
    );
    let told =
        script("world_terraform output -json -state=\"$ATLAS_STATE/world.tfstate\" database")?;
    let told: Value = serde_json::from_str(&told.stdout)?;
    ensure!(
        told["survives_region"] == true && told["regions"]["us-east"] == 0,
        "{told}"
    );
    playbook.expect_unchanged("site.yml", DATABASE)?;
    playbook.expect_unchanged("site.yml", &[DATABASE, &["--check", "--diff"]].concat())?;

    // As after an apply that was killed before it could write its state.
    fs::remove_file(playbook.state().join("world.tfstate"))?;
    let down = in_world(Run::new("scripts/down.sh")).succeed()?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "there is left:\n{left}\n{down}");
    ensure!(!playbook.state().exists(), "the state is left\n{down}");
    Ok(())
}
