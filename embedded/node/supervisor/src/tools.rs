//! The tools that k3s carries under its own name: `k3s kubectl`, `k3s ctr`, and links to both.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::{containerd, logs, node};

/// A carried tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// The Kubernetes client.
    Kubectl,
    /// containerd's client.
    Ctr,
    /// Does nothing, for ever: the container that holds a pod's network.
    Pause,
}

/// The tool of this program name, with or without a folder before it.
pub(crate) fn by_name(name: &str) -> Option<Tool> {
    match Path::new(name).file_name()?.to_str()? {
        "kubectl" => Some(Tool::Kubectl),
        "ctr" => Some(Tool::Ctr),
        "pause" => Some(Tool::Pause),
        _ => None,
    }
}

/// Becomes the tool; returns only where that fails.
pub(crate) fn become_tool(tool: Tool, words: &[String]) -> ExitCode {
    let mut command = match tool {
        Tool::Pause => return pause(),
        Tool::Kubectl => {
            let mut command = Command::new(node::program("kubectl"));
            if std::env::var_os("KUBECONFIG").is_none() && Path::new(node::KUBECONFIG).exists() {
                command.env("KUBECONFIG", node::KUBECONFIG);
            }
            command
        }
        Tool::Ctr => {
            let mut command = Command::new(node::program("ctr"));
            command.env("CONTAINERD_ADDRESS", containerd::SOCKET);
            command.env("CONTAINERD_NAMESPACE", "k8s.io");
            command
        }
    };
    let error = command.args(words).exec();
    logs::fatal(&format!("{tool:?}: {error}"));
    ExitCode::FAILURE
}

fn pause() -> ExitCode {
    use signal_hook::consts::{SIGINT, SIGTERM};
    match signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
        Ok(mut signals) => {
            signals.wait();
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
