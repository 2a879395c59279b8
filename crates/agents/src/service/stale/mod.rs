//! Which services still run code from files that were deleted or replaced, as a library is by an
//! update: until they are restarted, the hole that was mended is open in them.
//!
//! What a change has left behind is named by [`units`], which the agent `package` calls after it
//! has changed something. [`look`] says more: who uses what, and who among them is left alone when
//! services are restarted, each with the reason.
//!
//! | part | does |
//! | --- | --- |
//! | `maps`, `cgroup` | read what the kernel says of a process; pure |
//! | `library` | finds the files that an operator means by a name |
//! | `scan` | looks at all processes once |

mod cgroup;
mod library;
mod maps;
mod scan;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Instant;

use marcato_core::limits::service::STALE_LIMIT;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

pub use cgroup::Owner;
pub use library::Library;
pub use maps::Mapping;
pub use scan::{Found, Scan, Use, User};

/// Services that are not restarted for a library, by their name or, with `@`, by its beginning.
const KEPT: [(&str, &str); 23] = [
    ("dbus.service", BUS),
    ("dbus-broker.service", BUS),
    ("systemd-logind.service", SESSIONS),
    ("elogind.service", SESSIONS),
    ("getty@", TERMINAL),
    ("serial-getty@", TERMINAL),
    ("container-getty@", TERMINAL),
    ("console-getty.service", TERMINAL),
    ("ssh@", CONNECTION),
    ("sshd@", CONNECTION),
    ("display-manager.service", DISPLAY),
    ("gdm.service", DISPLAY),
    ("lightdm.service", DISPLAY),
    ("sddm.service", DISPLAY),
    ("greetd.service", DISPLAY),
    ("lxdm.service", DISPLAY),
    ("xdm.service", DISPLAY),
    ("docker.service", CONTAINERS),
    ("lxc.service", CONTAINERS),
    ("lxc@", CONTAINERS),
    ("lxcfs.service", CONTAINERS),
    ("systemd-nspawn@", CONTAINERS),
    ("unattended-upgrades.service", "its stop breaks off an upgrade that is under way"),
];

const BUS: &str = "what talks over the bus does not survive its restart";
const SESSIONS: &str = "a restart could end sessions";
const TERMINAL: &str = "somebody may be logged in there";
const CONNECTION: &str = "a user's connection";
const DISPLAY: &str = "a restart would end graphical sessions";
const CONTAINERS: &str = "a restart could end containers";

/// Whose replaced files are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// All that there are.
    All,
    /// Those of a library, as an operator names it.
    Named(String),
    /// These.
    Files(Library),
}

/// What a look has shown, by what can be done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Services that a restart cures, by name.
    pub services: Vec<(String, Use)>,
    /// Everything else, with the reason why it is left alone.
    pub left: Vec<Left>,
    /// How many more processes use something, behind those that are named.
    pub more: usize,
    /// How many processes could not be looked at for want of rights.
    pub unseen: usize,
}

/// Who uses a replaced file and is not restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its unit, its container's control group, or its process's name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What it uses, where that was looked at.
    pub uses: Use,
}

impl Report {
    /// Divides what was found.
    #[must_use]
    pub fn of(found: Found) -> Self {
        let mut report = Self { more: found.more, unseen: found.unseen, ..Self::default() };
        for (user, uses) in found.users {
            match kept(user) {
                Ok(unit) => report.services.push((unit, uses)),
                Err((name, reason)) => {
                    report.left.push(Left { name, reason: reason.to_owned(), uses });
                }
            }
        }
        report
    }

    /// The outputs of the action `stale`.
    #[must_use]
    pub fn outputs(&self) -> Value {
        let services = self.services.iter().map(|(unit, Use { processes, pids, files })| {
            json!({ "unit": unit, "processes": processes, "pids": pids, "files": files })
        });
        let left = self.left.iter().map(|left| {
            let Use { processes, pids, files } = &left.uses;
            json!({
                "name": left.name,
                "reason": left.reason,
                "processes": processes,
                "pids": pids,
                "files": files,
            })
        });
        json!({
            "units": self.units(),
            "services": services.collect::<Vec<_>>(),
            "count": self.services.len(),
            "left": left.collect::<Vec<_>>(),
            "more": self.more,
            "unseen": self.unseen,
        })
    }

    /// The names of the services in one line: nodes with the same ones are one group.
    fn units(&self) -> String {
        let names = self.services.iter().map(|(unit, _)| unit.trim_end_matches(".service"));
        names.collect::<Vec<_>>().join(" ")
    }
}

/// The unit to restart, or who is left alone and why.
fn kept(user: User) -> Result<String, (String, &'static str)> {
    let unit = match user {
        User::Of(Owner::Service(unit)) => unit,
        User::Marcato(unit) => return Err((unit, "Marcato does not restart itself")),
        User::Of(Owner::Session(unit)) => return Err((unit, "a user's session")),
        User::Of(Owner::Unit(unit)) if unit == "init.scope" => {
            return Err((unit, "systemd itself: systemctl daemon-reexec on the host, or a reboot"));
        }
        User::Of(Owner::Unit(unit)) => return Err((unit, "not a service")),
        User::Container(group) => return Err((group, "in a container: restart that")),
        User::Process(name) => return Err((name, "runs outside of every unit")),
        User::Of(Owner::Nothing) => return Err((String::new(), "runs outside of every unit")),
    };
    match reason_to_keep(&unit) {
        Some(why) => Err((unit, why)),
        None => Ok(unit),
    }
}

/// Why a service of this name is not restarted for a library, if it is one of those.
pub(super) fn reason_to_keep(unit: &str) -> Option<&'static str> {
    let known = KEPT.iter().find(|(name, _)| match name.ends_with('@') {
        true => unit.starts_with(name),
        false => unit == *name,
    });
    known.map(|(_, why)| *why)
}

/// The services of this host that use one of these files, deleted or replaced, and would be cured by a
/// restart.
///
/// # Errors
/// As [`look`].
pub async fn units(files: Library) -> Result<Vec<String>, String> {
    let of = Of::Files(files);
    let report = match super::of_host() {
        Some(services) => services.stale(&of).await?,
        None => look(&of).await?,
    };
    Ok(report.unwrap_or_default().services.into_iter().map(|(unit, _)| unit).collect())
}

/// The package of this host that is most likely meant by a library of which nothing is installed.
pub(super) fn nearest(asked: &str) -> Option<String> {
    library::nearest(asked, Path::new(library::DPKG))
}

/// Who uses a file of this host that was deleted or replaced and is asked for. `None` when nothing of
/// the name that was given is installed.
///
/// # Errors
/// The process table or dpkg's database cannot be read, or it takes too long.
pub async fn look(of: &Of) -> Result<Option<Report>, String> {
    let limit = STALE_LIMIT.as_duration();
    let until = Instant::now() + limit;
    let of = of.clone();
    let (done, result) = oneshot::channel();
    // A thread of its own: a file on a file system that hangs must hold up neither the node nor the
    // end of its process.
    let thread = std::thread::Builder::new().name("stale".into());
    let spawned = thread.spawn(move || done.send(look_now(of, until)));
    spawned.map_err(|error| format!("a thread: {error}"))?;
    match timeout(limit, result).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) | Err(_) => Err(format!(
            "the processes of this host could not be looked at in {} s",
            limit.as_secs()
        )),
    }
}

fn look_now(of: Of, until: Instant) -> Result<Option<Report>, String> {
    let library = match of {
        Of::All => None,
        Of::Files(library) => Some(library),
        Of::Named(name) => match Library::find(&name, Path::new(library::DPKG))? {
            Some(found) => Some(found),
            None => return Ok(None),
        },
    };
    let proc = PathBuf::from("/proc");
    let scan = Scan { proc: &proc, scratch: &scan::SCRATCH, library: library.as_ref(), until };
    let found = scan.run().map_err(|error| format!("the processes of this host: {error}"))?;
    Ok(Some(Report::of(found)))
}
