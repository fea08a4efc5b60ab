//! The scripts that users run, as far as they can go wrong without anyone noticing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acceptance_tests::{Finished, Playbook, Run, Sandbox, Settings};
use anyhow::{Context, Result, ensure};

/// What Terraform and Ansible both make.
const SHARED: &[&str] = &["--tags", "docker_host,k3d,load_balancer,network_bridge"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs lines of bash after `scripts/lib.sh`, with a cache and a state of their own.
fn with_library(sandbox: &Sandbox, lines: &str) -> Result<Finished> {
    let script = format!("set -euo pipefail\nsource scripts/lib.sh\n{lines}\n");
    Run::new("bash")
        .args(["-c", &script])
        .dir(&repository())
        .env("ATLAS_CACHE_DIR", sandbox.path("cache"))
        .env("ATLAS_STATE_DIR", sandbox.path("state"))
        .limit(Duration::from_secs(30))
        .finish()
}

/// The world of `make world`, in a sandbox: applied by its scripts, found as declared by the playbook,
/// forgotten by Terraform as when an apply is killed, and taken away by `make down` nonetheless.
#[test]
fn the_world_that_terraform_made_is_the_playbooks_and_goes_down_by_its_names() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let playbook = Playbook::new(&sandbox)?;
    let settings = Settings::get()?;
    let provider = settings.provider.parent().context("no folder")?;
    let script = |lines: &str| -> Result<Finished> {
        let script = format!(
            "set -euo pipefail\nsource scripts/lib.sh\nsource scripts/provider.sh\n{lines}\n"
        );
        let run = Run::new("bash").args(["-c", &script]);
        in_world(run, &sandbox, &playbook, provider).succeed()
    };
    let applied = script("use_provider\nworld_apply")?;
    for name in playbook.clusters() {
        let kubectl = playbook.kubectl(name);
        kubectl.expect_ready(&[format!("k3d-{name}-server-0")])?;
        ensure!(applied.stdout.contains(name), "{applied}");
    }
    expect_inventory(&sandbox, &playbook, provider)?;
    let again = script("use_provider\nworld_apply")?;
    ensure!(
        again.stdout.contains("No changes")
            || again.stdout.contains("0 added, 0 changed, 0 destroyed"),
        "{again}"
    );
    playbook.expect_unchanged("site.yml", SHARED)?;
    playbook.expect_unchanged("site.yml", &[SHARED, &["--check", "--diff"]].concat())?;

    std::fs::remove_file(playbook.state().join("world.tfstate"))?;
    let down = in_world(Run::new("scripts/down.sh"), &sandbox, &playbook, provider).succeed()?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left is\n{left}\n{down}");
    ensure!(!playbook.state().exists(), "the state is left\n{down}");
    Ok(())
}

/// What Terraform prints of the world is an inventory with a group and a host for every region.
fn expect_inventory(sandbox: &Sandbox, playbook: &Playbook, provider: &Path) -> Result<()> {
    let run = Run::new("orchestration/inventory/terraform.py").arg("--list");
    let listed = in_world(run, sandbox, playbook, provider)
        .env(
            "ATLAS_TERRAFORM_STATE",
            playbook.state().join("world.tfstate"),
        )
        .succeed()?;
    let inventory: serde_json::Value = serde_json::from_str(&listed.stdout)?;
    for (group, cluster) in ["us_east", "eu_central"].iter().zip(playbook.clusters()) {
        let hosts = &inventory[group]["hosts"];
        let host = cluster.replace('-', "_");
        ensure!(
            *hosts == serde_json::json!([host]),
            "{group} has {hosts}\n{listed}"
        );
    }
    Ok(())
}

/// A script with this sandbox's world, and the provider under test.
fn in_world(run: Run, sandbox: &Sandbox, playbook: &Playbook, provider: &Path) -> Run {
    let settings = Settings::get();
    let run = match settings {
        Ok(settings) => run
            .env("ATLAS_NODE_IMAGE", &settings.node_image)
            .env("ATLAS_LOADBALANCER_IMAGE", &settings.loadbalancer_image)
            .env("ATLAS_TERRAFORM", &settings.terraform),
        Err(_) => run,
    };
    run.dir(&repository())
        .env("ATLAS_CACHE_DIR", sandbox.path("cache"))
        .env("ATLAS_STATE_DIR", playbook.state())
        .env("ATLAS_PROVIDER_DIR", provider)
        .env("ATLAS_WORLD", playbook.world())
        .limit(Duration::from_secs(240))
}

/// What bears a name or a label of the world and was made by others, beside leftovers of the world itself.
#[test]
fn down_takes_what_is_the_worlds_and_leaves_what_others_made() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let playbook = Playbook::new(&sandbox)?;
    let settings = Settings::get()?;
    let docker = sandbox.docker();
    let [us, eu] = playbook.clusters();
    let node = |name: &str, labels: &[&str]| -> Result<String> {
        let name = sandbox.name(name);
        let mut words = vec!["create", "--name", &name];
        words.extend(labels.iter().flat_map(|label| ["--label", *label]));
        words.push(&settings.tools_image);
        docker.run(&words)?;
        Ok(name)
    };
    let managed = "k3d.x.atlas.managed=v1";
    let of = |cluster: &str| format!("k3d.cluster={cluster}");
    let theirs = node("theirs", &[&of(us)])?;
    let ours = node("ours", &[&of(eu), managed])?;
    let added = node("added-by-k3d", &[&of(eu)])?;
    let (their_network, mark) = (
        sandbox.name("net-us"),
        format!("atlas-begun-network-{}", sandbox.name("net-eu")),
    );
    docker.run(&[
        "network",
        "create",
        "--subnet",
        &sandbox.subnet(9),
        &their_network,
    ])?;
    docker.run(&[
        "volume",
        "create",
        "--label",
        "k3d.x.atlas.begun=network",
        &mark,
    ])?;
    // A home folder, with a file of its owner that is called like one of the world's.
    let home = sandbox.path("home");
    for file in [
        "letters/mother",
        "terraform/main.tf",
        "images",
        "world.tfstate.backup",
    ] {
        let file = home.join(file);
        std::fs::create_dir_all(file.parent().context("no folder")?)?;
        std::fs::write(file, "precious")?;
    }

    let provider = settings.provider.parent().context("no folder")?;
    let down = in_world(Run::new("scripts/down.sh"), &sandbox, &playbook, provider)
        .env("ATLAS_STATE_DIR", &home)
        .succeed()?;
    for name in [&ours, &added] {
        ensure!(docker.find(name)?.is_none(), "{name} is left\n{down}");
    }
    ensure!(docker.find(&theirs)?.is_some(), "{theirs} is gone\n{down}");
    ensure!(
        docker.network(&their_network)?.is_some(),
        "a network of others is gone\n{down}"
    );
    let volumes = docker.run(&[
        "volume",
        "ls",
        "--quiet",
        "--filter",
        &format!("name={mark}"),
    ])?;
    ensure!(volumes.text().is_empty(), "{mark} is left\n{down}");
    for file in [
        "letters/mother",
        "terraform/main.tf",
        "images",
        "world.tfstate.backup",
    ] {
        ensure!(home.join(file).exists(), "{file} is gone\n{down}");
    }
    ensure!(down.stderr.contains("left alone"), "{down}");

    // Nor does a world begin among such files; in a folder that was empty it does, and goes again.
    let begun = |state: &Path| {
        let script = "set -euo pipefail\nsource scripts/lib.sh\nrequire_state";
        let run = Run::new("bash").args(["-c", script]).dir(&repository());
        run.env("ATLAS_CACHE_DIR", sandbox.path("cache"))
            .env("ATLAS_STATE_DIR", state)
            .finish()
    };
    let refused = begun(&home)?;
    ensure!(
        refused.code == Some(1) && refused.stderr.contains("ATLAS_STATE_DIR"),
        "{refused}"
    );
    let state = playbook.state();
    ensure!(
        begun(&state)?.code == Some(0),
        "an empty folder was refused"
    );
    std::fs::write(state.join("notes"), "precious")?;
    let again = in_world(Run::new("scripts/down.sh"), &sandbox, &playbook, provider).succeed()?;
    ensure!(
        state.join("notes").exists(),
        "a file of the user's is gone\n{again}"
    );
    std::fs::remove_file(state.join("notes"))?;
    ensure!(
        begun(&state)?.code == Some(0),
        "the folder is no longer Atlas's"
    );
    let again = in_world(Run::new("scripts/down.sh"), &sandbox, &playbook, provider).succeed()?;
    ensure!(!state.exists(), "the state is left\n{again}");
    Ok(())
}

#[test]
fn a_step_ends_at_its_first_failure() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let script =
        "work() { false; touch \"$ATLAS_STATE/went-on\"; }\nstep 'some work' work\necho after";
    let finished = with_library(&sandbox, script)?;
    ensure!(finished.code == Some(1), "{finished}");
    ensure!(!finished.stdout.contains("after"), "{finished}");
    ensure!(finished.stderr.contains("✗ some work"), "{finished}");
    ensure!(
        !sandbox.path("state/went-on").exists(),
        "the step went on after a failure\n{finished}"
    );
    Ok(())
}

#[test]
fn a_step_that_succeeds_leaves_nobody_behind_who_holds_the_output() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let finished = with_library(
        &sandbox,
        "answer=$(step 'a nap' sleep 1)\necho \"<$answer>\"",
    )?;
    ensure!(finished.text() == "<>", "{finished}");
    // Bash counts whole seconds as they pass, so a nap of one may be told as two.
    let told = finished.stderr.split_once("✓ a nap (");
    let told = told.and_then(|(_, rest)| rest.split_once(" s)"));
    let seconds: f64 = told.context("no time is told")?.0.parse()?;
    ensure!(
        (seconds - finished.took.as_secs_f64()).abs() <= 2.0 && seconds >= 1.0,
        "{seconds} s are told: {finished}"
    );
    ensure!(finished.took < Duration::from_secs(5), "{finished}");
    Ok(())
}
