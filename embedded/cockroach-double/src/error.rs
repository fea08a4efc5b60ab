//! Errors of the command line, with the exit codes that the vendor documents.

use std::fmt;

/// Exit code of an error without a more precise one.
pub(crate) const UNSPECIFIED: i32 = 1;
/// Exit code of a flag that is not known or has a wrong value.
pub(crate) const BAD_FLAG: i32 = 4;
/// Exit code of an error that ends a running node.
pub(crate) const FATAL: i32 = 7;

/// Why a command failed.
#[derive(Debug, Clone)]
pub(crate) struct CliError {
    /// What was wrong.
    pub(crate) message: String,
    /// What would help.
    pub(crate) hint: Option<String>,
    /// How the process ends.
    pub(crate) exit: i32,
}

impl CliError {
    /// An error without a more precise exit code.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit: UNSPECIFIED,
        }
    }

    /// An error about a flag.
    pub(crate) fn flag(message: impl Into<String>) -> Self {
        Self {
            exit: BAD_FLAG,
            ..Self::new(message)
        }
    }

    /// An error that ends a node.
    pub(crate) fn fatal(message: impl Into<String>) -> Self {
        Self {
            exit: FATAL,
            ..Self::new(message)
        }
    }

    /// The same, with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nHINT: {hint}"),
            None => Ok(()),
        }
    }
}

/// An error of SQL, as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SqlError {
    /// SQLSTATE.
    pub(crate) code: String,
    /// What was wrong.
    pub(crate) message: String,
    /// What would help.
    pub(crate) hint: Option<String>,
    /// More about it.
    pub(crate) detail: Option<String>,
}

impl SqlError {
    /// An error with its SQLSTATE.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            hint: None,
            detail: None,
        }
    }

    /// Something outside of the double's subset.
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self::new("0A000", format!("unsupported by the double: {what}"))
    }

    /// The same, with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with details.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl std::error::Error for SqlError {}
