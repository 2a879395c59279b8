//! The unit in which packages are being changed: nothing may stop it meanwhile, for that would break
//! the work off.
//!
//! systemd stops a unit also when one that it needs is stopped or restarted, and when one with which it
//! is in conflict is started; see systemd.unit(5).

use std::collections::BTreeSet;
use std::path::Path;

use marcato_core::limits::service::RELATIONS_LIMIT;
use tokio::time::timeout;

use super::stale::Owner;
use super::{Services, Unit, Verb};
use crate::package::{self, Holder};

/// Where dpkg keeps its database and its locks, unless told otherwise (dpkg(1)).
const ADMIN: &str = "/var/lib/dpkg";

/// How units hang together, as the lists of a unit that systemd calls by these names.
pub type Relations = &'static [&'static str];

/// What a unit is stopped with.
const STOPPED_WITH: Relations =
    &["Requires", "Requisite", "BindsTo", "PartOf", "StopPropagatedFrom"];

/// What is started with a unit.
const STARTED_WITH: Relations = &["Requires", "BindsTo", "Wants", "Upholds"];

/// What cannot run beside a unit.
const IN_CONFLICT: Relations = &["Conflicts", "ConflictedBy"];

/// That unit of this host, if there is one now, and who does it there.
pub(super) fn package_work() -> Option<(String, Holder)> {
    let holder = package::at_work(Path::new(ADMIN))?;
    let group = std::fs::read_to_string(format!("/proc/{}/cgroup", holder.pid)).ok()?;
    match Owner::parse(&group) {
        Owner::Service(unit) | Owner::Session(unit) | Owner::Unit(unit) => Some((unit, holder)),
        Owner::Nothing => None,
    }
}

/// A change of packages that is under way.
pub(super) struct Work {
    unit: String,
    holder: Holder,
    /// The units with which its unit would be stopped, itself among them.
    needed: BTreeSet<String>,
}

impl Work {
    /// What is under way now and ends with its unit.
    ///
    /// # Errors
    /// The service manager does not say how its units hang together, or not in time.
    pub(super) async fn now(services: &dyn Services) -> Result<Option<Self>, String> {
        let Some((unit, holder)) = services.package_work() else { return Ok(None) };
        if services.look(&unit).await?.is_some_and(|busy| busy.spares(holder.pid)) {
            return Ok(None);
        }
        let needed = in_time(reached(services, &unit, STOPPED_WITH)).await?;
        Ok(Some(Self { unit, holder, needed }))
    }

    /// Why this is not to be done to a unit meanwhile: it would break the change off.
    ///
    /// # Errors
    /// As [`Work::now`].
    pub(super) async fn broken_off_by(
        &self,
        services: &dyn Services,
        verb: Verb,
        unit: &Unit,
    ) -> Result<Option<String>, String> {
        let is_needed = unit.names.iter().any(|name| self.needed.contains(name));
        let starts = matches!(verb, Verb::Start | Verb::Restart) && unit.is_down();
        let place = match verb {
            Verb::Stop | Verb::Restart if unit.names.contains(&self.unit) => {
                "it, and would be broken off".to_owned()
            }
            Verb::Stop | Verb::Restart if is_needed => {
                format!("{}, which would be stopped with it", self.unit)
            }
            // What runs stands in no conflict with what runs.
            _ if starts && in_time(self.is_in_conflict(services, unit)).await? => {
                format!("{}, which would be stopped by the start", self.unit)
            }
            _ => return Ok(None),
        };
        let Holder { name, pid, .. } = &self.holder;
        Ok(Some(format!("{name} (pid {pid}) changes packages in {place}")))
    }

    /// Whether a unit or what is started with it cannot run beside what is needed.
    async fn is_in_conflict(&self, services: &dyn Services, unit: &Unit) -> Result<bool, String> {
        let Some(name) = unit.names.first() else { return Ok(false) };
        for started in reached(services, name, STARTED_WITH).await? {
            // Asked from this side: systemd forgets a unit that nothing uses, and its conflicts with it.
            let foes = services.related(&started, IN_CONFLICT).await?;
            if foes.iter().any(|foe| self.needed.contains(foe)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Why this is not to be done to a unit now: it would break off a change of packages.
///
/// # Errors
/// As [`Work::now`].
pub(super) async fn breaks_off(
    services: &dyn Services,
    verb: Verb,
    unit: &Unit,
) -> Result<Option<String>, String> {
    match Work::now(services).await? {
        Some(work) => work.broken_off_by(services, verb, unit).await,
        None => Ok(None),
    }
}

/// Lets a walk from unit to unit take so long at most.
async fn in_time<T>(walk: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(RELATIONS_LIMIT.as_duration(), walk).await.unwrap_or_else(|_| {
        let seconds = RELATIONS_LIMIT.as_duration().as_secs();
        Err(format!("how its units hang together is not known after {seconds} s"))
    })
}

/// The units that are reached from one, itself among them.
async fn reached(
    services: &dyn Services,
    unit: &str,
    along: Relations,
) -> Result<BTreeSet<String>, String> {
    let mut seen = BTreeSet::from([unit.to_owned()]);
    let mut next = vec![unit.to_owned()];
    while let Some(unit) = next.pop() {
        for other in services.related(&unit, along).await? {
            if seen.insert(other.clone()) {
                next.push(other);
            }
        }
    }
    Ok(seen)
}
