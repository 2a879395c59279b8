//! The processes that a runner's agent started, and their end.
//!
//! A runner is a subreaper (`PR_SET_CHILD_SUBREAPER`): whatever its agent forks, in whatever group
//! or session, stays its descendant until it ends. So what an agent leaves behind can be ended for
//! sure, without a cgroup. Only where the runner itself was killed must others find them, by its
//! scope and its session.

use std::collections::HashMap;
use std::time::Duration;

use marcato_core::limits::agent::TREE_LIMIT;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use tokio::time::{Instant, sleep};

/// How long the first pause is between two looks, in milliseconds; each further one is twice that.
const PAUSE_MS: u64 = 1;

/// A process as `/proc/PID/stat` shows it (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub state: char,
    pub parent: i32,
    pub session: i32,
    /// When it began, in clock ticks since the boot: with the process id it names a process.
    pub started: u64,
}

impl Stat {
    /// Reads a line of `stat`. The command's name, in brackets, may hold anything.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
        Some(Self {
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            session: fields.nth(1)?.parse().ok()?,
            started: fields.nth(15)?.parse().ok()?,
        })
    }

    /// Looks a process up; `None` when there is none.
    pub fn of(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether it has ended and only waits to be asked how.
    pub const fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Makes this process the parent of every descendant whose own parent ends.
pub(crate) fn adopt_orphans() {
    // The kernel looks at nothing but whether this argument is zero.
    if let Err(error) = rustix::process::set_child_subreaper(Some(getpid())) {
        tracing::warn!(%error, "what agents leave behind cannot be found");
    }
}

/// Ends every descendant of this process; with `spare_sessions` those live on that run in sessions
/// which they made themselves, as daemons do.
pub(crate) async fn end(spare_sessions: bool) {
    let own = getpid().as_raw_nonzero().get();
    let session = Stat::of(own).map(|stat| stat.session);
    end_all(|| {
        let mut found = descendants(own);
        found.retain(|(_, stat)| !spare_sessions || Some(stat.session) == session);
        found
    })
    .await;
}

/// Ends what a runner that was killed left behind: all processes in its scope, and those in its
/// session, if that is given: its id must not have passed on to another process by now.
pub(crate) async fn end_orphans(scope: &str, session: Option<i32>) {
    let own = getpid().as_raw_nonzero().get();
    end_all(|| {
        let mut found: Vec<_> = processes().into_iter().collect();
        found.retain(|(pid, stat)| {
            let theirs = session == Some(stat.session) || is_in(*pid, scope);
            theirs && *pid != own && !stat.is_dead()
        });
        found
    })
    .await;
}

/// Kills what is found until nothing is.
async fn end_all(find: impl Fn() -> Vec<(i32, Stat)>) {
    let deadline = Instant::now() + TREE_LIMIT.as_duration();
    let mut pause = PAUSE_MS;
    loop {
        let found = find();
        let left = found.len();
        for (pid, stat) in found {
            let Some(pid) = Pid::from_raw(pid) else { continue };
            // Errors say that it has ended by itself.
            if stat.is_dead() {
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            } else {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if left == 0 {
            return;
        }
        if Instant::now() > deadline {
            tracing::error!(left, "processes that the agent left behind do not end");
            return;
        }
        sleep(Duration::from_millis(pause)).await;
        pause = (pause * 2).min(50);
    }
}

/// All processes.
fn processes() -> HashMap<i32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::of(pid)?)))
        .collect()
}

/// Whether a process is in the control group of a unit, in whichever hierarchy.
pub(crate) fn is_in(pid: i32, unit: &str) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().any(|line| line.split('/').any(|group| group == unit))
}

/// All living or unreaped descendants of a process.
fn descendants(root: i32) -> Vec<(i32, Stat)> {
    let all = processes();
    let descends = |mut pid: i32| {
        // Bounded, because the table is not of one moment and could show a circle.
        for _ in 0..all.len() {
            match all.get(&pid) {
                Some(stat) if stat.parent == root => return true,
                Some(stat) => pid = stat.parent,
                None => return false,
            }
        }
        false
    };
    all.iter().filter(|(pid, _)| descends(**pid)).map(|(pid, stat)| (*pid, *stat)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_brackets_may_hold_anything() {
        let text = "12 (a) S 9 (b) R 7 12 5 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 9";
        let want = Stat { state: 'R', parent: 7, session: 5, started: 4242 };
        assert_eq!(Stat::parse(text), Some(want));
        for bad in ["", "12", "12 (a", "12 (a)", "12 (a) R x", "12 (a) R 1 2 3"] {
            assert_eq!(Stat::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn this_process_is_found() {
        let own = getpid().as_raw_nonzero().get();
        assert!(!Stat::of(own).unwrap().is_dead());
        assert!(descendants(1).iter().any(|(pid, _)| *pid == own) || own == 1);
    }
}
