//! systemd over D-Bus (org.freedesktop.systemd1(5)), by way of `systemctl` where there is no bus.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use marcato_agent::BoxFuture;
use marcato_core::limits::service::SYSTEMD_LIMIT;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use zbus::{Connection, DBusError};

use super::busy::{Relations, Work};
use super::stale::{self, Left, Of, Report};
use super::{Broken, Job, Services, Unit, Verb, bus, systemctl};

/// Where init scripts are: `systemctl` keeps their links in step, and D-Bus does not.
const SCRIPTS: &str = "/etc/init.d";

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

    /// The answer to a question, which changed nothing.
    async fn heard<T>(
        &self,
        question: impl Future<Output = zbus::Result<T>>,
    ) -> Result<T, Failure> {
        match timeout(SYSTEMD_LIMIT.as_duration(), question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failure(error).await),
            Err(_) => Err(Failure::Systemd("systemd does not answer over D-Bus".into())),
        }
    }

    async fn look_at(&self, unit: &str) -> Result<Option<Unit>, String> {
        match self.look_once(unit).await {
            // The connection was kept, and its bus has ended since: a look can be taken again.
            Err(Failure::Bus(_)) => self.look_once(unit).await,
            looked => looked,
        }
        .map_err(Failure::into_words)
    }

    async fn look_once(&self, unit: &str) -> Result<Option<Unit>, Failure> {
        match self.bus().await {
            Some(bus) => self.heard(bus::look(&bus, unit)).await,
            None => systemctl::look(unit).await.map_err(Failure::Systemd),
        }
    }

    async fn related_to(&self, unit: &str, by: Relations) -> Result<Vec<String>, String> {
        match self.related_once(unit, by).await {
            Err(Failure::Bus(_)) => self.related_once(unit, by).await,
            related => related,
        }
        .map_err(Failure::into_words)
    }

    async fn related_once(&self, unit: &str, by: Relations) -> Result<Vec<String>, Failure> {
        match self.bus().await {
            Some(bus) => self.heard(bus::related(&bus, unit, by)).await,
            None => systemctl::related(unit, by).await.map_err(Failure::Systemd),
        }
    }

    async fn failed_units(&self) -> Result<Vec<Broken>, String> {
        match self.failed_once().await {
            Err(Failure::Bus(_)) => self.failed_once().await,
            failed => failed,
        }
        .map_err(Failure::into_words)
    }

    async fn failed_once(&self) -> Result<Vec<Broken>, Failure> {
        match self.bus().await {
            Some(bus) => self.heard(bus::failed(&bus)).await,
            None => systemctl::failed().await.map_err(Failure::Systemd),
        }
    }

    async fn do_to(&self, verb: Verb, unit: &str, until: Instant) -> Result<Job, String> {
        let Some(bus) = self.bus().await else { return systemctl::act(verb, unit, until).await };
        match timeout_at(until, bus::act(&bus, verb, unit)).await {
            Ok(Ok(job)) => Ok(job),
            Ok(Err(error)) => match self.failure(error).await {
                Failure::Systemd(words) => Err(words),
                // Whether systemd got the call is not known.
                Failure::Bus(words) => Ok(Job::Unheard(words)),
            },
            Err(_) => Ok(Job::TooLong),
        }
    }

    async fn enable_unit(&self, unit: &str, on: bool, until: Instant) -> Result<bool, String> {
        let script = Path::new(SCRIPTS).join(unit.trim_end_matches(".service"));
        let bus = if script.exists() { None } else { self.bus().await };
        let Some(bus) = bus else { return self.enable_by_command(unit, on, until).await };
        match timeout_at(until, bus::enable(&bus, unit, on)).await {
            Ok(Ok(changed)) => Ok(changed),
            Ok(Err(error)) => Err(self.failure(error).await.into_words()),
            Err(_) => Err("systemd does not answer over D-Bus".into()),
        }
    }

    /// Leaves those alone that systemd would not restart, or not only restart.
    async fn stale_units(&self, of: &Of) -> Result<Option<Report>, String> {
        let Some(mut report) = stale::look(of).await? else { return Ok(None) };
        let work = Work::now(self).await?;
        for (unit, uses) in std::mem::take(&mut report.services) {
            let reason = match self.look_at(&unit).await? {
                None => Some("its unit is not there any more".to_owned()),
                Some(seen) => match (seen.left_alone(), &work) {
                    (Some(reason), _) => Some(reason.to_owned()),
                    (None, Some(work)) => work.broken_off_by(self, Verb::Restart, &seen).await?,
                    (None, None) => None,
                },
            };
            match reason {
                Some(reason) => report.left.push(Left { name: unit, reason, uses }),
                None => report.services.push((unit, uses)),
            }
        }
        Ok(Some(report))
    }

    /// `systemctl` does not say whether it changed anything; the unit and an init script's links do.
    async fn enable_by_command(
        &self,
        unit: &str,
        on: bool,
        until: Instant,
    ) -> Result<bool, String> {
        let state = async || {
            let seen = systemctl::look(unit).await?;
            Ok::<_, String>((seen.map(|unit| unit.enabled), links(unit, Path::new("/etc"))))
        };
        let before = state().await?;
        systemctl::enable(unit, on, until).await?;
        Ok(state().await? != before)
    }
}

/// By which links of System V's run levels a unit's init script is started and stopped, such as
/// `rc2.d/S01ntp`; see `update-rc.d`(8).
fn links(unit: &str, etc: &Path) -> BTreeSet<PathBuf> {
    let script = unit.trim_end_matches(".service");
    let is_its = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        // A letter and two digits come first.
        name.and_then(|name| name.get(3..)).is_some_and(|name| name == script)
    };
    let of = |level: char| std::fs::read_dir(etc.join(format!("rc{level}.d")));
    let entries = "0123456S".chars().filter_map(|level| of(level).ok()).flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_its).collect()
}

impl Services for Systemd {
    fn provider(&self) -> &'static str {
        "systemd"
    }

    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>> {
        Box::pin(self.look_at(unit))
    }

    fn related<'a>(
        &'a self,
        unit: &'a str,
        by: Relations,
    ) -> BoxFuture<'a, Result<Vec<String>, String>> {
        Box::pin(self.related_to(unit, by))
    }

    fn act<'a>(
        &'a self,
        verb: Verb,
        unit: &'a str,
        until: Instant,
    ) -> BoxFuture<'a, Result<Job, String>> {
        Box::pin(self.do_to(verb, unit, until))
    }

    fn enable<'a>(
        &'a self,
        unit: &'a str,
        on: bool,
        until: Instant,
    ) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(self.enable_unit(unit, on, until))
    }

    fn failed(&self) -> BoxFuture<'_, Result<Vec<Broken>, String>> {
        Box::pin(self.failed_units())
    }

    fn stale<'a>(&'a self, of: &'a Of) -> BoxFuture<'a, Result<Option<Report>, String>> {
        Box::pin(self.stale_units(of))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_an_init_script() {
        let etc = tempfile::tempdir().unwrap();
        let link = |path: &str| symlink("../init.d/ntp", etc.path().join(path)).unwrap();
        ["rc0.d", "rc2.d", "rcS.d"]
            .iter()
            .for_each(|dir| fs::create_dir(etc.path().join(dir)).unwrap());
        assert_eq!(links("ntp.service", etc.path()).len(), 0);
        ["rc2.d/S01ntp", "rc0.d/K01ntp", "rcS.d/S01ntpd", "rcS.d/é"].into_iter().for_each(link);
        let before = links("ntp.service", etc.path());
        assert_eq!(before.len(), 2);
        fs::rename(etc.path().join("rc2.d/S01ntp"), etc.path().join("rc2.d/K01ntp")).unwrap();
        assert_ne!(links("ntp.service", etc.path()), before);
    }
}
