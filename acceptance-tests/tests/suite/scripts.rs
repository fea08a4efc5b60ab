//! The scripts that users run, as far as they can go wrong without anyone noticing.

mod machine;
mod status;

use std::path::{Path, PathBuf};
use std::time::Duration;

use acceptance_tests::{Finished, Playbook, Run, Sandbox, Settings};
use anyhow::{Context, Result, ensure};

use status::expect_each_kind_named_when_it_is_down;

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

/// What the playbook makes of the cloud side, where Terraform does not.
const CLOUD: &[&str] = &["--tags", "localstack"];

/// The world of `make world`, in a sandbox: applied by its scripts, found as declared by the playbook, told by `make status`,
/// forgotten by Terraform as when an apply is killed, and taken away by `make down` nonetheless. It has a thing of each kind;
/// what is there for `make status` (cloud side, database, an agent) and its questions take half of the time, 55 of 108 s measured.
#[test]
fn the_world_that_terraform_made_is_the_playbooks_and_goes_down_by_its_names() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let playbook = Playbook::with_all_kinds(&sandbox)?;
    let settings = Settings::get()?;
    let provider = settings.provider.parent().context("no folder")?;
    let copy = sandbox.copy_of_repository(&["infrastructure"])?;
    let script = |lines: &str| -> Result<Finished> {
        let script = format!(
            "set -euo pipefail\nsource scripts/lib.sh\nsource scripts/provider.sh\nATLAS_ROOT={}\n{lines}\n",
            copy.display()
        );
        let run = Run::new("bash").args(["-c", &script]);
        in_world(run, &sandbox, &playbook, provider).succeed()
    };
    let applied = script("use_provider\nworld_apply")?;
    let [us, eu] = playbook.clusters();
    for (name, nodes) in [(us, &["server-0", "agent-0"][..]), (eu, &["server-0"])] {
        let nodes = nodes.iter().map(|node| format!("k3d-{name}-{node}"));
        playbook
            .kubectl(name)
            .expect_ready(&nodes.collect::<Vec<_>>())?;
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

    playbook.run("site.yml", CLOUD)?;
    let status = |words: &[&str]| {
        let run = Run::new("scripts/status.sh").args(words.iter().copied());
        in_world(run, &sandbox, &playbook, provider).finish()
    };
    let make_world = || {
        script("use_provider\nworld_apply")?;
        playbook.run("site.yml", CLOUD).map(drop)
    };
    expect_each_kind_named_when_it_is_down(&sandbox, &playbook, status, make_world)?;

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
            .env("ATLAS_COCKROACHDB_IMAGE", &settings.cockroachdb_image)
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

#[test]
fn a_step_that_fails_tells_the_error_and_keeps_the_whole_in_the_log() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = r"printf 'plan 1\n\033[31m│\033[0m Error: no such image\n│ it is missing\n'";
    let ansible = r"printf 'TASK [one]\nok: [a]\nTASK [two]\nfatal: [a]: FAILED! => {}\nRECAP\n'";
    for (prints, told, not_told) in [
        (
            terraform,
            "│ Error: no such image\n│ it is missing",
            "plan 1",
        ),
        (ansible, "TASK [two]\nfatal: [a]", "TASK [one]"),
        ("seq 100", "61\n62", "\n60\n"),
    ] {
        let log = sandbox.path("world.log");
        let lines = format!(
            "export ATLAS_LOG={}\nwork() {{ {prints}; false; }}\nstep 'some work' work",
            log.display()
        );
        let finished = with_library(&sandbox, &lines)?;
        let stderr = &finished.stderr;
        ensure!(finished.code == Some(1), "{finished}");
        ensure!(
            stderr.contains(told) && !stderr.contains(not_told),
            "{finished}"
        );
        ensure!(
            stderr.contains("world.log"),
            "the log is not named\n{finished}"
        );
        let kept = std::fs::read_to_string(&log)?;
        let whole = kept.contains("== some work") && kept.contains(not_told.trim());
        ensure!(whole, "{kept}");
        ensure!(!kept.contains('\x1b'), "{kept}");
    }
    Ok(())
}

#[test]
fn a_step_shows_the_lines_that_sum_it_up() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let lines = "step_showing '^Plan: ' apply printf 'a resource\\nPlan: 14 to add\\n'";
    let finished = with_library(&sandbox, lines)?;
    ensure!(finished.code == Some(0), "{finished}");
    let stderr = &finished.stderr;
    let summed = stderr.contains("      Plan: 14 to add") && !stderr.contains("a resource");
    ensure!(summed, "{finished}");
    Ok(())
}

/// Which step of how many, and the time that the rest took in its last run, or takes on a first one.
#[test]
fn a_long_command_tells_its_step_and_the_time_still_expected() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let lines = "source scripts/progress.sh
        expect first /nowhere 100 5
        expect second / 300 90
        stage one
        stage two
        end_stage";
    let told = |lines: &str| -> Result<Vec<String>> {
        let finished = with_library(&sandbox, lines)?;
        ensure!(finished.code == Some(0), "{finished}");
        Ok(finished.stderr.lines().map(str::to_owned).collect())
    };
    let expected = [
        "step 1 of 2: one (about 3 min left)",
        "step 2 of 2: two (about 2 min left)",
    ];
    ensure!(told(lines)? == expected);
    // Both took no time at all, and that is what is expected then.
    let again = told(lines)?;
    ensure!(
        again[0] == "step 1 of 2: one (less than a minute left)",
        "{again:?}"
    );
    Ok(())
}

#[test]
fn what_cannot_be_undone_is_asked_on_a_terminal_alone() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let script = "set -euo pipefail; source scripts/lib.sh; confirm 'Really?'; echo went on";
    let in_terminal = |answer: &str, yes: &str| -> Result<Finished> {
        // A terminal of Python's making, whose input is this answer.
        let pty = "import pty, sys; sys.exit(pty.spawn(['bash', '-c', sys.argv[1]]) >> 8)";
        let run = Run::new("python3").args(["-c", pty, script]).stdin(answer);
        run.dir(&repository())
            .env("ATLAS_CACHE_DIR", sandbox.path("cache"))
            .env("ATLAS_STATE_DIR", sandbox.path("state"))
            .env("YES", yes)
            .env("ATLAS_YES", "")
            .limit(Duration::from_secs(30))
            .finish()
    };
    for (answer, yes, goes_on) in [
        ("y\n", "", true),
        ("n\n", "", false),
        ("\n", "", false),
        ("n\n", "1", true),
    ] {
        let finished = in_terminal(answer, yes)?;
        let went_on = finished.code == Some(0) && finished.stdout.contains("went on");
        ensure!(went_on == goes_on, "{answer:?}, YES={yes}: {finished}");
        ensure!(
            goes_on || finished.stdout.contains("nothing was changed"),
            "{finished}"
        );
    }
    let without = with_library(&sandbox, "confirm 'Really?'; echo went on")?;
    ensure!(without.text() == "went on", "{without}");
    Ok(())
}

/// A program of this name that notes what it is told and does what these lines of shell say. Returns a PATH where it is first.
fn imagined(sandbox: &Sandbox, name: &str, lines: &str) -> Result<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = sandbox.path("programs");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join(name);
    let calls = sandbox.path("calls");
    let script = format!("#!/bin/sh\necho \"$*\" >>{}\n{lines}\n", calls.display());
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let path = std::env::var("PATH").unwrap_or_default();
    Ok(format!("{}:{path}", folder.display()))
}

/// A `docker` that has one image of Atlas and two containers of the world.
fn imagined_docker(sandbox: &Sandbox) -> Result<String> {
    let lines = r#"case "$*" in
  *"label=k3d.cluster=dc-us"*) echo k3d-dc-us-server-0 ;;
  *"label=k3d.x.atlas.localstack=us-east"*) echo atlas-localstack-us-east ;;
  "image ls"*) echo atlas/node:1 ;;
  "logs --tail"*) printf 'one line
another
' ;;
esac"#;
    imagined(sandbox, "docker", lines)
}

fn with_imagined_docker(sandbox: &Sandbox, script: &str, words: &[&str]) -> Result<Finished> {
    Run::new(script)
        .args(words.iter().copied())
        .dir(&repository())
        .env("PATH", imagined_docker(sandbox)?)
        .env("ATLAS_CACHE_DIR", sandbox.path("cache"))
        .env("ATLAS_STATE_DIR", sandbox.path("state"))
        .limit(Duration::from_secs(30))
        .finish()
}

#[test]
fn clean_frees_what_was_built_and_leaves_what_docker_runs_with() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let cache = sandbox.path("cache");
    let kept = ["bin/atlas-runc", "logs/dockerd.log"];
    let freed = [
        "bin/k3d",
        "trees/debian.tar",
        "rust/lock",
        "rust/release/atlas",
    ];
    for file in kept.iter().chain(&freed) {
        let file = cache.join(file);
        std::fs::create_dir_all(file.parent().context("no folder")?)?;
        std::fs::write(file, "x")?;
    }
    // While somebody builds, nothing goes.
    let holding = Run::new("flock").args([
        cache.join("rust/lock").as_os_str(),
        "scripts/clean.sh".as_ref(),
    ]);
    let refused = holding
        .dir(&repository())
        .env("PATH", imagined_docker(&sandbox)?)
        .env("ATLAS_CACHE_DIR", &cache)
        .env("ATLAS_STATE_DIR", sandbox.path("state"))
        .limit(Duration::from_secs(30))
        .finish()?;
    let told = refused.code == Some(1) && refused.stderr.contains("a build is under way");
    ensure!(told && cache.join(freed[0]).exists(), "{refused}");

    let finished = with_imagined_docker(&sandbox, "scripts/clean.sh", &[])?;
    ensure!(finished.code == Some(0), "{finished}");
    for file in kept {
        ensure!(cache.join(file).exists(), "{file} is gone\n{finished}");
    }
    for file in freed {
        ensure!(!cache.join(file).exists(), "{file} is left\n{finished}");
    }
    let calls = std::fs::read_to_string(sandbox.path("calls"))?;
    ensure!(calls.contains("image rm atlas/node:1"), "{calls}");
    ensure!(finished.stderr.contains("takes"), "{finished}");
    Ok(())
}

#[test]
fn logs_have_the_containers_name_before_each_line() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let all = with_imagined_docker(&sandbox, "scripts/logs.sh", &["", ""])?;
    let lines: Vec<&str> = all.stdout.lines().collect();
    let expected = [
        "k3d-dc-us-server-0 | one line",
        "k3d-dc-us-server-0 | another",
        "atlas-localstack-us-east | one line",
        "atlas-localstack-us-east | another",
    ];
    ensure!(lines == expected, "{all}");
    let words = ["atlas-localstack-us-east", "7"];
    let one = with_imagined_docker(&sandbox, "scripts/logs.sh", &words)?;
    ensure!(one.stdout.lines().count() == 2, "{one}");
    let calls = std::fs::read_to_string(sandbox.path("calls"))?;
    ensure!(
        calls.contains("logs --tail 7 atlas-localstack-us-east"),
        "{calls}"
    );
    let refused = with_imagined_docker(&sandbox, "scripts/logs.sh", &["somebodys", ""])?;
    ensure!(
        refused.code == Some(1) && refused.stderr.contains("k3d-dc-us-server-0"),
        "{refused}"
    );
    Ok(())
}
