//! Updates that cannot be: each says why, and nothing was changed.

use super::super::error::{Error, Result, file};
use super::super::plan::{self, Spec};
use super::super::process;
use super::debian::{refresh, version};
use super::operator::Reply;
use super::orphans::RUNNER;
use super::probe::{NEW, OLD, PROBE, publish, with_probe};
use super::site::{SOON, Site, holds, same};
use serde_json::json;
use std::fs;

/// The unit that holds dpkg's lock.
const HOLDER: &str = "lock-holder";

/// What holds it; the file that says so leads to its process.
const HOLD: &str = "import fcntl, os, signal\nlock = open('/var/lib/dpkg/lock-frontend', 'w')\n\
    fcntl.lockf(lock, fcntl.LOCK_EX)\nos.symlink('/proc/' + str(os.getpid()), '/run/lock-held')\nsignal.pause()\n";

/// That file.
const HELD: &str = "/run/lock-held";

/// The unit that it needs.
const ABOVE: &str = "lock-above.service";

/// A unit that cannot run beside that one.
const FOE: &str = "lock-foe.service";

/// Where apt reads what it may take packages from.
const SOURCES: &str = "/etc/apt/sources.list";

/// Has the operator update the probe on one host.
fn update(site: &Site, host: &Spec, inputs: &[&str]) -> Result<Reply> {
    let name = host.fqdn();
    let words = ["rpc", "package", "update", "package=marcato-probe"];
    let order = site.operator.order(&[&words[..], inputs, &["-I", &name, "--yes"]].concat())?;
    let reply = order.of(&name)?.clone();
    same("the exit code", order.exit, if reply.state == "ok" { 0 } else { 2 })?;
    Ok(reply)
}

/// Wants it refused for this reason, and the host to be as it was.
fn refused(site: &Site, host: &Spec, inputs: &[&str], why: &str) -> Result<String> {
    let reply = update(site, host, inputs)?;
    println!("    {why}: {}", reply.statusmsg);
    same("its end", (&*reply.state, reply.reason.as_deref()), ("failed", Some(why)))?;
    same("changed", &reply.changed, &json!(false))?;
    same("the version, as dpkg has it", version(site, host, PROBE)?.as_str(), OLD)?;
    same("what dpkg has left undone", site.says(host, &["dpkg", "--audit"])?.as_str(), "")?;
    Ok(reply.statusmsg)
}

/// Wants it done.
fn done(site: &Site, host: &Spec, inputs: &[&str]) -> Result<()> {
    let reply = update(site, host, inputs)?;
    same("its end", (&*reply.state, reply.reason.as_deref()), ("ok", None))?;
    same("changed", &reply.changed, &json!(true))?;
    same("the version, as dpkg has it", version(site, host, PROBE)?.as_str(), NEW)
}

/// `apt-mark hold`
pub fn held(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    with_probe(site, host, [&[], &[]], || {
        site.says(host, &["apt-mark", "hold", PROBE])?;
        let said = refused(site, host, &[], "held")?;
        holds("it names the version", said.contains(OLD))?;
        site.says(host, &["apt-mark", "unhold", PROBE])?;
        done(site, host, &[])
    })
}

/// A filesystem with less room than the package takes
pub fn full_disk(site: &mut Site) -> Result<()> {
    const ARCHIVES: &str = "/var/cache/apt/archives";
    let (host, large) = (&site.alone, "x".repeat(1 << 20));
    with_probe(site, host, [&[], &[("usr/share/marcato-probe", 0o644, &large)]], || {
        site.says(host, &["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", ARCHIVES])?;
        let said = refused(site, host, &[], "no-space");
        site.says(host, &["umount", ARCHIVES])?;
        holds("it names the filesystem", said?.contains(ARCHIVES))?;
        done(site, host, &[])
    })
}

/// Has a process of the host hold dpkg's lock, does something, and has it let go.
///
/// # Errors
/// When the host cannot, or what is done fails.
pub fn while_locked<T>(site: &Site, host: &Spec, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let needs = format!("--property=Requires={ABOVE}");
    site.put(host, &unit_file(ABOVE), "0644", b"[Service]\nExecStart=/bin/sleep infinity\n")?;
    let foe = format!("[Unit]\nConflicts={ABOVE}\n[Service]\nExecStart=/bin/sleep infinity\n");
    site.put(host, &unit_file(FOE), "0644", foe.as_bytes())?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    let unit = ["systemd-run", "--quiet", "--unit", HOLDER, &needs, "python3", "-c", HOLD];
    site.says(host, &unit)?;
    let done =
        site.until("the lock is held", SOON, || site.exists(host, HELD)).and_then(|()| act());
    site.says(host, &["systemctl", "stop", HOLDER, ABOVE])?;
    site.remove(host, HELD)?;
    site.remove(host, &unit_file(ABOVE))?;
    site.remove(host, &unit_file(FOE))?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    done
}

fn unit_file(unit: &str) -> String {
    format!("/run/systemd/system/{unit}")
}

/// Wants nothing to be done by which the unit that changes packages would be stopped.
///
/// # Errors
/// When something was done, or something else is refused.
pub fn not_broken_off(site: &Site, host: &Spec) -> Result<()> {
    let (name, main_pid) = (host.fqdn(), || site.unit(host, HOLDER, "MainPID"));
    let before = main_pid()?;
    let changes = [
        (HOLDER, "stop"),
        (HOLDER, "restart"),
        (ABOVE, "stop"),
        (ABOVE, "restart"),
        ("system.slice", "stop"),
        (FOE, "start"),
        (FOE, "restart"),
        ("reboot.target", "start"),
    ];
    for (unit, verb) in changes {
        let order = site.operator.order(&["service", unit, verb, "-I", &name, "--yes"])?;
        order.ends(2, &[(&name, "failed", Some("locked"))])?;
        let reply = order.of(&name)?;
        same("changed", &reply.changed, &json!(false))?;
        println!("    {verb}: {}", reply.statusmsg);
    }
    let order = site.operator.order(&["service", "nginx", "restart", "-I", &name, "--yes"])?;
    order.ends(0, &[(&name, "ok", None)])?;
    same("its main process", main_pid()?, before)
}

/// Restarts a service that leaves a process of its own alone which holds dpkg's lock.
fn spared(site: &Site, host: &Spec) -> Result<()> {
    const UNIT: &str = "lock-spared.service";
    const SCRIPT: &str = "/run/lock-spared.py";
    let text = format!(
        "[Service]\nKillMode=process\nExecStart=/bin/sh -c 'python3 {SCRIPT} & exec sleep infinity'\n"
    );
    site.put(host, SCRIPT, "0644", HOLD.as_bytes())?;
    site.put(host, &unit_file(UNIT), "0644", text.as_bytes())?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    site.says(host, &["systemctl", "start", UNIT])?;
    site.until("the lock is held", SOON, || site.exists(host, HELD))?;
    let name = host.fqdn();
    let order = site.operator.order(&["service", UNIT, "restart", "-I", &name, "--yes"])?;
    let is_held = site.exists(host, HELD);
    site.says(host, &["systemctl", "kill", "--signal=KILL", UNIT])?;
    site.remove(host, HELD)?;
    site.remove(host, &unit_file(UNIT))?;
    site.remove(host, SCRIPT)?;
    site.says(host, &["systemctl", "daemon-reload"])?;
    site.says(host, &["systemctl", "reset-failed", UNIT])?;
    order.ends(0, &[(&name, "ok", None)])?;
    println!("    a service that leaves the holder alone is restarted");
    holds("the lock is still held", is_held?)
}

/// A process that holds dpkg's lock for too long, one that lets it go, and the file that is left.
pub fn locked(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    spared(site, host)?;
    with_probe(site, host, [&[], &[]], || {
        while_locked(site, host, || {
            let pid = site.unit(host, HOLDER, "MainPID")?;
            let said = refused(site, host, &["lock_wait=1"], "locked")?;
            not_broken_off(site, host)?;
            holds("it names who holds it", said.contains(&format!("python3 (pid {pid})")))
        })?;
        site.says(host, &["test", "-e", "/var/lib/dpkg/lock-frontend"])?;
        println!("    the file that is left is no lock");
        done(site, host, &["lock_wait=0"])
    })?;
    with_probe(site, host, [&[], &[]], || {
        std::thread::scope(|scope| {
            let typed = while_locked(site, host, || {
                let typed = scope.spawn(|| done(site, host, &["lock_wait=60"]));
                site.until("the change waits", SOON, || {
                    Ok(!process::with_argument(RUNNER).is_empty())
                })?;
                Ok(typed)
            })?;
            typed.join().map_err(|_| Error::Machine("mco: panicked".to_owned()))?
        })?;
        println!("    a lock that is let go is waited for");
        Ok(())
    })
}

/// A mirror that does not answer, and one that has lost the package.
pub fn dead_mirror(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    with_probe(site, host, [&[], &[]], || {
        let usual = site.says(host, &["cat", SOURCES])? + "\n";
        let dead = format!("deb [trusted=yes] http://{}:9/ ./\n", plan::BRIDGE_ADDRESS);
        site.put(host, SOURCES, "0644", dead.as_bytes())?;
        let said = refused(site, host, &["refresh=always"], "lists");
        site.put(host, SOURCES, "0644", usual.as_bytes())?;
        refresh(site, host)?;
        holds("it names the mirror", said?.contains(plan::BRIDGE_ADDRESS))?;
        let package = publish(site, NEW, &[])?;
        refresh(site, host)?;
        fs::remove_file(&package).map_err(file("remove", &package))?;
        refused(site, host, &[], "download")?;
        publish(site, NEW, &[])?;
        done(site, host, &["refresh=always"])
    })
}
