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
        let wanted = hosts.contains(&host);
        if wanted {
            println!("    {name}: main PID {before} → {after}");
        }
        same(&format!("whether nginx of {name} was restarted"), before != after, wanted)?;
        holds("nginx runs", !wanted || after != "0")?;
    }
    Ok(after)
}

/// `mco service nginx restart -I web1.example.com --yes`
pub fn one_host(site: &mut Site) -> Result<()> {
    let name = site.alone.fqdn();
    let words = ["service", "nginx", "restart", "-I", &name, "--yes"];
    let before = site.main_pids(UNIT)?;
    let order = site.operator.order(&words)?;
    let after = restarted(site, &before, &[&site.alone])?;
    order.ends(0, &[(&name, "ok", None)])?;
    let reply = order.of(&name)?;
    same("changed", &reply.changed, &Value::Bool(true))?;
    holds("the reported main PID is the host's", after.contains(&reply.text("main_pid")))?;
    // The same for a person.
    let answer = site.operator.mco(&words)?;
    answer.exits(0)?.shows(&[&name, "ok", "running"])?.tells("1 changed")?;
    same("lines of data", answer.out.lines().count(), 1)?;
    restarted(site, &after, &[&site.alone]).map(drop)
}

/// `mco service nginx restart -W hagroup=c --yes`, then b, then a
pub fn group_by_group(site: &mut Site) -> Result<()> {
    restarted_by_group(site, |_| Ok(()))
}

/// Restarts nginx group by group, each alone, and does something after each.
///
/// # Errors
/// When another host was touched or one was not, or what is done fails.
pub fn restarted_by_group(site: &Site, mut after: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut before = site.main_pids(UNIT)?;
    for group in ["c", "b", "a"] {
        let filter = format!("hagroup={group}");
        let order =
            site.operator.order(&["service", "nginx", "restart", "-W", &filter, "--yes"])?;
        let hosts = site.group(group);
        same("how many were asked", order.replies.len(), hosts.len())?;
        let with: Vec<_> = hosts.into_iter().filter(|host| host.has_nginx()).collect();
        println!("    group {group}:");
        before = restarted(site, &before, &with)?;
        same("the exit code", order.exit, 0)?;
        for reply in &order.replies {
            let has = with.iter().any(|host| host.fqdn() == reply.sender);
            let absent = (!has).then_some("absent");
            same(&reply.sender, (&*reply.state, reply.reason.as_deref()), ("ok", absent))?;
            same("changed", &reply.changed, &Value::Bool(has))?;
        }
        after(group)?;
    }
    Ok(())
}

/// What each service of a host was started as: another id after each start.
fn invocations(site: &Site, host: &Spec) -> Result<String> {
    let argv = ["systemctl", "show", "--property=Id,InvocationID", "--", "*.service"];
    site.says(host, &argv)
}

/// `mco service nginx restart --yes`
pub fn everywhere(site: &mut Site) -> Result<()> {
    let before = site.main_pids(UNIT)?;
    let untouched = invocations(site, &site.without)?;
    let order = site.operator.order(&["service", "nginx", "restart", "--all", "--yes"])?;
    let with: Vec<_> = site.nodes().iter().filter(|host| host.has_nginx()).collect();
    let after = restarted(site, &before, &with)?;
    same("the services of the host without nginx", invocations(site, &site.without)?, untouched)?;
    site.ends(&order, 0, |host| ("ok", (!host.has_nginx()).then_some("absent")))?;
    let without = site.without.fqdn();
    same("changed where it is absent", &order.of(&without)?.changed, &Value::Bool(false))?;
    let answer = site.operator.mco(&["service", "nginx", "restart", "--all", "--yes"])?;
    let absent = site.nodes().len() - with.len();
    let told = format!("{} changed, {absent} absent", with.len());
    answer.exits(0)?.shows(&[&without, "absent"])?.tells(&told)?;
    println!("    {told}");
    restarted(site, &after, &with).map(drop)
}

/// A typo
pub fn nobody_has_it(site: &mut Site) -> Result<()> {
    let answer = site.operator.mco(&["service", "ngnix", "restart", "--all", "--yes"])?;
    let told = format!("no node has a service \"ngnix\" ({} asked)", site.nodes().len());
    answer.exits(1)?.tells(&told)?;
    println!("    {told}");
    let order = site.operator.order(&["service", "ngnix", "restart", "--all", "--yes"])?;
    site.ends(&order, 1, |_| ("ok", Some("absent")))?;
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
