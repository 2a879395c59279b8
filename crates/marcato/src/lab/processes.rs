//! The lab's processes: started apart from the command that starts them, known by id and start time,
//! so that no other process is ever ended in their place.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// How often a process that was told to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A process of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    /// What it does.
    pub(super) what: String,
    /// Its id.
    pub(super) pid: i32,
    /// When it started, in clock ticks since boot (proc(5), field 22 of `stat`).
    pub(super) started: u64,
}

impl Process {
    /// Starts this program's own `lab ARGUMENTS`, with standard error in a log file. It leaves the
    /// terminal by itself, for which it must not lead a process group.
    pub(super) fn start(
        what: &str,
        arguments: &[&std::ffi::OsStr],
        log: &Path,
    ) -> io::Result<Self> {
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("lab").args(arguments).current_dir("/");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // It would make log lines go without their time, as if journald took them.
        command.env_remove("JOURNAL_STREAM");
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let started = start_time(pid).ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Self { what: what.to_owned(), pid, started })
    }

    /// Whether it still runs.
    pub(super) fn lives(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Lets a process that runs nodes look again at what is wrong with them.
    pub(super) fn look_again(&self) {
        self.signal(Signal::USR1);
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.lives()) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Ends processes: asked first, and after `patience` made to.
pub(super) fn end(processes: &[Process], patience: Duration) {
    for process in processes {
        process.signal(Signal::TERM);
    }
    let end = Instant::now() + patience;
    while processes.iter().any(Process::lives) && Instant::now() < end {
        std::thread::sleep(LOOK_EVERY);
    }
    for process in processes {
        process.signal(Signal::KILL);
    }
}

/// When a process started; none where it is gone, or ended and only not fetched yet.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, blanks and parentheses included.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_too() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let started = start_time(pid).unwrap();
        let own = Process { what: "test".into(), pid, started };
        assert!(own.lives());
        let other = Process { started: started + 1, ..own };
        assert!(!other.lives());
    }
}
