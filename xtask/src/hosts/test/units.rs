//! Services that cannot be restarted well.

use super::super::error::Result;
use super::super::plan::Spec;
use super::operator::Reply;
use super::site::{Site, same};
use serde_json::json;

/// Has the operator restart a service of one host.
fn restart(site: &Site, host: &Spec, service: &str) -> Result<Reply> {
    let name = host.fqdn();
    let order = site.operator.order(&["service", service, "restart", "-I", &name, "--yes"])?;
    let reply = order.of(&name)?.clone();
    same("the exit code", order.exit, 2)?;
    println!("    {}: {}", reply.reason.clone().unwrap_or_default(), reply.statusmsg);
    Ok(reply)
}

/// A typo in nginx's configuration
pub fn broken_configuration(site: &mut Site) -> Result<()> {
    const BROKEN: &str = "/etc/nginx/conf.d/broken.conf";
    let host = &site.alone;
    let before = site.unit(host, "nginx", "MainPID")?;
    site.put(host, BROKEN, "0644", b"lissten 80;\n")?;
    let reply = restart(site, host, "nginx");
    site.remove(host, BROKEN)?;
    let reply = reply?;
    same("its end", (&*reply.state, reply.reason.as_deref()), ("failed", Some("precheck")))?;
    same("changed", &reply.changed, &json!(false))?;
    same("nginx's main process", site.unit(host, "nginx", "MainPID")?, before)?;
    same("nginx", site.unit(host, "nginx", "ActiveState")?.as_str(), "active")
}

/// A service that comes up and dies in its first second
pub fn dies(site: &mut Site) -> Result<()> {
    const UNIT: &str = "/run/systemd/system/brief.service";
    let host = &site.alone;
    let text = b"[Service]\nExecStart=/bin/sh -c 'sleep 1; exit 1'\n";
    site.put(host, UNIT, "0644", text)?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    let reply = restart(site, host, "brief");
    site.remove(host, UNIT)?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    let name = host.fqdn();
    let status = site.operator.order(&["service", "brief", "status", "-I", &name])?;
    status.ends(1, &[(&name, "ok", Some("not-running"))])?;
    let again = site.operator.order(&["service", "brief", "restart", "-I", &name, "--yes"])?;
    again.ends(1, &[(&name, "ok", Some("absent"))])?;
    println!(
        "    without its file: {} in status, nothing to restart",
        status.of(&name)?.text("status")
    );
    site.hosts.exec(&host.name, &["systemctl", "reset-failed", "brief"], b"")?;
    let reply = reply?;
    same("its end", (&*reply.state, reply.reason.as_deref()), ("failed", Some("unsettled")))?;
    same("changed", &reply.changed, &json!(true))
}

/// `systemctl mask`
pub fn masked(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let before = site.unit(host, "nginx", "MainPID")?;
    site.says(host, &["systemctl", "mask", "--runtime", "--quiet", "nginx"])?;
    let reply = restart(site, host, "nginx");
    site.says(host, &["systemctl", "unmask", "--runtime", "--quiet", "nginx"])?;
    let reply = reply?;
    same("its end", (&*reply.state, reply.reason.as_deref()), ("failed", Some("masked")))?;
    same("changed", &reply.changed, &json!(false))?;
    same("nginx's main process", site.unit(host, "nginx", "MainPID")?, before)
}
