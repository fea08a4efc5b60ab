//! `kubectl` as the supervisor's way to the API.

use std::path::Path;
use std::process::{Command, Stdio};

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
