//! What can go wrong, told so that a person can act on it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::path::FieldPath;

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
    pub remedy: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: FieldPath, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            path,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.path, self.message, self.remedy)
    }
}

/// A failure of an operation on the world.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Input that is refused; nothing was changed.
    #[error("{}", join(.0))]
    Invalid(Vec<Problem>),

    /// The Docker daemon did not answer.
    #[error(
        "cannot reach the Docker daemon at {endpoint}: {reason}. Start Docker, or set docker_host \
         (or DOCKER_HOST) to the daemon that should be used"
    )]
    Connect {
        /// The socket or address that was tried.
        endpoint: String,
        /// What the attempt ended with.
        reason: String,
    },

    /// Which daemon is meant is not known yet.
    #[error(
        "which Docker daemon is meant depends on something that does not exist yet. Create that first, \
         for instance with `terraform apply -target=…`"
    )]
    Undecided,

    /// The Docker daemon lacks what Atlas needs.
    #[error(
        "the Docker daemon at {endpoint} speaks API {found}, and Atlas needs {needed} or newer \
         (Docker 20.10). Upgrade Docker"
    )]
    DaemonTooOld {
        /// The socket or address.
        endpoint: String,
        /// The daemon's API version.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },

    /// Docker refused or failed an operation.
    #[error("{operation} {object}: Docker says: {message}{hint}")]
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
    #[error("{operation} {object}: {endpoint} says: {message}{hint}")]
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
    #[error("{operation} {object}: CockroachDB says: {message}{hint}")]
    Cockroach {
        /// What was attempted, for instance "add region".
        operation: &'static str,
        /// The object's name.
        object: String,
        /// Its SQLSTATE, or empty.
        code: String,
        /// Its own words.
        message: String,
        /// What to do about it, starting with ". ", or empty.
        hint: String,
    },

    /// A certificate could not be read, made or written.
    #[error("certificate {}: {reason}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What went wrong, and what to do.
        reason: String,
    },

    /// Something that is to be removed holds what would be lost.
    #[error("{kind} {name} holds {what}, which would be lost. {remedy}")]
    NotEmpty {
        /// "bucket" or "queue".
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is in it.
        what: String,
        /// How to go on.
        remedy: String,
    },

    /// An image is neither in the daemon nor to be had.
    #[error(
        "image {image} is not in the Docker daemon and could not be pulled: {reason}. Check the \
         name, pull it by hand with `docker pull {image}`, or name another image"
    )]
    ImageMissing {
        /// The reference as asked for.
        image: String,
        /// The end of the pull.
        reason: String,
    },

    /// A node's container ended or reported a fatal error.
    #[error("node {node} {reason}{hint}. Its last log lines:\n{log}")]
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
    #[error(
        "{waiting_for} did not happen within {}. {log}Raise the timeout if the machine is slow; \
         the next apply goes on from here", seconds(*.after)
    )]
    TimedOut {
        /// What was waited for.
        waiting_for: String,
        /// How long.
        after: Duration,
        /// Last log lines ending in a newline, or empty.
        log: String,
    },

    /// The user stopped the operation.
    #[error(
        "stopped while {during}. What was made is left in place; the next apply goes on from here"
    )]
    Cancelled {
        /// What was under way.
        during: String,
    },

    /// A command in a node failed.
    #[error("`{command}` in {container} failed with exit code {code}: {output}")]
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
    #[error("{kind} {name} exists already{detail}. {remedy}")]
    Exists {
        /// "cluster", "network" or "bridge".
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why it is not taken.
        detail: Existing,
        /// How to go on.
        remedy: String,
    },

    /// The thing that was looked up does not exist.
    #[error("there is no {kind} {name}. {remedy}")]
    NotFound {
        /// "cluster", "network" or "bridge".
        kind: &'static str,
        /// Its name.
        name: String,
        /// How to go on.
        remedy: String,
    },

    /// The change cannot be made in place.
    #[error("{kind} {name} must be replaced because of: {}", .fields.join(", "))]
    NeedsReplacement {
        /// "cluster", "network" or "bridge".
        kind: &'static str,
        /// Its name.
        name: String,
        /// The attributes that force it.
        fields: Vec<String>,
    },

    /// A kubeconfig file could not be read or written.
    #[error("kubeconfig {}: {reason}", .path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What went wrong; never its content.
        reason: String,
    },

    /// The world answered in a form that is not understood.
    #[error("{what} could not be understood: {reason}")]
    Unexpected {
        /// What was read.
        what: String,
        /// Why it makes no sense.
        reason: String,
    },
}

/// Why something that exists is not taken by a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It differs from what is asked, or somebody else made it.
    Differs,
    /// It is as asked, and no interrupted create left it: another state may own it, and it may hold data.
    NotBegun,
}

impl std::fmt::Display for Existing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Differs => " and differs from what is asked",
            Self::NotBegun => " and was not begun by this create, which leaves it as it is",
        })
    }
}

impl Error {
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
    pub fn invalid(path: FieldPath, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem::new(path, message, remedy)])
    }

    /// Whether it is of a kind that is found before anything is changed: images are fetched first of all. Not so for
    /// [`crate::aws`], whose endpoint may go away on the way.
    pub fn changed_nothing(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::ImageMissing { .. })
    }

    /// Whether Docker answered a call and refused it, so that a network was surely not made. Without an answer it may have been.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Docker { status: 400.., .. })
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

/// What to do, starting with ": ", where a node's log shows a reason that is not in the node.
fn node_hint(log: &str) -> &'static str {
    // Every node holds some ten inotify instances, all nodes together those of one user, and Linux gives a user 128.
    if log.contains("inotify") && log.contains("too many open files") {
        ": the kernel gives no more inotify instances; raise the limit on the Docker host with \
         `sysctl -w fs.inotify.max_user_instances=1024` and apply again"
    } else if log.contains("clock synchronization error") {
        ": its clock is too far from those of the other nodes; synchronize the clocks of all machines with one source, \
         for instance by chrony, and apply again"
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

fn join(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_limit_is_told_with_its_remedy() {
        let log = "inotify_init: too many open files".to_owned();
        let told = Error::node_failed("a", "ended".to_owned(), log).to_string();
        assert!(told.contains("sysctl -w"), "{told}");
        let told = Error::node_failed("a", "ended".to_owned(), "unknown flag".to_owned());
        assert_eq!(
            told.to_string(),
            "node a ended. Its last log lines:\nunknown flag"
        );
    }
}
