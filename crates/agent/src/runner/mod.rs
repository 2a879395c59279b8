//! Processes that calls run in, apart from the daemon.
//!
//! A change outlives a restart, an upgrade or a crash of the daemon, so it runs as `mcod run DIR`,
//! in a session of its own and, where systemd is, in a scope of its own: else systemd would end it
//! with the daemon's unit. So does every call of an external agent, because only a process that
//! does nothing else can end all that such an agent starts; but a read ends as soon as nobody waits
//! for it. Folder and process agree by files:
//!
//! | file | written by | says |
//! | --- | --- | --- |
//! | `call.json` | the daemon, before it starts the process | what to do ([`Call`]) |
//! | `pid` | whoever is first | the process that does it; or that nobody ever will |
//! | `said` | the process, as it goes | what it does or waits for ([`Voice`]) |
//! | `outcome.json` | the process, at the end | how it went ([`Outcome`]) |
//!
//! The hard case is a daemon that dies between starting the process and hearing of it. `pid` is
//! made by a hard link, which only one can win: a process that finds it taken does nothing, and a
//! later daemon that wins knows that nothing was or will be done. So a call runs at most once, and
//! what is reported of it is true.
//!
//! A process that is killed no longer holds its agent to a time limit. So an external agent whose
//! process is gone is ended by whoever finds that out, before it is said. What an agent that ships
//! with the node has begun is left alone: a package transaction must not be killed.

mod files;
mod scope;
mod voice;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use marcato_core::ddl::Action;
use marcato_core::limits::agent::RUNNER_POLL;
use marcato_core::{AgentName, Changed, Reason};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, ChildStdin, Command};

use crate::external::{DEFAULT_PATH, Host};
use crate::tree::{self, Stat};
use crate::{ActionResult, Call, Catalog, Outcome};
use files::{Claim, Job};

pub use voice::Voice;

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
        self.spawn_with(dir, Stdio::null())
    }

    /// Starts the process for a prepared folder. If it is a read, it ends itself and all that it
    /// started when what is returned is dropped, and also when this process dies.
    ///
    /// # Errors
    /// It cannot be started; nothing was done.
    pub(crate) fn spawn_bound(&self, dir: &Path) -> io::Result<Running> {
        self.spawn_with(dir, Stdio::piped())
    }

    fn spawn_with(&self, dir: &Path, stdin: Stdio) -> io::Result<Running> {
        let dir = dir.canonicalize()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(&dir).current_dir("/");
        command.env_clear().env("PATH", DEFAULT_PATH);
        // Standard error stays: it is the journal of the daemon's unit.
        command.stdin(stdin).stdout(Stdio::null());
        let mut child = command.spawn()?;
        // Taken, because whoever waits for a child closes what is left in it.
        let held = child.stdin.take();
        Ok(Running { child, dir, _held: held })
    }
}

/// A runner that this process has started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    dir: PathBuf,
    /// The other end of a read's standard input: it says that somebody waits.
    _held: Option<ChildStdin>,
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
        let pid = self.pid();
        self.child.wait().await?;
        cleared(&self.dir, state(&self.dir)?, pid.and_then(|pid| pid.try_into().ok())).await
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
        Claim::Process { process, .. } if process.lives() => return Ok(RunState::Running),
        Claim::Process { .. } | Claim::Unknown => {}
    }
    // It may have ended between the first look and this one.
    Ok(match files::read_outcome(dir)? {
        Some(outcome) => RunState::Finished(outcome),
        None => RunState::Gone { began: true },
    })
}

/// What a run says that it does or waits for; empty where it says nothing.
///
/// # Errors
/// The folder cannot be read.
pub fn said(dir: &Path) -> io::Result<String> {
    files::read_said(dir)
}

/// Waits for a run that an earlier daemon began: [`RunState::Finished`] or [`RunState::Gone`].
///
/// # Errors
/// As [`state`].
pub async fn watch(dir: &Path) -> io::Result<RunState> {
    let mut seen = None;
    loop {
        let state = state(dir)?;
        if state != RunState::Running {
            return cleared(dir, state, seen).await;
        }
        if let Some(Claim::Process { process, .. }) = files::read_claim(dir)? {
            process.ended().await;
            seen = Some(process.pid);
        }
    }
}

/// The state of a run that does not run any more. If its process is gone, what its external agent
/// left behind is ended first; `seen` is that process, if its end was seen just now.
async fn cleared(dir: &Path, state: RunState, seen: Option<i32>) -> io::Result<RunState> {
    if state == (RunState::Gone { began: true })
        && let Some(Claim::Process { process, external: true }) = files::read_claim(dir)?
    {
        // Its session has its id. Later that id may be another session's; a scope's name never is.
        let session = seen.filter(|seen| *seen == process.pid);
        tree::end_orphans(&scope::unit(dir), session).await;
    }
    Ok(state)
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
    let external = match &job {
        Job::Activate(_) => true,
        Job::Call(call) => catalog.get(&call.agent).is_none(),
    };
    let process = Process::own().map_err(at)?;
    if !files::claim(dir, Claim::Process { process, external }).map_err(at)? {
        return Err(RunError::Taken(dir.to_owned()));
    }
    scope::join(dir).await;
    let outcome = match job {
        Job::Activate(agent) => activate(&agent, host).await,
        Job::Call(call) if external => call_external(&call, host).await,
        Job::Call(call) => Some(catalog.call(&Call { voice: Voice::into(dir), ..*call }).await),
    };
    // Where nobody waits any more, nobody reads it.
    outcome.map_or(Ok(()), |outcome| files::write_outcome(dir, outcome)).map_err(at)
}

async fn activate(agent: &AgentName, host: &Host) -> Option<Outcome> {
    let asked = match host.open(agent) {
        Ok(external) => while_awaited(external.activate_here()).await,
        Err(error) => Some(Err(error.to_string())),
    };
    tree::end(false).await;
    Some(match asked? {
        Ok(()) => Outcome::ok(serde_json::Map::new()),
        Err(message) => Outcome::failed(Reason::Agent, Changed::False, message),
    })
}

async fn call_external(call: &Call, host: &Host) -> Option<Outcome> {
    let mut catalog = Catalog::new();
    match host.open(&call.agent) {
        Ok(agent) => drop(catalog.insert(std::sync::Arc::new(agent))),
        Err(error) => {
            return Some(Outcome::failed(Reason::Agent, Changed::False, error.to_string()));
        }
    }
    if catalog.action(&call.agent, &call.action).is_some_and(Action::changes) {
        let outcome = catalog.call(call).await;
        // A change that went well may have started a daemon on purpose.
        tree::end(outcome.result == ActionResult::Ok).await;
        return Some(outcome);
    }
    let outcome = while_awaited(catalog.call(call)).await;
    tree::end(false).await;
    outcome
}

/// Does a read until it is done, or until nobody waits for it any more.
async fn while_awaited<T>(read: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = read => Some(done),
        () = abandoned() => None,
    }
}

/// Returns when the other end of standard input is closed, as it is when the process that held it
/// dies. Never where standard input is no pipe.
async fn abandoned() {
    let stdin = io::stdin().as_fd().try_clone_to_owned().and_then(Receiver::from_owned_fd);
    let Ok(mut stdin) = stdin else { return std::future::pending().await };
    while let Ok(1..) = stdin.read(&mut [0]).await {}
}
