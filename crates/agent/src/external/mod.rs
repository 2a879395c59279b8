//! Agents that are executables in any language, called by Choria's external agent protocol v1
//! (`https://choria.io/docs/development/mcorpc/externalagents/`), so that existing plugins run
//! unchanged.
//!
//! Root executes what lies in the folder, so nothing there may be writable by anyone but root and
//! the daemon's own user, from the root directory down. A call gets files in a fresh private
//! folder, six variables as its whole environment, and a time limit; whatever it does, no process
//! of it is left and its answer stays bounded.

mod call;
mod files;
pub mod message;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use marcato_core::ddl::{Ddl, DdlError};
use marcato_core::limits::agent::{ACTIVATIONS_AT_ONCE, ACTIVATIONS_LIMIT, EXTERNAL_AGENTS_MAX};
use marcato_core::{ActionName, AgentName, Changed, Reason};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::runner::{self, Launch, RunState};
use crate::{ActionResult, Agent, BoxFuture, Call, Catalog, Outcome};

pub use crate::safe::FileError;
pub(crate) use files::read_at_most;

/// Names that the node or the ancestor keeps for itself; an executable of that name is refused.
const DENIED: [&str; 8] = [
    "job",
    "policy",
    "rpcutil",
    "choria_util",
    "choria_provision",
    "choria_registry",
    "discovery",
    "scout",
];

/// Where external agents lie and what they are given.
#[derive(Debug, Clone)]
pub struct Host {
    /// The folder of the agents: `NAME` (or `NAME/NAME-linux_amd64`) beside `NAME.json`.
    pub agents: PathBuf,
    /// The folder of their settings; each is told of `NAME.cfg` there, whether it exists or not.
    pub settings: PathBuf,
    /// Where the private folders of calls are made; best on a file system in memory.
    pub scratch: PathBuf,
    /// Their `PATH`.
    pub path: OsString,
}

/// The `PATH` that external agents get unless told otherwise.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An external agent that cannot be used here.
#[derive(Debug, thiserror::Error)]
#[error("external agent {name}: {why}")]
pub struct LoadError {
    /// The file's name.
    pub name: String,
    /// What is wrong.
    pub why: Unfit,
}

/// Why an external agent cannot be used here.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Its file name is no agent's name.
    #[error("{0}")]
    Name(#[from] marcato_core::NameError),
    /// The name is taken.
    #[error("this name is reserved; give the agent another one")]
    Reserved,
    /// A file is missing, too large, or writable by others.
    #[error("{0}")]
    File(#[from] FileError),
    /// Its declaration is wrong.
    #[error("{name}.json: {error}", name = .0, error = .1)]
    Ddl(AgentName, DdlError),
    /// Its declaration is of another name.
    #[error("its declaration says that it is {0}")]
    OtherName(AgentName),
    /// It says, or shows by failing, that it does not work here.
    #[error("not active on this host{}{}", if .0.is_empty() { "" } else { ": " }, .0)]
    Inactive(String),
    /// There are too many.
    #[error("more than {EXTERNAL_AGENTS_MAX} agents; this one is left out")]
    TooMany,
}

impl Host {
    /// Finds the agents of the folder, asks them side by side whether they work here, and adds those
    /// that do to the catalog. Gives back what was left out and why; a folder that is not there is
    /// no error.
    ///
    /// With `launch`, calls run in runner processes, which is what a daemon wants: only a runner
    /// can end everything that an agent leaves behind.
    pub async fn load(&self, launch: Option<&Launch>, catalog: &mut Catalog) -> Vec<LoadError> {
        let (agents, mut left_out) = self.look(catalog);
        let turns = Arc::new(Semaphore::new(ACTIVATIONS_AT_ONCE));
        let end = Instant::now() + ACTIVATIONS_LIMIT.as_duration();
        let mut asked = JoinSet::new();
        for mut agent in agents {
            agent.launch = launch.cloned();
            let turns = turns.clone();
            asked.spawn(async move {
                let answer = timeout_at(end, async {
                    let _turn = turns.acquire().await;
                    agent.activate().await
                });
                let late = |_| Err("it and the other agents take too long to say so".to_owned());
                (answer.await.unwrap_or_else(late), agent)
            });
        }
        // What panics there is this program's own fault, and is heard of as here.
        for (answer, agent) in asked.join_all().await {
            let name = agent.ddl.metadata.name.to_string();
            match answer {
                Ok(()) => drop(catalog.insert(Arc::new(agent))),
                Err(why) => left_out.push(LoadError { name, why: Unfit::Inactive(why) }),
            }
        }
        left_out.sort_by(|one, other| one.name.cmp(&other.name));
        left_out
    }

    /// What of the folder cannot be used, without asking any agent whether it works here.
    #[must_use]
    pub fn check(&self, catalog: &Catalog) -> Vec<LoadError> {
        self.look(catalog).1
    }

    fn look(&self, catalog: &Catalog) -> (Vec<External>, Vec<LoadError>) {
        let (mut agents, mut left_out) = (Vec::new(), Vec::new());
        for (index, name) in self.names().into_iter().enumerate() {
            let opened = if index < EXTERNAL_AGENTS_MAX {
                self.open_for(&name, catalog)
            } else {
                Err(Unfit::TooMany)
            };
            match opened {
                Ok(agent) => agents.push(agent),
                Err(why) => left_out.push(LoadError { name, why }),
            }
        }
        (agents, left_out)
    }

    /// The names for which there is a declaration, in order.
    fn names(&self) -> BTreeSet<String> {
        let Ok(entries) = std::fs::read_dir(&self.agents) else { return BTreeSet::new() };
        let name = |entry: io::Result<std::fs::DirEntry>| {
            let file = entry.ok()?.file_name().into_string().ok()?;
            file.strip_suffix(".json").map(str::to_owned)
        };
        entries.filter_map(name).collect()
    }

    fn open_for(&self, name: &str, catalog: &Catalog) -> Result<External, Unfit> {
        let name: AgentName = name.parse()?;
        if catalog.get(&name).is_some() {
            return Err(Unfit::Reserved);
        }
        self.open(&name)
    }

    /// Opens one agent without asking whether it works here; its calls run as children of this
    /// process.
    ///
    /// # Errors
    /// Its name is reserved, its files are not fit, or its declaration is wrong.
    pub fn open(&self, name: &AgentName) -> Result<External, Unfit> {
        if DENIED.contains(&name.as_str()) {
            return Err(Unfit::Reserved);
        }
        let folder = files::Folder::open(&self.agents)?;
        let bytes = folder.read(&format!("{name}.json"))?;
        let ddl = Ddl::parse(&bytes).map_err(|error| Unfit::Ddl(name.clone(), error))?;
        if ddl.metadata.name != *name {
            return Err(Unfit::OtherName(ddl.metadata.name));
        }
        let program = folder.program(name.as_str())?;
        Ok(External { ddl: Arc::new(ddl), program, host: self.clone(), launch: None })
    }
}

/// An agent that is an executable.
#[derive(Debug, Clone)]
pub struct External {
    ddl: Arc<Ddl>,
    program: PathBuf,
    host: Host,
    launch: Option<Launch>,
}

impl External {
    /// The executable.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Asks the agent whether it works on this host.
    ///
    /// # Errors
    /// It does not: it said so, failed, took too long or gave no answer.
    pub async fn activate(&self) -> Result<(), String> {
        if self.launch.is_none() {
            return self.activate_here().await;
        }
        let outcome = match self
            .delegate(|dir| runner::prepare_activation(dir, &self.ddl.metadata.name))
            .await
        {
            Ok(outcome) => outcome,
            Err(error) => return Err(error.to_string()),
        };
        match outcome.result {
            ActionResult::Ok => Ok(()),
            _ => Err(outcome.message),
        }
    }

    /// Lets a runner do it, in a private folder that is gone afterwards. When this is dropped, the
    /// runner ends what it does, unless that is a change.
    async fn delegate(&self, prepare: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<Outcome> {
        let launch = self.launch.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let dir = files::private_folder(&self.host.scratch)?;
        prepare(dir.path())?;
        match launch.spawn_bound(dir.path())?.finished().await? {
            RunState::Finished(outcome) => Ok(outcome),
            RunState::Running | RunState::Gone { .. } => Err(io::Error::other("it gave no answer")),
        }
    }

    async fn call_anywhere(&self, call: &Call) -> Outcome {
        if self.launch.is_none() {
            return self.call_here(call).await;
        }
        self.delegate(|dir| runner::prepare(dir, call)).await.unwrap_or_else(|error| {
            let changed = self.changed_by(call, Changed::Unknown);
            Outcome::failed(Reason::Agent, changed, format!("its process is gone: {error}"))
        })
    }

    /// What is known of the host after a call: a read changes nothing.
    fn changed_by(&self, call: &Call, otherwise: Changed) -> Changed {
        match self.ddl.actions.get(&call.action) {
            Some(action) if !action.changes() => Changed::False,
            _ => otherwise,
        }
    }
}

impl Agent for External {
    fn ddl(&self) -> &Arc<Ddl> {
        &self.ddl
    }

    fn reads_facts(&self, _: &ActionName) -> bool {
        true
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        Box::pin(self.call_anywhere(call))
    }
}
