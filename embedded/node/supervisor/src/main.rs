//! The node image's `/bin/k3s`: real upstream Kubernetes behind the command line of k3s.
//!
//! k3s packs a cluster into one process; this starts the upstream programs one by one, watches over
//! them, and speaks where k3s would: the same flags, files, ports and log lines, as far as the k3d CLI
//! and Atlas use them. It is not k3s, and says so (`k3s --version`).
//!
//! One program ending means that the node ends, as with k3s: Docker starts it again, with its data.

mod children;
mod cli;
mod containerd;
mod join;
mod kube;
mod kubelet;
mod logs;
mod manifests;
mod network;
mod node;
mod pki;
mod server;
mod storage;
mod tools;

use std::process::ExitCode;

use cli::Command;

fn main() -> ExitCode {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    if let Some(tool) = tools::by_name(&name) {
        return tools::become_tool(tool, &words);
    }
    match cli::parse(&words, |key| std::env::var(key).ok()) {
        Ok(Command::Version) => {
            logs::plain(&format!(
                "atlas-node {} (upstream Kubernetes; not k3s)",
                node::VERSION
            ));
            ExitCode::SUCCESS
        }
        Ok(Command::Tool(tool, rest)) => tools::become_tool(tool, &rest),
        Ok(Command::Server(options)) => end(server::run(&options)),
        Ok(Command::Agent(options)) => end(join::run(&options)),
        Err(refusal) => {
            logs::refuse(&refusal);
            ExitCode::FAILURE
        }
    }
}

fn end(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logs::fatal(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
