//! Finds processes that a command of ours started. Only those may be killed by a test.

use std::fs;

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A process below one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descendant {
    pid: u32,
}

impl Descendant {
    /// Kills it at once, as `kill -9` does.
    pub fn kill(self) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        ensure!(pid.is_some(), "{} is no process id", self.pid);
        if let Some(pid) = pid {
            kill_process(pid, Signal::KILL)?;
        }
        Ok(())
    }
}

/// The first process below `ancestor` whose program's file name begins with `program`.
pub fn descendant_running(ancestor: u32, program: &str) -> Option<Descendant> {
    family(ancestor)
        .into_iter()
        .skip(1)
        .find(|pid| runs(*pid, program))
        .map(|pid| Descendant { pid })
}

/// A process and all below it.
pub(crate) fn family(ancestor: u32) -> Vec<u32> {
    let all = all_processes();
    let mut family = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(
            all.iter()
                .filter(|(_, its_parent)| *its_parent == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    family
}

/// Process ids with their parents'.
fn all_processes() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, parent_of(pid)?)))
        .collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the parent is the second field behind it.
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn runs(pid: u32, program: &str) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with(program))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Run;
    use std::time::Duration;

    #[test]
    fn a_grandchild_is_found_and_killed() {
        let running = Run::new("sh")
            .args(["-c", "sh -c 'sleep 30; true'; true"])
            .start()
            .unwrap();
        let sleeper = (0..200).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            descendant_running(running.pid(), "sleep")
        });
        sleeper.unwrap().kill().unwrap();
        assert_eq!(running.wait().unwrap().code, Some(0));
    }
}
