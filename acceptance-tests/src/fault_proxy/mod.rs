//! A proxy on a unix socket before the Docker daemon's, which makes chosen calls fail.
//!
//! It understands as much of HTTP/1.1 as it takes to tell one call from the next on a connection
//! (RFC 9112: `Content-Length`, chunked bodies, answers without a body) and passes everything else
//! through byte by byte as it comes, so that followed logs stream and connections that Docker hijacks
//! (exec, attach) work. A call is counted when its head has been read, whatever becomes of it.

mod connection;
mod http;
mod pattern;

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

pub use pattern::{Call, Pattern};

use crate::sandbox::Sandbox;
use crate::settings::Settings;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never reaches the daemon; the answer is status 500.
    Refuse,
    /// It never reaches the daemon; the connection ends without an answer.
    CutBefore,
    /// The daemon does it, but the connection ends instead of an answer.
    CutAfter,
    /// It reaches the daemon this much later.
    Delay(Duration),
}

/// The proxy. It ends, with all its connections, when it is dropped.
pub struct FaultProxy {
    socket: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What the proxy's threads share.
pub(crate) struct Shared {
    upstream: PathBuf,
    stopped: AtomicBool,
    rules: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<Call>>,
    open: Mutex<Vec<UnixStream>>,
}

/// A fault for some calls that match.
struct Rule {
    pattern: Pattern,
    /// Matching calls to let pass first.
    pass: usize,
    /// Faults to cause after those.
    times: usize,
    fault: Fault,
}

impl FaultProxy {
    /// Listens on `socket`, before the daemon at `upstream`.
    pub fn start(socket: &Path, upstream: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            stopped: AtomicBool::new(false),
            rules: Mutex::default(),
            calls: Mutex::default(),
            open: Mutex::default(),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self {
            socket: socket.to_owned(),
            shared,
            accepting: Some(accepting),
        })
    }

    /// Listens in a sandbox's folder, before the daemon under test.
    pub fn in_sandbox(sandbox: &Sandbox) -> Result<Self> {
        Self::start(
            &sandbox.path("docker.sock"),
            &Settings::get()?.docker_socket,
        )
    }

    /// What to set `DOCKER_HOST` to.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Has the n-th call from now on (counted from 1) that matches end in a fault, once.
    pub fn fault_at(&self, n: usize, pattern: Pattern, fault: Fault) {
        self.add(Rule {
            pattern,
            pass: n.saturating_sub(1),
            times: 1,
            fault,
        });
    }

    /// Has every call from now on that matches end in a fault.
    pub fn fault_always(&self, pattern: Pattern, fault: Fault) {
        self.add(Rule {
            pattern,
            pass: 0,
            times: usize::MAX,
            fault,
        });
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.shared.rules).clear();
    }

    /// Whether every fault of [`FaultProxy::fault_at`] has been caused.
    pub fn is_spent(&self) -> bool {
        lock(&self.shared.rules).iter().all(|rule| rule.times == 0)
    }

    /// The calls so far that match, in order.
    pub fn calls(&self, pattern: &Pattern) -> Vec<Call> {
        lock(&self.shared.calls)
            .iter()
            .filter(|call| pattern.matches(call))
            .cloned()
            .collect()
    }

    fn add(&self, rule: Rule) {
        lock(&self.shared.rules).push(rule);
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then sees that it is over.
        drop(UnixStream::connect(&self.socket));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        for stream in lock(&self.shared.open).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(std::fs::remove_file(&self.socket));
    }
}

impl Shared {
    /// Counts a call and tells what shall happen to it.
    fn judge(&self, call: &Call) -> Option<Fault> {
        lock(&self.calls).push(call.clone());
        let mut verdict = None;
        for rule in lock(&self.rules)
            .iter_mut()
            .filter(|rule| rule.pattern.matches(call))
        {
            if rule.pass > 0 {
                rule.pass -= 1;
            } else if rule.times > 0 && verdict.is_none() {
                rule.times = if rule.times == usize::MAX {
                    rule.times
                } else {
                    rule.times - 1
                };
                verdict = Some(rule.fault);
            }
        }
        verdict
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.upstream)?;
        self.remember(&stream)?;
        Ok(stream)
    }

    /// Keeps a handle by which the stream can be ended.
    fn remember(&self, stream: &UnixStream) -> io::Result<()> {
        lock(&self.open).push(stream.try_clone()?);
        Ok(())
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A connection that breaks is what the test is about, or the client's own end.
            drop(
                shared
                    .remember(&client)
                    .and_then(|()| connection::serve(&client, &shared)),
            );
            drop(client.shutdown(Shutdown::Both));
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
