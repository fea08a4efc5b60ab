//! The upstream programs: started with their logs in files, watched, and ended in reverse order.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{logs, node};

/// Where a program's log goes.
const LOGS: &str = "/var/log/atlas";
/// How long each program has to end before it is killed. Docker's own limit is 10 s for all.
const GRACE: Duration = Duration::from_secs(2);
/// How many lines of a program's log are shown when it fails.
const LAST_LINES: usize = 12;

/// All running programs, in order of their start.
#[derive(Default)]
pub(crate) struct Children {
    running: Vec<(&'static str, Child)>,
}

impl Children {
    /// Starts a program of the image with these arguments.
    pub(crate) fn start(&mut self, name: &'static str, args: &[String]) -> Result<()> {
        let mut command = Command::new(node::program(name));
        command.args(args);
        self.start_command(name, command)
    }

    /// Starts any command.
    pub(crate) fn start_command(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        std::fs::create_dir_all(LOGS)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(log_path(name))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // A group of its own, so that a signal to the supervisor's group does not reach it.
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        logs::info(&format!(
            "Running {name} (log: {})",
            log_path(name).display()
        ));
        self.running.push((name, child));
        Ok(())
    }

    /// Fails where a program has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for (name, child) in &mut self.running {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "{name} ended ({status}); its last lines:\n{}",
                    last_lines(name)
                );
            }
        }
        Ok(())
    }

    /// Tries `probe` until it succeeds, failing where a program ends or the time is up.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        while !probe() {
            self.check()?;
            if started.elapsed() > limit {
                bail!("{what} did not happen within {} s", limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Stays until a signal asks to end, or a program ends.
    pub(crate) fn watch(&mut self) -> Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGCHLD])?;
        self.check()?;
        for signal in signals.forever() {
            if signal != SIGCHLD {
                logs::info("Stopping");
                return Ok(());
            }
            self.check()?;
        }
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        while let Some((name, mut child)) = self.running.pop() {
            let asked = Command::new("kill").arg(child.id().to_string()).status();
            let deadline = Instant::now() + GRACE;
            while asked.is_ok() && Instant::now() < deadline {
                if !matches!(child.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            // Already ended is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
            logs::info(&format!("Stopped {name}"));
        }
    }
}

fn log_path(name: &str) -> PathBuf {
    PathBuf::from(LOGS).join(format!("{name}.log"))
}

fn last_lines(name: &str) -> String {
    let text = std::fs::read(log_path(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
