//! The load balancer image's entry point, in the contract of k3d-proxy: read `/etc/confd/values.yaml`,
//! run nginx by it, and reload when it changes. nginx itself prints the lines that the k3d CLI waits
//! for (`start worker processes`, `host not found in upstream`).

mod config;

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use inotify::{Inotify, WatchMask};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

const VALUES: &str = "/etc/confd/values.yaml";
const NGINX_CONFIG: &str = "/etc/nginx/nginx.conf";
/// Written by nginx once it takes signals.
const NGINX_PID: &str = "/run/nginx.pid";
/// How long nginx may take to write it.
const START: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "loadbalancer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // Watched before it is read: no change between the two is missed.
    let folder = Path::new(VALUES).parent().context("no folder")?;
    std::fs::create_dir_all(folder)?;
    let watch = Inotify::init()?;
    watch
        .watches()
        .add(folder, WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO)?;
    configure()?;
    // One of an earlier start would be taken for this one's.
    let _ = std::fs::remove_file(NGINX_PID);
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGCHLD])?;
    let mut nginx = Command::new("nginx")
        .args(["-g", "daemon off;"])
        .process_group(0)
        .spawn()
        .context("nginx")?;
    std::thread::spawn(move || follow(watch));
    for signal in signals.forever() {
        if signal == SIGCHLD {
            if let Some(status) = nginx.try_wait()? {
                bail!("nginx ended ({status})");
            }
        } else {
            stop(&mut nginx);
            return Ok(());
        }
    }
    Ok(())
}

fn configure() -> Result<()> {
    let values = std::fs::read_to_string(VALUES).with_context(|| VALUES.to_owned())?;
    std::fs::write(NGINX_CONFIG, config::render(&values)?).with_context(|| NGINX_CONFIG.to_owned())
}

/// Reloads for ever. A configuration that nginx refuses leaves it running with the one before.
fn follow(mut watch: Inotify) {
    let mut buffer = [0; 4096];
    while let Ok(events) = watch.read_events_blocking(&mut buffer) {
        let ours = events.into_iter().any(|event| {
            event
                .name
                .is_some_and(|name| VALUES.ends_with(&*name.to_string_lossy()))
        });
        if !ours {
            continue;
        }
        let done = configure().and_then(|()| {
            wait_for_start(Path::new(NGINX_PID), START)?;
            let status = Command::new("nginx")
                .args(["-s", "reload"])
                .status()
                .context("nginx")?;
            if status.success() {
                Ok(())
            } else {
                bail!("nginx refuses the configuration")
            }
        });
        if let Err(error) = done {
            let _ = writeln!(std::io::stderr(), "loadbalancer: {error:#}");
        }
    }
}

/// A reload before nginx runs would be lost: what it read may be older than the change.
fn wait_for_start(pid: &Path, limit: Duration) -> Result<()> {
    let started = Instant::now();
    let written =
        || std::fs::read_to_string(pid).is_ok_and(|text| text.trim().parse::<u32>().is_ok());
    while !written() {
        if started.elapsed() > limit {
            bail!("nginx did not start within {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn stop(nginx: &mut Child) {
    let _ = Command::new("kill").arg(nginx.id().to_string()).status();
    let _ = nginx.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_waits_for_a_pid_that_is_complete() {
        let file = std::env::temp_dir().join(format!("nginx-pid-{}", std::process::id()));
        std::fs::write(&file, "").unwrap();
        assert!(wait_for_start(&file, Duration::from_millis(60)).is_err());
        let writing = std::thread::spawn({
            let file = file.clone();
            move || {
                std::thread::sleep(Duration::from_millis(50));
                std::fs::write(file, "42\n").unwrap();
            }
        });
        assert!(wait_for_start(&file, Duration::from_secs(5)).is_ok());
        writing.join().unwrap();
        std::fs::remove_file(&file).unwrap();
    }
}
