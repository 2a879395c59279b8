//! What is written down about a set of hosts, and the lock that keeps two commands apart.

use super::error::{Error, Result, file};
use super::plan::Spec;
use super::process::Process;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// The set of hosts of one folder, as the next command must know it.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// The container process of each host that was booted, by short name.
    #[serde(default)]
    pub running: BTreeMap<String, Process>,
    /// The hosts, in the order of the plan.
    #[serde(default)]
    pub hosts: Vec<Spec>,
}

impl State {
    /// Reads it; a folder without one has no hosts.
    ///
    /// # Errors
    /// When the file is there but cannot be read or understood.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = path(dir);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).map_err(file("read", &path))?;
        toml::from_str(&text).map_err(|error| {
            Error::Machine(format!("{}: {error}; `hosts down` starts afresh", path.display()))
        })
    }

    /// Writes it so that a crash leaves the old or the new one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Error::Machine(error.to_string()))?;
        let (path, new) = (path(dir), dir.join("state.toml.new"));
        fs::write(&new, text).map_err(file("write", &new))?;
        fs::rename(&new, &path).map_err(file("replace", &path))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("state.toml")
}

/// Held by a command that changes the set; the kernel gives it back when the command ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// At once when another command holds it.
    pub fn take(dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let lock = File::create(&path).map_err(file("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _file: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Machine(format!(
                "another `hosts` command works in {}; wait until it has ended",
                dir.display()
            ))),
            Err(TryLockError::Error(error)) => Err(file("lock", path)(error)),
        }
    }
}
