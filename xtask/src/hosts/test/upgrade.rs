//! Marcato's own package is updated like any other.

use super::super::archive::{field, repack};
use super::super::error::{Result, file};
use super::debian::{offered, refresh, take_back, version};
use super::restarts::{done_once, meanwhile};
use super::site::{Site, holds, same};
use serde_json::json;

/// Its name.
const OWN: &str = "marcato";

/// What the package has brought, as dpkg and systemd of the hosts see it.
pub fn installed(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let version = site.says(host, &["mco", "--version"])?;
    same("marcato --version", site.says(host, &["marcato", "--version"])?, version.clone())?;
    println!("    {version}, {}", super::debian::version(site, host, OWN)?);
    same("what dpkg misses of it", site.says(host, &["dpkg", "--verify", OWN])?.as_str(), "")?;
    let hub = site.unit(host, "mcod-hub", "UnitFileState")?;
    same("the hub's unit on a node", hub.as_str(), "disabled")?;
    let ancestor = site.says(host, &["dpkg-query", "-W", "-f=${Conflicts}", OWN])?;
    same("what it cannot be beside", ancestor.as_str(), "mcollective-client")?;
    let pages = ["man/man1/mco.1.gz", "man/man8/mcod.8.gz", "bash-completion/completions/mco"];
    for page in pages {
        holds(page, site.exists(host, &format!("/usr/share/{page}"))?)?;
    }
    Ok(())
}

/// By the daemon itself, which answers as the new one; then by hand, while a change of the daemon's
/// runs.
pub fn own_package(site: &mut Site) -> Result<()> {
    let host = site.other.clone();
    let folder = tempfile::tempdir().map_err(file("make", "a folder for a package"))?;
    let present = site.hosts.archive().folder().join("marcato.deb");
    let newer = field(&present, "Version")? + "+newer1";
    site.hosts.archive().add(&repack(&present, &newer, folder.path())?)?;
    refresh(site, &host)?;
    let done = by_itself(site, &newer).and_then(|()| {
        take_back(site, &host, &[OWN])?;
        site.all_back()?;
        while_a_change_runs(site, &newer)
    });
    take_back(site, &host, &[OWN])?;
    site.all_back()?;
    done
}

/// `mco package marcato update`
fn by_itself(site: &Site, newer: &str) -> Result<()> {
    let host = &site.other;
    let name = host.fqdn();
    let before = site.unit(host, "mcod", "MainPID")?;
    let oldest = offered(site, host, OWN)?.pop().unwrap_or_default();
    let order = site.operator.order(&["package", OWN, "update", "-I", &name, "--yes"])?;
    order.ends(0, &[(&name, "ok", None)])?;
    let reply = order.of(&name)?;
    same("changed", &reply.changed, &json!(true))?;
    same("before", reply.text("before"), oldest)?;
    same("after", reply.text("after").as_str(), newer)?;
    same("the version, as dpkg has it", version(site, host, OWN)?.as_str(), newer)?;
    let after = site.unit(host, "mcod", "MainPID")?;
    println!("    mcod {before} → {after}; told after {:.1} s", order.took.as_secs_f64());
    holds("the daemon is another one", before != after && after != "0")
}

fn while_a_change_runs(site: &Site, newer: &str) -> Result<()> {
    let ended = meanwhile(site, |host| {
        let before = site.unit(host, "mcod", "MainPID")?;
        site.says(host, &["apt-get", "--yes", "install", OWN])?;
        same("the version, as dpkg has it", version(site, host, OWN)?.as_str(), newer)?;
        let after = site.unit(host, "mcod", "MainPID")?;
        println!("    mcod {before} → {after} by apt-get, while a service stopped");
        holds("the daemon is another one", before != after && after != "0")
    })?;
    done_once(site, ended)
}
