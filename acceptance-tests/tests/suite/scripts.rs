//! The scripts that users run, as far as they can go wrong without anyone noticing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acceptance_tests::{Finished, Kubectl, Run, Sandbox, Settings};
use anyhow::{Context, Result, ensure};

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

/// The world of `make world`, in a sandbox: applied by its scripts, forgotten by Terraform as when an apply
/// is killed, and taken away by `make down` nonetheless.
#[test]
fn the_world_is_applied_and_goes_down_by_its_labels() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let settings = Settings::get()?;
    let network = sandbox.network();
    let transit = network.replace(".0.0/16", ".240.0/24");
    let provider = settings.provider.parent().context("no folder")?;
    let script = |lines: &str| -> Result<Finished> {
        let script = format!(
            "set -euo pipefail\nsource scripts/lib.sh\nsource scripts/provider.sh\n{lines}\n"
        );
        in_world(&sandbox, Run::new("bash").args(["-c", &script]), provider)
            .env("TF_VAR_base_cidr", &network)
            .env("TF_VAR_transit_cidr", &transit)
            .succeed()
    };
    let applied = script("use_provider\nworld_apply")?;
    let names = ["dc-us", "dc-eu"].map(|ending| sandbox.name(ending));
    for name in &names {
        let file = sandbox.path("state").join(format!("{name}.yaml"));
        Kubectl::with_kubeconfig(&file).expect_ready(&[format!("k3d-{name}-server-0")])?;
    }
    ensure!(applied.stdout.contains(&names[0]), "{applied}");
    let again = script("use_provider\nworld_apply")?;
    ensure!(
        again.stdout.contains("No changes")
            || again.stdout.contains("0 added, 0 changed, 0 destroyed"),
        "{again}"
    );

    std::fs::remove_file(sandbox.path("state/world.tfstate"))?;
    let down = in_world(&sandbox, Run::new("scripts/down.sh"), provider).succeed()?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left is\n{left}\n{down}");
    ensure!(!sandbox.path("state").exists(), "the state is left\n{down}");
    Ok(())
}

/// A script with this sandbox's names, and the provider under test.
fn in_world(sandbox: &Sandbox, run: Run, provider: &Path) -> Run {
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
        .env("ATLAS_STATE_DIR", sandbox.path("state"))
        .env("ATLAS_PROVIDER_DIR", provider)
        .env("ATLAS_WORLD_PREFIX", sandbox.prefix())
        .limit(Duration::from_secs(240))
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
    ensure!(finished.stderr.contains("✓ a nap (1 s)"), "{finished}");
    ensure!(finished.took < Duration::from_secs(5), "{finished}");
    Ok(())
}
