//! A host that hangs: it is there, and does nothing.

use super::super::error::{Error, Result};
use super::operator::Order;
use super::site::{SOON, Site, holds, same};
use super::transactions::{BEGUN, let_go_on, update_within, whole, with_slow_probe};
use serde_json::json;

/// SIGSTOP of the daemon, a read, a change, and SIGCONT: what was not answered may have run, and here
/// it does.
pub fn stopped(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let signal = |signal| {
        let signal = format!("--signal={signal}");
        site.says(host, &["systemctl", "kill", "--kill-whom=main", &signal, "mcod"]).map(drop)
    };
    let before = site.unit(host, "nginx", "MainPID")?;
    signal("STOP")?;
    let told = while_hung(site);
    signal("CONT")?;
    done_later(site, &told?, &before)
}

/// The whole host, in the middle of a transaction.
pub fn frozen(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    let name = host.fqdn();
    let before = site.unit(host, "nginx", "MainPID")?;
    with_slow_probe(site, host, || {
        let (silent, lost) = std::thread::scope(|scope| {
            let typed = scope.spawn(|| update_within(site, host));
            site.until("dpkg is at work", SOON, || site.exists(host, BEGUN))?;
            site.hosts.freeze(&host.name)?;
            let silent = while_hung(site);
            let lost = typed.join().map_err(|_| Error::Machine("mco: panicked".to_owned()));
            site.hosts.thaw(&host.name)?;
            let_go_on(site, host)?;
            Ok((silent?, lost??))
        })?;
        lost.ends(3, &[(&name, "lost", Some("went-silent"))])?;
        same("changed", &lost.of(&name)?.changed, &json!("unknown"))?;
        println!("    lost, exit 3, changed unknown, {:.1} s", lost.took.as_secs_f64());
        let ended = site.operator.completed(&lost)?;
        ended.ends(0, &[(&name, "ok", None)])?;
        same("changed", &ended.of(&name)?.changed, &json!(true))?;
        whole(site, host)?;
        done_later(site, &silent, &before)
    })
}

/// A read and a change that the host does not answer, while others do: as a script is told, and a
/// person. The change.
fn while_hung(site: &Site) -> Result<Order> {
    let (host, name) = (&site.alone, site.alone.fqdn());
    let silent = ("no_response", Some("silent"));
    let read = site.operator.order(&["ping", "-t", "1"])?;
    site.ends(&read, 4, |other| if other == host { silent } else { ("ok", None) })?;
    same("changed", &read.of(&name)?.changed, &json!(false))?;
    let words = ["service", "nginx", "restart", "-W", "hagroup=c", "--yes", "-t", "4"];
    let change = site.operator.order(&words)?;
    let group: Vec<_> = site.group("c").into_iter().map(|host| (host, host.fqdn())).collect();
    let ends = group.iter().map(|(other, name)| match *other {
        other if other == host => (name.as_str(), silent.0, silent.1),
        other => (name.as_str(), "ok", (!other.has_nginx()).then_some("absent")),
    });
    change.ends(4, &ends.collect::<Vec<_>>())?;
    for (other, name) in &group {
        let known = json!(other.has_nginx());
        let changed = if *other == host { json!("unknown") } else { known };
        same("changed", &change.of(name)?.changed, &changed)?;
    }
    let reply = change.of(&name)?;
    same("the code of a node without an answer", reply.statuscode, None)?;
    holds("it says until when it may start", reply.may_start_until.is_some())?;
    let shown = site.operator.mco(&["job", "show", change.job.as_deref().unwrap_or_default()])?;
    shown.exits(4)?.shows(&[&name, "no", "response", "silent"])?;
    holds("a person is told, too", shown.out.contains("may start until"))?;
    println!("    no response, exit 4, changed unknown; may start until then");
    Ok(change)
}

/// Wants what was not answered to be done when the host has gone on, and the job to say so.
fn done_later(site: &Site, change: &Order, main_pid: &str) -> Result<()> {
    let name = site.alone.fqdn();
    let ended = site.operator.completed(change)?;
    same("the exit code", ended.exit, 0)?;
    let reply = ended.of(&name)?;
    same("its end", (&*reply.state, reply.reason.as_deref()), ("ok", None))?;
    same("changed", &reply.changed, &json!(true))?;
    same("the main PID before", reply.text("before").as_str(), main_pid)?;
    let now = site.unit(&site.alone, "nginx", "MainPID")?;
    same("the main PID after", reply.text("after"), now)?;
    let shown = site.operator.mco(&["job", "show", ended.job.as_deref().unwrap_or_default()])?;
    shown.exits(0)?.tells("1 answered later, and had been \"no response\"")?;
    println!("    done when the host went on, within its time; mco job follow fetched the receipt");
    site.all_back().map(drop)
}
