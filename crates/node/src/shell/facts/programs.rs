//! Programs that print facts, the executables among external facts and `facter` itself: run behind
//! the node's back, within limits, and not often.

use std::path::{Path, PathBuf};

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Ended, Output};
use marcato_core::Facts;
use marcato_core::limits::facts::{
    EXECUTABLE_LIMIT, EXECUTABLES_AT_MOST_EVERY, EXECUTABLES_AT_ONCE, EXECUTABLES_RUN_EVERY,
    FACTER_LIMIT, FACTER_RUN_EVERY, OUTPUT_BYTES_MAX,
};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::external::{read_facter, read_output};
use super::file::{FactError, text};

/// A program that prints facts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// An executable in a folder of external facts.
    Executable(PathBuf),
    /// Facter, and whether Puppet is there to tell it its custom facts.
    Facter(PathBuf, bool),
}

/// What a program printed.
pub type Printed = (Program, Result<Facts, FactError>);

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
        let keep = Output::Keep(OUTPUT_BYTES_MAX + 1);
        let ended = process::run(command, limit.as_duration(), keep).await;
        let Ended { status, stdout, stderr } =
            ended.map_err(|error| self.wrong(format!("it cannot be started: {error}")))?;
        let Some(status) = status else {
            return Err(self.wrong(format!("ended after {} s", limit.as_duration().as_secs())));
        };
        // Facter ends so whenever one fact fails, and has printed the others.
        let is_facter = matches!(self, Self::Facter(..)) && !stdout.is_empty();
        if !status.success() && !is_facter {
            let said = String::from_utf8_lossy(&stderr);
            let last: String = said.trim_end().lines().next_back().unwrap_or_default().into();
            let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(self.wrong(format!("{status}: {last}").trim_end_matches(": ").to_owned()));
        }
        if stdout.len() > OUTPUT_BYTES_MAX {
            return Err(self.wrong(format!("it printed more than {OUTPUT_BYTES_MAX} bytes")));
        }
        text(self.path(), stdout)
    }

    fn wrong(&self, what: String) -> FactError {
        FactError { path: self.path().to_owned(), line: None, what }
    }
}

/// Runs programs, a few at once.
pub async fn run_all(programs: Vec<Program>) -> Vec<Printed> {
    let mut waiting = programs.into_iter();
    let mut running: JoinSet<Printed> = JoinSet::new();
    waiting.by_ref().take(EXECUTABLES_AT_ONCE).for_each(|program| {
        running.spawn(program.run());
    });
    let mut all = Vec::new();
    while let Some(ended) = running.join_next().await {
        // One that panicked has printed nothing.
        all.extend(ended);
        waiting.next().map(|program| running.spawn(program.run()));
    }
    all
}

/// When which programs run.
#[derive(Debug, Default)]
pub struct Programs {
    running: JoinSet<Vec<Printed>>,
    executables_at: Option<Instant>,
    facter_at: Option<Instant>,
}

impl Programs {
    /// Starts those that are due, unless some still run. `told`: somebody wants it now, which counts
    /// only as often as the limit allows. Gives back when that will be.
    pub fn start(&mut self, all: Vec<Program>, told: bool) -> Option<Instant> {
        if all.is_empty() || !self.running.is_empty() {
            return None;
        }
        let now = Instant::now();
        let is_due = |last: Option<Instant>, every: marcato_core::Span| {
            let every = if told { EXECUTABLES_AT_MOST_EVERY } else { every };
            last.is_none_or(|last| now.duration_since(last) >= every.as_duration())
        };
        let executables = is_due(self.executables_at, EXECUTABLES_RUN_EVERY);
        let facter = is_due(self.facter_at, FACTER_RUN_EVERY);
        let due: Vec<Program> = all
            .into_iter()
            .filter(|program| match program {
                Program::Executable(_) => executables,
                Program::Facter(..) => facter,
            })
            .collect();
        if due.is_empty() {
            let last = self.executables_at.max(self.facter_at).filter(|_| told);
            return last.map(|last| last + EXECUTABLES_AT_MOST_EVERY.as_duration());
        }
        let facter_runs = due.iter().any(|program| matches!(program, Program::Facter(..)));
        let executables_run = due.iter().any(|program| matches!(program, Program::Executable(_)));
        self.facter_at = if facter_runs { Some(now) } else { self.facter_at };
        self.executables_at = if executables_run { Some(now) } else { self.executables_at };
        self.running.spawn(run_all(due));
        None
    }

    /// Waits for what has been started; never returns while nothing runs.
    pub async fn next(&mut self) -> Vec<Printed> {
        match self.running.join_next().await {
            Some(printed) => printed.unwrap_or_default(),
            None => std::future::pending().await,
        }
    }

    /// Whether some run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.running.is_empty()
    }
}
