//! `make status`, asked about a world whose things go down one of each kind. The world is that of another test.

use std::time::Duration;

use acceptance_tests::{Finished, Playbook, Sandbox, Settings, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// All is well; then a container of each kind is stopped, and one is paused: each is named with what to do, which is
/// `make world`; that done, all is well again.
pub(crate) fn expect_each_kind_named_when_it_is_down(
    sandbox: &Sandbox,
    playbook: &Playbook,
    status: impl Fn(&[&str]) -> Result<Finished>,
    make_world: impl Fn() -> Result<()>,
) -> Result<()> {
    let without = status(&["--json"])?;
    ensure!(
        without.code == Some(2) && without.stderr.contains("make world"),
        "{without}"
    );
    // Where `make world` puts it.
    let bin = playbook.state().join("bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::copy(Settings::cli()?, bin.join("atlas"))?;
    expect_all_well(&status)?;

    let [us, eu] = playbook.clusters();
    let stopped = [
        ("agent", format!("k3d-{us}-agent-0")),
        ("load balancer", format!("k3d-{us}-serverlb")),
        ("server", format!("k3d-{eu}-server-0")),
        ("LocalStack", playbook.server(0)),
        ("replicator", playbook.replicator(1)),
        ("database node", playbook.node("witness", 1)),
    ];
    let paused = ("LocalStack", playbook.server(1));
    let docker = sandbox.docker();
    let names = stopped.iter().map(|(_, name)| name.as_str());
    let stop = ["stop", "--timeout", "1"].into_iter().chain(names);
    docker.run(&stop.collect::<Vec<_>>())?;
    docker.run(&["pause", &paused.1])?;

    let told = status(&["--json"])?;
    ensure!(told.code == Some(1), "{told}");
    let view: Value = serde_json::from_str(&told.stdout)?;
    ensure!(view["exit_code"] == 1 && view["health"] == "down", "{told}");
    let stopped = stopped
        .iter()
        .map(|one| (one, "make world starts it again"));
    let all: Vec<_> = stopped
        .chain([(&paused, "make world lets it go on")])
        .collect();
    for ((kind, name), remedy) in &all {
        let row = rows(&view).find(|row| row["name"] == name.as_str());
        let row = row.with_context(|| format!("{name} is not named\n{told}"))?;
        let is_told = row["kind"] == *kind && row["state"] == "down" && row["remedy"] == *remedy;
        ensure!(is_told, "{name}: {row}");
    }
    // So it is to a person.
    let shown = status(&[])?;
    ensure!(shown.code == Some(1), "{shown}");
    for ((_, name), remedy) in &all {
        let mut lines = shown.stdout.lines();
        let line = lines.find(|line| line.contains(name)).unwrap_or_default();
        let next = lines.next().unwrap_or_default();
        ensure!(
            line.contains('✗') && next.contains(remedy),
            "{name}: {shown}"
        );
    }

    make_world()?;
    // What was stopped takes some seconds to be what it was.
    eventually(Duration::from_secs(90), || expect_all_well(&status))
}

fn expect_all_well(status: impl Fn(&[&str]) -> Result<Finished>) -> Result<()> {
    let told = status(&["--json"])?;
    ensure!(told.code == Some(0), "{told}");
    let view: Value = serde_json::from_str(&told.stdout)?;
    ensure!(view["health"] == "well", "{told}");
    let ill = rows(&view).find(|row| row["state"] != "well" || !row["remedy"].is_null());
    ensure!(ill.is_none(), "{ill:?}");
    Ok(())
}

fn rows(view: &Value) -> impl Iterator<Item = &Value> {
    let groups = view["groups"].as_array().into_iter().flatten();
    groups.flat_map(|group| group["rows"].as_array().into_iter().flatten())
}
