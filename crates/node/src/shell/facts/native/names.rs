//! The host's names.

use std::path::Path;

use super::{Found, read};

/// Adds the host's names as they stand in its files.
pub(super) fn add(found: &mut Found, root: &Path, node: &str) {
    let fqdn = fqdn(root, node);
    let (host, domain) = fqdn.split_once('.').unwrap_or((&fqdn, ""));
    found.text("networking.hostname", host);
    found.text("networking.domain", domain);
    found.text("networking.fqdn", &fqdn);
}

/// The host's full name: as the kernel has it if that has a domain, else completed from
/// `/etc/hosts`, else from the domain in `/etc/resolv.conf`. No name server is asked.
#[must_use]
pub fn fqdn(root: &Path, node: &str) -> String {
    let node = node.to_ascii_lowercase();
    if node.contains('.') {
        return node.trim_end_matches('.').to_owned();
    }
    let hosts = read(root, "etc/hosts").to_ascii_lowercase();
    let begins = |name: &&str| name.strip_prefix(&node).is_some_and(|rest| rest.starts_with('.'));
    let listed = hosts
        .lines()
        .filter_map(|line| line.split('#').next()?.split_ascii_whitespace().skip(1).find(begins));
    // Distributions write names such as `localhost.localdomain` that say nothing.
    if let Some(full) = listed.into_iter().find(|name| !name.ends_with(".localdomain")) {
        return full.to_owned();
    }
    let resolver = read(root, "etc/resolv.conf").to_ascii_lowercase();
    let setting = |key: &str| {
        let value = resolver.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            if words.next() == Some(key) { words.next() } else { None }
        })?;
        Some(value.trim_matches('.')).filter(|domain| !domain.is_empty())
    };
    match setting("domain").or_else(|| setting("search")) {
        Some(domain) => format!("{node}.{domain}"),
        None => node,
    }
}
