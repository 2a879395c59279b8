//! The agent `service`: whether services run, their changes, and who still runs replaced code.
//!
//! | part | does |
//! | --- | --- |
//! | `busy` | in which unit packages are being changed, which must not be broken off |
//! | `change` | one change of one service, and whether it came to what was asked for |
//! | `care` | what administrators want done before and after: `service.d` |
//! | `stale` | who runs code from files that were replaced |
//! | `cure` | restarts those, one after the other |
//! | `systemd`, `systemctl`, `sysv` | the service managers |

mod bus;
mod busy;
mod care;
mod change;
mod cure;
mod journal;
pub(crate) mod nearest;
mod shown;
pub mod stale;
mod systemctl;
mod systemd;
mod sysv;
mod unit;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use marcato_agent::runner::Voice;
use marcato_agent::{Agent, BoxFuture, Call, Outcome, Shipped};
use marcato_core::ddl::{Ddl, DdlError};
use marcato_core::limits::service::FAILED_UNITS_MAX;
use marcato_core::{Changed, Reason};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use crate::package::Holder;
use stale::{Of, Report};

pub use busy::Relations;
pub use care::Care;
pub use systemd::Systemd;
pub use sysv::SystemV;
pub use unit::{Broken, Job, Unit, Verb};

/// Its declaration.
pub static DDL: Shipped = Shipped::new(include_bytes!("../../ddl/service.json"));

/// The seam between the agent and a service manager. What goes wrong is said in words.
pub trait Services: Send + Sync {
    /// The service manager's name.
    fn provider(&self) -> &'static str;

    /// Looks at a unit; `None` when there is none of that name.
    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>>;

    /// Does something with a unit and waits until the service manager is done, at most until the
    /// deadline.
    fn act<'a>(
        &'a self,
        verb: Verb,
        unit: &'a str,
        until: Instant,
    ) -> BoxFuture<'a, Result<Job, String>>;

    /// Lets a unit start with the host, or no more; whether that changed anything.
    fn enable<'a>(
        &'a self,
        unit: &'a str,
        on: bool,
        until: Instant,
    ) -> BoxFuture<'a, Result<bool, String>>;

    /// The service that is most likely meant by a name that no unit has.
    fn nearest(&self, asked: &str) -> Option<String> {
        nearest::of_host(Path::new("/"), asked)
    }

    /// The package that is most likely meant by a library of which nothing is installed.
    fn nearest_library(&self, asked: &str) -> Option<String> {
        stale::nearest(asked)
    }

    /// The unit in which packages are being changed, and who does that.
    fn package_work(&self) -> Option<(String, Holder)> {
        busy::package_work()
    }

    /// The units that stand in one of these relations to a unit; none where the service manager knows
    /// of none.
    fn related<'a>(
        &'a self,
        _unit: &'a str,
        _by: Relations,
    ) -> BoxFuture<'a, Result<Vec<String>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The units that have failed.
    fn failed(&self) -> BoxFuture<'_, Result<Vec<Broken>, String>>;

    /// The last lines of a unit's log since a time in microseconds since 1970; none where there is
    /// no log.
    fn log<'a>(&'a self, unit: &'a str, since_us: u64) -> BoxFuture<'a, Vec<String>> {
        Box::pin(journal::last_lines(unit, since_us))
    }

    /// What is to be done around a change of a unit.
    ///
    /// # Errors
    /// What says so cannot be understood.
    fn care(&self, unit: &Unit) -> Result<Care, String> {
        Care::of_host(&unit.names)
    }

    /// Lets a unit's check run, which is to pass before what runs is touched.
    fn check<'a>(
        &'a self,
        _unit: &'a Unit,
        care: &'a Care,
        limit: Duration,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(care.check(limit))
    }

    /// Who runs code of replaced files. `None` when nothing of the name that was given is installed.
    fn stale<'a>(&'a self, of: &'a Of) -> BoxFuture<'a, Result<Option<Report>, String>> {
        Box::pin(stale::look(of))
    }
}

/// The service manager of this host, if it has one that is known.
#[must_use]
pub fn of_host() -> Option<Arc<dyn Services>> {
    if let Some(systemd) = Systemd::available() {
        return Some(Arc::new(systemd));
    }
    SystemV::available().map(|scripts| Arc::new(scripts) as Arc<dyn Services>)
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
        Ok(Self { ddl: DDL.ddl()?, services })
    }

    async fn answer(&self, call: &Call) -> Outcome {
        let services = &*self.services;
        let until = Instant::now() + call.limit.as_duration();
        match call.action.as_str() {
            "failed" => self.failed(until).await,
            "stale" => self.stale(crate::text(call, "library")).await,
            "restart_stale" => {
                cure::cure(services, crate::text(call, "library"), until, &call.voice).await
            }
            action => self.one(action, crate::text(call, "service"), until, &call.voice).await,
        }
    }

    /// What is asked of one service.
    async fn one(&self, action: &str, service: &str, until: Instant, voice: &Voice) -> Outcome {
        let (services, name) = (&*self.services, unit::name_of(service));
        let before = match services.look(&name).await {
            // What failed once and is not there any more can be told, and nothing can be done to it.
            Ok(Some(unit)) if unit.removed && unit.is_down() && action != "status" => {
                return self.absent(&name);
            }
            Ok(Some(unit)) => unit,
            Ok(None) => return self.absent(&name),
            Err(error) => return Outcome::failed(Reason::Action, Changed::False, error),
        };
        match action {
            "enable" | "disable" => {
                change::enable(services, &name, before, action == "enable", until).await
            }
            _ => match Verb::of(action) {
                Some(verb) => change::change(services, verb, &name, before, until, voice).await,
                None => {
                    let data = crate::outputs(before.outputs(&name, services.provider()));
                    told(data, before.runs())
                }
            },
        }
    }

    fn absent(&self, name: &str) -> Outcome {
        let provider = self.services.provider();
        let data = json!({ "status": "absent", "unit": name, "provider": provider });
        let mut data = crate::outputs(data);
        if let Some(nearest) = self.services.nearest(name) {
            data.insert("nearest".into(), nearest.into());
        }
        Outcome::ok(data).because(Reason::Absent)
    }

    async fn failed(&self, until: Instant) -> Outcome {
        let mut all = match self.services.failed().await {
            Ok(all) => all,
            Err(error) => return Outcome::failed(Reason::Action, Changed::False, error),
        };
        let count = all.len();
        all.sort_by(|a, b| a.unit.cmp(&b.unit));
        all.truncate(FAILED_UNITS_MAX);
        let names = all.iter().map(|broken| broken.unit.trim_end_matches(".service"));
        let names = names.collect::<Vec<_>>().join(" ");
        let mut units = Vec::new();
        for broken in all {
            // What is known without its log is worth more than no answer.
            let log = timeout_at(until, self.services.log(&broken.unit, 0)).await;
            units.push(json!({
                "unit": broken.unit,
                "description": broken.description,
                "log": log.unwrap_or_default(),
            }));
        }
        let data = json!({ "units": names, "failed": units, "count": count });
        told(crate::outputs(data), count == 0)
    }

    async fn stale(&self, library: &str) -> Outcome {
        let of = if library.is_empty() { Of::All } else { Of::Named(library.to_owned()) };
        match self.services.stale(&of).await {
            Ok(Some(report)) => Outcome::ok(crate::outputs(report.outputs())),
            Ok(None) => {
                let data = crate::outputs(Report::default().outputs());
                no_library(&*self.services, library, data)
            }
            Err(error) => Outcome::failed(Reason::Action, Changed::False, error),
        }
    }
}

/// What was asked, and whether it is as it should be.
fn told(data: Map<String, Value>, is_well: bool) -> Outcome {
    let outcome = Outcome::ok(data);
    if is_well { outcome } else { outcome.because(Reason::NotRunning) }
}

/// Nothing of a library is installed.
fn no_library(services: &dyn Services, library: &str, mut data: Map<String, Value>) -> Outcome {
    if let Some(nearest) = services.nearest_library(library) {
        data.insert("nearest".into(), nearest.into());
    }
    Outcome::ok(data).because(Reason::Absent)
}

impl Agent for Service {
    fn ddl(&self) -> &Arc<Ddl> {
        &self.ddl
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        Box::pin(self.answer(call))
    }
}
