//! The two roads to systemd, each with the other one closed.

use super::super::error::Result;
use super::super::plan::Spec;
use super::refusals::{not_broken_off, while_locked};
use super::site::{Site, holds, same};

/// What the second road needs.
const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// D-Bus without `systemctl`, then `systemctl` without a bus.
pub fn both_ways(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    site.says(host, &["chmod", "a-x", SYSTEMCTL])?;
    let over_bus = restart(site, host, "over D-Bus, systemctl not executable");
    site.says(host, &["chmod", "a+x", SYSTEMCTL])?;
    over_bus?;
    site.says(host, &["systemctl", "stop", "dbus.socket", "dbus.service"])?;
    let without_bus = restart(site, host, "by systemctl, without a bus")
        .and_then(|()| while_locked(site, host, || not_broken_off(site, host)));
    site.says(host, &["systemctl", "start", "dbus.socket", "dbus.service"])?;
    without_bus?;
    restart(site, host, "over D-Bus again")
}

/// Restarts nginx and compares what is said of it with its processes.
fn restart(site: &Site, host: &Spec, how: &str) -> Result<()> {
    let before = main_process(site, host)?;
    let name = host.fqdn();
    let order = site.operator.order(&["service", "nginx", "restart", "-I", &name, "--yes"])?;
    order.ends(0, &[(&name, "ok", None)])?;
    let reply = order.of(&name)?;
    let after = main_process(site, host)?;
    println!("    {how}: main PID {before} → {after}");
    same("the main PID before, as reported", reply.text("before"), before.clone())?;
    same("the main PID after, as reported", reply.text("after"), after.clone())?;
    holds("it is another process", before != after)?;
    let status = site.operator.order(&["service", "nginx", "status", "-I", &name])?;
    let reply = status.of(&name)?;
    same("the main PID, as reported", reply.text("main_pid"), after)?;
    same("the status", reply.text("status").as_str(), "running")
}

/// nginx's main process by its own word: no road to systemd is needed for it.
fn main_process(site: &Site, host: &Spec) -> Result<String> {
    site.says(host, &["cat", "/run/nginx.pid"])
}
