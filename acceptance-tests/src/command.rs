//! Commands with a time limit, whose whole output is kept for the one who has to understand a failure.
//!
//! Every command leads a process group of its own, so that a signal can be sent as a terminal sends
//! it (to the group) and nothing that the command started outlives it.

use std::ffi::OsStr;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use crate::evidence;

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(10);
/// What a command gets to end in after it was interrupted for taking too long.
const GRACE: Duration = Duration::from_secs(15);

/// A command to be run.
#[derive(Debug)]
pub struct Run {
    command: Command,
    limit: Duration,
    stdin: Option<String>,
}

/// A command that runs. Dropping it kills its process group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
    limit: Duration,
    started: Instant,
    stdout: Stream,
    stderr: Stream,
    ended: bool,
}

/// A command that ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The command line.
    pub line: String,
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// Wall time.
    pub took: Duration,
}

impl Run {
    /// A command with a limit of one minute.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.process_group(0);
        Self {
            command,
            limit: Duration::from_secs(60),
            stdin: None,
        }
    }

    /// Cargo's `build`, which writes JSON: [`Finished::executable`] reads it.
    ///
    /// Without what cargo tells a test of the package that it is in: build scripts (`ring`'s) take that for a change, and
    /// everything above them is compiled anew, here and by the next cargo outside.
    pub fn cargo_build() -> Self {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut run = Self::new(cargo)
            .args(["build", "--locked"])
            .args(["--message-format", "json-render-diagnostics"])
            // From nothing on two cores it takes some minutes.
            .limit(Duration::from_secs(1200));
        let told =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(told) {
                run = run.without_env(name);
            }
        }
        run
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(mut self, arguments: I) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets one variable of its environment.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Adds variables to its environment.
    #[must_use]
    pub fn envs<const N: usize>(self, pairs: [(&str, &str); N]) -> Self {
        pairs
            .into_iter()
            .fold(self, |run, (key, value)| run.env(key, value))
    }

    /// Takes one variable out of its environment.
    #[must_use]
    pub fn without_env(mut self, key: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Sets its working folder.
    #[must_use]
    pub fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets its time limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Gives it this text to read.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Result<Running> {
        let line = self.line();
        self.command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        if let (Some(text), Some(mut pipe)) = (self.stdin.take(), child.stdin.take()) {
            // A command that ends without reading all of it is its own business.
            std::thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
        }
        let stdout = Stream::read(child.stdout.take());
        let stderr = Stream::read(child.stderr.take());
        let (limit, started) = (self.limit, Instant::now());
        Ok(Running {
            child,
            line,
            limit,
            started,
            stdout,
            stderr,
            ended: false,
        })
    }

    /// Runs it to its end, whatever its exit code.
    pub fn finish(self) -> Result<Finished> {
        self.start()?.wait()
    }

    /// Runs it to its end, which must be exit code 0.
    pub fn succeed(self) -> Result<Finished> {
        self.finish()?.success()
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words
            .map(|word| word.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Running {
    /// Its process id, which is its process group's too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far, standard output first.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout.text(), self.stderr.text())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What a terminal does at Ctrl-C: SIGINT to the whole process group.
    pub fn interrupt(&self) -> Result<()> {
        self.signal_group(Signal::INT)
    }

    /// Waits for its end. One that takes longer than its limit is interrupted, then killed, and that
    /// is an error.
    pub fn wait(mut self) -> Result<Finished> {
        let deadline = self.started + self.limit;
        let mut status = self.wait_until(deadline)?;
        let late = status.is_none();
        let mut evidence = String::new();
        if late {
            evidence = evidence::gather(self.pid());
            status = Some(self.stop()?);
        }
        self.ended = true;
        let finished = Finished {
            line: std::mem::take(&mut self.line),
            code: status.and_then(|status| status.code()),
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            took: self.started.elapsed(),
        };
        if late {
            bail!(
                "took longer than {} s and was stopped\n{finished}{evidence}",
                self.limit.as_secs()
            );
        }
        Ok(finished)
    }

    /// Interrupts it, and kills what is left of its group when it has ended or its grace is over.
    fn stop(&mut self) -> Result<ExitStatus> {
        self.interrupt()?;
        let grace = Instant::now() + GRACE;
        // Looked at without taking its end: until that is taken nobody else can have the group's id.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let child = WaitId::Pid(Pid::from_child(&self.child));
        while waitid(child.clone(), look)?.is_none() && Instant::now() < grace {
            std::thread::sleep(POLL);
        }
        self.signal_group(Signal::KILL)?;
        Ok(self.child.wait()?)
    }

    fn wait_until(&mut self, deadline: Instant) -> Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    fn signal_group(&self, signal: Signal) -> Result<()> {
        let group = Pid::from_child(&self.child);
        match rustix::process::kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot signal `{}`", self.line)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child that was waited for has given its id back, which may be another's by now.
        if !self.ended && matches!(self.child.try_wait(), Ok(None)) {
            drop(self.signal_group(Signal::KILL));
            drop(self.child.wait());
        }
    }
}

impl Finished {
    /// Itself, if its exit code is 0.
    pub fn success(self) -> Result<Self> {
        match self.code {
            Some(0) => Ok(self),
            _ => bail!("failed\n{self}"),
        }
    }

    /// The program of this name that cargo has built.
    pub fn executable(&self, name: &str) -> Result<PathBuf> {
        self.stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
            .find(|file| file.file_name().is_some_and(|found| found == name))
            .ok_or_else(|| anyhow!("cargo built no {name}\n{self}"))
    }

    /// Standard output without white space around it.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Both outputs, for a search.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| format!("exit code {code}"));
        writeln!(
            f,
            "$ {}   ({code} after {:.1} s)",
            self.line,
            self.took.as_secs_f64()
        )?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.trim().is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// One of a child's outputs, read as it comes so that the child never blocks on a full pipe.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let reader = pipe.map(|mut pipe| {
            let bytes = Arc::clone(&bytes);
            std::thread::spawn(move || {
                let mut buffer = [0; 8192];
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                    bytes.extend_from_slice(&buffer[..count]);
                }
            })
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All of it. A grandchild may hold the pipe open for ever; its output is not waited for.
    fn finish(&mut self) -> String {
        let patience = Instant::now() + Duration::from_secs(2);
        if let Some(reader) = self.reader.take() {
            while !reader.is_finished() && Instant::now() < patience {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Run {
        Run::new("sh").args(["-c", script])
    }

    #[test]
    fn both_outputs_and_the_exit_code_are_kept() {
        let finished = shell("echo out; echo err >&2; exit 3").finish().unwrap();
        assert_eq!((finished.code, finished.text()), (Some(3), "out"));
        let told = finished.success().unwrap_err().to_string();
        assert!(
            told.contains("exit code 3") && told.contains("err"),
            "{told}"
        );
    }

    #[test]
    fn a_command_that_takes_too_long_is_stopped_with_what_it_started() {
        let limit = Duration::from_millis(200);
        let error = shell("echo began; sleep 60 & sleep 60")
            .limit(limit)
            .finish()
            .unwrap_err();
        assert!(error.to_string().contains("began"), "{error}");
    }

    #[test]
    fn standard_input_is_given() {
        let finished = Run::new("cat").stdin("hello").succeed().unwrap();
        assert_eq!(finished.text(), "hello");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Run::new("no-such-program-anywhere").finish().unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program-anywhere"));
    }
}
