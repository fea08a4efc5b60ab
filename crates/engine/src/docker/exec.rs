//! Commands inside containers.

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

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

impl Docker {
    /// Runs a command to its end, whatever its exit code.
    pub async fn exec_output(&self, container: &str, command: &[&str]) -> Result<Output> {
        let fail = |error| self.failed("run a command in", container, error);
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            privileged: Some(true),
            cmd: Some(
                command
                    .iter()
                    .map(|&word| word.to_owned())
                    .collect::<Vec<String>>(),
            ),
            ..Default::default()
        };
        let exec = self
            .api
            .create_exec(container, options)
            .await
            .map_err(fail)?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { mut output, .. } =
            self.api.start_exec(&exec.id, None).await.map_err(fail)?
        {
            while let Some(frame) = output.next().await {
                match frame.map_err(fail)? {
                    LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                    other => stdout.extend_from_slice(other.as_ref()),
                }
            }
        }
        let inspected = self.api.inspect_exec(&exec.id).await.map_err(fail)?;
        Ok(Output {
            code: inspected.exit_code.unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
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
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            privileged: Some(true),
            cmd: Some(command.iter().map(|&word| word.to_owned()).collect()),
            ..Default::default()
        };
        let exec = self
            .api
            .create_exec(container, options)
            .await
            .map_err(fail)?;
        let started = self.api.start_exec(&exec.id, None).await.map_err(fail)?;
        let StartExecResults::Attached {
            mut output,
            mut input,
        } = started
        else {
            return Ok(());
        };
        let names: Vec<&str> = images.iter().map(String::as_str).collect();
        let feed = async {
            let mut saved = std::pin::pin!(self.api.export_images(&names));
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
        let listen = async {
            let mut printed = Vec::new();
            while let Some(frame) = output.next().await {
                printed.extend_from_slice(frame.map_err(fail)?.as_ref());
            }
            Ok::<_, Error>(printed)
        };
        let ((), printed) = tokio::try_join!(feed, listen)?;
        let inspected = self.api.inspect_exec(&exec.id).await.map_err(fail)?;
        match inspected.exit_code {
            Some(0) => Ok(()),
            code => Err(Error::Exec {
                container: container.to_owned(),
                command: command.join(" "),
                code: code.unwrap_or(-1),
                output: String::from_utf8_lossy(&printed).trim().to_owned(),
            }),
        }
    }

    /// Runs a command and returns its standard output.
    ///
    /// # Errors
    /// [`Error::Exec`] where it exits with another code than 0. The command line becomes part of the
    /// message: it must not hold a secret.
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<String> {
        let output = self.exec_output(container, command).await?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        let printed = if output.stderr.trim().is_empty() {
            output.stdout
        } else {
            output.stderr
        };
        Err(Error::Exec {
            container: container.to_owned(),
            command: command.join(" "),
            code: output.code,
            output: printed.trim().to_owned(),
        })
    }
}
