//! A host that comes while the fleet is at work.

use super::super::error::Result;
use super::super::fleet;
use super::site::{SOON, Site, holds, same};
use std::fs;

/// The next command reaches a host that was booted a minute ago, and nobody has edited anything.
pub fn tenth(site: &mut Site) -> Result<()> {
    let config = fleet::config(site.hosts.dir());
    let before = fs::read(&config).ok();
    let names = site.names();
    let new = site.hosts.grow(site.operator.mco.clone())?;
    let name = new.fqdn();
    holds("it is a new one", !names.contains(&name))?;
    site.until("it has registered", SOON, || {
        Ok(site.operator.mco(&["find"])?.out.lines().any(|line| line == name))
    })?;
    let order = site.operator.order(&["package", "openssl", "status"])?;
    same("how many are asked", order.replies.len(), names.len() + 1)?;
    let reply = order.of(&name)?;
    same("its state", reply.state.as_str(), "ok")?;
    println!("    {name}: {}", reply.text("version"));
    let filter = format!("hagroup={}", new.hagroup.clone().unwrap_or_default());
    let found = site.operator.mco(&["find", "-W", &filter])?;
    found.exits(0)?.shows(&[&name])?;
    same("the operator's configuration", fs::read(&config).ok(), before)?;
    site.know(new);
    Ok(())
}
