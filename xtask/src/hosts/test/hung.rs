//! A host that hangs: it is there, and does nothing.

use super::super::error::Result;
use super::site::{SOON, Site, holds};

/// SIGSTOP, a read, a change, and SIGCONT: what was not answered may have run, and here it does.
pub fn stopped(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let signal = |signal| {
        let signal = format!("--signal={signal}");
        site.says(host, &["systemctl", "kill", "--kill-whom=main", &signal, "mcod"]).map(drop)
    };
    let before = site.unit(host, "nginx", "MainPID")?;
    signal("STOP")?;
    let told = while_stopped(site);
    signal("CONT")?;
    told?;
    site.until("the change that was sent is done", SOON, || {
        let now = site.unit(host, "nginx", "MainPID")?;
        Ok(now != before && now != "0")
    })?;
    println!("    the change was done when the host went on, within its time");
    site.all_back().map(drop)
}

fn while_stopped(site: &Site) -> Result<()> {
    let name = site.alone.fqdn();
    let read = site.operator.order(&["ping", "-t", "1"])?;
    site.ends(&read, 4, |host| match host == &site.alone {
        true => ("no_response", Some("silent")),
        false => ("ok", None),
    })?;
    let words = ["service", "nginx", "restart", "-I", &name, "--yes", "-t", "1"];
    let change = site.operator.mco(&words)?;
    println!("    {}", change.out);
    change.exits(3)?.shows(&[&name, "no", "response", "silent"])?;
    holds("it says until when it may start", change.out.contains("may start until"))
}
