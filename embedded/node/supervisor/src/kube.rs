//! `kubectl` as the supervisor's way to the API.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::node;

/// A `kubectl` with these credentials.
pub(crate) fn kubectl(kubeconfig: &Path) -> Command {
    let mut command = Command::new(node::program("kubectl"));
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .stdin(Stdio::null());
    command
}

/// Runs it and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("kubectl")?;
    if !output.status.success() {
        bail!(
            "kubectl: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the API server says that it is ready.
pub(crate) fn is_ready(kubeconfig: &Path) -> bool {
    kubectl(kubeconfig)
        .args(["get", "--raw=/readyz", "--request-timeout=2s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A `kubectl … --watch`, line by line. It ends with this, however its reader came to an end: else every
/// failure would leave one more behind.
pub(crate) struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("kubectl")?;
        let stdout = child.stdout.take().context("kubectl has no output")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }
}

impl Iterator for Watch {
    type Item = std::io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.lines.next()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Already ended is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_is_given_up_ends_its_program() {
        let mut command = Command::new("sh");
        let mut watch = Watch::start(command.args(["-c", "echo $$; exec sleep 60"])).unwrap();
        let pid: u32 = watch.next().unwrap().unwrap().parse().unwrap();
        let running = || Path::new(&format!("/proc/{pid}")).exists();
        assert!(running());
        drop(watch);
        assert!(!running());
    }
}
