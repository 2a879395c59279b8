//! The user that the daemon runs as.

use std::path::Path;

use rustix::process::{getgid, getuid};

use super::{Found, read};

/// Adds who that is, where the host has users.
pub(super) fn add(found: &mut Found, root: &Path) {
    let users = read(root, "etc/passwd");
    if users.is_empty() {
        return;
    }
    let (user, group) = (getuid(), getgid());
    found.put("identity.uid", user.as_raw());
    found.put("identity.gid", group.as_raw());
    found.put("identity.privileged", user.is_root());
    found.text("identity.user", name(&users, user.as_raw()));
    found.text("identity.group", name(&read(root, "etc/group"), group.as_raw()));
}

/// The name beside a number in passwd(5) or group(5).
fn name(file: &str, number: u32) -> &str {
    let named = file.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(number)).then_some(name)
    });
    named.unwrap_or_default()
}
