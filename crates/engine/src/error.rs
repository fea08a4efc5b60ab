//! What can go wrong, told so that a person can act on it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::path::FieldPath;
pub use crate::remedy::{Plain, Remedy, Words};

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One thing in the user's input that is refused, found before anything was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The value at fault.
    pub path: FieldPath,
    /// What is wrong with it.
    pub message: String,
    /// What would be right.
    pub remedy: Remedy,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: FieldPath, message: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self {
            path,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// All of it, in a face's words.
    pub fn told(&self, words: &dyn Words) -> String {
        let (at, remedy) = (words.field(&self.path), words.remedy(&self.remedy));
        format!("{at}: {} {remedy}", self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&Plain))
    }
}

/// A failure of an operation on the world.
#[derive(Debug)]
pub enum Error {
    /// Input that is refused; nothing was changed.
    Invalid(Vec<Problem>),

    /// The Docker daemon did not answer.
    Connect {
        /// The socket or address that was tried.
        endpoint: String,
        /// What the attempt ended with.
        reason: String,
    },

    /// Which daemon is meant is not known yet.
    Undecided,

    /// The Docker daemon lacks what Atlas needs.
    DaemonTooOld {
        /// The socket or address.
        endpoint: String,
        /// The daemon's API version.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },

    /// Docker refused or failed an operation.
    Docker {
        /// What was attempted, for instance "create container".
        operation: &'static str,
        /// The object's name.
        object: String,
        /// HTTP status, 0 where there was none.
        status: u16,
        /// The daemon's own words.
        message: String,
        /// What to do about it, starting with ". ", or empty.
        hint: String,
    },

    /// An endpoint of AWS's kind refused or failed an operation.
    Aws {
        /// What was attempted, for instance "create bucket".
        operation: &'static str,
        /// The object's name.
        object: String,
        /// The endpoint's URL.
        endpoint: String,
        /// The service's error code, for instance `BucketAlreadyExists`, and its own words.
        message: String,
        /// What to do about it, starting with ". ", or empty.
        hint: String,
    },

    /// `CockroachDB` refused or failed an operation.
    Cockroach {
        /// What was attempted, for instance "add region".
        operation: &'static str,
        /// The object's name.
        object: String,
        /// Its SQLSTATE, or empty.
        code: String,
        /// Its own words.
        message: String,
        /// What to do about it.
        hint: Option<Box<Remedy>>,
    },

    /// A certificate could not be read, made or written.
    Certificate {
        /// The file.
        path: PathBuf,
        /// What went wrong, and what to do.
        reason: String,
    },

    /// Something that is to be removed holds what would be lost.
    NotEmpty {
        /// "bucket" or "queue".
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is in it.
        what: String,
        /// How to go on.
        remedy: Remedy,
    },

    /// An image is neither in the daemon nor to be had.
    ImageMissing {
        /// The reference as asked for.
        image: String,
        /// The end of the pull.
        reason: String,
    },

    /// A node's container ended or reported a fatal error.
    NodeFailed {
        /// The container's name.
        node: String,
        /// What happened to it.
        reason: String,
        /// What to do about it, starting with ": ", or empty.
        hint: &'static str,
        /// The last lines of its log.
        log: String,
    },

    /// Something took longer than the user allowed.
    TimedOut {
        /// What was waited for.
        waiting_for: String,
        /// How long.
        after: Duration,
        /// Last log lines ending in a newline, or empty.
        log: String,
    },

    /// The user stopped the operation.
    Cancelled {
        /// What was under way.
        during: String,
    },

    /// A command in a node failed.
    Exec {
        /// The container.
        container: String,
        /// The command line, without secrets.
        command: String,
        /// Its exit code.
        code: i64,
        /// What it printed.
        output: String,
    },

    /// The thing exists and is not Atlas's to take.
    Exists {
        /// "cluster", "network" or "bridge".
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why it is not taken.
        detail: Existing,
        /// How to go on.
        remedy: Remedy,
    },

    /// The thing that was looked up does not exist.
    NotFound {
        /// "cluster", "network" or "bridge".
        kind: &'static str,
        /// Its name.
        name: String,
        /// How to go on.
        remedy: Remedy,
    },

    /// The change cannot be made in place.
    NeedsReplacement {
        /// "cluster", "network" or "bridge".
        kind: &'static str,
        /// Its name.
        name: String,
        /// The attributes that force it.
        fields: Vec<String>,
    },

    /// A kubeconfig file could not be read or written.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What went wrong; never its content.
        reason: String,
    },

    /// The world answered in a form that is not understood.
    Unexpected {
        /// What was read.
        what: String,
        /// Why it makes no sense.
        reason: String,
    },
}

/// Why something that exists is not taken by a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// It differs from what is asked, or somebody else made it.
    Differs,
    /// It is as asked, and no interrupted create left it: another state may own it, and it may hold data.
    NotBegun,
    /// It carries no mark of what is asked, so somebody else may have made it.
    Foreign,
    /// It is as told by this clause, which begins with "with".
    Found(Box<str>),
    /// Somebody else made it while this create was under way.
    Meanwhile,
}

impl fmt::Display for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Differs => " and differs from what is declared",
            Self::NotBegun => ", and this run did not create it",
            Self::Foreign => ", and nothing on it says that Atlas created it",
            Self::Found(what) => return write!(f, " {what}"),
            Self::Meanwhile => ": something else created it at the same moment",
        })
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&Plain))
    }
}

impl Error {
    /// The whole message, in a face's words.
    pub fn told(&self, words: &dyn Words) -> String {
        match self {
            Self::Invalid(problems) => {
                let told: Vec<String> = problems.iter().map(|one| one.told(words)).collect();
                told.join("\n")
            }
            Self::Connect { endpoint, reason } => format!(
                "cannot connect to the Docker daemon at {endpoint}: {reason}. Start Docker, or set docker_host (or \
                 DOCKER_HOST) to the daemon to use"
            ),
            Self::Undecided => format!(
                "the Docker daemon's address depends on something that does not exist yet. {}",
                words.remedy(&Remedy::CreateDependency)
            ),
            Self::DaemonTooOld {
                endpoint,
                found,
                needed,
            } => format!(
                "the Docker daemon at {endpoint} has API version {found}. Atlas needs {needed} or newer (Docker \
                 20.10). Upgrade Docker"
            ),
            Self::Docker {
                operation,
                object,
                message,
                hint,
                ..
            } => {
                format!("cannot {operation} {object}: Docker says: {message}{hint}")
            }
            Self::Aws {
                operation,
                object,
                endpoint,
                message,
                hint,
            } => {
                format!("cannot {operation} {object}: {endpoint} says: {message}{hint}")
            }
            Self::Cockroach {
                operation,
                object,
                message,
                hint,
                ..
            } => {
                let hint = hint
                    .as_ref()
                    .map(|hint| format!(". {}", words.remedy(hint)));
                let hint = hint.unwrap_or_default();
                format!("cannot {operation} {object}: CockroachDB says: {message}{hint}")
            }
            Self::Certificate { path, reason } => {
                format!("certificate {}: {reason}", path.display())
            }
            Self::NotEmpty {
                kind,
                name,
                what,
                remedy,
            } => format!(
                "{kind} {name} holds {what}, which would be lost. {}",
                words.remedy(remedy)
            ),
            Self::ImageMissing { image, reason } => format!(
                "image {image} is not present in Docker and could not be pulled: {reason}. Check the name, run \
                 `docker pull {image}` yourself, or use another image"
            ),
            Self::NodeFailed {
                node,
                reason,
                hint,
                log,
            } => {
                format!("node {node} {reason}{hint}. Its last log lines:\n{log}")
            }
            Self::TimedOut {
                waiting_for,
                after,
                log,
            } => format!(
                "timed out after {} s: {waiting_for}. {log}{}",
                after.as_secs(),
                words.remedy(&Remedy::RaiseTimeout)
            ),
            Self::Cancelled { during } => {
                format!("stopped while {during}. {}", words.remedy(&Remedy::GoOn))
            }
            Self::Exec {
                container,
                command,
                code,
                output,
            } => {
                format!("`{command}` in {container} failed with exit code {code}: {output}")
            }
            Self::Exists {
                kind,
                name,
                detail,
                remedy,
            } => format!(
                "A {kind} named {name:?} already exists{detail}. {}",
                words.remedy(remedy)
            ),
            Self::NotFound { kind, name, remedy } => {
                format!("there is no {kind} {name}. {}", words.remedy(remedy))
            }
            Self::NeedsReplacement { kind, name, fields } => {
                format!(
                    "{kind} {name} must be replaced to change {}",
                    fields.join(", ")
                )
            }
            Self::Kubeconfig { path, reason } => {
                format!("kubeconfig {}: {reason}", path.display())
            }
            Self::Unexpected { what, reason } => {
                format!("cannot understand {what}: {reason}")
            }
        }
    }

    /// [`Error::NodeFailed`], with what to do where the log shows the reason.
    pub(crate) fn node_failed(node: &str, reason: String, log: String) -> Self {
        Self::NodeFailed {
            node: node.to_owned(),
            reason,
            hint: node_hint(&log),
            log,
        }
    }

    /// [`Error::TimedOut`] while a node's container became ready, with the same.
    pub(crate) fn node_timed_out(
        waiting_for: String,
        after: Duration,
        node: &str,
        log: &str,
    ) -> Self {
        let advice = match node_hint(log).strip_prefix(": ") {
            Some(hint) => format!("Probably {hint}. "),
            None => String::new(),
        };
        Self::TimedOut {
            waiting_for,
            after,
            log: format!("{advice}The last log lines of {node}:\n{log}\n"),
        }
    }

    /// A refusal of one value.
    pub fn invalid(path: FieldPath, message: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self::Invalid(vec![Problem::new(path, message, remedy)])
    }

    /// Whether it is of a kind that is found before anything is changed: images are fetched first of all. Not so for
    /// [`crate::aws`], whose endpoint may go away on the way.
    pub fn changed_nothing(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::ImageMissing { .. })
    }

    /// Whether Docker answered a call and refused it, so that a network was surely not made. Without an answer it may have been.
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Docker { status: 400.., .. } | Self::Exists { .. } | Self::Invalid(_)
        )
    }

    /// Whether Docker answered in these words.
    pub(crate) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Docker { message, .. } if message.contains(words))
    }

    /// Whether Docker said that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Docker { status: 404, .. })
    }

    /// Whether Docker said that a container is gone, does not run, or is on its way out.
    pub fn is_of_ended_container(&self) -> bool {
        // These it tells with status 500.
        let goes = |message: &str| {
            ["marked for removal", "RWLayer of container"]
                .iter()
                .any(|words| message.contains(words))
        };
        matches!(self, Self::Docker { status, message, .. } if matches!(status, 404 | 409) || goes(message))
    }
}

/// What to do where the log of a container that ended shows a reason that is not in the container.
pub fn hint_of_log(log: &str) -> Option<&'static str> {
    node_hint(log).strip_prefix(": ")
}

/// Whether a program said that it got no inotify instance. Programs in Go name the call; those in Rust tell the number of
/// the error (`EMFILE`) as well.
fn lacks_inotify(log: &str) -> bool {
    let log = log.to_lowercase();
    log.contains("os error 24") || (log.contains("inotify") && log.contains("too many open files"))
}

/// What to do, starting with ": ", where a node's log shows a reason that is not in the node.
fn node_hint(log: &str) -> &'static str {
    // Every node holds some ten inotify instances, all nodes together those of one user, and Linux gives a user 128.
    if lacks_inotify(log) {
        ": the kernel limit of inotify instances is reached; raise it on the Docker host with `sysctl -w \
         fs.inotify.max_user_instances=1024`"
    } else if log.contains("clock synchronization error") {
        ": its clock is too far from those of the other nodes; synchronize the clocks of all machines with one source, \
         for instance by chrony"
    } else if log.contains("maximum clock offset") && log.contains("does not match") {
        ": the nodes were started with different values of --max-offset; give all of them the same"
    } else {
        ""
    }
}

/// `Ok` where nothing was found wrong, all problems in one error otherwise.
pub fn refuse(problems: Vec<Problem>) -> Result<()> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(problems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_limit_is_told_with_its_remedy() {
        for log in [
            "inotify_init: too many open files",
            "Error: watch the folder: Too many open files (os error 24)",
        ] {
            let told = Error::node_failed("a", "ended".to_owned(), log.to_owned()).to_string();
            assert!(told.contains("sysctl -w"), "{told}");
            let after = Duration::from_secs(1);
            let told = Error::node_timed_out("a becoming ready".to_owned(), after, "a", log);
            assert!(told.to_string().contains("sysctl -w"), "{told}");
            assert!(hint_of_log(log).is_some_and(|hint| hint.starts_with("the kernel")));
        }
        assert_eq!(hint_of_log("unknown flag"), None);
        let told = Error::node_failed("a", "ended".to_owned(), "unknown flag".to_owned());
        assert_eq!(
            told.to_string(),
            "node a ended. Its last log lines:\nunknown flag"
        );
    }
}
