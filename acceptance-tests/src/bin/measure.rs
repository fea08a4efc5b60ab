//! Prints figures of the provider and of the clusters that it makes, beside those of the k3d command
//! line for the same two clusters. A program and not a test: times are told, not judged.
//!
//! Needs what the acceptance tests need (see the README beside this crate), and `openssl`, which makes
//! the client certificate that the provider demands.
#![allow(clippy::print_stdout)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use acceptance_tests::{Cluster, K3dVersion, Peers, Run, Sandbox, Settings};
use anyhow::{Context, Result, bail};

/// Starts of the provider, of which the median is told.
const STARTS: usize = 15;

fn main() -> Result<()> {
    let settings = Settings::get()?;
    let sandbox = Sandbox::open()?;
    let size = fs::metadata(&settings.provider)?.len();
    line("provider binary", &format!("{:.1} MB", megabytes(size)));
    let certificate = client_certificate(sandbox.folder())?;
    let peers = Peers::build(&["--release"])?;
    for (what, provider) in [
        ("provider", &settings.provider),
        ("null on tfplugin", &peers.ours),
        ("null on tf-provider", &peers.theirs),
    ] {
        let mut starts: Vec<(Duration, u64)> = (0..STARTS)
            .map(|_| handshake(provider, &certificate))
            .collect::<Result<_>>()?;
        starts.sort();
        let (time, memory) = starts[STARTS / 2];
        line(
            &format!("{what}: start to handshake, median"),
            &format!("{:.1} ms", time.as_secs_f64() * 1e3),
        );
        line(
            &format!("{what}: resident memory after it"),
            &format!("{:.1} MB", megabytes(memory)),
        );
    }
    drop(sandbox);
    with_terraform()?;
    with_k3d("one after the other", |create| {
        create.into_iter().try_for_each(wait)
    })?;
    with_k3d("at the same time", |create| {
        let running: Vec<_> = create.into_iter().map(Run::start).collect::<Result<_>>()?;
        running
            .into_iter()
            .try_for_each(|one| one.wait()?.success().map(drop))
    })
}

fn with_terraform() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let config = Cluster::new(&sandbox, "us", 0).hcl() + &Cluster::new(&sandbox, "eu", 1).hcl();
    terraform.write(&config)?;
    for (what, command) in [
        ("terraform apply of two clusters", "apply"),
        ("terraform apply again, no changes", "apply"),
        ("terraform destroy", "destroy"),
    ] {
        let took = terraform
            .command(command)?
            .arg("-auto-approve")
            .succeed()?
            .took;
        line(what, &seconds(took));
    }
    Ok(())
}

fn with_k3d(how: &str, create: impl FnOnce(Vec<Run>) -> Result<()>) -> Result<()> {
    let sandbox = Sandbox::open()?;
    let k3d = sandbox.k3d(K3dVersion::V5_9_0)?;
    let names = [sandbox.name("us"), sandbox.name("eu")];
    let runs = names.iter().enumerate().map(|(n, name)| {
        let port = format!("127.0.0.1:{}", sandbox.port(n)?);
        Ok(k3d.create_command(name)?.args([
            "--api-port",
            &port,
            "--kubeconfig-update-default=false",
        ]))
    });
    let runs = runs.collect::<Result<Vec<Run>>>()?;
    let started = Instant::now();
    create(runs)?;
    line(
        &format!("k3d cluster create of two, {how}"),
        &seconds(started.elapsed()),
    );
    Ok(())
}

fn wait(run: Run) -> Result<()> {
    run.succeed().map(drop)
}

/// Starts the provider as Terraform does, up to its one line on standard output; how long that took,
/// and the memory it holds then, in bytes.
fn handshake(provider: &Path, certificate: &str) -> Result<(Duration, u64)> {
    let started = Instant::now();
    let mut running = Run::new(provider)
        .env(
            "TF_PLUGIN_MAGIC_COOKIE",
            "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
        )
        .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
        .env("PLUGIN_CLIENT_CERT", certificate)
        .start()?;
    while !running.output().contains("|grpc|") {
        if !running.is_running()? || started.elapsed() > Duration::from_secs(10) {
            bail!("the provider said no handshake, but:\n{}", running.output());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = started.elapsed();
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid()))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident
        .and_then(|text| text.split_whitespace().next())
        .context("no VmRSS")?;
    Ok((took, kilobytes.parse::<u64>()? * 1024))
}

fn client_certificate(folder: &Path) -> Result<String> {
    let file = folder.join("client.pem");
    Run::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-521",
            "-nodes",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-days",
            "1",
            "-keyout",
            "/dev/null",
            "-out",
        ])
        .arg(&file)
        .succeed()?;
    Ok(fs::read_to_string(file)?)
}

fn line(what: &str, figure: &str) {
    println!("{what:<44} {figure:>10}");
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[allow(clippy::cast_precision_loss)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
