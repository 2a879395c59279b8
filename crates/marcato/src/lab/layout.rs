//! Where a lab's files lie, and what it knows of itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use marcato_core::Exit;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::processes::Process;
use crate::words::Failure;

/// The fleet's name.
pub(super) const COLLECTIVE: &str = "lab";
/// The operator's name.
pub(super) const CALLER: &str = "operator@lab";

/// A lab's folder; everything that the lab makes lies in it, under these names alone.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) dir: PathBuf,
}

/// What a lab made: what `--purge` removes, and nothing else.
pub(super) const MADE: [&str; 12] = [
    "authority",
    "authority.pub",
    "operator",
    "operator.pub",
    "client.toml",
    "lab.json",
    "lab.lock",
    "etc",
    "hub",
    "nodes",
    "log",
    "state",
];

/// What runs, as `lab.json` keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Running {
    /// Where the hub listens.
    pub(super) address: Option<SocketAddr>,
    /// How many nodes there are, this machine not counted.
    pub(super) nodes: u32,
    /// The hub's process first, then those of the nodes.
    pub(super) processes: Vec<Process>,
}

impl Layout {
    /// The lab of that folder, which need not exist.
    pub(super) fn new(dir: PathBuf) -> Result<Self, Failure> {
        let dir = std::path::absolute(&dir).map_err(|error| {
            Failure::new(Exit::Usage, format_args!("{}: {error}", dir.display()))
        })?;
        Ok(Self { dir })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn client_toml(&self) -> PathBuf {
        self.path("client.toml")
    }

    pub(super) fn hub(&self) -> PathBuf {
        self.path("hub")
    }

    /// The folder of one node: `etc`, `state`, `host`, `root`.
    pub(super) fn node(&self, name: &str) -> PathBuf {
        self.path("nodes").join(name)
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.path("log").join(name)
    }

    /// Holds the lab for one command, so that two do not bring it up at once.
    pub(super) fn lock(&self) -> Result<File, Failure> {
        let take = || {
            make_dir(&self.dir)?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(self.path("lab.lock"))?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        take().map_err(|error: io::Error| self.failure(&error))
    }

    /// What runs, as far as it still does.
    pub(super) fn running(&self) -> Result<Option<Running>, Failure> {
        let path = self.path("lab.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failure(&error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Failure::new(Exit::Config, format_args!("{}: {error}", path.display()))
                .hint(format_args!("mco lab down --purge --dir {}", self.dir.display()))
        })
    }

    pub(super) fn keep(&self, running: &Running) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(running).map_err(|error| self.failure(&error))?;
        write(&self.path("lab.json"), &text).map_err(|error| self.failure(&error))
    }

    pub(super) fn failure(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(Exit::Config, format_args!("the lab in {}: {error}", self.dir.display()))
    }

    /// What there is to say where nothing runs.
    pub(super) fn not_up(&self) -> Failure {
        Failure::new(Exit::Unavailable, format_args!("no lab is up in {}", self.dir.display()))
            .hint(format_args!("mco lab up --dir {}", self.dir.display()))
    }
}

impl Running {
    /// Whether all its processes live.
    pub(super) fn is_up(&self) -> bool {
        self.processes.len() > 1 && self.processes.iter().all(Process::lives)
    }
}

/// Makes a folder, and those above it, for its owner alone.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file for its owner alone, whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&beside)?.write_all(bytes)?;
    fs::rename(beside, path)
}
