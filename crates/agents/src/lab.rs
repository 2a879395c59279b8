//! Simulated packages and services, behind the seams that dpkg and systemd have: the lab's hosts.
//!
//! A host is one JSON file, so that what a runner process changes is what the node then sees.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marcato_agent::BoxFuture;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::package::{Found, Packages, State};
use crate::service::{Job, Services, Unit};

const FILE: &str = "host.json";

/// A simulated host's packages and services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Packages by name.
    pub packages: BTreeMap<String, LabPackage>,
    /// Services by name, without `.service`.
    pub services: BTreeMap<String, LabService>,
}

/// A simulated package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabPackage {
    /// The version that is installed.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// The version that an update would bring, if there is one.
    pub candidate: Option<String>,
}

/// A simulated service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabService {
    /// Whether it runs.
    pub running: bool,
    /// Process id of its main process; kept while it is down.
    pub main_pid: u32,
    /// When it was started, in microseconds since 1970.
    pub since_us: u64,
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

    fn unit(&self, name: &str) -> Result<Option<Unit>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        Ok(host.services.get(name.trim_end_matches(".service")).map(LabService::unit))
    }

    fn restarted(&self, name: &str) -> Result<Job, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let done = self.change(|host| {
            let pid = host.services.values().map(|service| service.main_pid).max().unwrap_or(0) + 1;
            let service = host.services.get_mut(name.trim_end_matches(".service"))?;
            *service = LabService { running: true, main_pid: pid, since_us };
            Some(())
        });
        match done {
            Ok(Some(())) => Ok(Job::Done),
            Ok(None) => Ok(Job::NotDone("failed".into())),
            Err(error) => Err(self.told(&error)),
        }
    }
}

impl LabService {
    fn unit(&self) -> Unit {
        let word = |up: &str, down: &str| if self.running { up } else { down }.to_owned();
        Unit {
            active: word("active", "inactive"),
            sub: word("running", "dead"),
            enabled: "enabled".into(),
            main_pid: if self.running { self.main_pid } else { 0 },
            restarts: 0,
            since_us: self.since_us,
        }
    }
}

impl Packages for Lab {
    fn provider(&self) -> &'static str {
        "dpkg"
    }

    fn find(&self, name: &str) -> Result<Vec<Found>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        let found = host.packages.get(name).map(|package| Found {
            name: name.to_owned(),
            arch: package.arch.clone(),
            version: package.version.clone(),
            state: State::Installed,
            held: false,
        });
        Ok(found.into_iter().collect())
    }
}

impl Services for Lab {
    fn provider(&self) -> &'static str {
        "systemd"
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>> {
        Box::pin(async { self.unit(unit) })
    }

    fn restart<'a>(&'a self, unit: &'a str, _until: Instant) -> BoxFuture<'a, Result<Job, String>> {
        Box::pin(async { self.restarted(unit) })
    }
}
