//! What every operation is given: the daemon, the way to be stopped, and someone to tell.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::docker::Docker;
use crate::error::{Error, Result};

/// How long a part of some work whose time is up may take to say what it waited for.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The same where the user stopped it, and waits.
const FAREWELL: Duration = Duration::from_millis(200);

/// Told of each step as it happens.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// What a user should know of an operation that goes on or succeeds all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What happened, in one line without full stop.
    pub summary: String,
    /// Why, and what to do.
    pub detail: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.summary, self.detail)
    }
}

/// Told of each warning as it comes up.
pub type Warned = Arc<dyn Fn(Warning) + Send + Sync>;

/// How an operation may be stopped, how long it may take, and who hears of it.
#[derive(Clone, Default)]
pub struct Scope {
    /// Cancelled when the user stops the operation.
    pub cancel: CancellationToken,
    progress: Option<Progress>,
    warned: Option<Warned>,
    deadline: Option<(tokio::time::Instant, Duration)>,
}

/// The surroundings of one operation on Docker.
#[derive(Clone)]
pub struct Context {
    /// The Docker daemon: the engine's own, whose calls hear of time limit and cancellation by [`Scope::guard`].
    pub(crate) docker: Docker,
    scope: Scope,
}

impl Deref for Context {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

impl Context {
    /// A context without time limit or listener, cancelled by nobody.
    pub fn new(docker: Docker) -> Self {
        Self::within(docker, Scope::default())
    }

    /// A context with the limits of `scope`.
    pub fn within(docker: Docker, scope: Scope) -> Self {
        Self {
            docker: docker.ending(scope.end()),
            scope,
        }
    }

    /// The same, stopped when `cancel` is.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.scope = self.scope.with_cancel(cancel);
        self
    }

    /// The same, telling `progress` of each step.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.scope = self.scope.with_progress(progress);
        self
    }

    /// The same, telling `warned` of each warning.
    #[must_use]
    pub fn with_warned(mut self, warned: Warned) -> Self {
        self.scope = self.scope.with_warned(warned);
        self
    }

    /// The same, failing with [`Error::TimedOut`] once `limit` from now has passed.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.scope = self.scope.with_timeout(limit);
        self.docker = self.docker.ending(self.scope.end());
        self
    }
}

impl Scope {
    /// The same, stopped when `cancel` is.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The same, telling `progress` of each step.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// The same, telling `warned` of each warning.
    #[must_use]
    pub fn with_warned(mut self, warned: Warned) -> Self {
        self.warned = Some(warned);
        self
    }

    /// The same, failing with [`Error::TimedOut`] once `limit` from now has passed.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.deadline = Some((tokio::time::Instant::now() + limit, limit));
        self
    }

    /// When the time is up, where there is a limit.
    fn end(&self) -> Option<tokio::time::Instant> {
        self.deadline.map(|(at, _)| at)
    }

    /// The time that is left, where there is a limit.
    pub fn remaining(&self) -> Option<Duration> {
        let (at, _) = self.deadline?;
        Some(at.saturating_duration_since(tokio::time::Instant::now()))
    }

    /// Tells of a step.
    pub fn tell(&self, text: &str) {
        tracing::info!("{text}");
        if let Some(progress) = &self.progress {
            progress(text);
        }
    }

    /// Tells the user of something that ends nothing: Terraform shows it as a warning, and a module returns it as one.
    /// `summary` has no full stop, and `detail` says what to do.
    pub fn warn(&self, summary: impl Into<String>, detail: impl Into<String>) {
        let warning = Warning {
            summary: summary.into(),
            detail: detail.into(),
        };
        tracing::warn!("{warning}");
        if let Some(warned) = &self.warned {
            warned(warning);
        }
    }

    /// Runs `work` until it ends, the user stops it or the time is up. `doing` completes the
    /// sentence "stopped while …".
    pub fn guard<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        self.guard_for(Duration::ZERO, doing, Box::pin(work))
    }

    /// The same for work with guarded parts, which know more of what they waited for: they come first.
    pub(crate) fn oversee<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T>>,
    ) -> impl Future<Output = Result<T>> {
        self.guard_for(LAST_WORDS, doing, Box::pin(work))
    }

    async fn guard_for<T>(
        &self,
        beyond: Duration,
        doing: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let expired = async {
            match self.deadline {
                Some((at, _)) => tokio::time::sleep_until(at + beyond).await,
                None => std::future::pending().await,
            }
        };
        let cancelled = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(beyond.min(FAREWELL)).await;
        };
        tokio::select! {
            biased;
            () = cancelled => Err(Error::Cancelled { during: doing.to_owned() }),
            result = work => result,
            () = expired => Err(Error::TimedOut {
                waiting_for: doing.to_owned(),
                after: self.deadline.map(|(_, limit)| limit).unwrap_or_default(),
                log: String::new(),
            }),
        }
    }
}
