//! What the nodes take when nothing is asked of them, and what they have logged by now.

use super::super::error::{Error, Result};
use super::super::plan::Spec;
use super::site::{Site, holds, same};

/// Memory of each node's daemon, and the state of each host after all that.
pub fn figures(site: &mut Site) -> Result<()> {
    for host in site.nodes() {
        let pid = site.unit(host, "mcod", "MainPID")?;
        let rollup = site.says(host, &["cat", &format!("/proc/{pid}/smaps_rollup")])?;
        let kib = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        println!("    {}: RSS {}, PSS {}", host.fqdn(), kib("Rss:"), kib("Pss:"));
        holds("the figures are there", kib("Rss:").ends_with("kB"))?;
        same(
            "its systemd",
            site.says(host, &["systemctl", "is-system-running"])?.as_str(),
            "running",
        )?;
        not_panicked(site, host)?;
        let runs = site.says(host, &["ls", "/var/lib/marcato/runs"])?;
        same("the folders of runs that are over", runs.as_str(), "")?;
    }
    Ok(())
}

/// Wants no panic in all that a daemon has logged.
fn not_panicked(site: &Site, host: &Spec) -> Result<()> {
    let argv = ["journalctl", "--quiet", "--no-pager", "--unit=mcod", "--output=cat"];
    let journal = site.says(host, &argv)?;
    match journal.lines().find(|line| line.contains("panicked")) {
        Some(line) => Err(Error::Unmet(format!("{}: {line}", host.fqdn()))),
        None => Ok(()),
    }
}
