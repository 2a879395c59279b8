//! A process by its id and its start time, so that a reused id is never taken for it.

use super::error::Result;
use super::run;
use std::fs;
use std::time::{Duration, Instant};

/// How often a process that must end is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How long `kill` may take.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// One process of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Process {
    /// The id in the machine's own namespace.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks since the machine's boot.
    pub start: u64,
}

impl Process {
    /// The process that has this id now.
    pub fn of(pid: u32) -> Option<Self> {
        let (_, start) = stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        Some(Self { pid, start })
    }

    /// Whether this very process still runs; one that only waits to be reaped does not.
    pub fn alive(self) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .ok()
            .and_then(|text| stat(&text))
            .is_some_and(|(state, start)| start == self.start && state != 'Z' && state != 'X')
    }

    /// Waits until it has ended; false when it has not within the limit.
    pub fn ended_within(self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while self.alive() {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Sends a signal by name, if it still runs.
    ///
    /// # Errors
    /// When `kill` fails although it runs.
    pub fn signal(self, name: &str) -> Result<()> {
        if self.alive() {
            // By the command: real-time signals, which systemd uses, have no portable number.
            let sent = run::checked(&["kill", "-s", name, &self.pid.to_string()], KILL_LIMIT);
            if self.alive() {
                sent?;
            }
        }
        Ok(())
    }

    /// The child that is process 1 of its own process namespace: a container's init.
    pub fn init_child(self) -> Option<Self> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let children = fs::read_to_string(path).ok()?;
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Self::of).find(
            |child| {
                fs::read_to_string(format!("/proc/{}/status", child.pid))
                    .is_ok_and(|status| is_init(&status))
            },
        )
    }
}

/// The ids of all processes of this machine, hosts included, that have this text among their
/// arguments.
pub fn with_argument(text: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    all().filter(has).collect()
}

/// The ids of all processes of this machine, hosts included.
pub fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// State letter and start time of a `/proc/PID/stat` line; the command's name, in brackets, may
/// itself hold brackets and blanks.
fn stat(line: &str) -> Option<(char, u64)> {
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Whether a `/proc/PID/status` is of process 1 in a namespace below ours.
fn is_init(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .map(|ids| ids.split_whitespace().collect::<Vec<_>>())
        .is_some_and(|ids| ids.len() > 1 && ids.last() == Some(&"1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let line = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(stat(line), Some(('S', 4711)));
        assert_eq!(stat("7 (a"), None);
    }

    #[test]
    fn init_of_a_namespace_below() {
        assert!(is_init("Name:\tsystemd\nNSpid:\t812\t1\n"));
        assert!(!is_init("Name:\tinit\nNSpid:\t1\n"));
        assert!(!is_init("Name:\tx\nNSpid:\t812\t7\n"));
    }

    #[test]
    fn another_start_time_is_another_process() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.alive());
        assert!(!Process { start: own.start + 1, ..own }.alive());
    }
}
