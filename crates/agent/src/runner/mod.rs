//! Processes that calls run in, apart from the daemon.
//!
//! A change outlives a restart, an upgrade or a crash of the daemon, so it runs as `mcod run DIR`,
//! in a session of its own and, where systemd is, in a scope of its own: else systemd would end it
//! with the daemon's unit. Folder and process agree by files:
//!
//! | file | written by | says |
//! | --- | --- | --- |
//! | `call.json` | the daemon, before it starts the process | what to do ([`Call`]) |
//! | `pid` | whoever is first | the process that does it; or that nobody ever will |
//! | `outcome.json` | the process, at the end | how it went ([`Outcome`]) |
//!
//! The hard case is a daemon that dies between starting the process and hearing of it. `pid` is
//! made by a hard link, which only one can win: a process that finds it taken does nothing, and a
//! later daemon that wins knows that nothing was or will be done. So a call runs at most once, and
//! what is reported of it is true.

mod files;
mod scope;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use marcato_core::ddl::Action;
use marcato_core::limits::agent::RUNNER_POLL;
use marcato_core::{AgentName, Changed, Reason};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};

use crate::external::{DEFAULT_PATH, Host};
use crate::tree::{self, Stat};
use crate::{ActionResult, Call, Catalog, Outcome};
use files::{Claim, Job};

/// How to start a runner: the program and its arguments before the folder.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program, such as `/usr/sbin/mcod`.
    pub program: PathBuf,
    /// Its arguments, such as `run`; the folder follows.
    pub arguments: Vec<OsString>,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum RunState {
    /// Its process lives.
    Running,
    /// It has ended.
    Finished(Outcome),
    /// Its process is gone and did not say how it ended.
    Gone {
        /// Whether it may have done anything. When not, nothing was and nothing will be done.
        began: bool,
    },
}

/// A folder in which a call cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has run it, or it was given up; nothing was done.
    #[error("{0}: already taken")]
    Taken(PathBuf),
}

/// Makes the folder of a run and writes down what to do, fsynced.
///
/// # Errors
/// The folder cannot be made or written, or holds a call already.
pub fn prepare(dir: &Path, call: &Call) -> io::Result<()> {
    files::write_job(dir, &Job::Call(Box::new(call.clone())))
}

/// Makes the folder of a run that asks an external agent whether it works on this host.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn prepare_activation(dir: &Path, agent: &AgentName) -> io::Result<()> {
    files::write_job(dir, &Job::Activate(agent.clone()))
}

impl Launch {
    /// Starts the process for a prepared folder. It lives on when what is returned is dropped.
    ///
    /// # Errors
    /// It cannot be started; nothing was done.
    pub fn spawn(&self, dir: &Path) -> io::Result<Running> {
        let dir = dir.canonicalize()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(&dir).current_dir("/");
        command.env_clear().env("PATH", DEFAULT_PATH);
        // Standard error stays: it is the journal of the daemon's unit.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Running { child: command.spawn()?, dir })
    }
}

/// A runner that this process has started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    dir: PathBuf,
}

impl Running {
    /// Its process id, until it was waited for.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it has ended: [`RunState::Finished`] or [`RunState::Gone`]. May be dropped and
    /// called again.
    ///
    /// # Errors
    /// The process cannot be waited for, or the folder cannot be read.
    pub async fn finished(&mut self) -> io::Result<RunState> {
        self.child.wait().await?;
        state(&self.dir)
    }
}

/// Looks at a run that an earlier daemon began. A run of which no process is known yet is given up
/// by this look: if its process still comes, it does nothing.
///
/// # Errors
/// The folder cannot be read or written.
pub fn state(dir: &Path) -> io::Result<RunState> {
    if let Some(outcome) = files::read_outcome(dir)? {
        return Ok(RunState::Finished(outcome));
    }
    let claim = match files::read_claim(dir)? {
        Some(claim) => claim,
        None if files::claim(dir, Claim::Nobody)? => return Ok(RunState::Gone { began: false }),
        None => files::read_claim(dir)?.unwrap_or(Claim::Unknown),
    };
    match &claim {
        Claim::Nobody => return Ok(RunState::Gone { began: false }),
        Claim::Process(process) if process.lives() => return Ok(RunState::Running),
        Claim::Process(_) | Claim::Unknown => {}
    }
    // It may have ended between the first look and this one.
    Ok(match files::read_outcome(dir)? {
        Some(outcome) => RunState::Finished(outcome),
        None => RunState::Gone { began: true },
    })
}

/// Waits for a run that an earlier daemon began: [`RunState::Finished`] or [`RunState::Gone`].
///
/// # Errors
/// As [`state`].
pub async fn watch(dir: &Path) -> io::Result<RunState> {
    loop {
        let state = state(dir)?;
        if state != RunState::Running {
            return Ok(state);
        }
        if let Some(Claim::Process(process)) = files::read_claim(dir)? {
            process.ended().await;
        }
    }
}

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    pid: i32,
    started: u64,
    boot: String,
}

impl Process {
    /// This process.
    fn own() -> io::Result<Self> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        let stat = Stat::of(pid).ok_or_else(|| io::Error::other("/proc is not to be read"))?;
        Ok(Self { pid, started: stat.started, boot: boot_id()? })
    }

    fn lives(&self) -> bool {
        let same = |stat: Stat| stat.started == self.started && !stat.is_dead();
        boot_id().is_ok_and(|boot| boot == self.boot) && Stat::of(self.pid).is_some_and(same)
    }

    /// Returns when it has ended, or after a while where the kernel cannot say when.
    async fn ended(&self) {
        match self.pidfd() {
            // Looked at again, because the id may have passed on before it was opened.
            Some(fd) if self.lives() => drop(fd.readable().await),
            Some(_) => {}
            None => tokio::time::sleep(RUNNER_POLL.as_duration()).await,
        }
    }

    #[expect(deprecated, reason = "its successor is unsafe; a descriptor that is owned is safe")]
    fn pidfd(&self) -> Option<AsyncFd<OwnedFd>> {
        let fd = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        AsyncFd::with_interest(fd, Interest::READABLE).ok()
    }
}

fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Does what a prepared folder asks: the whole life of a runner process, which must do nothing else.
/// `catalog` holds the first-party agents; others are opened at `host`.
///
/// # Errors
/// The folder cannot be read, is taken, or the outcome cannot be written. Unless the outcome could
/// not be written, nothing was done.
pub async fn run(dir: &Path, catalog: &Catalog, host: &Host) -> Result<(), RunError> {
    let at = |error| RunError::File { path: dir.to_owned(), error };
    // Fails only where it leads a session already.
    let _ = rustix::process::setsid();
    tree::adopt_orphans();
    let job = files::read_job(dir).map_err(at)?;
    let own = Process::own().map_err(at)?;
    if !files::claim(dir, Claim::Process(own)).map_err(at)? {
        return Err(RunError::Taken(dir.to_owned()));
    }
    let outcome = match job {
        Job::Activate(agent) => activate(&agent, host).await,
        Job::Call(call) => call_agent(dir, &call, catalog, host).await,
    };
    files::write_outcome(dir, outcome).map_err(at)
}

async fn activate(agent: &AgentName, host: &Host) -> Outcome {
    let asked = match host.open(agent) {
        Ok(external) => external.activate_here().await,
        Err(error) => Err(error.to_string()),
    };
    tree::end(false).await;
    match asked {
        Ok(()) => Outcome::ok(serde_json::Map::new()),
        Err(message) => Outcome::failed(Reason::Agent, Changed::False, message),
    }
}

async fn call_agent(dir: &Path, call: &Call, catalog: &Catalog, host: &Host) -> Outcome {
    let mut catalog = catalog.clone();
    let external = catalog.get(&call.agent).is_none();
    if external {
        match host.open(&call.agent) {
            Ok(agent) => drop(catalog.insert(std::sync::Arc::new(agent))),
            Err(error) => {
                return Outcome::failed(Reason::Agent, Changed::False, error.to_string());
            }
        }
    }
    let changes = catalog.action(&call.agent, &call.action).is_some_and(Action::changes);
    if changes {
        scope::join(dir).await;
    }
    let outcome = catalog.call(call).await;
    if external {
        // A change that went well may have started a daemon on purpose.
        tree::end(changes && outcome.result == ActionResult::Ok).await;
    }
    outcome
}
