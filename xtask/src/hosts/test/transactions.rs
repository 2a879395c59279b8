//! Transactions of dpkg that ask, are broken off, or lose the daemon that began them.

use super::super::error::{Error, Result};
use super::super::plan::Spec;
use super::debian::version;
use super::operator::Order;
use super::probe::{Content, NEW, PROBE, with_probe};
use super::site::{SOON, Site, same};
use serde_json::json;

/// A configuration file of the probe.
const CONFIG: &str = "/etc/marcato-probe.conf";

/// Asks in every way in which a package asks: by debconf, on standard input, on the terminal.
const ASKING: [Content<'_>; 5] = [
    (
        "DEBIAN/templates",
        0o644,
        "Template: marcato-probe/sure\nType: boolean\nDefault: true\nDescription: Are you sure?\n \
         Nobody is there to answer.\n",
    ),
    (
        "DEBIAN/config",
        0o755,
        "#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\n\
         db_input critical marcato-probe/sure || true\ndb_go || true\n",
    ),
    (
        "DEBIAN/postinst",
        0o755,
        // The module starts the script anew, with standard input for its own.
        "#!/bin/sh\nset -e\n[ -n \"$DEBIAN_HAS_FRONTEND\" ] || read answer || true\n\
         (read answer </dev/tty) || true\n\
         . /usr/share/debconf/confmodule\ndb_get marcato-probe/sure\n",
    ),
    ("DEBIAN/conffiles", 0o644, "/etc/marcato-probe.conf\n"),
    ("etc/marcato-probe.conf", 0o644, "the package's new one\n"),
];

/// Kills dpkg in the middle of its work, once.
const KILLS: &str = "#!/bin/sh\nif [ ! -e /run/probe-killed ]; then\n    touch /run/probe-killed\n    \
    kill -9 $PPID\nfi\n";

/// Says which dpkg has begun it, and waits until it is told to go on.
const SLOW: Content<'_> = (
    "DEBIAN/postinst",
    0o755,
    "#!/bin/sh\necho $PPID >/run/probe-begun\nwhile [ ! -e /run/probe-go ]; do sleep 0.1; done\n",
);

/// There while the slow one waits.
pub const BEGUN: &str = "/run/probe-begun";

/// What it waits for.
const GO: &str = "/run/probe-go";

/// So many seconds an update may take that takes longer: enough until dpkg is at work, seen: 2.
const RUN_LIMIT: &str = "8";

/// Offers a host a new version of the probe that is done only when it is told to go on, does something,
/// and tells it so at the latest then.
///
/// # Errors
/// As [`with_probe`].
pub fn with_slow_probe(site: &Site, host: &Spec, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let done = with_probe(site, host, [&[], &[SLOW]], || {
        let done = act();
        let_go_on(site, host).and(done)
    });
    site.says(host, &["rm", "-f", BEGUN, GO])?;
    done
}

/// Tells it to go on.
///
/// # Errors
/// When the host cannot.
pub fn let_go_on(site: &Site, host: &Spec) -> Result<()> {
    site.put(host, GO, "0644", b"")
}

/// Has the operator update the probe on one host within the limit that a slow one exceeds.
///
/// # Errors
/// As [`super::operator::Operator::order`].
pub fn update_within(site: &Site, host: &Spec) -> Result<Order> {
    order(site, host, &[PROBE, "update", "--run-limit", RUN_LIMIT])
}

/// Has the operator do something with the probe on one host.
fn order(site: &Site, host: &Spec, words: &[&str]) -> Result<Order> {
    site.operator.order(&[&["package"], words, &["-I", &host.fqdn(), "--yes"]].concat())
}

/// Wants the probe to be installed in its new version, and nothing half done.
///
/// # Errors
/// When it is not so.
pub fn whole(site: &Site, host: &Spec) -> Result<()> {
    same("the version, as dpkg has it", version(site, host, PROBE)?.as_str(), NEW)?;
    same("what dpkg has left undone", site.says(host, &["dpkg", "--audit"])?.as_str(), "")
}

/// A package that asks, and a configuration file that an administrator has changed.
pub fn asking(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let old: [Content<'_>; 2] = [
        ("DEBIAN/conffiles", 0o644, "/etc/marcato-probe.conf\n"),
        ("etc/marcato-probe.conf", 0o644, "the package's\n"),
    ];
    with_probe(site, host, [&old, &ASKING], || {
        site.put(host, CONFIG, "0644", b"the administrator's\n")?;
        let order = order(site, host, &[PROBE, "update"])?;
        order.ends(0, &[(&host.fqdn(), "ok", None)])?;
        let reply = order.of(&host.fqdn())?;
        same("changed", &reply.changed, &json!(true))?;
        same("what was kept", reply.data.get("conffiles_kept"), Some(&json!([CONFIG])))?;
        same("the file", site.says(host, &["cat", CONFIG])?.as_str(), "the administrator's")?;
        println!("    nobody was asked; kept: {CONFIG}");
        whole(site, host)
    })
}

/// `kill -9` of dpkg, the next order, and `mco package repair`
pub fn interrupted(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let done = with_probe(site, host, [&[], &[("DEBIAN/postinst", 0o755, KILLS)]], || {
        let name = host.fqdn();
        let broken = order(site, host, &[PROBE, "update"])?;
        let reply = broken.of(&name)?;
        println!("    killed: {}: {}", reply.state, reply.statusmsg);
        same("its state", reply.state.as_str(), "failed")?;
        same("changed", &reply.changed, &json!(true))?;
        let refused = order(site, host, &["openssl", "update"])?;
        refused.ends(2, &[(&name, "failed", Some("interrupted-dpkg"))])?;
        let reply = refused.of(&name)?;
        println!("    the next: {}", reply.statusmsg);
        same("changed", &reply.changed, &json!(false))?;
        let repaired = order(site, host, &["repair"])?;
        repaired.ends(0, &[(&name, "ok", None)])?;
        same("changed", &repaired.of(&name)?.changed, &json!(true))?;
        whole(site, host)
    });
    site.remove(host, "/run/probe-killed")?;
    done
}

/// A package that takes longer than the order's time
pub fn past_its_limit(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let name = host.fqdn();
    with_slow_probe(site, host, || {
        let told = update_within(site, host);
        let pid = site.says(host, &["cat", BEGUN])?;
        let still_there = site.says(host, &["cat", &format!("/proc/{pid}/comm")])?;
        let_go_on(site, host)?;
        let told = told?;
        told.ends(2, &[(&name, "timed_out", Some("still-running"))])?;
        same("changed", &told.of(&name)?.changed, &json!("unknown"))?;
        same(&format!("process {pid} after that"), still_there.as_str(), "dpkg")?;
        println!("    still running after {:.1} s; dpkg is {pid}", told.took.as_secs_f64());
        let ended = site.operator.completed(&told)?;
        ended.ends(0, &[(&name, "ok", None)])?;
        let reply = ended.of(&name)?;
        same("changed", &reply.changed, &json!(true))?;
        same("after", reply.text("after").as_str(), NEW)?;
        println!("    mco job follow fetched the receipt");
        whole(site, host)
    })
}

/// `kill -9` of the daemon while dpkg is at work
pub fn outlives(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    with_slow_probe(site, host, || {
        let ended = std::thread::scope(|scope| {
            let typed = scope.spawn(|| order(site, host, &[PROBE, "update"]));
            let begun = || site.exists(host, BEGUN);
            let killed = site.until("dpkg is at work", SOON, begun).and_then(|()| {
                let kill = ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "mcod"];
                let before = site.unit(host, "mcod", "MainPID")?;
                site.says(host, &kill)?;
                site.until("another daemon runs", SOON, || {
                    let now = site.unit(host, "mcod", "MainPID")?;
                    Ok(now != before && now != "0")
                })
            });
            let_go_on(site, host)?;
            let order = typed.join().map_err(|_| Error::Machine("mco: panicked".to_owned()))?;
            killed.and(order)
        })?;
        ended.ends(0, &[(&host.fqdn(), "ok", None)])?;
        same("changed", &ended.of(&host.fqdn())?.changed, &json!(true))?;
        println!("    mcod was killed, dpkg was not; told by the next daemon");
        whole(site, host)
    })?;
    site.all_back().map(drop)
}
