//! The unit in which packages are being changed: nothing may stop it meanwhile, for that would break
//! the work off.
//!
//! systemd stops a unit also when one that it needs is stopped or restarted, and when one with which it
//! is in conflict is started; see systemd.unit(5).

use std::collections::BTreeSet;
use std::path::Path;

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

/// Why this is not to be done to a unit now: it would break off a change of packages.
///
/// # Errors
/// The service manager does not say how its units hang together.
pub(super) async fn breaks_off(
    services: &dyn Services,
    verb: Verb,
    unit: &Unit,
) -> Result<Option<String>, String> {
    if verb == Verb::Reload {
        return Ok(None);
    }
    let Some((at_work, holder)) = services.package_work() else { return Ok(None) };
    let busy = services.look(&at_work).await?;
    if busy.is_some_and(|busy| busy.spares_others && busy.main_pid != holder.pid) {
        return Ok(None);
    }
    let Holder { name, pid, .. } = holder;
    let because = |place: &str| Ok(Some(format!("{name} (pid {pid}) changes packages in {place}")));
    let is_meant = |units: &BTreeSet<String>| unit.names.iter().any(|name| units.contains(name));
    let needed = reached(services, &at_work, STOPPED_WITH).await?;
    if verb != Verb::Start {
        if unit.names.contains(&at_work) {
            return because("it, and would be broken off");
        }
        if is_meant(&needed) {
            return because(&format!("{at_work}, which would be stopped with it"));
        }
    }
    // What runs stands in no conflict with what runs.
    if verb == Verb::Stop || !unit.is_down() {
        return Ok(None);
    }
    let Some(name) = unit.names.first() else { return Ok(None) };
    for started in reached(services, name, STARTED_WITH).await? {
        // Asked from this side: systemd forgets a unit that nothing uses, and its conflicts with it.
        let foes = services.related(&started, IN_CONFLICT).await?;
        if foes.iter().any(|foe| needed.contains(foe)) {
            return because(&format!("{at_work}, which would be stopped by the start"));
        }
    }
    Ok(None)
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
