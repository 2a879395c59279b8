//! systemd over D-Bus (org.freedesktop.systemd1(5)), by way of `systemctl` where there is no bus.
//!
//! The hard part of a restart is to hear of its end: `JobRemoved` may come before the call that
//! started the job returns. So the signal is subscribed to before the call, and matched by the
//! job's path; and because a `daemon-reload` can swallow it, the deadline is followed by one more
//! look at the unit.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use marcato_agent::BoxFuture;
use marcato_core::limits::agent::{SETTLE, SYSTEMD_LIMIT};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use zbus::proxy::CacheProperties::No;
use zbus::{Connection, DBusError, OwnedObjectPath};

use super::{Job, Services, Unit, systemctl};

/// Part of systemd's manager.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

/// Part of every unit.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1",
    assume_defaults = false
)]
trait AnyUnit {
    #[zbus(property(emits_changed_signal = "false"))]
    fn load_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn sub_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn unit_file_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_enter_timestamp(&self) -> zbus::Result<u64>;
}

/// Part of services alone.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1",
    assume_defaults = false
)]
trait ServiceUnit {
    #[zbus(property(emits_changed_signal = "false"), name = "MainPID")]
    fn main_pid(&self) -> zbus::Result<u32>;
    #[zbus(property(emits_changed_signal = "false"), name = "NRestarts")]
    fn n_restarts(&self) -> zbus::Result<u32>;
}

/// Why systemd did not do what it was asked, in words.
enum Failure {
    /// It said so.
    Systemd(String),
    /// The connection to the bus broke.
    Bus(String),
}

impl Failure {
    fn into_words(self) -> String {
        match self {
            Self::Systemd(words) | Self::Bus(words) => words,
        }
    }
}

/// systemd of this host. The connection to the bus is opened at the first call and kept.
#[derive(Default)]
pub struct Systemd {
    bus: Mutex<Option<Connection>>,
}

impl Systemd {
    /// systemd, if it is what runs this host (sd_booted(3)).
    #[must_use]
    pub fn available() -> Option<Self> {
        Path::new("/run/systemd/system").is_dir().then(Self::default)
    }

    /// The connection; none where the bus does not run.
    async fn bus(&self) -> Option<Connection> {
        let mut kept = self.bus.lock().await;
        if kept.is_none() {
            *kept = timeout(SYSTEMD_LIMIT.as_duration(), Connection::system()).await.ok()?.ok();
        }
        kept.clone()
    }

    /// Turns an error into words. After one of the connection itself a new one is made next time.
    async fn failure(&self, error: zbus::Error) -> Failure {
        match error {
            zbus::Error::MethodError(name, text, _) => {
                Failure::Systemd(text.unwrap_or_else(|| name.to_string()))
            }
            // systemd's answer too, by one of the names that every bus knows.
            zbus::Error::FDO(error) => Failure::Systemd(
                error.description().map_or_else(|| error.to_string(), str::to_owned),
            ),
            error => {
                *self.bus.lock().await = None;
                Failure::Bus(format!("systemd over D-Bus: {error}"))
            }
        }
    }

    async fn look_at(&self, unit: &str) -> Result<Option<Unit>, String> {
        match self.look_once(unit).await {
            // The connection was kept, and its bus has ended since: a look can be taken again.
            Err(Failure::Bus(_)) => self.look_once(unit).await.map_err(Failure::into_words),
            looked => looked.map_err(Failure::into_words),
        }
    }

    async fn look_once(&self, unit: &str) -> Result<Option<Unit>, Failure> {
        let Some(bus) = self.bus().await else {
            return systemctl::look(unit).await.map_err(Failure::Systemd);
        };
        match timeout(SYSTEMD_LIMIT.as_duration(), look(&bus, unit)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(zbus::Error::MethodError(name, ..)))
                if name.as_str() == "org.freedesktop.systemd1.NoSuchUnit" =>
            {
                Ok(None)
            }
            Ok(Err(error)) => Err(self.failure(error).await),
            Err(_) => Err(Failure::Systemd("systemd does not answer over D-Bus".into())),
        }
    }

    async fn restart_unit(&self, unit: &str, until: Instant) -> Result<Job, String> {
        let Some(bus) = self.bus().await else { return systemctl::restart(unit, until).await };
        match timeout_at(until, restart(&bus, unit)).await {
            Ok(Ok(job)) => Ok(job),
            Ok(Err(error)) => match self.failure(error).await {
                Failure::Systemd(words) => Err(words),
                // Whether systemd got the call is not known.
                Failure::Bus(words) => Ok(Job::Unheard(words)),
            },
            Err(_) => Ok(Job::TooLong),
        }
    }
}

async fn look(bus: &Connection, name: &str) -> zbus::Result<Option<Unit>> {
    let path = ManagerProxy::new(bus).await?.load_unit(name).await?;
    let unit = AnyUnitProxy::builder(bus).cache_properties(No).path(path.clone()).build().await?;
    if unit.load_state().await? == "not-found" {
        return Ok(None);
    }
    let mut found = Unit {
        active: unit.active_state().await?,
        sub: unit.sub_state().await?,
        enabled: unit.unit_file_state().await?,
        since_us: unit.active_enter_timestamp().await?,
        ..Unit::default()
    };
    if Path::new(name).extension().is_some_and(|kind| kind == "service") {
        let service =
            ServiceUnitProxy::builder(bus).cache_properties(No).path(path).build().await?;
        found.main_pid = service.main_pid().await?;
        // systemd before 235 does not count them.
        found.restarts = service.n_restarts().await.unwrap_or(0);
    }
    Ok(Some(found))
}

async fn restart(bus: &Connection, name: &str) -> zbus::Result<Job> {
    let manager = ManagerProxy::new(bus).await?;
    let mut removed = manager.receive_job_removed().await?;
    manager.subscribe().await?;
    let job = manager.restart_unit(name, "replace").await?;
    while let Some(signal) = removed.next().await {
        let ended = signal.args()?;
        if *ended.job() == job {
            return Ok(match ended.result().as_str() {
                "done" => Job::Done,
                other => Job::NotDone(other.to_owned()),
            });
        }
    }
    Err(zbus::Error::Failure("the bus went away".into()))
}

impl Services for Systemd {
    fn provider(&self) -> &'static str {
        "systemd"
    }

    fn settle(&self) -> Duration {
        SETTLE.as_duration()
    }

    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>> {
        Box::pin(self.look_at(unit))
    }

    fn restart<'a>(&'a self, unit: &'a str, until: Instant) -> BoxFuture<'a, Result<Job, String>> {
        Box::pin(self.restart_unit(unit, until))
    }
}
