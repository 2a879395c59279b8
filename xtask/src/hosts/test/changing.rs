//! Changing: restarts, and that nothing else is touched.

use super::super::error::Result;
use super::super::plan::Spec;
use super::site::{Site, holds, same};
use serde_json::{Value, json};

/// The unit that is restarted.
const UNIT: &str = "nginx.service";

/// Wants nginx's main process to have changed on exactly these hosts.
fn restarted(site: &Site, before: &[String], hosts: &[&Spec]) -> Result<Vec<String>> {
    let after = site.main_pids(UNIT)?;
    for ((host, before), after) in site.nodes().iter().zip(before).zip(&after) {
        let name = host.fqdn();
        println!("    {name}: main PID {before} → {after}");
        let wanted = hosts.iter().any(|other| other.name == host.name);
        same(&format!("whether nginx of {name} was restarted"), before != after, wanted)?;
        holds("nginx runs", !wanted || after != "0")?;
    }
    Ok(after)
}

/// `mco service nginx restart -W hagroup=c --yes`
pub fn one_group(site: &mut Site) -> Result<()> {
    let words = ["service", "nginx", "restart", "-W", "hagroup=c", "--yes"];
    let before = site.main_pids(UNIT)?;
    let order = site.operator.order(&words)?;
    let after = restarted(site, &before, &[&site.alone])?;
    let name = site.alone.fqdn();
    order.ends(0, &[(&name, "ok", None)])?;
    let reply = order.of(&name)?;
    same("changed", &reply.changed, &Value::Bool(true))?;
    same("the reported main PID", Some(reply.text("main_pid")), after.first().cloned())?;
    // The same for a person.
    let answer = site.operator.mco(&words)?;
    answer.exits(0)?.shows(&[&name, "ok", "running"])?.tells("1 changed")?;
    same("lines of data", answer.out.lines().count(), 1)?;
    restarted(site, &after, &[&site.alone]).map(drop)
}

/// What each service of a host was started as: another id after each start.
fn invocations(site: &Site, host: &Spec) -> Result<String> {
    let argv = ["systemctl", "show", "--property=Id,InvocationID", "--", "*.service"];
    site.says(host, &argv)
}

/// `mco service nginx restart --all --yes`
pub fn everywhere(site: &mut Site) -> Result<()> {
    let before = site.main_pids(UNIT)?;
    let untouched = invocations(site, &site.without)?;
    let order = site.operator.order(&["service", "nginx", "restart", "--all", "--yes"])?;
    let after = restarted(site, &before, &[&site.alone, &site.other])?;
    same("the services of the host without nginx", invocations(site, &site.without)?, untouched)?;
    let (alone, other) = (site.alone.fqdn(), site.other.fqdn());
    let without = site.without.fqdn();
    let ends = [(&*alone, "ok", None), (&*other, "ok", None), (&*without, "ok", Some("absent"))];
    order.ends(0, &ends)?;
    same("changed where it is absent", &order.of(&without)?.changed, &Value::Bool(false))?;
    let answer = site.operator.mco(&["service", "nginx", "restart", "--all", "--yes"])?;
    answer.exits(0)?.shows(&[&without, "absent"])?.tells("2 changed, 1 absent")?;
    println!("    {}", answer.err.lines().last().unwrap_or_default());
    restarted(site, &after, &[&site.alone, &site.other]).map(drop)
}

/// A typo
pub fn nobody_has_it(site: &mut Site) -> Result<()> {
    let answer = site.operator.mco(&["service", "ngnix", "restart", "--all", "--yes"])?;
    let told = "no node has a service \"ngnix\" (3 asked)";
    answer.exits(1)?.tells(told)?;
    println!("    {told}");
    let order = site.operator.order(&["service", "ngnix", "restart", "--all", "--yes"])?;
    let names = site.nodes().map(Spec::fqdn);
    let wanted = names.each_ref().map(|name| (name.as_str(), "ok", Some("absent")));
    order.ends(1, &wanted)?;
    let changed = order.replies.iter().all(|reply| reply.changed == json!(false));
    holds("nothing was changed", changed)
}

/// Without `--yes` and without a terminal
pub fn not_confirmed(site: &mut Site) -> Result<()> {
    let before = site.main_pids(UNIT)?;
    let answer = site.operator.mco(&["service", "nginx", "restart"])?;
    answer.exits(64)?.tells("--yes")?;
    println!("    {}", answer.err.lines().next().unwrap_or_default());
    restarted(site, &before, &[]).map(drop)
}
