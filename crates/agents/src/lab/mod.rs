//! Simulated packages and services, behind the seams that dpkg and systemd have: the lab's hosts.
//!
//! A host is one JSON file, so that what a runner process changes is what the node then sees.

mod machine;
mod packages;
mod services;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

pub use machine::LabMachine;
pub(crate) use machine::Paced;
pub use packages::{LabApt, LabPackage};
pub use services::{LabService, LabTrouble};

const FILE: &str = "host.json";

/// A simulated host's packages and services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Packages by name.
    pub packages: BTreeMap<String, LabPackage>,
    /// Services by name, without `.service`.
    pub services: BTreeMap<String, LabService>,
    /// What stands in the way of changes of packages.
    #[serde(default)]
    pub apt: LabApt,
    /// What is wrong with it as a machine.
    #[serde(default)]
    pub machine: LabMachine,
}

/// The simulated host of one folder.
#[derive(Debug, Clone)]
pub struct Lab {
    dir: PathBuf,
}

impl Lab {
    /// The host whose file lies in this folder.
    #[must_use]
    pub const fn open(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Writes a host's file, unless the folder has one: what was changed there stays.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(dir: &Path, host: &Host) -> io::Result<Self> {
        let lab = Self::open(dir.to_owned());
        let _lock = lab.lock()?;
        if !dir.join(FILE).exists() {
            lab.write(host)?;
        }
        Ok(lab)
    }

    /// The host as it is now.
    ///
    /// # Errors
    /// The file is not there or cannot be understood.
    pub fn read(&self) -> io::Result<Host> {
        Ok(serde_json::from_slice(&fs::read(self.dir.join(FILE))?)?)
    }

    /// Changes the host; others who change it at the same time wait.
    ///
    /// # Errors
    /// As [`Lab::read`], or the file cannot be written.
    pub fn change<T>(&self, how: impl FnOnce(&mut Host) -> T) -> io::Result<T> {
        let _lock = self.lock()?;
        let mut host = self.read()?;
        let done = how(&mut host);
        self.write(&host)?;
        Ok(done)
    }

    fn lock(&self) -> io::Result<File> {
        let mut options = File::options();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.dir.join("host.lock"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    fn write(&self, host: &Host) -> io::Result<()> {
        let beside = self.dir.join(".host.json");
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(host)?)?;
        fs::rename(beside, self.dir.join(FILE))
    }

    fn told(&self, error: &io::Error) -> String {
        format!("the simulated host in {}: {error}", self.dir.display())
    }
}
