//! Modules that are killed, that run out of time, or fail: the next run goes on from there, and no output
//! holds a secret.

use std::fs;
use std::time::Duration;

use acceptance_tests::{Kubectl, Sandbox, descendant_running, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

fn task(name: &str, module: &str, arguments: Value) -> Value {
    let mut task = json!({"name": name});
    task[format!("atlas.world.{module}")] = arguments;
    task
}

#[test]
fn what_a_killed_module_left_is_finished_by_the_next_run() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let docker = sandbox.docker();
    let name = sandbox.name("f");
    let cluster = json!({
        "name": name,
        "agents": 1,
        "subnet": sandbox.subnet(0),
        "cluster_cidr": sandbox.pods(0),
        "service_cidr": sandbox.services(0),
    });

    // Killed as soon as there is anything of a server.
    let server = format!("k3d-{name}-server-0");
    let mut running = ansible.start(&[task("killed", "k3d_cluster", cluster.clone())])?;
    eventually(Duration::from_secs(60), || {
        ensure!(running.is_running()?, "it ended\n{}", running.output());
        docker.container(&server).map(drop)
    })?;
    let module = descendant_running(running.pid(), "AnsiballZ_");
    module.context("no module runs")?.kill()?;
    let killed = running.wait()?;
    ensure!(killed.code != Some(0), "it should have failed\n{killed}");

    // The next one is killed by Ansible: a cluster takes longer than this to become ready.
    let mut timed = task("out of time", "k3d_cluster", cluster.clone());
    timed["async"] = 5.into();
    timed["poll"] = 1.into();
    let played = ansible.play(&[timed])?;
    let ended = played.tasks.last().context("no result")?;
    let msg = ended.result["msg"].as_str().unwrap_or_default();
    ensure!(msg == "Timeout exceeded", "{ended:?}\n{}", played.finished);

    // All of it may run by now, and is waited for nonetheless.
    let tasks = [
        task("finish", "k3d_cluster", cluster.clone()),
        task("again", "k3d_cluster", cluster),
    ];
    let nodes = ["server-0", "agent-0"].map(|ending| format!("k3d-{name}-{ending}"));
    ansible.succeed(&tasks[..1])?;
    Kubectl::in_cluster(&name).expect_ready(&nodes)?;
    let again = ansible.succeed(&tasks[1..])?;
    ensure!(again[0]["changed"] == false, "{}", again[0]);
    let volumes = docker.anonymous_volumes(&docker.objects(&sandbox.prefix())?.containers)?;
    let absent = json!({"name": name, "state": "absent"});
    ansible.succeed(&[task("remove", "k3d_cluster", absent)])?;
    let mut left = docker.objects(&sandbox.prefix())?;
    left.volumes.extend(docker.remaining_volumes(&volumes)?);
    ensure!(left.is_empty(), "left is\n{left}");
    Ok(())
}

/// Every way in which the modules fail, each with a part of what they must say.
fn failures(sandbox: &Sandbox) -> Vec<(&'static str, Value, &'static str)> {
    let cluster = |more: Value| {
        let mut all = json!({
            "name": sandbox.name("s"),
            "subnet": sandbox.subnet(0),
            "cluster_cidr": sandbox.pods(0),
            "service_cidr": sandbox.services(0),
            "token": "{{ token }}",
            "env": [{"key": "FLAVOUR", "value": "{{ flavour }}"}],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    };
    vec![
        (
            "k3d_cluster",
            cluster(json!({"agents": "many"})),
            "cannot be converted to an int",
        ),
        (
            "k3d_cluster",
            cluster(json!({"agent": 1})),
            "Unsupported parameters",
        ),
        (
            "k3d_cluster",
            cluster(json!({"state": "gone"})),
            "value of state must be one of",
        ),
        (
            "k3d_cluster",
            json!({"token": "{{ token }}"}),
            "missing required arguments: name",
        ),
        (
            "k3d_cluster",
            cluster(json!({"env": "FLAVOUR={{ flavour }}"})),
            "FLAVOUR",
        ),
        (
            "k3d_cluster",
            cluster(json!({"env": [{"key": "A=B", "value": "{{ flavour }}"}]})),
            "env[0].key",
        ),
        (
            "k3d_cluster",
            cluster(json!({"token": "{{ token }} x"})),
            "white space",
        ),
        (
            "k3d_cluster",
            cluster(json!({"agents": -1})),
            "agents: -1 is out of range",
        ),
        (
            "k3d_cluster",
            cluster(json!({"docker_host": "unix:///nowhere/docker.sock"})),
            "cannot connect to the Docker daemon",
        ),
        (
            "k3d_cluster",
            cluster(json!({"image": "localhost:1/atlas/none:1"})),
            "image localhost:1/atlas/none:1",
        ),
        (
            "k3d_cluster",
            cluster(json!({"k3s_args": [{"arg": "--no-such-flag", "node_filters": ["server:*"]}]})),
            "no-such-flag",
        ),
        (
            "k3d_cluster",
            cluster(json!({"wait_timeout": 1})),
            "after 1 s",
        ),
        (
            "kubeconfig",
            json!({
                "cluster": sandbox.name("s"),
                "state": "absent",
                "path": sandbox.path("broken"),
            }),
            "is not a kubeconfig",
        ),
        (
            "k3d_node",
            json!({"cluster": sandbox.name("none"), "name": "x"}),
            "There is no cluster",
        ),
    ]
}

#[test]
fn no_failure_shows_a_secret() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let secrets = ["hush-token-1f0c", "hush-flavour-77ab", "hush-key-3d2e"];
    fs::write(
        sandbox.path("broken"),
        format!("users: {{{}: [", secrets[2]),
    )?;
    // Not in the playbook, which Ansible quotes.
    let vars = sandbox.path("vars.json");
    fs::write(
        &vars,
        json!({"token": secrets[0], "flavour": secrets[1]}).to_string(),
    )?;
    let failures = failures(&sandbox);
    let tasks: Vec<Value> = failures
        .iter()
        .map(|(module, arguments, _)| {
            let mut one = task(module, module, arguments.clone());
            one["ignore_errors"] = true.into();
            one["diff"] = true.into();
            one
        })
        .collect();
    let command = ansible.command(&tasks)?;
    let command = command.args(["-vvvv", "--extra-vars", &format!("@{}", vars.display())]);
    let played = ansible.finish(command)?;
    ensure!(played.tasks.len() == failures.len(), "{}", played.finished);
    for (ended, (.., said)) in played.tasks.iter().zip(&failures) {
        ensure!(ended.outcome == "failed", "{ended:?} should have failed");
        let msg = ended.result["msg"].as_str().unwrap_or_default();
        ensure!(msg.contains(said), "{said} is not in {ended:?}");
    }
    let everything = played.everything();
    for secret in secrets {
        let line = everything.lines().find(|line| line.contains(secret));
        ensure!(line.is_none(), "a secret is shown: {line:?}");
    }
    let absent = json!({"name": sandbox.name("s"), "state": "absent"});
    ansible.succeed(&[task("remove", "k3d_cluster", absent)])?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left is\n{left}");
    Ok(())
}
