//! The service in which packages are being changed: a stop would break that off.

use std::path::Path;

use super::stale::Owner;
use crate::package::{self, Holder};

/// That service of this host, if there is one now, and who does it there.
pub(super) fn package_work() -> Option<(String, Holder)> {
    let holder = package::at_work(Path::new(ADMIN))?;
    let group = std::fs::read_to_string(format!("/proc/{}/cgroup", holder.pid)).ok()?;
    match Owner::parse(&group) {
        Owner::Service(unit) => Some((unit, holder)),
        // Nothing that is a service holds it.
        Owner::Session(_) | Owner::Unit(_) | Owner::Nothing => None,
    }
}

/// Where dpkg keeps its database and its locks, unless told otherwise (dpkg(1)).
const ADMIN: &str = "/var/lib/dpkg";
