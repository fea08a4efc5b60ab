//! The scripts that users run, as far as they can go wrong without anyone noticing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use acceptance_tests::{Finished, Run, Sandbox};
use anyhow::{Result, ensure};

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
