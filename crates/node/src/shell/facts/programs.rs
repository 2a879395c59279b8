//! Programs that print facts, the executables among external facts and `facter` itself: run behind
//! the node's back, within limits, and not often.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::path::{Path, PathBuf};

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Ended, Output};
use marcato_core::limits::facts::{
    EXECUTABLE_LIMIT, EXECUTABLES_AT_MOST_EVERY, EXECUTABLES_AT_ONCE, FACTER_LIMIT,
    FACTER_RUN_EVERY, OUTPUT_BYTES_MAX,
};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::external::{read_facter, read_output};
use super::file::{FactError, Sifted, text};

/// A program that prints facts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// Facter, and whether Puppet is there to tell it its custom facts. It takes longest, and so
    /// comes first.
    Facter(PathBuf, bool),
    /// An executable in a folder of external facts.
    Executable(PathBuf),
}

/// What a program printed.
pub type Printed = (Program, Result<Sifted, FactError>);

impl Program {
    /// Facter, where the host whose files lie under `root` has it.
    pub(super) fn facter(root: &Path) -> Option<Self> {
        // Puppet's own packages before the distribution's.
        let folders = ["opt/puppetlabs/bin", "usr/bin"].map(|folder| root.join(folder));
        let folder = folders.into_iter().find(|folder| folder.join("facter").is_file())?;
        let has_puppet = folder.join("puppet").is_file();
        Some(Self::Facter(folder.join("facter"), has_puppet))
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Executable(path) | Self::Facter(path, _) => path,
        }
    }

    /// Runs it, and reads what it prints.
    async fn run(self) -> Printed {
        let printed = self.print().await.and_then(|text| {
            let facts = match &self {
                Self::Executable(_) => read_output(&text),
                Self::Facter(..) => read_facter(&text),
            };
            facts.map_err(|what| self.wrong(what))
        });
        (self, printed)
    }

    async fn print(&self) -> Result<String, FactError> {
        let mut command = Command::new(self.path());
        // As Facter runs them, but for what this process has in its environment.
        command.env_clear().env("PATH", DEFAULT_PATH).env("LC_ALL", "C").env("LANG", "C");
        command.current_dir("/");
        let limit = match self {
            Self::Executable(_) => EXECUTABLE_LIMIT,
            Self::Facter(_, has_puppet) => {
                // With Puppet's it takes external ones too, and cannot be told otherwise.
                let which = if *has_puppet { "--puppet" } else { "--no-external-facts" };
                command.args(["--json", "--no-color", which]);
                FACTER_LIMIT
            }
        };
        let keep = Output::KeepAtMost(OUTPUT_BYTES_MAX + 1);
        let ended = process::run(command, limit.as_duration(), keep).await;
        let Ended { status, stdout, stderr } =
            ended.map_err(|error| self.wrong(format!("it cannot be started: {error}")))?;
        if stdout.len() > OUTPUT_BYTES_MAX {
            return Err(self.wrong(format!("it printed more than {OUTPUT_BYTES_MAX} bytes")));
        }
        let Some(status) = status else {
            return Err(self.wrong(format!("ended after {} s", limit.as_duration().as_secs())));
        };
        // Facter ends so whenever one fact fails, and has printed the others.
        let is_facter = matches!(self, Self::Facter(..)) && !stdout.is_empty();
        if !status.success() && !is_facter {
            let said = String::from_utf8_lossy(&stderr);
            let last: String = said.trim_end().lines().next_back().unwrap_or_default().into();
            let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
            // Not with the fault, which others may read: it may be a private value.
            tracing::warn!(program = %self.path().display(), %status, said = last, "a fact program failed");
            return Err(self.wrong(format!("{status}; what it said is in the node's log")));
        }
        text(self.path(), stdout)
    }

    fn wrong(&self, what: String) -> FactError {
        FactError { path: self.path().to_owned(), line: None, what }
    }
}

/// Runs programs once, a few at a time.
pub async fn run_all(all: &[Program]) -> Vec<Printed> {
    let mut programs = Programs::default();
    programs.start(all, true, Instant::now());
    let mut printed = Vec::new();
    while programs.is_running() {
        printed.extend(programs.next().await);
    }
    printed
}

/// When which programs run.
#[derive(Debug, Default)]
pub struct Programs {
    /// Those whose turn it is, for which there is no room yet.
    waiting: BTreeSet<Program>,
    running: JoinSet<Printed>,
    began: BTreeMap<Program, Instant>,
    /// Those that somebody wants as soon as they may run.
    wanted: BTreeSet<Program>,
}

impl Programs {
    /// Starts those of `all` that are due at `now`, which is at every call but for the limits.
    /// `told`: somebody wants all of them. Gives back when the last of the wanted ones may run.
    pub fn start(&mut self, all: &[Program], told: bool, now: Instant) -> Option<Instant> {
        let all: BTreeSet<&Program> = all.iter().collect();
        self.waiting.retain(|program| all.contains(program));
        self.began.retain(|program, _| all.contains(program));
        self.wanted.retain(|program| !told && all.contains(program));
        self.wanted.extend(all.iter().copied().filter(|_| told).cloned());
        let mut later = None;
        for program in all {
            let is_wanted = self.wanted.contains(program);
            let every = match program {
                Program::Facter(..) if !is_wanted => FACTER_RUN_EVERY,
                _ => EXECUTABLES_AT_MOST_EVERY,
            };
            let free = self.began.get(program).map(|began| *began + every.as_duration());
            match free.filter(|at| *at > now) {
                None => {
                    self.wanted.remove(program);
                    self.waiting.insert(program.clone());
                }
                at if is_wanted => later = later.max(at),
                Some(_) => {}
            }
        }
        self.fill();
        later
    }

    fn fill(&mut self) {
        while self.running.len() < EXECUTABLES_AT_ONCE
            && let Some(program) = self.waiting.pop_first()
        {
            self.began.insert(program.clone(), Instant::now());
            self.running.spawn(program.run());
        }
    }

    /// Waits for the next to end; nothing comes of one that panicked. Never returns while none runs.
    pub async fn next(&mut self) -> Option<Printed> {
        let Some(ended) = self.running.join_next().await else { return pending().await };
        self.fill();
        ended.ok()
    }

    /// Whether some run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn each_in_its_time() {
        let facter = Program::Facter("/bin/true".into(), false);
        let all = [facter, Program::Executable("/bin/false".into())];
        let mut programs = Programs::default();
        let begin = Instant::now();
        for (minute, told, want, is_later) in [
            (0, false, &all[..], false),
            (2, false, &[], false),
            (2, true, &[], true),
            (2, false, &[], true),
            (4, false, &all, false),
            (4, false, &all[1..], false),
            (4, true, &all, false),
            (61, false, &all, false),
        ] {
            let now = begin + Duration::from_secs(60 * minute);
            let later = programs.start(&all, told, now);
            assert_eq!(later.is_some_and(|at| at > now), is_later, "{minute} {told}");
            let mut ran = BTreeSet::new();
            while programs.is_running() {
                ran.extend(programs.next().await.map(|(program, _)| program));
            }
            assert!(ran.iter().eq(want), "{minute} {told}: {ran:?}");
        }
    }
}
