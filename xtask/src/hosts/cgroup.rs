//! A control group of its own for every host.
//!
//! Without one, all hosts that systemd-nspawn starts from the same group share one tree, and the
//! systemd of one host sees, counts and may kill the processes of another. The group is also what
//! finds every process of a host again after a crashed run.

use super::error::{Error, Result, file};
use super::process::Process;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to end killed processes.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to stop all processes of a group, or to have them go on.
const FREEZE_LIMIT: Duration = Duration::from_secs(10);

/// How often a group that is to be stopped is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// One group, in every hierarchy that systemd uses here.
#[derive(Debug)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// The group of that path; it need not exist yet.
    ///
    /// # Errors
    /// When the mount table cannot be read.
    pub fn new(path: &Path) -> Result<Self> {
        const MOUNTS: &str = "/proc/self/mountinfo";
        let table = fs::read_to_string(MOUNTS).map_err(file("read", MOUNTS))?;
        let roots = table.lines().filter_map(systemd_hierarchy);
        Ok(Self { folders: roots.map(|root| Path::new(root).join(path)).collect() })
    }

    /// Makes the group.
    ///
    /// # Errors
    /// When the control group filesystem is read-only, as in most containers.
    pub fn make(&self) -> Result<()> {
        for folder in &self.folders {
            fs::create_dir_all(folder).map_err(file("make the control group", folder))?;
        }
        Ok(())
    }

    /// Moves the calling process into the group.
    ///
    /// # Errors
    /// When the group does not exist.
    pub fn enter(&self) -> Result<()> {
        for folder in &self.folders {
            let procs = folder.join("cgroup.procs");
            fs::write(&procs, std::process::id().to_string()).map_err(file("write", &procs))?;
        }
        Ok(())
    }

    /// The units of a systemd that runs in this group, each with the ids of its processes on this
    /// machine.
    pub fn units(&self) -> Vec<(String, u32)> {
        let [.., folder] = self.folders.as_slice() else { return Vec::new() };
        let unit_of = |process: Process| {
            let groups = fs::read_to_string(format!("/proc/{}/cgroup", process.pid)).ok()?;
            let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
            Some((Path::new(path).file_name()?.to_string_lossy().into_owned(), process.pid))
        };
        processes_below(folder).into_iter().filter_map(unit_of).collect()
    }

    /// Stops every process in the group and below where it is, and returns when all have.
    ///
    /// # Errors
    /// When there is no unified hierarchy, or a process does not stop.
    pub fn freeze(&self) -> Result<()> {
        self.set_frozen(true)
    }

    /// Has all that [`Cgroup::freeze`] stopped go on.
    ///
    /// # Errors
    /// As [`Cgroup::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<()> {
        let folder = self.folders.iter().find(|folder| folder.join("cgroup.freeze").exists());
        let none = || Error::Machine("the host's control group cannot be frozen".to_owned());
        let folder = folder.ok_or_else(none)?;
        let (freeze, events) = (folder.join("cgroup.freeze"), folder.join("cgroup.events"));
        let number = u8::from(frozen);
        fs::write(&freeze, number.to_string()).map_err(file("write", &freeze))?;
        let done = format!("frozen {number}");
        let until = Instant::now() + FREEZE_LIMIT;
        loop {
            let text = fs::read_to_string(&events).map_err(file("read", &events))?;
            if text.lines().any(|line| line == done) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Error::Machine(format!("{} has not: {done}", events.display())));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends every process in the group and below, and removes it.
    ///
    /// # Errors
    /// When a process does not end or the group cannot be removed.
    pub fn remove(&self) -> Result<()> {
        for folder in self.folders.iter().filter(|folder| folder.exists()) {
            for process in processes_below(folder) {
                process.signal("KILL")?;
                process.ended_within(KILL_LIMIT);
            }
            remove_tree(folder)?;
        }
        Ok(())
    }
}

/// The mount point, when this line of mountinfo is the unified hierarchy or systemd's own of old.
fn systemd_hierarchy(line: &str) -> Option<&str> {
    let (front, back) = line.split_once(" - ")?;
    let mut back = back.split_whitespace();
    let kind = back.next()?;
    let options = back.nth(1)?;
    let named = kind == "cgroup" && options.split(',').any(|option| option == "name=systemd");
    if kind == "cgroup2" || named { front.split_whitespace().nth(4) } else { None }
}

fn processes_below(folder: &Path) -> Vec<Process> {
    let own = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let mut found: Vec<_> =
        own.lines().filter_map(|pid| pid.parse().ok()).filter_map(Process::of).collect();
    for below in folders_in(folder) {
        found.extend(processes_below(&below));
    }
    found
}

fn remove_tree(folder: &Path) -> Result<()> {
    for below in folders_in(folder) {
        remove_tree(&below)?;
    }
    fs::remove_dir(folder).map_err(file("remove the control group", folder))
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_systemd() {
        let check = |line, expect| assert_eq!(systemd_hierarchy(line), expect);
        check("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", Some("/sys/fs/cgroup"));
        check(
            "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd",
            Some("/sys/fs/cgroup/systemd"),
        );
        check("39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids", None);
        check("21 1 0:5 / /proc rw - proc proc rw", None);
    }
}
