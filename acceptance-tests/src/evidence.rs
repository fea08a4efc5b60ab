//! What a command that took too long leaves behind: read before it is stopped and its test's objects are removed, because
//! what hangs once a month cannot be looked at again.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::naming::is_of;
use crate::processes::family;

/// How many lines of each container's log are shown.
const LINES: &str = "40";
/// Seconds for each question: a daemon that does not answer is evidence too.
const PATIENCE: &str = "15";

thread_local! {
    /// Prefixes of the sandboxes that this thread's test has open.
    static OPEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From now on this prefix's objects are this thread's.
pub(crate) fn opened(prefix: String) {
    OPEN.with_borrow_mut(|open| open.push(prefix));
}

/// They are not any more.
pub(crate) fn closed(prefix: &str) {
    OPEN.with_borrow_mut(|open| open.retain(|one| one != prefix));
}

/// The processes of a command, each with what its threads wait for, and the containers of this thread's sandboxes with
/// the ends of their logs.
pub(crate) fn gather(command: u32) -> String {
    let mut told = String::from("=== what it was doing\n");
    for process in family(command) {
        // A line or a whole script: its beginning tells which.
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let line: String = String::from_utf8_lossy(&line)
            .replace(['\0', '\n'], " ")
            .chars()
            .take(160)
            .collect();
        let _ = writeln!(told, "{process} {line}: {}", waits(process));
    }
    for prefix in OPEN.with_borrow(Clone::clone) {
        containers(&prefix, &mut told);
    }
    told
}

/// What the threads of a process wait for, in the kernel's words.
fn waits(process: u32) -> String {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return "ended".to_owned();
    };
    let each =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("wchan")).ok());
    each.collect::<Vec<_>>().join(" ")
}

fn containers(prefix: &str, told: &mut String) {
    let format = "{{.Names}}|{{.Label \"k3d.cluster\"}}|{{.Status}}";
    let listed = docker(&["ps", "--all", "--format", format]);
    let _ = writeln!(told, "=== containers of {prefix}");
    for line in listed.lines().filter(|line| is_of(line, prefix)) {
        let _ = writeln!(told, "=== {line}");
        let name = line.split('|').next().unwrap_or_default();
        told.push_str(&docker(&["logs", "--timestamps", "--tail", LINES, name]));
    }
}

/// Not as a [`crate::Run`]: one that is late would come here again.
fn docker(arguments: &[&str]) -> String {
    let run = Command::new("timeout")
        .args([PATIENCE, "docker"])
        .args(arguments)
        .output();
    match run {
        Ok(run) if run.status.code() == Some(124) => format!(
            "docker {} gave no answer within {PATIENCE} s\n",
            arguments.join(" ")
        ),
        Ok(run) => [run.stdout, run.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat(),
        Err(error) => format!("docker: {error}\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Run;

    #[test]
    fn what_a_process_waits_for_is_told() {
        let running = Run::new("sh")
            .args(["-c", "sleep 30; true"])
            .start()
            .unwrap();
        // It is there before it sleeps.
        let told = crate::eventually(Duration::from_secs(10), || {
            let told = gather(running.pid());
            anyhow::ensure!(told.contains("sleep 30 : hrtimer_nanosleep"), "{told}");
            Ok(())
        });
        told.unwrap();
    }
}
