//! A service as its manager sees it, and what can be asked of it.

use serde_json::{Value, json};

use super::stale;

/// The kinds of units; a name without one means a service.
const KINDS: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// The unit that is meant by a service's name.
pub(super) fn name_of(service: &str) -> String {
    match KINDS.iter().any(|kind| service.ends_with(kind)) {
        true => service.to_owned(),
        false => format!("{service}.service"),
    }
}

/// A unit at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// All its names, the service manager's own first.
    pub names: Vec<String>,
    /// systemd's `ActiveState`; `unknown` where an init script cannot say.
    pub active: String,
    /// systemd's `SubState`.
    pub sub: String,
    /// systemd's `UnitFileState`.
    pub enabled: String,
    /// Process id of the main process; 0 is none.
    pub main_pid: u32,
    /// How often the service manager restarted it by itself.
    pub restarts: u32,
    /// When it became active, in microseconds since 1970; 0 is never.
    pub since_us: u64,
    /// Whether nothing may start it.
    pub masked: bool,
    /// Whether its file is gone, and only what is left of it is known.
    pub removed: bool,
    /// Whether it can read its configuration anew without a restart.
    pub reloads: bool,
    /// Whether it does not let itself be stopped by hand.
    pub refuses: bool,
    /// Whether a stop ends its main process alone, and no other of its processes.
    pub spares_others: bool,
    /// Whether it is meant to end, and its last run did end well.
    pub ended_well: bool,
    /// Whether its last start was skipped, for a condition of its unit was not met.
    pub skipped: bool,
}

impl Unit {
    /// Whether it is active, as `systemctl is-active` has it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Whether nothing of it runs or is about to.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed" | "")
    }

    /// Whether it is as it should be after a start: it runs, or it was meant to end and did.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.is_active() || self.active == UNKNOWN || (self.ended_well && self.active == "inactive")
    }

    /// Whether it runs, or was meant to end and did: what is not known does not count.
    pub(super) fn runs(&self) -> bool {
        self.is_well() && self.active != UNKNOWN
    }

    /// Whether a stop leaves this process of it alone. While it starts, reloads or stops, the one
    /// process more that systemd would end may be this.
    pub(super) fn spares(&self, pid: u32) -> bool {
        self.spares_others && self.sub == "running" && self.main_pid != pid
    }

    /// Why nothing but a person should restart it, where that would do more than bring new code.
    pub(super) fn left_alone(&self) -> Option<&'static str> {
        match (self.active.as_str(), self.sub.as_str()) {
            _ if self.masked => Some("its unit is masked"),
            _ if self.refuses => Some("its unit does not let itself be stopped by hand"),
            _ if self.is_down() => Some("it was stopped, and what is left of it was not"),
            ("activating", _) if self.waits_for_restart() => None,
            // Where a unit does a piece of work and ends, such as an upgrade, it starts for that long.
            ("activating" | "deactivating", _) => {
                Some("it is being started or stopped: a restart would break its work off")
            }
            (_, "exited") => Some("its work is done, and a restart would do it once more"),
            _ => self.names.iter().find_map(|name| stale::reason_to_keep(name)),
        }
    }

    /// Whether it ended by itself, and the service manager is about to start it again.
    fn waits_for_restart(&self) -> bool {
        matches!(self.sub.as_str(), "auto-restart" | "auto-restart-queued")
    }

    /// Its state for a person.
    pub(super) fn state(&self) -> &str {
        match self.active.as_str() {
            "" => "gone",
            "activating" if self.waits_for_restart() => "waiting to be started again",
            active => active,
        }
    }

    fn status(&self) -> &'static str {
        match self.active.as_str() {
            "failed" => "failed",
            UNKNOWN => UNKNOWN,
            "activating" if self.waits_for_restart() => "restarting",
            "activating" => "starting",
            "deactivating" => "stopping",
            _ if self.is_active() => "running",
            _ => "stopped",
        }
    }

    pub(super) fn outputs(&self, name: &str, provider: &str) -> Value {
        json!({
            "status": self.status(),
            "unit": name,
            "active": self.active,
            "sub": self.sub,
            "enabled": self.enabled,
            "main_pid": self.main_pid,
            "restarts": self.restarts,
            "since": self.since_us / 1_000_000,
            "provider": provider,
        })
    }
}

/// What `active` is where nobody can say.
pub(super) const UNKNOWN: &str = "unknown";

/// systemd's `KillMode` of units whose stop ends their main process at most; see systemd.kill(5).
pub(super) const SPARING: [&str; 2] = ["process", "none"];

/// What can be done with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it, if it runs, and start it.
    Restart,
    /// Let it read its configuration anew.
    Reload,
}

impl Verb {
    /// All of them, with what was done in words.
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Start, "start", "started"),
        (Self::Stop, "stop", "stopped"),
        (Self::Restart, "restart", "restarted"),
        (Self::Reload, "reload", "reloaded"),
    ];

    /// The verb that is meant by an action's name.
    #[must_use]
    pub fn of(action: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word, _)| *word == action).map(|(verb, ..)| *verb)
    }

    /// The word for it; init scripts and `systemctl` take the same.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(verb, ..)| *verb == self).map_or("", |(_, word, _)| word)
    }

    /// The word for it when it was done.
    pub(super) fn done(self) -> &'static str {
        Self::ALL.iter().find(|(verb, ..)| *verb == self).map_or("", |(.., done)| done)
    }
}

/// How a service manager's job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// It was done, which does not say that the service runs.
    Done,
    /// It was not; the manager's word for why.
    NotDone(String),
    /// It was not over at the deadline.
    TooLong,
    /// It may have begun, and may be done: the manager was not heard to its end; why.
    Unheard(String),
}

/// A unit that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub unit: String,
    /// What it is, in its own words.
    pub description: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |service: &str, unit: &str| assert_eq!(name_of(service), unit);
        check("nginx", "nginx.service");
        check("nginx.service", "nginx.service");
        check("cron.timer", "cron.timer");
        check("org.example.app", "org.example.app.service");
    }

    #[test]
    fn what_is_not_restarted_for_new_code() {
        let check = |active: &str, sub: &str, names: &[&str], want: Option<&str>| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let unit = Unit { names, active: active.into(), sub: sub.into(), ..Unit::default() };
            let why = unit.left_alone();
            assert_eq!(why.map(|why| why.split(',').next().unwrap()), want, "{active} {sub}");
        };
        let broken_off = "it is being started or stopped: a restart would break its work off";
        check("active", "running", &["nginx.service"], None);
        check("reloading", "reload", &[], None);
        check("unknown", "unknown", &[], None);
        check("activating", "start", &["apt-daily-upgrade.service"], Some(broken_off));
        check("activating", "auto-restart", &[], None);
        check("deactivating", "stop-sigterm", &[], Some(broken_off));
        check("inactive", "dead", &[], Some("it was stopped"));
        check("failed", "failed", &[], Some("it was stopped"));
        check("active", "exited", &["networking.service"], Some("its work is done"));
        let names = ["nodm.service", "display-manager.service"];
        check("active", "running", &names, Some("a restart would end graphical sessions"));
        let unit =
            |masked, refuses| Unit { masked, refuses, active: "active".into(), ..Unit::default() };
        assert_eq!(unit(true, false).left_alone(), Some("its unit is masked"));
        assert!(unit(false, true).left_alone().is_some());
    }

    #[test]
    fn what_a_status_says() {
        let check = |active: &str, sub: &str, want: &str| {
            let unit = Unit { active: active.into(), sub: sub.into(), ..Unit::default() };
            assert_eq!(unit.status(), want, "{active} {sub}");
            assert_eq!(unit.runs(), want == "running", "{active} {sub}");
        };
        check("active", "running", "running");
        check("active", "exited", "running");
        check("reloading", "reload", "running");
        check("activating", "auto-restart", "restarting");
        check("activating", "auto-restart-queued", "restarting");
        check("activating", "start-pre", "starting");
        check("deactivating", "stop-sigterm", "stopping");
        check("inactive", "dead", "stopped");
        check("failed", "failed", "failed");
        check("unknown", "unknown", "unknown");
        check("", "", "stopped");
        let unit = Unit { active: "inactive".into(), ended_well: true, ..Unit::default() };
        assert!(unit.runs(), "it was meant to end");
    }

    #[test]
    fn verbs() {
        for (verb, word, _) in Verb::ALL {
            assert_eq!((Verb::of(word), verb.word()), (Some(verb), word));
        }
        assert_eq!(Verb::of("status"), None);
    }
}
