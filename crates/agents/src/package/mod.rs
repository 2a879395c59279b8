//! The agent `package`: what is installed.

mod dpkg;

use std::sync::Arc;

use marcato_agent::{Agent, BoxFuture, Call, Outcome};
use marcato_core::ddl::{Ddl, DdlError};
use marcato_core::{Changed, Reason};
use serde_json::json;

use crate::Parsed;

pub use dpkg::{Dpkg, Index};

/// Its declaration.
pub const DDL: &[u8] = include_bytes!("../../ddl/package.json");

pub(crate) static PARSED: Parsed = Parsed::new(|| Ddl::parse(DDL).map(Arc::new));

/// The seam between the agent and a package manager.
pub trait Packages: Send + Sync {
    /// The package manager's name.
    fn provider(&self) -> &'static str;

    /// What is known of a package, one element for each architecture, the main one first; none
    /// when nothing is.
    ///
    /// # Errors
    /// The database cannot be read; says why.
    fn find(&self, name: &str) -> Result<Vec<Found>, String>;
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
    /// Where it stands.
    pub state: State,
    /// Whether an administrator holds it.
    pub held: bool,
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
}

/// The agent.
pub struct Package {
    ddl: Arc<Ddl>,
    packages: Arc<dyn Packages>,
}

impl Package {
    /// The agent over a package manager.
    ///
    /// # Errors
    /// Its declaration is wrong, which its tests rule out.
    pub fn new(packages: Arc<dyn Packages>) -> Result<Self, DdlError> {
        Ok(Self { ddl: crate::shared(&PARSED)?, packages })
    }

    fn status(&self, name: &str) -> Outcome {
        let found = match self.packages.find(name) {
            Ok(found) => found,
            Err(error) => return Outcome::failed(Reason::Action, Changed::False, error),
        };
        let provider = self.packages.provider();
        let Some((first, others)) = found.split_first().filter(|(first, _)| first.state.is_there())
        else {
            let state = found.first().map_or(State::NotInstalled, |first| first.state);
            let data = json!({
                "ensure": "absent", "name": name, "state": state.word(), "provider": provider,
            });
            return Outcome::ok(crate::outputs(data)).because(Reason::Absent);
        };
        let others: Vec<_> = others
            .iter()
            .filter(|other| other.state.is_there())
            .map(|other| {
                json!({
                    "arch": other.arch, "version": other.version, "state": other.state.word(),
                })
            })
            .collect();
        Outcome::ok(crate::outputs(json!({
            "ensure": first.version,
            "name": first.name,
            "arch": first.arch,
            "version": first.version,
            "state": first.state.word(),
            "held": first.held,
            "others": others,
            "provider": provider,
        })))
    }
}

impl Agent for Package {
    fn ddl(&self) -> &Arc<Ddl> {
        &self.ddl
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        // Its one action; the declaration knows no other.
        Box::pin(async { self.status(crate::text(call, "package")) })
    }
}
