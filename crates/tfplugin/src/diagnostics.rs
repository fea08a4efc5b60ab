//! What a user is told.

use std::sync::{Arc, Mutex, PoisonError};

use crate::path::AttributePath;
use crate::proto::tfplugin6 as wire;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The operation failed or is refused.
    Error,
    /// The operation goes on.
    Warning,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What happened, in one line.
    pub summary: String,
    /// Why, and what to do.
    pub detail: String,
    /// The value at fault.
    pub path: AttributePath,
}

/// Messages in the order in which they came up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No message.
    pub fn new() -> Self {
        Self::default()
    }

    /// A single error about the whole resource.
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        let mut all = Self::new();
        all.push_error(AttributePath::root(), summary, detail);
        all
    }

    /// Adds an error.
    pub fn push_error(
        &mut self,
        path: AttributePath,
        summary: impl Into<String>,
        detail: impl Into<String>,
    ) {
        let (summary, detail) = (summary.into(), detail.into());
        self.0.push(Diagnostic {
            severity: Severity::Error,
            summary,
            detail,
            path,
        });
    }

    /// Adds a warning.
    pub fn push_warning(
        &mut self,
        path: AttributePath,
        summary: impl Into<String>,
        detail: impl Into<String>,
    ) {
        let (summary, detail) = (summary.into(), detail.into());
        self.0.push(Diagnostic {
            severity: Severity::Warning,
            summary,
            detail,
            path,
        });
    }

    /// Adds all messages of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|one| one.severity == Severity::Error)
    }

    /// The messages.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// As they go over the wire, each at what `place` makes of its path.
    pub(crate) fn into_wire(
        self,
        place: impl Fn(&AttributePath) -> AttributePath,
    ) -> Vec<wire::Diagnostic> {
        let all = self.0.into_iter().map(|one| {
            let path = place(&one.path);
            wire::Diagnostic {
                severity: match one.severity {
                    Severity::Error => wire::diagnostic::Severity::Error,
                    Severity::Warning => wire::diagnostic::Severity::Warning,
                }
                .into(),
                summary: one.summary,
                detail: one.detail,
                attribute: (path != AttributePath::root()).then(|| path.to_wire()),
            }
        });
        all.collect()
    }
}

/// Warnings of one call that is under way. Its clones are the same list, so that who works for a call can be given one;
/// the user is told of them however the call ends.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Diagnostics>>);

impl Warnings {
    /// Adds one about the value at `path`; the root is the resource itself.
    pub fn push(&self, path: AttributePath, summary: impl Into<String>, detail: impl Into<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push_warning(path, summary, detail);
    }

    /// What was added until now. Nothing is left.
    pub fn take(&self) -> Diagnostics {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
