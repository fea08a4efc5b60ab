//! The fault proxy, where it does nothing, is not noticed: Docker's own client works through it,
//! streams and connections that Docker takes over included.

use acceptance_tests::{FaultProxy, Pattern, Run, Sandbox, Settings};
use anyhow::{Result, ensure};

#[test]
fn dockers_client_works_through_the_proxy() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let settings = Settings::get()?;
    let proxy = FaultProxy::start(&sandbox.path("docker.sock"), &settings.docker_socket)?;
    let docker = || Run::new("docker").env("DOCKER_HOST", proxy.host());
    let name = sandbox.name("box");
    let script = "echo began; while [ ! -e /over ]; do sleep 0.1; done; echo over";
    docker()
        .args([
            "run",
            "--detach",
            "--name",
            &name,
            "--entrypoint",
            "sh",
            &settings.node_image,
        ])
        .args(["-c", script])
        .succeed()?;
    // Followed logs are one answer that lasts as long as the container.
    let logs = docker().args(["logs", "--follow", &name]).start()?;
    let heard = docker()
        .args(["exec", "--interactive", &name, "cat"])
        .stdin("both ways")
        .succeed()?;
    ensure!(heard.stdout == "both ways", "{heard}");
    let file = sandbox.path("over");
    std::fs::write(&file, "x")?;
    let target = format!("{name}:/over");
    docker().arg("cp").arg(&file).arg(&target).succeed()?;
    let followed = logs.wait()?.success()?;
    ensure!(followed.stdout == "began\nover\n", "{followed}");
    docker()
        .args(["rm", "--force", "--volumes", &name])
        .succeed()?;
    for (method, path) in [
        ("POST", "/containers/create"),
        ("GET", "/containers/*/logs"),
        ("PUT", "/containers/*/archive"),
    ] {
        ensure!(
            proxy.calls(&Pattern::of(method, path)).len() == 1,
            "{method} {path} was not seen once"
        );
    }
    Ok(())
}
