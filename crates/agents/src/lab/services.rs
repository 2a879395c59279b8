//! The lab's simulated services.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marcato_agent::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Host, Lab, LabPackage};
use crate::package::{self, Holder};
use crate::service::stale::{Found, Of, Owner, Report, Use, User};
use crate::service::{Broken, Care, Job, Services, Unit, Verb, nearest};

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
    /// Whether it starts with the host.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether its last start failed.
    #[serde(default)]
    pub failed: bool,
    /// What is wrong with it, if anything is.
    #[serde(default)]
    pub trouble: Option<LabTrouble>,
    /// The packages whose libraries it runs code from, each with the version that it was started
    /// with: after an update of the package it is stale.
    #[serde(default)]
    pub maps: BTreeMap<String, String>,
}

/// What can be wrong with a simulated service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabTrouble {
    /// Its configuration does not pass its check, and it does not start with it.
    BadConfig,
    /// It comes up and falls over at once, again and again.
    Flap,
}

const fn yes() -> bool {
    true
}

impl LabService {
    /// A service that runs since long ago.
    #[must_use]
    pub const fn up(main_pid: u32) -> Self {
        Self {
            running: true,
            main_pid,
            since_us: 1_760_000_000_000_000,
            enabled: true,
            failed: false,
            trouble: None,
            maps: BTreeMap::new(),
        }
    }

    /// The same with a library that it runs code from: a package in the version that it was started
    /// with.
    #[must_use]
    pub fn mapping(mut self, package: &str, version: &str) -> Self {
        self.maps.insert(package.to_owned(), version.to_owned());
        self
    }

    fn unit(&self, name: &str) -> Unit {
        let flaps = self.running && self.trouble == Some(LabTrouble::Flap);
        let (active, sub) = match (flaps, self.running, self.failed) {
            (true, ..) => ("activating", "auto-restart"),
            (_, true, _) => ("active", "running"),
            (.., true) => ("failed", "failed"),
            _ => ("inactive", "dead"),
        };
        Unit {
            names: vec![format!("{name}.service")],
            active: active.into(),
            sub: sub.into(),
            enabled: if self.enabled { "enabled" } else { "disabled" }.into(),
            main_pid: if self.running && !flaps { self.main_pid } else { 0 },
            since_us: self.since_us,
            reloads: true,
            ..Unit::default()
        }
    }

    /// Starts it as a process of its own, with the libraries that are installed now.
    fn start(&mut self, main_pid: u32, versions: &BTreeMap<String, String>) {
        self.failed = self.trouble == Some(LabTrouble::BadConfig);
        self.running = !self.failed;
        self.main_pid = main_pid;
        self.since_us = now_us();
        for (package, version) in &mut self.maps {
            if let Some(installed) = versions.get(package) {
                version.clone_from(installed);
            }
        }
    }
}

impl Host {
    /// Lets something be wrong with a service: nginx, or the first that there is. Gives back its
    /// name.
    pub fn trouble(&mut self, trouble: LabTrouble) -> Option<String> {
        let name = match self.services.contains_key("nginx") {
            true => "nginx".to_owned(),
            false => self.services.keys().next()?.clone(),
        };
        self.services.get_mut(&name)?.trouble = Some(trouble);
        Some(name)
    }

    /// Takes away what is wrong with services.
    pub fn mend_services(&mut self) {
        for service in self.services.values_mut() {
            service.trouble = None;
        }
    }

    /// The running services that were started with another version of a package than there is now.
    pub(super) fn stale_of(&self, asked: impl Fn(&str) -> bool) -> Report {
        let mut found = Found::default();
        for (name, service) in self.services.iter().filter(|(_, service)| service.running) {
            let old = service.maps.iter().filter(|(package, version)| {
                let installed = self.packages.get(*package);
                asked(package) && installed.is_none_or(|installed| installed.version != **version)
            });
            let files: BTreeSet<String> = old.map(|(package, _)| file(package)).collect();
            if !files.is_empty() {
                let uses = Use { processes: 1, pids: vec![service.main_pid], files };
                let user = User::Of(Owner::Service(format!("{name}.service")));
                found.users.insert(user, uses);
            }
        }
        Report::of(found)
    }

    /// What a name of a library means: a package and its siblings of the same source, or a file.
    fn library(&self, asked: &str) -> Option<BTreeSet<String>> {
        let source = |(name, package): (&String, &LabPackage)| match package.source.as_str() {
            "" => name.clone(),
            source => source.to_owned(),
        };
        let plain = asked.trim_start_matches("src:");
        let wanted = self.packages.get_key_value(plain).map_or(plain.to_owned(), source);
        let meant = self.packages.iter().filter(|(name, package)| {
            let file = file(name);
            let is_file = file == asked || file.ends_with(&format!("/{asked}"));
            is_file || source((name, package)) == wanted
        });
        let found: BTreeSet<String> = meant.map(|(name, _)| name.clone()).collect();
        (!found.is_empty()).then_some(found)
    }
}

/// The library in a package: `libssl1.1` has `libssl.so.1.1`.
fn file(package: &str) -> String {
    let digits = package.find(|c: char| c.is_ascii_digit()).unwrap_or(package.len());
    let (name, version) = package.split_at(digits);
    format!("/usr/lib/x86_64-linux-gnu/{name}.so.{version}")
}

fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

fn plain(unit: &str) -> &str {
    unit.trim_end_matches(".service")
}

impl Lab {
    fn unit(&self, unit: &str) -> Result<Option<Unit>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        let name = plain(unit);
        Ok(host.services.get(name).map(|service| service.unit(name)))
    }

    fn do_to(&self, verb: Verb, unit: &str) -> Result<Job, String> {
        let done = self.change(|host| {
            let pid = host.services.values().map(|service| service.main_pid).max().unwrap_or(0) + 1;
            let versions = host.packages.iter();
            let versions =
                versions.map(|(name, package)| (name.clone(), package.version.clone())).collect();
            let service = host.services.get_mut(plain(unit))?;
            match verb {
                Verb::Start | Verb::Restart => service.start(pid, &versions),
                Verb::Stop => (service.running, service.failed) = (false, false),
                Verb::Reload => {}
            }
            Some(!service.failed)
        });
        match done {
            Ok(Some(true)) => Ok(Job::Done),
            Ok(Some(false) | None) => Ok(Job::NotDone("failed".into())),
            Err(error) => Err(self.told(&error)),
        }
    }

    fn enable_unit(&self, unit: &str, on: bool) -> Result<bool, String> {
        let done = self.change(|host| {
            let service = host.services.get_mut(plain(unit))?;
            Some(std::mem::replace(&mut service.enabled, on) != on)
        });
        let done = done.map_err(|error| self.told(&error))?;
        done.ok_or_else(|| format!("{unit} is not there any more"))
    }

    fn broken(&self) -> Result<Vec<Broken>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        let failed = host.services.into_iter().filter(|(_, service)| service.failed);
        let broken = failed.map(|(name, _)| Broken {
            unit: format!("{name}.service"),
            description: format!("{name}, simulated"),
        });
        Ok(broken.collect())
    }

    fn report(&self, of: &Of) -> Result<Option<Report>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        let name = match of {
            Of::All => return Ok(Some(host.stale_of(|_| true))),
            Of::Files(files) => {
                return Ok(Some(host.stale_of(|package| files.has(&file(package)))));
            }
            Of::Named(name) => name,
        };
        let meant = host.library(name);
        Ok(meant.map(|meant| host.stale_of(|package| meant.contains(package))))
    }

    fn trouble(&self, unit: &str) -> Result<Option<LabTrouble>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        Ok(host.services.get(plain(unit)).and_then(|service| service.trouble))
    }
}

/// What a service's program says of a configuration that is broken.
fn complaint(unit: &str) -> String {
    let name = plain(unit);
    format!("{name}: [emerg] unknown directive \"lisen\" in /etc/{name}/{name}.conf:12")
}

impl Services for Lab {
    fn provider(&self) -> &'static str {
        "systemd"
    }

    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>> {
        Box::pin(async { self.unit(unit) })
    }

    fn act<'a>(
        &'a self,
        verb: Verb,
        unit: &'a str,
        _until: Instant,
    ) -> BoxFuture<'a, Result<Job, String>> {
        Box::pin(async move { self.do_to(verb, unit) })
    }

    fn enable<'a>(
        &'a self,
        unit: &'a str,
        on: bool,
        _until: Instant,
    ) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async move { self.enable_unit(unit, on) })
    }

    fn nearest(&self, asked: &str) -> Option<String> {
        let host = self.read().ok()?;
        nearest::of(host.services.keys().map(String::as_str), asked)
    }

    fn nearest_library(&self, asked: &str) -> Option<String> {
        package::nearest(&self.read().ok()?.index().ok()?, asked)
    }

    /// No simulated service changes packages.
    fn package_work(&self) -> Option<(String, Holder)> {
        None
    }

    fn failed(&self) -> BoxFuture<'_, Result<Vec<Broken>, String>> {
        Box::pin(async { self.broken() })
    }

    fn log<'a>(&'a self, unit: &'a str, _since_us: u64) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            match self.trouble(unit) {
                Ok(Some(LabTrouble::BadConfig)) => vec![complaint(unit)],
                Ok(Some(LabTrouble::Flap)) => {
                    vec![format!("{unit}: Main process exited, code=exited, status=1/FAILURE")]
                }
                Ok(None) | Err(_) => Vec::new(),
            }
        })
    }

    /// A simulated service stays as it is: nothing is to be waited for.
    fn care(&self, unit: &Unit) -> Result<Care, String> {
        let name = unit.names.first().map_or("", |unit| plain(unit));
        Ok(Care { precheck: vec![name.to_owned(), "-t".to_owned()], settle: Duration::ZERO })
    }

    fn check<'a>(
        &'a self,
        unit: &'a Unit,
        care: &'a Care,
        _limit: Duration,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let name = unit.names.first().map_or("", String::as_str);
            match self.trouble(name)? {
                Some(LabTrouble::BadConfig) => {
                    Err(format!("{}: ended with 1: {}", care.precheck.join(" "), complaint(name)))
                }
                Some(LabTrouble::Flap) | None => Ok(()),
            }
        })
    }

    fn stale<'a>(&'a self, of: &'a Of) -> BoxFuture<'a, Result<Option<Report>, String>> {
        Box::pin(async move { self.report(of) })
    }
}
