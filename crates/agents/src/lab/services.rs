//! The lab's simulated services.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use marcato_agent::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Lab;
use crate::service::{Job, Services, Unit};

/// A simulated service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabService {
    /// Whether it runs.
    pub running: bool,
    /// Process id of its main process; kept while it is down.
    pub main_pid: u32,
    /// When it was started, in microseconds since 1970.
    pub since_us: u64,
}

impl Lab {
    fn unit(&self, name: &str) -> Result<Option<Unit>, String> {
        let host = self.read().map_err(|error| self.told(&error))?;
        Ok(host.services.get(name.trim_end_matches(".service")).map(LabService::unit))
    }

    fn restarted(&self, name: &str) -> Result<Job, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let done = self.change(|host| {
            let pid = host.services.values().map(|service| service.main_pid).max().unwrap_or(0) + 1;
            let service = host.services.get_mut(name.trim_end_matches(".service"))?;
            *service = LabService { running: true, main_pid: pid, since_us };
            Some(())
        });
        match done {
            Ok(Some(())) => Ok(Job::Done),
            Ok(None) => Ok(Job::NotDone("failed".into())),
            Err(error) => Err(self.told(&error)),
        }
    }
}

impl LabService {
    /// A service that runs since long ago.
    #[must_use]
    pub const fn up(main_pid: u32) -> Self {
        Self { running: true, main_pid, since_us: 1_760_000_000_000_000 }
    }

    fn unit(&self) -> Unit {
        let word = |up: &str, down: &str| if self.running { up } else { down }.to_owned();
        Unit {
            active: word("active", "inactive"),
            sub: word("running", "dead"),
            enabled: "enabled".into(),
            main_pid: if self.running { self.main_pid } else { 0 },
            restarts: 0,
            since_us: self.since_us,
        }
    }
}

impl Services for Lab {
    fn provider(&self) -> &'static str {
        "systemd"
    }

    fn settle(&self) -> Duration {
        Duration::ZERO
    }

    fn look<'a>(&'a self, unit: &'a str) -> BoxFuture<'a, Result<Option<Unit>, String>> {
        Box::pin(async { self.unit(unit) })
    }

    fn restart<'a>(&'a self, unit: &'a str, _until: Instant) -> BoxFuture<'a, Result<Job, String>> {
        Box::pin(async { self.restarted(unit) })
    }
}
