//! The container's log, in k3s's form: the k3d CLI looks for lines and for `level=fatal` in it.

use std::io::Write as _;
use std::time::SystemTime;

/// Tells of a step.
pub(crate) fn info(text: &str) {
    line("info", text);
}

/// Tells of something that does not stop the node.
pub(crate) fn warn(text: &str) {
    line("warning", text);
}

/// The last line of a node that cannot go on.
pub(crate) fn fatal(text: &str) {
    line("fatal", text);
}

fn line(level: &str, text: &str) {
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    plain(&format!("time=\"{time}\" level={level} msg=\"{text}\""));
}

/// A line as it is.
pub(crate) fn plain(text: &str) {
    // Nobody is left to tell where standard output is gone.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A refusal of the command line, in the words of k3s's own parser.
pub(crate) fn refuse(text: &str) {
    let _ = writeln!(std::io::stderr(), "Incorrect Usage: {text}");
    fatal(text);
}
