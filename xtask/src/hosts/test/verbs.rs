//! What else is done with a service, judged by the `systemctl` of its host.

use super::super::error::Result;
use super::site::{SOON, Site, holds, same};
use serde_json::json;

/// nginx of a host, as its `systemctl` has it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    active: String,
    enabled: String,
    main_pid: String,
}

impl Seen {
    fn of(site: &Site) -> Result<Self> {
        let host = &site.alone;
        // They end with another code where the answer is no.
        let is = |question: &str| {
            let said = site.hosts.exec(&host.name, &["systemctl", question, "nginx"], b"");
            said.map(|output| output.text())
        };
        let (active, enabled) = (is("is-active")?, is("is-enabled")?);
        Ok(Self { active, enabled, main_pid: site.unit(host, "nginx", "MainPID")? })
    }
}

/// Has the operator do something with nginx, and wants it to be reported as the host has it then.
fn order(site: &Site, before: &Seen, verb: &str, reason: Option<&str>) -> Result<Seen> {
    let name = site.alone.fqdn();
    let order = site.operator.order(&["service", "nginx", verb, "-I", &name, "--yes"])?;
    order.ends(0, &[(&name, "ok", reason)])?;
    let (reply, seen) = (order.of(&name)?, Seen::of(site)?);
    let Seen { active, enabled, main_pid } = &seen;
    let end = reason.unwrap_or("changed");
    println!("    {verb}: {end}; {active}, {enabled}, main PID {main_pid}");
    same("changed", &reply.changed, &json!(reason.is_none()))?;
    let text = |output| reply.text(output);
    let told =
        Seen { active: text("active"), enabled: text("enabled"), main_pid: text("main_pid") };
    same("nginx, as reported", &told, &seen)?;
    let (was, is) = match verb {
        "enable" | "disable" => (&before.enabled, enabled),
        _ => (&before.main_pid, main_pid),
    };
    same("before and after, as reported", (&text("before"), &text("after")), (was, is))?;
    Ok(seen)
}

/// `mco service nginx start`, `reload`, `disable`, `enable`, `stop`, and what cron hears of it
pub fn of_nginx(site: &mut Site) -> Result<()> {
    let done = one_by_one(site);
    site.says(&site.alone, &["systemctl", "--quiet", "enable", "--now", "nginx"])?;
    done
}

fn one_by_one(site: &Site) -> Result<()> {
    let runs = Seen::of(site)?;
    let workers = || {
        let pid = &runs.main_pid;
        site.says(&site.alone, &["cat", &format!("/proc/{pid}/task/{pid}/children")])
    };
    let old_workers = workers()?;
    let disabled = Seen { enabled: "disabled".to_owned(), ..runs.clone() };
    let stopped = Seen { active: "inactive".to_owned(), main_pid: "0".to_owned(), ..runs.clone() };
    let orders = [
        ("start", Some("unchanged"), &runs),
        ("reload", None, &runs),
        ("disable", None, &disabled),
        ("disable", Some("unchanged"), &disabled),
        ("enable", None, &runs),
        ("enable", Some("unchanged"), &runs),
        ("stop", None, &stopped),
        ("stop", Some("unchanged"), &stopped),
    ];
    let mut before = &runs;
    for (verb, reason, wanted) in orders {
        same(verb, &order(site, before, verb, reason)?, wanted)?;
        if verb == "reload" {
            holds("its workers are new ones", workers()? != old_workers)?;
        }
        before = wanted;
    }
    let name = site.alone.fqdn();
    let cron = ["-q", "service", "nginx", "status", "-I", &name];
    site.operator.mco(&cron)?.exits(1)?.shows(&[&name, "not-running", "stopped"])?;
    let again = order(site, before, "start", None)?;
    same("a line in a crontab", &site.operator.mco(&cron)?.exits(0)?.out, &String::new())?;
    holds("it is another process", again.main_pid != runs.main_pid)?;
    same("start", Seen { main_pid: runs.main_pid.clone(), ..again }, runs)
}

/// What the units that fail say of why.
const WHY: &str = "no licence for this host";

/// A unit that fails at once, and one that is started anew until systemd gives it up.
const FAIL: [(&str, &str); 2] =
    [("fails", "Type=oneshot\n"), ("loops", "Restart=on-failure\nRestartSec=50ms\n")];

/// `mco service failed`
pub fn failed(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let path = |unit: &str| format!("/run/systemd/system/{unit}.service");
    for (unit, how) in FAIL {
        let text = format!("[Service]\n{how}ExecStart=/bin/sh -c 'echo {WHY}; exit 3'\n");
        site.put(host, &path(unit), "0644", text.as_bytes())?;
    }
    site.says(host, &["systemctl", "daemon-reload"])?;
    let named = both_named(site);
    for (unit, _) in FAIL {
        site.hosts.exec(&host.name, &["systemctl", "stop", unit], b"")?;
        site.hosts.exec(&host.name, &["systemctl", "reset-failed", unit], b"")?;
        site.remove(host, &path(unit))?;
    }
    site.says(host, &["systemctl", "daemon-reload"])?;
    named
}

fn both_named(site: &Site) -> Result<()> {
    let (host, name) = (&site.alone, site.alone.fqdn());
    let order = site.operator.order(&["service", "fails", "start", "-I", &name, "--yes"])?;
    order.ends(2, &[(&name, "failed", Some("action"))])?;
    let said = &order.of(&name)?.statusmsg;
    println!("    {said}");
    holds("it says why", said.contains(WHY))?;
    site.says(host, &["systemctl", "start", "loops"])?;
    site.until("systemd gives it up", SOON, || {
        Ok(site.unit(host, "loops", "ActiveState")? == "failed")
    })?;
    let order = site.operator.order(&["service", "failed", "-I", &name])?;
    order.ends(1, &[(&name, "ok", Some("not-running"))])?;
    let data = &order.of(&name)?.data;
    let answer = site.operator.mco(&["service", "failed", "-I", &name])?;
    for line in answer.out.lines() {
        println!("    {line}");
    }
    for (unit, _) in FAIL {
        let unit = format!("{unit}.service");
        let all = data.get("failed").and_then(serde_json::Value::as_array);
        let found = all.into_iter().flatten().find(|item| item["unit"] == *unit);
        holds("its log says why", found.is_some_and(|item| item["log"].to_string().contains(WHY)))?;
        answer.exits(1)?.shows(&[&unit, &name])?;
    }
    holds("it says why to a person", answer.out.matches(WHY).count() >= FAIL.len())
}
