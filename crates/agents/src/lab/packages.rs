//! The lab's simulated packages: apt and dpkg of a host that are a few fields of its file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marcato_agent::BoxFuture;
use marcato_core::{Reason, Span};
use serde::{Deserialize, Serialize};

use super::{Host, Lab};
use crate::package::{
    Done, Found, Holder, Index, Lists, Lock, Offer, Packages, Rehearsal, Step, Trouble, Which,
    Work, compare, short,
};

const MIB: u64 = 1024 * 1024;

/// What every change needs on a simulated host, in MiB.
const NEEDED_MIB: u64 = 48;

/// A simulated package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabPackage {
    /// The version that is installed; nothing where it is not.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// The version that an update would bring, if there is one.
    pub candidate: Option<String>,
    /// The source package that it was built from; nothing where that has the same name.
    #[serde(default)]
    pub source: String,
    /// Whether an administrator holds it.
    #[serde(default)]
    pub held: bool,
}

/// What stands in the way of changes on a simulated host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabApt {
    /// When the lists were refreshed, in seconds since 1970; 0 is never.
    pub lists_at: u64,
    /// Whether the mirror does not answer.
    pub mirror_down: bool,
    /// How much room there is, in MiB, where it is little.
    pub free_mib: Option<u64>,
    /// Since when another process holds the lock, in seconds since 1970.
    pub locked_since: Option<u64>,
    /// Whether an earlier run was broken off.
    pub interrupted: bool,
}

impl LabPackage {
    /// A package that is installed.
    #[must_use]
    pub fn installed(version: &str) -> Self {
        Self { version: version.to_owned(), arch: "amd64".to_owned(), ..Self::default() }
    }

    /// The same with a version that an update would bring.
    #[must_use]
    pub fn offering(mut self, candidate: Option<String>) -> Self {
        self.candidate = candidate;
        self
    }

    /// The same, built from another source.
    #[must_use]
    pub fn built_from(mut self, source: &str) -> Self {
        source.clone_into(&mut self.source);
        self
    }

    /// As dpkg's database has it.
    fn paragraph(&self, name: &str, into: &mut String) {
        let want = if self.held { "hold" } else { "install" };
        let state = if self.version.is_empty() { "not-installed" } else { "installed" };
        let Self { version, arch, source, .. } = self;
        // Writing into a string cannot fail.
        let _ = write!(
            into,
            "Package: {name}\nStatus: {want} ok {state}\nArchitecture: {arch}\n\
             Version: {version}\nSource: {source}\n\n"
        );
    }

    fn offer(&self, name: &str, version: &str) -> Offer {
        let source = if self.source.is_empty() { name } else { &self.source };
        Offer {
            name: name.to_owned(),
            arch: self.arch.clone(),
            version: version.to_owned(),
            source: source.to_owned(),
            source_version: version.to_owned(),
            installed_bytes: 0,
            local: false,
        }
    }
}

impl Host {
    pub(super) fn index(&self) -> Result<Index, String> {
        let mut text = String::new();
        for (name, package) in &self.packages {
            package.paragraph(name, &mut text);
        }
        Index::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    fn offers(&self, names: &[String], which: Which) -> Vec<Offer> {
        let mut offers = Vec::new();
        for name in names {
            let Some(package) = self.packages.get(name) else { continue };
            let Some(candidate) = &package.candidate else {
                offers.push(package.offer(name, &package.version));
                continue;
            };
            offers.push(package.offer(name, candidate));
            if which == Which::All && !package.version.is_empty() {
                offers.push(package.offer(name, &package.version));
            }
        }
        offers.retain(|offer| !offer.version.is_empty());
        offers
    }

    fn rehearse(&self, work: &Work) -> Rehearsal {
        let mut rehearsal = Rehearsal { install_bytes: NEEDED_MIB * MIB, ..Rehearsal::default() };
        for target in &work.targets {
            let from = self.packages.get(&target.name).map(|package| package.version.clone());
            match &target.version {
                Some(to) => {
                    let (name, to) = (target.name.clone(), to.clone());
                    rehearsal.installs.push(Step { name, from, to });
                }
                None => rehearsal.removes.push(target.name.clone()),
            }
        }
        rehearsal
    }

    fn carry_out(&mut self, work: &Work) {
        for target in &work.targets {
            let Some(package) = self.packages.get_mut(&target.name) else { continue };
            let newest = package.candidate.get_or_insert_with(|| package.version.clone());
            // What is removed can be installed again.
            let Some(version) = &target.version else {
                package.version.clear();
                continue;
            };
            package.version.clone_from(version);
            if compare(newest, version).is_le() {
                package.candidate = None;
            }
        }
    }
}

impl Lab {
    fn host(&self) -> Result<Host, Trouble> {
        self.read().map_err(|error| Trouble::other(self.told(&error)))
    }

    fn asked<T>(&self, look: impl FnOnce(Host) -> T) -> Result<T, Trouble> {
        self.host().map(look)
    }

    fn altered<T>(&self, how: impl FnOnce(&mut Host) -> T) -> Result<T, Trouble> {
        self.change(how).map_err(|error| Trouble::other(self.told(&error)))
    }

    /// Fails where the mirror of the host does not answer.
    fn ask_mirror(&self, reason: Reason) -> Result<(), Trouble> {
        if !self.host()?.apt.mirror_down {
            return Ok(());
        }
        let message = "http://deb.example.com: connection timed out; nothing was installed";
        Err(Trouble::new(reason, message))
    }

    fn refreshed(&self) -> Result<bool, Trouble> {
        self.ask_mirror(Reason::Lists)?;
        self.altered(|host| host.apt.lists_at = now())?;
        Ok(true)
    }
}

/// The time in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How long ago that was.
fn ago(at: u64) -> Span {
    Span::from_secs(now().saturating_sub(at))
}

impl Packages for Lab {
    fn provider(&self) -> &'static str {
        "dpkg"
    }

    fn installed(&self) -> Result<Arc<Index>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        host.index().map(Arc::new)
    }

    fn interrupted(&self) -> Result<Option<String>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        Ok(host.apt.interrupted.then(|| "openssl is half-configured".to_owned()))
    }

    fn holder(&self, lock: Lock) -> BoxFuture<'_, Result<Option<Holder>, Trouble>> {
        let holder = |since| Holder {
            lock: "dpkg lock",
            name: "unattended-upgr".to_owned(),
            pid: 812,
            runs: ago(since),
        };
        let found = self.asked(|host| host.apt.locked_since.filter(|_| lock == Lock::Packages));
        Box::pin(async move { Ok(found?.map(holder)) })
    }

    fn lists(&self) -> BoxFuture<'_, Result<Lists, Trouble>> {
        Box::pin(async {
            self.asked(|host| Lists {
                age: (host.apt.lists_at > 0).then(|| ago(host.apt.lists_at)),
                outdated: false,
            })
        })
    }

    fn refresh(&self, _: Duration) -> BoxFuture<'_, Result<bool, Trouble>> {
        Box::pin(async { self.refreshed() })
    }

    fn offers<'a>(
        &'a self,
        names: &'a [String],
        which: Which,
    ) -> BoxFuture<'a, Result<Vec<Offer>, Trouble>> {
        Box::pin(async move { self.asked(|host| host.offers(names, which)) })
    }

    fn rehearse<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<Rehearsal, Trouble>> {
        Box::pin(async { self.asked(|host| host.rehearse(work)) })
    }

    fn room<'a>(&'a self, rehearsal: &'a Rehearsal) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async {
            let free = self.host()?.apt.free_mib.map(|mib| mib * MIB);
            match free.filter(|free| *free < rehearsal.install_bytes) {
                Some(free) => {
                    let message = short(Path::new("/var"), free, rehearsal.install_bytes);
                    Err(Trouble::new(Reason::NoSpace, message))
                }
                None => Ok(()),
            }
        })
    }

    fn fetch<'a>(
        &'a self,
        _: &'a Work,
        _: &'a Rehearsal,
        _: Duration,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async { self.ask_mirror(Reason::Download) })
    }

    fn carry_out<'a>(
        &'a self,
        work: &'a Work,
        _: &'a Rehearsal,
    ) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(async {
            self.altered(|host| host.carry_out(work))?;
            Ok(Done::default())
        })
    }

    fn repair(&self, _: Duration) -> BoxFuture<'_, Result<Done, Trouble>> {
        Box::pin(async {
            self.altered(|host| host.apt.interrupted = false)?;
            Ok(Done::default())
        })
    }

    fn outdated(&self) -> BoxFuture<'_, Result<Vec<Step>, Trouble>> {
        Box::pin(async {
            self.asked(|host| {
                let step = |(name, package): (String, LabPackage)| {
                    let from = Some(package.version).filter(|version| !version.is_empty())?;
                    Some(Step { name, from: Some(from), to: package.candidate? })
                };
                host.packages.into_iter().filter_map(step).collect()
            })
        })
    }

    fn search<'a>(
        &'a self,
        query: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Trouble>> {
        Box::pin(async move {
            self.asked(|host| {
                let found = host.packages.into_keys();
                let found = found.filter(|name| query.split(' ').all(|word| name.contains(word)));
                found.map(|name| (name, "a simulated package".to_owned())).collect()
            })
        })
    }

    fn services(&self) -> BoxFuture<'_, BTreeMap<String, u32>> {
        Box::pin(async { BTreeMap::new() })
    }

    fn stale<'a>(&'a self, changed: &'a [Found]) -> BoxFuture<'a, Option<Vec<String>>> {
        Box::pin(async move {
            let is_changed = |package: &str| changed.iter().any(|found| found.name == package);
            let report = self.asked(|host| host.stale_of(is_changed)).ok()?;
            Some(report.services.into_iter().map(|(unit, _)| unit).collect())
        })
    }

    fn reboot_required(&self) -> bool {
        false
    }
}
