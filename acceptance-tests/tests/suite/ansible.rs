//! The Ansible modules by a playbook: what a check run foretells is what the run does, and a second run
//! has nothing to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use acceptance_tests::{Ansible, Kubectl, Sandbox, Settings};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A cluster of a sandbox, with more options.
fn cluster(sandbox: &Sandbox, name: &str, n: u8, more: &Value) -> Value {
    let mut all = json!({
        "name": sandbox.name(name),
        "cluster_cidr": sandbox.pods(n),
        "service_cidr": sandbox.services(n),
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    all
}

fn task(module: &str, arguments: Value) -> Value {
    let mut task = json!({"name": module, "diff": true});
    task[format!("atlas.world.{module}")] = arguments;
    task
}

/// The texts of a list.
fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

fn expect_differences(result: &Value, wanted: &[&str]) -> Result<()> {
    let found = texts(&result["differences"]);
    ensure!(
        found == wanted,
        "differences are {found:?}, not {wanted:?}: {result}"
    );
    Ok(())
}

#[test]
fn a_cluster_lives_as_its_tasks_say() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let name = sandbox.name("a");
    let file = sandbox.path("kubeconfig");
    let with = |more: Value| {
        let mut all = cluster(
            &sandbox,
            "a",
            0,
            &json!({
                "subnet": sandbox.subnet(0),
                "token": "pepper-token",
                "env": [{"key": "FLAVOUR", "value": "pepper-value"}],
                "kubeconfig": {"path": file},
            }),
        );
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    };
    let state = |state: &str| json!({"name": name, "state": state});

    let done = ansible.converge(&[
        ("k3d_cluster", with(json!({}))),
        ("k3d_cluster", json!({"name": name, "agents": 1})),
        ("k3d_cluster", state("stopped")),
        ("k3d_cluster", state("started")),
        ("k3d_cluster", json!({"name": name, "agents": 0})),
    ])?;
    let [created, grown, stopped, started, shrunk] = done.as_slice() else {
        anyhow::bail!("five steps, and {} results", done.len())
    };
    ensure!(
        created["diff"]["after"]["env"] == json!([{"key": "FLAVOUR"}]),
        "{created}"
    );
    ensure!(
        created["cluster"]["nodes"].as_array().map(Vec::len) == Some(2),
        "{created}"
    );
    expect_differences(grown, &["agents"])?;
    ensure!(grown["diff"]["before"]["agents"] == 0, "{grown}");
    ensure!(grown["diff"]["after"]["agents"] == 1, "{grown}");
    expect_differences(stopped, &["state"])?;
    expect_differences(started, &["state"])?;
    expect_differences(shrunk, &["agents"])?;
    Kubectl::with_kubeconfig(&file).expect_ready(&[format!("k3d-{name}-server-0")])?;
    let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "the kubeconfig has mode {mode:o}");

    // What would make another cluster is refused, by a check run as by a run, with no value of it shown.
    let server = format!("k3d-{name}-server-0");
    let before = sandbox.docker().container(&server)?.id().to_owned();
    let changed = with(json!({
        "service_cidr": sandbox.services(1),
        "token": "another-pepper",
        "env": [{"key": "FLAVOUR", "value": "cayenne-value"}],
    }));
    let refused = |check: bool| {
        let mut refused = task("k3d_cluster", changed.clone());
        refused["check_mode"] = check.into();
        refused["ignore_errors"] = true.into();
        refused
    };
    let told = ansible.finish(
        ansible
            .command(&[refused(true), refused(false)])?
            .arg("-vvvv"),
    )?;
    for one in &told.tasks {
        ensure!(one.outcome == "failed", "{one:?}");
        let replace = texts(&one.result["replace"]);
        ensure!(replace == ["token", "service_cidr", "env"], "{one:?}");
        let msg = one.result["msg"].as_str().unwrap_or_default();
        ensure!(msg.contains("recreate: on_change"), "{one:?}");
    }
    ensure!(
        told.tasks[0].result["msg"] == told.tasks[1].result["msg"],
        "{:?}",
        told.tasks
    );
    for secret in [
        "pepper-token",
        "another-pepper",
        "pepper-value",
        "cayenne-value",
    ] {
        // Ansible itself quotes the task in the playbook, whose text the test has written.
        let shown = told
            .tasks
            .iter()
            .any(|one| one.result.to_string().contains(secret));
        ensure!(!shown, "{secret} is shown: {:?}", told.tasks);
    }
    ensure!(
        sandbox.docker().container(&server)?.id() == before,
        "the server was recreated"
    );

    // With consent it is made anew, and then goes without a trace.
    let consent = {
        let mut consent = changed.clone();
        consent["recreate"] = "on_change".into();
        consent
    };
    let gone = json!({"name": name, "state": "absent", "kubeconfig": {"path": file}});
    let done = ansible.converge(&[("k3d_cluster", consent), ("k3d_cluster", gone)])?;
    let anew = &done[0];
    ensure!(
        texts(&anew["replace"]) == ["token", "service_cidr", "env"],
        "{anew}"
    );
    let header = anew["diff"]["after_header"].as_str().unwrap_or_default();
    ensure!(
        header.contains("recreated to change token, service_cidr, env"),
        "{header}"
    );
    ensure!(
        anew["cluster"]["service_cidr"] == sandbox.services(1).as_str(),
        "{anew}"
    );
    ensure!(!file.exists(), "the kubeconfig is left");
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left is\n{left}");
    Ok(())
}

/// Makes clusters side by side, as asynchronous tasks that are waited for afterwards.
fn side_by_side(clusters: &[Value]) -> Vec<Value> {
    let start = clusters.iter().enumerate().map(|(position, arguments)| {
        let mut start = task("k3d_cluster", arguments.clone());
        start["async"] = 240.into();
        start["poll"] = 0.into();
        start["register"] = format!("job_{position}").into();
        start
    });
    let wait = (0..clusters.len()).map(|position| {
        json!({
            "name": "wait",
            "ansible.builtin.async_status": {
                "jid": format!("{{{{ job_{position}.ansible_job_id }}}}"),
            },
            "register": "ended",
            "until": "ended.finished",
            "delay": 1,
            "retries": 240,
        })
    });
    start.chain(wait).collect()
}

#[test]
fn regions_are_made_joined_and_furnished_by_modules() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let settings = Settings::get()?;
    let (us, eu) = (sandbox.name("us"), sandbox.name("eu"));
    let (own, file) = (sandbox.name("net"), sandbox.path("kubeconfig"));
    let port = sandbox.port(0)?;

    // A network cannot be changed: another one needs a word.
    let network = |more: Value| {
        let mut all = json!({"name": own, "subnet": sandbox.subnet(0)});
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    };
    let labels = json!({"labels": {"tier": "core"}});
    let mut anew = network(labels.clone());
    anew["recreate"] = "on_change".into();
    let done = ansible.converge(&[("network", network(json!({}))), ("network", anew)])?;
    ensure!(texts(&done[1]["replace"]) == ["labels"], "{}", done[1]);
    ensure!(
        done[1]["diff"]["after"]["labels"] == labels["labels"],
        "{}",
        done[1]
    );

    let clusters = [
        cluster(&sandbox, "us", 0, &json!({"network": own})),
        cluster(&sandbox, "eu", 1, &json!({"subnet": sandbox.subnet(1)})),
    ];
    ansible.succeed(&side_by_side(&clusters))?;

    let node = json!({"cluster": us, "name": sandbox.name("big"), "node_labels": ["size=big"]});
    let bridge = json!({
        "name": sandbox.name("b"),
        "subnet": sandbox.subnet(20),
        "clusters": [us, eu],
    });
    let kubeconfig = json!({"cluster": eu, "path": file});
    let published = json!({"cluster": us, "ports": [{"container_port": 80, "host_port": port}]});
    let done = ansible.converge(&[
        ("k3d_node", node),
        (
            "k3d_image_import",
            json!({"cluster": us, "images": [settings.tools_image]}),
        ),
        ("load_balancer", published.clone()),
        ("kubeconfig", kubeconfig.clone()),
        ("network_bridge", bridge.clone()),
    ])?;
    let declared = bridge;
    let [node, images, balancer, _, bridge] = done.as_slice() else {
        anyhow::bail!("five steps, and {} results", done.len())
    };
    ensure!(node["node"]["role"] == "agent", "{node}");
    expect_differences(images, &["images"])?;
    expect_differences(balancer, &["ports"])?;
    ensure!(balancer["ports"][0]["host_port"] == port, "{balancer}");
    let members = bridge["bridge"]["members"].as_array().map(Vec::len);
    ensure!(members == Some(3), "{bridge}");
    Kubectl::with_kubeconfig(&file).expect_ready(&[format!("k3d-{eu}-server-0")])?;

    // A route that somebody deleted is seen and set again, beside a member that gives no answer, of which it is said.
    let docker = sandbox.docker();
    let (silent, broken) = (format!("k3d-{eu}-server-0"), format!("k3d-{us}-server-0"));
    docker.exec(&broken, &["ip", "route", "del", &sandbox.pods(1)])?;
    docker.run(&["pause", &silent])?;
    let mended = ansible.converge(&[("network_bridge", declared.clone())]);
    docker.run(&["unpause", &silent])?;
    let mended = &mended?[0];
    let told = texts(&mended["actions"]);
    ensure!(told == [format!("set the routes of {broken}")], "{mended}");
    let warned = texts(&mended["warnings"]).concat();
    ensure!(
        warned.contains(&format!("Cluster {eu} does not answer")),
        "{mended}"
    );

    // Look-ups change nothing, in check mode either, and know what there is.
    let looks: Vec<Value> = [true, false]
        .into_iter()
        .flat_map(|check| {
            [
                task("k3d_cluster_info", json!({"name": us})),
                task("network_info", json!({"name": own})),
                task("network_bridge_info", json!({"name": sandbox.name("b")})),
                task("k3d_cluster_info", json!({})),
                task("k3d_cluster_info", json!({"name": sandbox.name("none")})),
            ]
            .map(|mut look| {
                look["check_mode"] = check.into();
                look
            })
        })
        .collect();
    let found = ansible.succeed(&looks)?;
    ensure!(found.iter().all(|one| one["changed"] == false), "{found:?}");
    for looked in found.chunks(5) {
        ensure!(
            looked[0]["clusters"][0]["network"] == own.as_str(),
            "{}",
            looked[0]
        );
        ensure!(
            looked[1]["networks"][0]["subnet"] == sandbox.subnet(0).as_str(),
            "{}",
            looked[1]
        );
        ensure!(
            looked[2]["bridges"] == json!([bridge["bridge"]]),
            "{}",
            looked[2]
        );
        let all = looked[3]["clusters"].as_array().context("a list")?;
        ensure!(all.iter().any(|one| one["name"] == eu.as_str()), "{all:?}");
        ensure!(looked[4]["clusters"] == json!([]), "{}", looked[4]);
    }

    expect_world_foretold(&sandbox, &ansible, &us, &own)?;
    expect_only_declared_purges(&ansible, &declared, &us)?;

    // And all of it goes again.
    let absent = |mut arguments: Value| {
        arguments["state"] = "absent".into();
        arguments
    };
    ansible.converge(&[
        ("network_bridge", absent(json!({"name": sandbox.name("b")}))),
        (
            "k3d_node",
            absent(json!({"cluster": us, "name": sandbox.name("big")})),
        ),
        ("load_balancer", absent(published)),
        ("kubeconfig", absent(kubeconfig)),
        ("k3d_cluster", absent(json!({"name": us}))),
        ("k3d_cluster", absent(json!({"name": eu}))),
        ("network", absent(json!({"name": own}))),
    ])?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left is\n{left}");
    Ok(())
}

/// What only the world refuses is a warning of a check run, because an earlier task may mend it, and ends a run.
fn expect_world_foretold(sandbox: &Sandbox, ansible: &Ansible, us: &str, own: &str) -> Result<()> {
    let taken = sandbox.subnet(0);
    let third = cluster(sandbox, "third", 2, &json!({"subnet": taken}));
    let cases = [
        (
            "network",
            json!({"name": sandbox.name("other"), "subnet": taken}),
            "overlaps",
        ),
        ("k3d_cluster", third, "overlaps"),
        // Nothing goes for an image that is not to be had.
        (
            "k3d_cluster",
            json!({"name": us, "image": "localhost:9/atlas/none:1", "recreate": "on_change"}),
            "Nothing is removed",
        ),
    ];
    for (module, arguments, words) in cases {
        let mut foretold = task(module, arguments.clone());
        foretold["check_mode"] = true.into();
        let mut refused = task(module, arguments);
        refused["ignore_errors"] = true.into();
        let played = ansible.play(&[foretold, refused])?;
        let [foretold, refused] = played.tasks.as_slice() else {
            anyhow::bail!("two tasks\n{}", played.finished)
        };
        let warned = foretold.result["warnings"].to_string();
        ensure!(
            foretold.result["changed"] == true
                && warned.contains("run would fail")
                && warned.contains(words),
            "{foretold:?}"
        );
        let msg = refused.result["msg"].as_str().unwrap_or_default();
        ensure!(
            refused.outcome == "failed" && msg.contains(words),
            "{refused:?}"
        );
    }
    let there = ansible.succeed(&[task("k3d_cluster_info", json!({"name": us}))])?;
    ensure!(
        there[0]["clusters"][0]["network"] == own,
        "the cluster is gone: {}",
        there[0]
    );
    Ok(())
}

/// A cluster that is on the bridge and not declared leaves it by word alone. A bridge needs two, so that the other one is an
/// earlier task's.
fn expect_only_declared_purges(ansible: &Ansible, declared: &Value, us: &str) -> Result<()> {
    let mut refused = declared.clone();
    refused["clusters"] = json!([us, format!("{us}-to-come")]);
    let mut consent = refused.clone();
    consent["purge_clusters"] = true.into();
    let tasks = [refused, consent].map(|arguments| {
        let mut task = task("network_bridge", arguments);
        task["check_mode"] = true.into();
        task["ignore_errors"] = true.into();
        task
    });
    let played = ansible.play(&tasks)?;
    let [refused, consent] = played.tasks.as_slice() else {
        anyhow::bail!("two tasks\n{}", played.finished)
    };
    let msg = refused.result["msg"].as_str().unwrap_or_default();
    ensure!(
        refused.outcome == "failed" && msg.contains("purge_clusters: true"),
        "{refused:?}"
    );
    ensure!(
        consent.result["changed"] == true && consent.outcome != "failed",
        "{consent:?}"
    );
    Ok(())
}
