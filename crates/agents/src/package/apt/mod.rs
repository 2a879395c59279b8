//! apt and dpkg of this host, by their own programs.
//!
//! A change is made in three runs, each with the exact versions that the one before has shown:
//! a simulation that says what would happen; a download, which may take its time, fail and be ended
//! without harm; and the transaction, which needs no network any more and is never ended.

mod places;
mod read;
mod repair;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use marcato_agent::BoxFuture;
use marcato_core::Reason;
use marcato_core::limits::agent::{LOCK_POLL, PACKAGES_NAMED_MAX};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use super::dpkg::{Dpkg, Index};
use super::packages::{
    Done, Found, Holder, Lists, Lock, Offer, Packages, Rehearsal, Step, Target, Trouble, Verb,
    Which, Work,
};
use crate::service::stale::{self, Library};
use places::Places;
use run::{Said, Tools};

pub(crate) use places::{at_work, short};

/// Said by what is installed where the host must be started anew.
const REBOOT: &str = "/run/reboot-required";

/// What every run of apt-get is told. The lock is waited for elsewhere, and which packages go along
/// is chosen elsewhere, alike for every release of apt. With a terminal of apt's own, a package that
/// asks there would wait for ever.
const ALWAYS: [&str; 9] = [
    "-q",
    "-o",
    "Dpkg::Use-Pty=false",
    "-o",
    "DPkg::Lock::Timeout=0",
    "-o",
    "APT::Get::Upgrade-By-Source-Package=false",
    "-o",
    "APT::Get::AutomaticRemove=false",
];

/// Files of the host stay as they are, and dpkg does not ask.
const KEEP_FILES: [&str; 4] =
    ["-o", "DPkg::Options::=--force-confdef", "-o", "DPkg::Options::=--force-confold"];

/// Asks what would be downloaded, be it allowed or not: that is decided elsewhere.
const URIS: [&str; 3] = ["--print-uris", "--yes", "--allow-change-held-packages"];

/// apt and dpkg of a host.
pub struct Apt {
    dpkg: Dpkg,
    tools: Tools,
    places: OnceCell<Places>,
}

impl Apt {
    /// Those of this host, if it has dpkg.
    #[must_use]
    pub fn available() -> Option<Self> {
        let dpkg = Dpkg::available()?;
        Some(Self { dpkg, tools: Tools::default(), places: OnceCell::new() })
    }

    /// With another database, and the configuration file that leads apt to it.
    #[must_use]
    pub fn at(admin: &Path, config: PathBuf) -> Option<Self> {
        let tools = Tools { config: Some(config) };
        Some(Self { dpkg: Dpkg::at(admin)?, tools, places: OnceCell::new() })
    }

    async fn places(&self) -> Result<&Places, Trouble> {
        let ask = || async {
            let said = self.tools.ask("apt-config", &Places::ASKED).await?;
            let places = Places::parse(&said, self.dpkg.admin());
            places.ok_or_else(|| Trouble::other("apt-config does not say where apt's files are"))
        };
        self.places.get_or_try_init(ask).await
    }

    async fn refreshed(&self, limit: Duration) -> Result<bool, Trouble> {
        let places = self.places().await?;
        let before = places::listing(&places.lists);
        // As --error-on=any, which apt before 2.1 does not know and takes for wrong usage.
        let arguments = ["-q", "-o", "APT::Update::Error-Mode=any", "update"];
        let said = self.tools.run("apt-get", &arguments, limit).await.map_err(as_lists)?;
        if !said.well || said.text.lines().any(|line| line.starts_with("W: Failed to fetch")) {
            return Err(as_lists(read::trouble(&said.text)));
        }
        places.confirm();
        Ok(places::listing(&places.lists) != before)
    }

    async fn offered(&self, names: &[String], which: Which) -> Result<Vec<Offer>, Trouble> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let versions = match which {
            Which::Candidate => "APT::Cache::AllVersions=false",
            Which::All => "APT::Cache::AllVersions=true",
        };
        let arguments = ["-q", "-o", versions, "show", "--"].map(str::to_owned);
        let said = self.tools.ask("apt-cache", &[&arguments, names].concat()).await;
        match said {
            Ok(said) => Ok(read::offers(&said)),
            // apt-cache fails where it knows none of the names at all.
            Err(trouble) if trouble.message.contains("No packages found") => Ok(Vec::new()),
            Err(trouble) if trouble.reason == Reason::NoCandidate => Ok(Vec::new()),
            Err(trouble) => Err(trouble),
        }
    }

    async fn rehearsed(&self, work: &Work) -> Result<Rehearsal, Trouble> {
        // Without --yes, or apt ends it where it would refuse the run, and does not say what it is.
        let said = self.apt_get(&["--simulate"], work, Run::Question).await?;
        let (installs, removes) = read::simulation(&said.text);
        let mut rehearsal = Rehearsal { installs, removes, ..Rehearsal::default() };
        if rehearsal.installs.is_empty() {
            return Ok(rehearsal);
        }
        let said = self.apt_get(&URIS, work, Run::Question).await?;
        let uris = read::uris(&said.text);
        let local = |uri: &str| uri.starts_with("file:") || uri.starts_with("cdrom:");
        rehearsal.kept = !uris.iter().any(|(uri, _)| local(uri));
        let fetched = uris.iter().filter(|(uri, _)| !local(uri));
        rehearsal.download_bytes = fetched.map(|(_, bytes)| bytes).sum();
        let names: Vec<String> = rehearsal.installs.iter().map(|step| step.name.clone()).collect();
        let offers = self.offered(&names, Which::All).await?;
        rehearsal.install_bytes = install_bytes(&rehearsal.installs, &offers);
        Ok(rehearsal)
    }

    /// Runs apt-get for a work.
    async fn apt_get(&self, how: &[&str], work: &Work, run: Run) -> Result<Said, Trouble> {
        let mut arguments: Vec<&str> = [&ALWAYS[..], &KEEP_FILES, how].concat();
        let verb = match work.verb {
            Verb::Install => ["--allow-downgrades", "install"].as_slice(),
            Verb::Update => &["--only-upgrade", "install"],
            Verb::Remove => &["remove"],
            Verb::Purge => &["purge"],
        };
        arguments.extend(verb);
        arguments.push("--");
        let targets: Vec<String> = work.targets.iter().map(Target::word).collect();
        arguments.extend(targets.iter().map(String::as_str));
        match run {
            Run::Question => {
                // A simulation needs no answer to what a run would ask.
                let text = self.tools.ask("apt-get", &arguments).await?;
                Ok(Said { text, well: true })
            }
            Run::Within(limit) => self.tools.run("apt-get", &arguments, limit).await,
            Run::ToEnd => self.tools.run_to_end("apt-get", &arguments).await,
        }
    }

    async fn fetched(&self, work: &Work, limit: Duration) -> Result<(), Trouble> {
        let how = ["--yes", "--no-remove", "--download-only"];
        let said = self.apt_get(&how, work, Run::Within(limit)).await?;
        if said.well { Ok(()) } else { Err(read::trouble(&said.text)) }
    }

    async fn carried_out(&self, work: &Work, rehearsal: &Rehearsal) -> Result<Done, Trouble> {
        let how: &[&str] = match (work.verb, rehearsal.kept) {
            (Verb::Remove | Verb::Purge, _) => &["--yes"],
            (_, true) => &["--yes", "--no-remove", "--no-download"],
            (_, false) => &["--yes", "--no-remove"],
        };
        let along = match work.verb {
            Verb::Update => &work.targets[..],
            // The first was asked for, and so is wanted for itself from now on.
            Verb::Install => work.targets.get(1..).unwrap_or_default(),
            Verb::Remove | Verb::Purge => &[],
        };
        let names = along.iter().map(|target| target.name.clone()).collect();
        let automatic = self.automatic(names).await?;
        let said = self.apt_get(how, work, Run::ToEnd).await?;
        self.quiet(&said).await?;
        self.mark(&automatic).await;
        ended(said)
    }

    /// Marks packages as installed only because others need them: apt takes one that is named for one
    /// that somebody wants for itself.
    async fn mark(&self, automatic: &[String]) {
        if !automatic.is_empty() {
            let arguments = ["auto", "-qq", "--"].map(str::to_owned);
            let _ = self.tools.run_to_end("apt-mark", &[&arguments, automatic].concat()).await;
        }
    }

    /// Returns when dpkg has ended, which goes on by itself where apt-get was killed.
    async fn quiet(&self, said: &Said) -> Result<(), Trouble> {
        let places = self.places().await?;
        let works = || places.holder(Lock::Packages).is_some_and(|holder| holder.name == "dpkg");
        while !said.well && works() {
            sleep(LOCK_POLL.as_duration()).await;
        }
        Ok(())
    }

    /// Which of the packages were installed only because others need them.
    async fn automatic(&self, names: Vec<String>) -> Result<Vec<String>, Trouble> {
        if names.is_empty() {
            // Without a name it would mean all of them.
            return Ok(Vec::new());
        }
        let arguments = ["showauto", "-qq", "--"].map(str::to_owned);
        let said = self.tools.ask("apt-mark", &[&arguments, &names[..]].concat()).await?;
        Ok(said.lines().map(str::to_owned).collect())
    }
}

/// What dpkg has begun and not ended.
fn half_done(index: &Index) -> impl Iterator<Item = Found> {
    index.all().filter(|found| found.state.is_half_done())
}

/// How a run is held to time.
#[derive(Clone, Copy)]
enum Run {
    Question,
    Within(Duration),
    ToEnd,
}

impl Target {
    /// As apt-get takes it.
    fn word(&self) -> String {
        match &self.version {
            Some(version) => format!("{}={version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What a run has done that may have changed something. That it could not have the lock says that it
/// has not, unless it had begun: then the words are those of a package's script.
fn ended(said: Said) -> Result<Done, Trouble> {
    let touched = read::touched(&said.text);
    let error = match (said.well, touched) {
        (true, _) => None,
        (false, true) => Some(read::failure(&said.text)),
        (false, false) => match read::trouble(&said.text) {
            trouble if trouble.reason == Reason::Locked => return Err(trouble),
            trouble => Some(trouble),
        },
    };
    Ok(Done { error, touched, kept: read::kept(&said.text) })
}

/// A failed refresh, whatever failed, unless it is that of a lock or a filesystem.
fn as_lists(trouble: Trouble) -> Trouble {
    match trouble.reason {
        Reason::Locked | Reason::NoSpace | Reason::RunLimit => trouble,
        _ => Trouble::new(Reason::Lists, format!("{}; nothing was installed", trouble.message)),
    }
}

/// What it takes: what the packages grow by, and once the largest one, which lies beside its earlier
/// version until it is unpacked.
fn install_bytes(steps: &[Step], offers: &[Offer]) -> u64 {
    let bytes = |name: &str, version: &str| {
        let plain = name.split(':').next().unwrap_or(name);
        let same = |offer: &&Offer| offer.name == plain && offer.version == version;
        offers.iter().find(same).map_or(0, |offer| offer.installed_bytes)
    };
    let (mut growth, mut largest) = (0_u64, 0);
    for step in steps {
        let after = bytes(&step.name, &step.to);
        let before = step.from.as_ref().map_or(0, |from| bytes(&step.name, from));
        growth = growth.saturating_add(after.saturating_sub(before));
        largest = largest.max(after.min(before));
    }
    growth.saturating_add(largest)
}

/// Reads `systemctl show`: the main processes of the units that have one.
fn main_processes(text: &str) -> BTreeMap<String, u32> {
    let unit = |block: &str| {
        let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let pid = value("MainPID=")?.parse().ok().filter(|pid| *pid > 0)?;
        Some((value("Id=")?.to_owned(), pid))
    };
    text.split("\n\n").filter_map(unit).collect()
}

/// A query as apt takes it: words, each of which must occur; not the expressions that apt takes them
/// for.
fn words(query: &str) -> Vec<String> {
    let plain = |word: &str| {
        let escape = |c: char| if c.is_ascii_alphanumeric() { vec![c] } else { vec!['\\', c] };
        word.chars().flat_map(escape).collect()
    };
    query.split_whitespace().map(plain).collect()
}

impl Packages for Apt {
    fn provider(&self) -> &'static str {
        "dpkg"
    }

    fn installed(&self) -> Result<Arc<Index>, String> {
        self.dpkg.index()
    }

    fn interrupted(&self) -> Result<Option<String>, String> {
        let index = self.installed()?;
        let words = |found: Found| format!("{} is {}", found.name, found.state.word());
        let half: Vec<String> = half_done(&index).map(words).collect();
        let left = !self.dpkg.updates().is_empty();
        Ok(match (half.is_empty(), left) {
            (true, false) => None,
            (true, true) => Some("what it had begun is not in its database yet".to_owned()),
            (false, _) => Some(half.join(", ")),
        })
    }

    fn holder(&self, lock: Lock) -> BoxFuture<'_, Result<Option<Holder>, Trouble>> {
        Box::pin(async move { Ok(self.places().await?.holder(lock)) })
    }

    fn lists(&self) -> BoxFuture<'_, Result<Lists, Trouble>> {
        Box::pin(async { Ok(self.places().await?.age()) })
    }

    fn refresh(&self, limit: Duration) -> BoxFuture<'_, Result<bool, Trouble>> {
        Box::pin(self.refreshed(limit))
    }

    fn offers<'a>(
        &'a self,
        names: &'a [String],
        which: Which,
    ) -> BoxFuture<'a, Result<Vec<Offer>, Trouble>> {
        Box::pin(self.offered(names, which))
    }

    fn rehearse<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<Rehearsal, Trouble>> {
        Box::pin(self.rehearsed(work))
    }

    fn room<'a>(&'a self, rehearsal: &'a Rehearsal) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async { self.places().await?.room(rehearsal) })
    }

    fn fetch<'a>(
        &'a self,
        work: &'a Work,
        _: &'a Rehearsal,
        limit: Duration,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(self.fetched(work, limit))
    }

    fn carry_out<'a>(
        &'a self,
        work: &'a Work,
        rehearsal: &'a Rehearsal,
    ) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(self.carried_out(work, rehearsal))
    }

    fn repair(&self, limit: Duration) -> BoxFuture<'_, Result<Done, Trouble>> {
        Box::pin(self.repaired(limit))
    }

    fn outdated(&self) -> BoxFuture<'_, Result<Vec<Step>, Trouble>> {
        Box::pin(async {
            let arguments = ["-q", "--simulate", "dist-upgrade"];
            let (mut steps, _) = read::simulation(&self.tools.ask("apt-get", &arguments).await?);
            steps.retain(|step| step.from.is_some());
            Ok(steps)
        })
    }

    fn search<'a>(
        &'a self,
        query: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Trouble>> {
        Box::pin(async move {
            let arguments = ["-q", "search", "--"].map(str::to_owned);
            let arguments = [&arguments[..], &words(query)].concat();
            let mut hits = read::hits(&self.tools.ask("apt-cache", &arguments).await?);
            hits.truncate(PACKAGES_NAMED_MAX);
            Ok(hits)
        })
    }

    fn services(&self) -> BoxFuture<'_, BTreeMap<String, u32>> {
        Box::pin(async {
            let arguments = ["show", "--property=Id,MainPID", "--", "*.service"];
            // Where there is no systemd, it restarts nothing.
            let said = self.tools.ask("systemctl", &arguments).await;
            said.map(|said| main_processes(&said)).unwrap_or_default()
        })
    }

    fn stale<'a>(&'a self, changed: &'a [Found]) -> BoxFuture<'a, Option<Vec<String>>> {
        Box::pin(async move {
            let files = Library::of(changed, self.dpkg.admin()).ok()?;
            stale::units(files).await.ok()
        })
    }

    fn reboot_required(&self) -> bool {
        Path::new(REBOOT).exists()
    }
}

#[cfg(test)]
mod tests;
