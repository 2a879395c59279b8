//! The agent `service`: whether services run, and restarts.

mod systemctl;
mod systemd;

use std::sync::Arc;
use std::time::Duration;

use marcato_agent::{ActionResult, Agent, BoxFuture, Call, Outcome};
use marcato_core::ddl::{Ddl, DdlError};
use marcato_core::{Changed, Reason};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::Parsed;

pub use systemd::Systemd;

/// Its declaration.
pub const DDL: &[u8] = include_bytes!("../../ddl/service.json");

pub(crate) static PARSED: Parsed = Parsed::new(|| Ddl::parse(DDL).map(Arc::new));

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

/// The seam between the agent and a service manager.
pub trait Services: Send + Sync {
    /// The service manager's name.
    fn provider(&self) -> &'static str;

    /// How long a restarted service is watched before it counts as running.
    fn settle(&self) -> Duration;

    /// Looks at a unit; `None` when there is none of that name.
    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>>;

    /// Restarts a unit and waits until the service manager is done, at most until the deadline.
    fn restart<'a>(&'a self, unit: &'a str, until: Instant) -> BoxFuture<'a, Result<Job, String>>;
}

/// A unit at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// systemd's `ActiveState`.
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
}

impl Unit {
    /// Whether it is active, as `systemctl is-active` has it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Its state for a person.
    fn state(&self) -> &str {
        if self.active.is_empty() { "gone" } else { &self.active }
    }

    fn status(&self) -> &'static str {
        match self.active.as_str() {
            "failed" => "failed",
            _ if self.is_active() => "running",
            _ => "stopped",
        }
    }

    fn outputs(&self, name: &str, provider: &str) -> Value {
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

/// How a service manager's job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// It was done, which does not say that the service runs.
    Done,
    /// It was not; systemd's word for why.
    NotDone(String),
    /// It was not over at the deadline.
    TooLong,
    /// It may have begun, and may be done: the manager was not heard to its end; why.
    Unheard(String),
}

/// The agent.
pub struct Service {
    ddl: Arc<Ddl>,
    services: Arc<dyn Services>,
}

impl Service {
    /// The agent over a service manager.
    ///
    /// # Errors
    /// Its declaration is wrong, which its tests rule out.
    pub fn new(services: Arc<dyn Services>) -> Result<Self, DdlError> {
        Ok(Self { ddl: crate::shared(&PARSED)?, services })
    }

    async fn answer(&self, call: &Call) -> Outcome {
        let name = unit_name(crate::text(call, "service"));
        let before = match self.services.look(&name).await {
            Ok(Some(unit)) => unit,
            Ok(None) => return self.absent(&name),
            Err(error) => return Outcome::failed(Reason::Action, Changed::False, error),
        };
        match call.action.as_str() {
            "restart" => self.restart(&name, before, call.limit.as_duration()).await,
            _ => Outcome::ok(crate::outputs(before.outputs(&name, self.services.provider()))),
        }
    }

    fn absent(&self, name: &str) -> Outcome {
        let provider = self.services.provider();
        let data = json!({ "status": "absent", "unit": name, "provider": provider });
        Outcome::ok(crate::outputs(data)).because(Reason::Absent)
    }

    async fn restart(&self, name: &str, before: Unit, limit: Duration) -> Outcome {
        // What it takes to see whether the service stays up belongs to the limit.
        let settle = self.services.settle().min(limit / 2);
        let job = self.services.restart(name, Instant::now() + limit - settle).await;
        let mut after = match self.look_again(name).await {
            Ok(unit) => unit,
            Err(error) => return Outcome::failed(Reason::Action, Changed::Unknown, error),
        };
        let mut settled = Ok(true);
        if after.is_active() && matches!(job, Ok(Job::Done | Job::TooLong | Job::Unheard(_))) {
            sleep(settle).await;
            settled = self.look_again(name).await.map(|unit| {
                let first = std::mem::replace(&mut after, unit);
                after.main_pid == first.main_pid && after.restarts == first.restarts
            });
        }
        let changed = if after == before { Changed::False } else { Changed::True };
        let mut data = crate::outputs(after.outputs(name, self.services.provider()));
        data.insert("before".into(), before.main_pid.into());
        data.insert("after".into(), after.main_pid.into());
        let failed = |message: String| {
            Outcome::failed(Reason::Action, changed, format!("{name}: {message}"))
        };
        let outcome = match (job, settled) {
            (Err(error), _) => failed(error),
            (Ok(Job::NotDone(why)), _) => {
                failed(format!("the restart ended as {why}; it is {}", after.state()))
            }
            // A signal can be lost while systemd reads its units anew; what it did counts.
            (Ok(Job::TooLong), _) if !after.is_active() || changed == Changed::False => {
                let message = format!(
                    "{name}: not restarted after {} s; systemd still tries",
                    limit.as_secs()
                );
                Outcome::timed_out(Reason::RunLimit, Changed::Unknown, message)
            }
            // Nor does a bus that ended say that nothing comes of it.
            (Ok(Job::Unheard(why)), _) if !after.is_active() || changed == Changed::False => {
                let message = format!("{name}: it may still be restarted: {why}");
                Outcome::failed(Reason::Action, Changed::Unknown, message)
            }
            _ if !after.is_active() => failed(format!("{} after the restart", after.state())),
            (_, Err(error)) => {
                failed(format!("restarted, but whether it stays up could not be seen: {error}"))
            }
            (_, Ok(false)) => failed("it does not stay up after the restart".into()),
            (_, Ok(true)) => Outcome::ok(serde_json::Map::new()).changing(changed),
        };
        debug_assert!(outcome.result == ActionResult::Ok || outcome.reason.is_some());
        outcome.with(data)
    }

    /// Looks at a unit that was there before; if it is no more, it has no state.
    async fn look_again(&self, name: &str) -> Result<Unit, String> {
        self.services.look(name).await.map(Option::unwrap_or_default)
    }
}

impl Agent for Service {
    fn ddl(&self) -> &Arc<Ddl> {
        &self.ddl
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        Box::pin(self.answer(call))
    }
}

/// The unit that is meant by a service's name.
fn unit_name(service: &str) -> String {
    match KINDS.iter().any(|kind| service.ends_with(kind)) {
        true => service.to_owned(),
        false => format!("{service}.service"),
    }
}
