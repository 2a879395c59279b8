//! The seam between the agent and a package manager, and the words that they have in common.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use marcato_agent::BoxFuture;
use marcato_core::{Reason, Span};

use super::dpkg::Index;

/// A package manager, in the steps of which the agent makes its actions. None of them waits for a
/// lock: whoever finds it taken is told so at once.
pub trait Packages: Send + Sync {
    /// Its name.
    fn provider(&self) -> &'static str;

    /// What is installed.
    ///
    /// # Errors
    /// The database cannot be read; says why.
    fn installed(&self) -> Result<Arc<Index>, String>;

    /// What an earlier run left half done, in words.
    ///
    /// # Errors
    /// As [`Packages::installed`].
    fn interrupted(&self) -> Result<Option<String>, String>;

    /// Who holds one of its locks.
    fn holder(&self, lock: Lock) -> BoxFuture<'_, Result<Option<Holder>, Trouble>>;

    /// What is known of the lists.
    fn lists(&self) -> BoxFuture<'_, Result<Lists, Trouble>>;

    /// Refreshes the lists, all of them, and says whether that changed them. Where one cannot be
    /// refreshed it fails.
    fn refresh(&self, limit: Duration) -> BoxFuture<'_, Result<bool, Trouble>>;

    /// What the sources offer under these names; nothing for a name that none offers.
    fn offers<'a>(
        &'a self,
        names: &'a [String],
        which: Which,
    ) -> BoxFuture<'a, Result<Vec<Offer>, Trouble>>;

    /// What a work would do, without doing it.
    fn rehearse<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Result<Rehearsal, Trouble>>;

    /// Fails where a filesystem has too little room for it.
    fn room<'a>(&'a self, rehearsal: &'a Rehearsal) -> BoxFuture<'a, Result<(), Trouble>>;

    /// Downloads what it takes; ended at the limit.
    fn fetch<'a>(
        &'a self,
        work: &'a Work,
        rehearsal: &'a Rehearsal,
        limit: Duration,
    ) -> BoxFuture<'a, Result<(), Trouble>>;

    /// Does it, to the end, however long it takes.
    fn carry_out<'a>(
        &'a self,
        work: &'a Work,
        rehearsal: &'a Rehearsal,
    ) -> BoxFuture<'a, Result<Done, Trouble>>;

    /// Ends what an earlier run left half done, to the end, however long it takes; only what it
    /// downloads is ended at the limit.
    fn repair(&self, limit: Duration) -> BoxFuture<'_, Result<Done, Trouble>>;

    /// What the sources offer that is newer than what is installed.
    fn outdated(&self) -> BoxFuture<'_, Result<Vec<Step>, Trouble>>;

    /// The names and summaries that a query finds.
    fn search<'a>(
        &'a self,
        query: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Trouble>>;

    /// The services that run, by unit, with their main process.
    fn services(&self) -> BoxFuture<'_, BTreeMap<String, u32>>;

    /// The units of the services that still run replaced code of these packages; unknown where that
    /// cannot be seen.
    fn stale<'a>(&'a self, changed: &'a [Found]) -> BoxFuture<'a, Option<Vec<String>>>;

    /// Whether something that was installed asks for a reboot.
    fn reboot_required(&self) -> bool;
}

/// A package of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its architecture, such as `amd64`.
    pub arch: String,
    /// Its version.
    pub version: String,
    /// The source package that it was built from.
    pub source: String,
    /// The version of that one.
    pub source_version: String,
    /// Where it stands.
    pub state: State,
    /// Whether an administrator holds it.
    pub held: bool,
    /// How it is to leave the host, if it is: [`Verb::Remove`] or [`Verb::Purge`].
    pub leaves: Option<Verb>,
}

/// Where dpkg stands with a package (dpkg(1), "Package states").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Wholly there.
    Installed,
    /// There; it waits for a trigger of another package.
    TriggersAwaited,
    /// There; it was triggered.
    TriggersPending,
    /// Its configuration was begun and did not end.
    HalfConfigured,
    /// Unpacked, not configured.
    Unpacked,
    /// Its unpacking was begun and did not end.
    HalfInstalled,
    /// Removed; its configuration is left.
    ConfigFiles,
    /// Not there.
    NotInstalled,
}

impl State {
    /// All states with dpkg's words.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Installed, "installed"),
        (Self::TriggersAwaited, "triggers-awaited"),
        (Self::TriggersPending, "triggers-pending"),
        (Self::HalfConfigured, "half-configured"),
        (Self::Unpacked, "unpacked"),
        (Self::HalfInstalled, "half-installed"),
        (Self::ConfigFiles, "config-files"),
        (Self::NotInstalled, "not-installed"),
    ];

    /// dpkg's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }

    /// Whether there is anything of the package but its configuration.
    #[must_use]
    pub const fn is_there(self) -> bool {
        !matches!(self, Self::ConfigFiles | Self::NotInstalled)
    }

    /// Whether an earlier run was broken off at it.
    #[must_use]
    pub const fn is_half_done(self) -> bool {
        matches!(self, Self::HalfConfigured | Self::Unpacked | Self::HalfInstalled)
    }
}

/// What one process at a time may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// What is installed.
    Packages,
    /// The lists.
    Lists,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The lock in words, such as `dpkg lock`.
    pub lock: &'static str,
    /// The process's name; nothing where it cannot be seen from here.
    pub name: String,
    /// Its id.
    pub pid: u32,
    /// For how long it has run.
    pub runs: Span,
}

/// What is known of the lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lists {
    /// How long ago all of them were known to be as the sources have them; unknown where there are
    /// none, or where they are newer than the clock.
    pub age: Option<Span>,
    /// Whether the sources were configured otherwise since.
    pub outdated: bool,
}

/// Which versions of a package are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that an update would bring.
    Candidate,
    /// All.
    All,
}

/// A version of a package that a source offers, or that is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// The package.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// Its version.
    pub version: String,
    /// The source package.
    pub source: String,
    /// That one's version.
    pub source_version: String,
    /// What it takes when it is installed, in bytes.
    pub installed_bytes: u64,
    /// Whether it is only known because it is or was installed.
    pub local: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// How.
    pub verb: Verb,
    /// With which packages.
    pub targets: Vec<Target>,
}

/// How packages are to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Installed, or brought to a version, be it an older one.
    Install,
    /// Brought to a newer version where they are installed.
    Update,
    /// Removed; their configuration stays.
    Remove,
    /// Removed with their configuration.
    Purge,
}

impl Verb {
    /// What is being done meanwhile.
    pub(super) const fn doing(self) -> &'static str {
        match self {
            Self::Install | Self::Update => "installing",
            Self::Remove | Self::Purge => "removing",
        }
    }
}

/// A package that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, with its architecture where that is a foreign one: `libc6:i386`.
    pub name: String,
    /// The version that it is to have; none where it is removed.
    pub version: Option<String>,
}

/// What a work would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// What would be installed or updated.
    pub installs: Vec<Step>,
    /// What would be removed.
    pub removes: Vec<String>,
    /// What would be downloaded, in bytes.
    pub download_bytes: u64,
    /// What it would need where packages are installed, in bytes.
    pub install_bytes: u64,
    /// Whether all archives come to where the package manager keeps them, so that it needs no source
    /// once they are there.
    pub kept: bool,
}

/// A package that would change its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The package, with its architecture where that is a foreign one.
    pub name: String,
    /// The version before; none where it is not installed.
    pub from: Option<String>,
    /// The version after.
    pub to: String,
}

/// How a work went that was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// What went wrong, where it did not go well.
    pub error: Option<Trouble>,
    /// Whether it came to the packages themselves. What it could not end it takes back, and the database
    /// is as before; but what the packages' own scripts have done nobody takes back.
    pub touched: bool,
    /// The configuration files of the host that were kept though the package brought other ones.
    pub kept: Vec<String>,
}

/// What went wrong, or is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// As a reason code.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

impl Trouble {
    /// Trouble of a kind that has a reason code of its own.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// Any other.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Reason::Action, message)
    }
}
