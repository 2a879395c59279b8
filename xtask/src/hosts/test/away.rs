//! Hosts that are away: shut down, killed, stopped, cut off.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::error::{Error, Result};
use super::super::plan::Spec;
use super::operator::Order;
use super::site::{Site, holds, same};

/// How long a read waits for a node that may still answer.
const WAIT: Duration = Duration::from_secs(5);

/// A link that was cut is noticed within this time.
const CUT_NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// Wants the next commands to name this one node as down, without waiting for it.
fn named_down(site: &Site, host: &Spec) -> Result<()> {
    for words in [&["ping"][..], &["package", "openssl", "status"]] {
        let order = site.operator.order(words)?;
        let took = order.took;
        ends_without(site, host, &order, "down", "not-connected")?;
        println!("    mco {}: down, exit 4, {} ms", words.join(" "), took.as_millis());
        holds("it was not waited for", took < WAIT)?;
    }
    let answer = site.operator.mco(&["ping"])?;
    answer.exits(4)?.shows(&[&host.fqdn(), "down"])?.tells("1 down")?;
    println!("    {}", answer.err.lines().next().unwrap_or_default());
    Ok(())
}

/// Wants the node that was down already to be listed, and to change nothing else where that is said.
fn allowed_down(site: &Site, host: &Spec) -> Result<()> {
    let words = ["package", "openssl", "status", "--allow-down"];
    let order = site.operator.order(&words)?;
    site.ends(&order, 0, |other| match other == host {
        true => ("down", Some("not-connected")),
        false => ("ok", None),
    })?;
    let answer = site.operator.mco(&words)?;
    answer.exits(0)?.shows(&[&host.fqdn(), "down"])?.tells("1 down")?;
    println!("    mco {}: exit 0, listed all the same", words.join(" "));
    Ok(())
}

/// Wants every node but one to be ok, and that one to have ended otherwise, without a receipt.
fn ends_without(site: &Site, host: &Spec, order: &Order, state: &str, why: &str) -> Result<()> {
    site.ends(order, 4, |other| if other == host { (state, Some(why)) } else { ("ok", None) })?;
    let reply = order.of(&host.fqdn())?;
    same("changed", &reply.changed, &json!(false))?;
    same("the code of a node without an answer", reply.statuscode, None)
}

/// `systemctl poweroff`, and the boot after it.
pub fn shut_down(site: &mut Site) -> Result<()> {
    let host = site.other.clone();
    site.hosts.poweroff(&host.name)?;
    named_down(site, &host)?;
    allowed_down(site, &host)?;
    let answer = site.operator.mco(&["find"])?;
    answer.exits(0)?.shows(&[&host.fqdn()])?.tells("1 down")?;
    site.hosts.boot(&host.name)?;
    println!("    back {} ms after its boot", site.all_back()?.as_millis());
    Ok(())
}

/// `kill -9`
pub fn killed(site: &mut Site) -> Result<()> {
    let host = &site.alone;
    site.hosts.kill_mcod(&host.name)?;
    named_down(site, host)?;
    // A change says the same, and what is reached is done.
    let order = site.operator.order(&["service", "nginx", "restart", "--all", "--yes"])?;
    let reply = order.of(&host.fqdn())?;
    same("its state", reply.state.as_str(), "down")?;
    same("changed", &reply.changed, &json!(false))?;
    same("the exit code", order.exit, 4)?;
    site.hosts.start_mcod(&host.name)?;
    println!("    back {} ms after its start", site.all_back()?.as_millis());
    Ok(())
}

/// `systemctl stop mcod`
pub fn stopped(site: &mut Site) -> Result<()> {
    let host = &site.without;
    let begun = Instant::now();
    site.says(host, &["systemctl", "stop", "mcod"])?;
    println!("    SIGTERM: ended after {} ms", begun.elapsed().as_millis());
    same("Result=", site.unit(host, "mcod", "Result")?.as_str(), "success")?;
    same("its exit status", site.unit(host, "mcod", "ExecMainStatus")?.as_str(), "0")?;
    same("how it ended", site.unit(host, "mcod", "ExecMainCode")?.as_str(), "1")?;
    named_down(site, host)?;
    let answer = site.operator.mco(&["find"])?;
    answer.exits(0)?.tells("1 down")?;
    site.says(host, &["systemctl", "start", "mcod"])?;
    println!("    back {} ms after its start", site.all_back()?.as_millis());
    Ok(())
}

/// A pulled cable
pub fn cut(site: &mut Site) -> Result<()> {
    let host = &site.without;
    let begun = Instant::now();
    site.hosts.cut_link(&host.name)?;
    let order = site.operator.order(&["ping"])?;
    ends_without(site, host, &order, "no_response", "silent")?;
    println!("    no response, exit 4, {} ms", order.took.as_millis());
    holds("it was waited for to the end", order.took >= WAIT)?;
    loop {
        let after = begun.elapsed();
        let order = site.operator.order(&["ping", "-t", "1"])?;
        if order.of(&host.fqdn())?.state == "down" {
            ends_without(site, host, &order, "down", "not-connected")?;
            println!("    down {:.1} s after the cut", begun.elapsed().as_secs_f64());
            break;
        }
        ends_without(site, host, &order, "no_response", "silent")?;
        if after > CUT_NOTICED_WITHIN {
            return Err(Error::Unmet(format!("not down {after:?} after the cut")));
        }
    }
    named_down(site, host)?;
    site.hosts.restore_link(&host.name)?;
    println!("    back {:.1} s after the repair", site.all_back()?.as_secs_f64());
    Ok(())
}
