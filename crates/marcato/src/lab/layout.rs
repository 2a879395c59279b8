//! Where a lab's files lie, and what it knows of itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use marcato_core::Exit;
use rustix::fs::{FlockOperation, OFlags, flock};
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
    "etc",
    "hub",
    "nodes",
    "log",
    "state",
    LOCK,
];

/// Goes last: what it says must hold until everything else is gone.
const LOCK: &str = "lab.lock";

/// What the lock's file holds once the lab has taken the folder: that nothing of these names was in
/// it before. A folder without it may be anybody's `/`.
const MARK: &str = "mco lab made this; mco lab down --purge removes it\n";

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
        if dir.to_str().is_none() {
            // It goes into files and to shells as text.
            let text = format_args!("{}: the folder's name is not UTF-8", dir.display());
            return Err(Failure::new(Exit::Usage, text));
        }
        Ok(Self { dir })
    }

    /// The folder as a word that a POSIX shell reads back.
    pub(super) fn word(&self) -> String {
        let text = self.dir.display().to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
        if text.chars().all(plain) { text } else { quoted(&text) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn client_toml(&self) -> PathBuf {
        self.path("client.toml")
    }

    /// The nodes that the lab's operator knows.
    pub(super) fn known_nodes(&self) -> PathBuf {
        crate::config::known_nodes(&self.path("state"), COLLECTIVE)
    }

    pub(super) fn hub(&self) -> PathBuf {
        self.path("hub")
    }

    /// The folder of one node: `etc`, `state`, `host`, `root`.
    pub(super) fn node(&self, name: &str) -> PathBuf {
        self.path("nodes").join(name)
    }

    /// The file that is there while somebody waits until a node's process has looked at its host.
    pub(super) fn look_again(&self, name: &str) -> PathBuf {
        self.node(name).join("look-again")
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.path("log").join(name)
    }

    /// Takes the folder for a lab, and holds it for one command, so that two do not bring it up at
    /// once. A folder is the lab's only where nothing was in the way of what it makes.
    pub(super) fn claim(&self) -> Result<File, Failure> {
        if !is_there(&self.path(LOCK)) {
            // Before the lock is made: not even that is left in a folder that is somebody else's.
            self.check_free()?;
        }
        make_dir(&self.dir).map_err(|error| self.failure(&error))?;
        let (mut file, marked) = self.lock(true)?;
        if marked {
            return Ok(file);
        }
        self.check_free()?;
        file.write_all(MARK.as_bytes()).map_err(|error| self.failure(&error))?;
        Ok(file)
    }

    /// Whether nothing is in the way of what a lab makes.
    fn check_free(&self) -> Result<(), Failure> {
        let mut foreign = MADE.iter().filter(|name| **name != LOCK).map(|name| self.path(name));
        foreign.find(|path| is_there(path)).map_or(Ok(()), |path| {
            let text = format_args!("{} is there already, and no lab made it", path.display());
            Err(Failure::new(Exit::Usage, text).hint("another folder: --dir DIR"))
        })
    }

    /// Holds a lab that was made before, for one command; says whether the lab made the folder's
    /// files.
    pub(super) fn hold(&self) -> Result<(File, bool), Failure> {
        if !is_there(&self.path(LOCK)) {
            return Err(self.not_up());
        }
        self.lock(false)
    }

    fn lock(&self, create: bool) -> Result<(File, bool), Failure> {
        let meta = fs::metadata(&self.dir).map_err(|error| self.failure(&error))?;
        // Whoever could exchange the files could have keys of his choice used, and processes of his
        // choice ended.
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o002 != 0 {
            return Err(self.failure(&"the folder must be yours, and nobody else may write to it"));
        }
        let take = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(create).mode(0o600);
            let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
            let mut file = options.custom_flags(nofollow).open(self.path(LOCK))?;
            flock(&file, FlockOperation::LockExclusive)?;
            let mut held = Vec::new();
            (&mut file).take(MARK.len() as u64 + 1).read_to_end(&mut held)?;
            Ok((file, held))
        };
        let (file, held) = take().map_err(|error: io::Error| self.failure(&error))?;
        if !held.is_empty() && held != MARK.as_bytes() {
            return Err(self.failure(&format_args!("no lab made its file {LOCK}")));
        }
        Ok((file, !held.is_empty()))
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
                .hint(format_args!("mco lab down --purge --dir {}", self.word()))
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
            .hint(format_args!("mco lab up --dir {}", self.word()))
    }
}

impl Running {
    /// Whether all its processes live.
    pub(super) fn is_up(&self) -> bool {
        self.processes.len() > 1 && self.processes.iter().all(Process::lives)
    }
}

/// A text as a POSIX shell reads it back.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether the name is taken, be it by a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
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
