//! Commands inside containers.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::Docker;
use crate::error::{Error, Result};

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code.
    pub code: i64,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// What it printed: its complaint where it has one.
    fn printed(&self) -> String {
        let complaint = self.stderr.trim();
        if complaint.is_empty() {
            self.stdout.trim().to_owned()
        } else {
            complaint.to_owned()
        }
    }
}

/// A command that runs.
struct Running {
    id: String,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl Docker {
    /// Runs a command to its end, whatever its exit code.
    pub async fn exec_output(&self, container: &str, command: &[&str]) -> Result<Output> {
        self.exec_with(container, command, &[], None).await
    }

    /// The same with these variables (`NAME=value`) beside the container's own, and with a standard input.
    pub async fn exec_with(
        &self,
        container: &str,
        command: &[&str],
        env: &[&str],
        input: Option<&str>,
    ) -> Result<Output> {
        let mut running = self
            .start_command(container, command, env, input.is_some())
            .await?;
        if let Some(text) = input {
            // A command that ended early says why in its output.
            let _ = running.input.write_all(text.as_bytes()).await;
            let _ = running.input.shutdown().await;
        }
        self.finish_command(container, running).await
    }

    /// Streams a `docker save` of these images into a command's standard input.
    ///
    /// # Errors
    /// [`Error::Exec`] where the command exits with another code than 0.
    pub async fn pipe_images(
        &self,
        images: &[String],
        container: &str,
        command: &[&str],
    ) -> Result<()> {
        let fail = |error| self.failed("import images into", container, error);
        let mut running = self.start_command(container, command, &[], true).await?;
        let mut input = std::mem::replace(&mut running.input, Box::pin(tokio::io::sink()));
        let names: Vec<&str> = images.iter().map(String::as_str).collect();
        let feed = async {
            let mut saved = std::pin::pin!(self.api().export_images(&names));
            while let Some(chunk) = saved.next().await {
                let chunk = chunk.map_err(fail)?;
                // A command that ended early says why in its output.
                if input.write_all(&chunk).await.is_err() {
                    break;
                }
            }
            let _ = input.shutdown().await;
            Ok::<_, Error>(())
        };
        let ((), output) = tokio::try_join!(feed, self.finish_command(container, running))?;
        succeeded(container, command, &output)
    }

    /// Runs a command and returns its standard output.
    ///
    /// # Errors
    /// [`Error::Exec`] where it exits with another code than 0. The command line becomes part of the
    /// message: it must not hold a secret.
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<String> {
        let output = self.exec_output(container, command).await?;
        succeeded(container, command, &output)?;
        Ok(output.stdout)
    }

    async fn start_command(
        &self,
        container: &str,
        command: &[&str],
        env: &[&str],
        has_input: bool,
    ) -> Result<Running> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let fail = |error| self.failed("run a command in", container, error);
        let options = CreateExecOptions {
            attach_stdin: Some(has_input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(owned(command)),
            env: Some(owned(env)),
            ..Default::default()
        };
        let exec = self
            .api()
            .create_exec(container, options)
            .await
            .map_err(fail)?;
        let started = self.api().start_exec(&exec.id, None).await.map_err(fail)?;
        Ok(match started {
            StartExecResults::Attached { output, input } => Running {
                id: exec.id,
                output,
                input,
            },
            StartExecResults::Detached => Running {
                id: exec.id,
                output: Box::pin(futures_util::stream::empty()),
                input: Box::pin(tokio::io::sink()),
            },
        })
    }

    async fn finish_command(&self, container: &str, mut running: Running) -> Result<Output> {
        let fail = |error| self.failed("run a command in", container, error);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(frame) = running.output.next().await {
            match frame.map_err(fail)? {
                LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                other => stdout.extend_from_slice(other.as_ref()),
            }
        }
        let inspected = self.api().inspect_exec(&running.id).await.map_err(fail)?;
        Ok(Output {
            code: inspected.exit_code.unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }
}

fn succeeded(container: &str, command: &[&str], output: &Output) -> Result<()> {
    if output.code == 0 {
        return Ok(());
    }
    Err(Error::Exec {
        container: container.to_owned(),
        command: command.join(" "),
        code: output.code,
        output: output.printed(),
    })
}
