//! What a container's state of life says, for all kinds of container alike.

use super::Row;
use crate::facts::Container;

/// The row of a container that should run. What more there is to say of one that does, `running` says.
pub(super) fn row(
    kind: &'static str,
    name: &str,
    container: Option<&Container>,
    running: impl FnOnce(&Container) -> Row,
) -> Row {
    let Some(found) = container else {
        return missing(kind, name);
    };
    if found.running {
        return running(found);
    }
    let starts = "make world starts it again";
    let (detail, remedy) = match found.status.as_str() {
        "paused" => ("paused".to_owned(), "make world lets it go on".to_owned()),
        "created" => (
            "was never started".to_owned(),
            "make world starts it".to_owned(),
        ),
        "restarting" => (
            format!(
                "ends again and again (exit code {}, started {} times)",
                found.exit_code, found.restarts
            ),
            format!("make logs CONTAINER={name} shows why"),
        ),
        "removing" | "dead" => (
            "is being removed".to_owned(),
            "make world makes it again".to_owned(),
        ),
        _ => (
            format!("stopped (exit code {})", found.exit_code),
            starts.to_owned(),
        ),
    };
    let remedy = match &found.hint {
        Some(hint) => format!("{hint}; then make world"),
        None => remedy,
    };
    Row::down(kind, name, detail).remedy(remedy)
}

/// The row of what should be there and is not.
pub(super) fn missing(kind: &'static str, name: &str) -> Row {
    Row::down(kind, name, "missing").remedy("make world makes it again")
}

/// What to do about a container that runs and does not do what it should.
pub(super) fn restart(name: &str) -> String {
    format!("make logs CONTAINER={name} shows why; docker restart {name} restarts it")
}
