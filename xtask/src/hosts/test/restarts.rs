//! Daemons that end while a change of theirs runs.

use super::super::error::{Error, Result};
use super::super::plan::Spec;
use super::operator::Order;
use super::site::{SOON, Site, holds, same};
use serde_json::json;

/// A service that takes its time to stop.
const UNIT: &str = "slow.service";

/// Where it is.
const UNIT_FILE: &str = "/run/systemd/system/slow.service";

/// Each of its starts leaves a line here.
const STARTS: &str = "/run/slow.starts";

/// Long enough for a daemon to be restarted meanwhile: systemd waits two seconds before it starts a
/// killed one again.
const TEXT: &str = "[Service]\nExecStartPre=/bin/sh -c 'echo start >>/run/slow.starts'\n\
    ExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 5\nTimeoutStopSec=30\n";

/// Has the operator restart the slow service, does something to the host while it stops, and gives
/// back what the operator was told, and how often the service was started.
///
/// # Errors
/// When the host cannot, or what is done fails.
pub fn meanwhile(site: &Site, act: impl FnOnce(&Spec) -> Result<()>) -> Result<(Order, usize)> {
    let host = &site.other;
    site.put(host, UNIT_FILE, "0644", TEXT.as_bytes())?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    site.says(host, &["systemctl", "start", UNIT])?;
    let before = starts(site, host)?;
    let ended = std::thread::scope(|scope| {
        let words = ["service", "slow", "restart", "-I", &host.fqdn(), "--yes"].map(str::to_owned);
        let typed = scope.spawn(move || site.operator.order(&words.each_ref().map(String::as_str)));
        let acted = site
            .until("the slow service stops", SOON, || {
                Ok(site.unit(host, UNIT, "ActiveState")? == "deactivating")
            })
            .and_then(|()| act(host));
        let order = typed.join().map_err(|_| Error::Machine("mco: panicked".to_owned()))?;
        acted.and(order)
    })?;
    // What the service manager was told to do, it does, whoever waits for it.
    site.until("the slow service runs", SOON, || {
        Ok(site.unit(host, UNIT, "ActiveState")? == "active")
    })?;
    let count = starts(site, host)? - before;
    site.says(host, &["systemctl", "kill", "--signal=KILL", UNIT])?;
    site.until("the slow service is gone", SOON, || {
        Ok(site.unit(host, UNIT, "ActiveState")? == "failed")
    })?;
    site.says(host, &["systemctl", "reset-failed", UNIT])?;
    site.remove(host, UNIT_FILE)?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    Ok((ended, count))
}

fn starts(site: &Site, host: &Spec) -> Result<usize> {
    Ok(site.says(host, &["cat", STARTS])?.lines().count())
}

/// Wants the change to be reported as done, by a receipt, and to have been done once.
///
/// # Errors
/// When it was not so.
pub fn done_once(site: &Site, (order, starts): (Order, usize)) -> Result<()> {
    let name = site.other.fqdn();
    order.ends(0, &[(&name, "ok", None)])?;
    let reply = order.of(&name)?;
    same("changed", &reply.changed, &json!(true))?;
    same("the code", reply.statuscode, Some(0))?;
    same("how often it was started", starts, 1)?;
    println!("    ok, changed, started once; told after {:.1} s", order.took.as_secs_f64());
    Ok(())
}

/// Kills the daemon in a way that systemd starts it again.
fn kill_daemon(site: &Site, host: &Spec) -> Result<()> {
    let argv = ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "mcod"];
    site.says(host, &argv).map(drop)
}

/// `systemctl restart mcod`
pub fn restarted(site: &mut Site) -> Result<()> {
    let ended = meanwhile(site, |host| {
        let before = site.unit(host, "mcod", "MainPID")?;
        site.says(host, &["systemctl", "restart", "mcod"])?;
        let after = site.unit(host, "mcod", "MainPID")?;
        println!("    mcod {before} → {after} while the service stopped");
        holds("the daemon is another one", before != after)?;
        let state = site.unit(host, UNIT, "ActiveState")?;
        same("the service that stops", state.as_str(), "deactivating")
    })?;
    done_once(site, ended)
}

/// `kill -9`
pub fn killed(site: &mut Site) -> Result<()> {
    let ended = meanwhile(site, |host| kill_daemon(site, host))?;
    done_once(site, ended)
}

/// `kill -9` of the daemon and of what it had started for the change.
pub fn both_killed(site: &mut Site) -> Result<()> {
    let (order, starts) = meanwhile(site, |host| {
        kill_daemon(site, host)?;
        let list = ["systemctl", "list-units", "--plain", "--no-legend", "marcato-run-*.scope"];
        let listed = site.says(host, &list)?;
        let scope = listed.split_whitespace().next().unwrap_or_default().to_owned();
        println!("    killed: mcod and {scope}");
        holds("the change runs in a scope of its own", scope.starts_with("marcato-run-"))?;
        site.says(host, &["systemctl", "kill", "--signal=KILL", &scope]).map(drop)
    })?;
    let name = site.other.fqdn();
    order.ends(2, &[(&name, "interrupted", Some("runner-gone"))])?;
    same("changed", &order.of(&name)?.changed, &json!("unknown"))?;
    same("how often it was started", starts, 1)?;
    println!("    interrupted, changed unknown; systemd did it once all the same");
    site.all_back().map(drop)
}
