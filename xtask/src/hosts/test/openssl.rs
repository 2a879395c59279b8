//! A hole in OpenSSL, from the first question to the last restart, and the smaller jobs beside it.

use super::super::error::Result;
use super::super::plan::{OLD_RELEASE, Spec};
use super::super::set::in_parallel;
use super::changing::restarted_by_group;
use super::debian::{offered, take_back, version};
use super::operator::Order;
use super::site::{Site, holds, same};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// The package that is named, and the one from the same source that has the hole in it.
const PACKAGES: [&str; 2] = ["openssl", "libssl3"];

/// What the kernel says of a process that still runs the old library.
const OLD_LIBRARIES: [&str; 2] = ["libssl.so.3 (deleted)", "libcrypto.so.3 (deleted)"];

/// How Debian 11 and Ubuntu before 24.04 go about it: what is from the same source is left behind.
const APART: &str = "/etc/apt/apt.conf.d/99apart";
const APART_TEXT: &[u8] = b"APT::Get::Upgrade-By-Source-Package \"false\";\n";

/// Takes a host back to the library with the hole.
fn take_library_back(site: &Site, host: &Spec) -> Result<()> {
    site.remove(host, APART)?;
    if take_back(site, host, &PACKAGES)? {
        let units = ["systemd-journald", "systemd-networkd", "nginx"];
        let there = if host.has_nginx() { &units[..] } else { &units[..2] };
        site.says(host, &[&["systemctl", "restart"], there].concat())?;
    }
    Ok(())
}

/// Does something on hosts that have the hole, and takes them back to it.
fn with_the_hole(site: &Site, act: impl FnOnce() -> Result<()>) -> Result<()> {
    in_parallel(site.nodes(), |host| take_library_back(site, host))?;
    let done = act();
    done.and(in_parallel(site.nodes(), |host| take_library_back(site, host)))
}

/// Both packages in both versions, as apt of a host has them: from, to.
fn versions(site: &Site) -> Result<[String; 2]> {
    let [named, library] = PACKAGES.map(|package| offered(site, &site.alone, package));
    let (named, library) = (named?, library?);
    same("the versions of both packages", &library, &named)?;
    holds(&format!("{named:?} are two versions"), named.len() == 2)?;
    Ok([named[1].clone(), named[0].clone()])
}

/// Wants dpkg to have both packages at a version on every one of these hosts, and at another on all
/// others.
fn installed(site: &Site, to: &str, from: &str, on: impl Fn(&Spec) -> bool) -> Result<()> {
    for host in site.nodes() {
        for package in PACKAGES {
            let wanted = if on(host) { to } else { from };
            let what = format!("{package} of {}, as dpkg has it", host.fqdn());
            same(&what, version(site, host, package)?.as_str(), wanted)?;
        }
    }
    Ok(())
}

/// Wants a reply to tell of the update of both packages, as it happened.
fn updated(order: &Order, host: &Spec, from: &str, to: &str) -> Result<()> {
    let reply = order.of(&host.fqdn())?;
    let name = host.fqdn();
    same(&name, (&*reply.state, reply.reason.as_deref()), ("ok", None))?;
    same("changed", &reply.changed, &json!(true))?;
    same("before", reply.text("before").as_str(), from)?;
    same("after", reply.text("after").as_str(), to)?;
    let library = reply.data.get("also").and_then(|also| also.get("libssl3"));
    same("the library", library, Some(&json!({ "before": from, "after": to })))
}

/// `mco package openssl update`, and all that belongs to it
pub fn hole(site: &mut Site) -> Result<()> {
    with_the_hole(site, || {
        let [from, to] = versions(site)?;
        for host in site.group("b") {
            site.put(host, APART, "0644", APART_TEXT)?;
        }
        println!("    {from} on all; group b leaves behind what is from the same source");
        same("stale services before", stale(site)?, 0)?;
        installed(site, &to, &from, |_| false)?;
        let words = ["package", "openssl", "update", "--all", "--yes"];
        let order = site.operator.order(&words)?;
        for host in site.nodes() {
            updated(&order, host, &from, &to)?;
        }
        same("the exit code", order.exit, 0)?;
        installed(site, &to, &from, |_| true)?;
        println!("    {to} on all, and of libssl3 too, in {:.1} s", order.took.as_secs_f64());
        for host in site.nodes() {
            let count = order.of(&host.fqdn())?.data.get("stale").cloned();
            same(
                "the stale services it tells of",
                count,
                Some(json!(stale_on(site, host)?.len())),
            )?;
        }
        let count = stale(site)?;
        holds("the old library is in use", count > 0)?;
        println!("    {count} services run the old one");
        restart_by_group(site)?;
        cure(site)?;
        let again = site.operator.order(&words)?;
        site.ends(&again, 0, |_| ("ok", Some("unchanged")))?;
        same("changed", again.replies.iter().any(|reply| reply.changed == json!(true)), false)
    })
}

/// nginx of c, then b, then a: what was restarted is no longer stale, and nothing else is otherwise.
fn restart_by_group(site: &Site) -> Result<()> {
    let mut done: Vec<&Spec> = Vec::new();
    restarted_by_group(site, |group| {
        done.extend(site.group(group));
        for host in site.nodes() {
            let stale = stale_on(site, host)?.contains("nginx.service");
            let wanted = host.has_nginx() && !done.contains(&host);
            same(&format!("whether nginx of {} is stale", host.fqdn()), stale, wanted)?;
        }
        println!("    after group {group}: {} services run the old one", stale(site)?);
        Ok(())
    })
}

/// `mco service restart --stale openssl`
fn cure(site: &Site) -> Result<()> {
    let words = ["service", "restart", "--stale", "openssl", "--all", "--yes"];
    let order = site.operator.order(&words)?;
    site.ends(&order, 0, |_| ("ok", None))?;
    same("stale services after", stale(site)?, 0)?;
    println!("    none after mco {}", words.join(" "));
    site.all_back().map(drop)
}

/// How many services run old code of the library, by the nodes' word.
fn stale(site: &Site) -> Result<usize> {
    let order = site.all_ok(&["service", "stale", "openssl"])?;
    let count = |reply: &super::operator::Reply| reply.data.get("count").and_then(Value::as_u64);
    let counts = order.replies.iter().filter_map(count);
    Ok(usize::try_from(counts.sum::<u64>()).unwrap_or(usize::MAX))
}

/// The services of a host that run old code of the library, by the node's word, which must be what
/// the kernel says of the host's processes.
fn stale_on(site: &Site, host: &Spec) -> Result<BTreeSet<String>> {
    let name = host.fqdn();
    let order = site.operator.order(&["service", "stale", "openssl", "-I", &name])?;
    let reply = order.of(&name)?;
    let told = |output, key| -> BTreeSet<String> {
        let rows = reply.data.get(output).and_then(Value::as_array);
        let name = |row: &Value| row.get(key).and_then(Value::as_str).map(str::to_owned);
        rows.into_iter().flatten().filter_map(name).collect()
    };
    let (services, left) = (told("services", "unit"), told("left", "name"));
    let seen = site.hosts.host(&host.name)?.cgroup.units().into_iter();
    let seen: BTreeSet<_> = seen.filter(|(_, pid)| runs_old(*pid)).map(|(unit, _)| unit).collect();
    same(&format!("what is stale on {name}"), &services | &left, seen)?;
    Ok(services)
}

fn runs_old(pid: u32) -> bool {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().any(|line| OLD_LIBRARIES.iter().any(|library| line.ends_with(library)))
}

/// `mco package openssl update -I web1.example.com`
pub fn one_host(site: &mut Site) -> Result<()> {
    with_the_hole(site, || {
        let [from, to] = versions(site)?;
        let host = &site.alone;
        let name = host.fqdn();
        let order = site.operator.order(&["package", "openssl", "update", "-I", &name, "--yes"])?;
        order.ends(0, &[(&name, "ok", None)])?;
        updated(&order, host, &from, &to)?;
        installed(site, &to, &from, |other| other == host)
    })
}

/// `mco package openssl update -W "operatingsystem=Debian operatingsystemrelease=8.5"`
pub fn by_two_facts(site: &mut Site) -> Result<()> {
    let filter = format!("operatingsystem=Debian operatingsystemrelease={OLD_RELEASE}");
    let old = |host: &Spec| host.release.is_some();
    with_the_hole(site, || {
        let [from, to] = versions(site)?;
        let mut names: Vec<_> =
            site.nodes().iter().filter(|host| old(host)).map(Spec::fqdn).collect();
        names.sort();
        println!("    {} say so by an external fact; no such Debian runs here", names.join(" "));
        same("how many those are", names.len(), 2)?;
        let found = site.operator.mco(&["find", "-W", &filter])?;
        same("who is found", &found.exits(0)?.out, &names.join("\n"))?;
        let order =
            site.operator.order(&["package", "openssl", "update", "-W", &filter, "--yes"])?;
        same("who is asked", order.replies.len(), names.len())?;
        for host in site.nodes().iter().filter(|host| old(host)) {
            updated(&order, host, &from, &to)?;
        }
        installed(site, &to, &from, old)
    })
}

/// `mco package bash update`
pub fn shell(site: &mut Site) -> Result<()> {
    let back = || in_parallel(site.nodes(), |host| take_back(site, host, &["bash"]).map(drop));
    back()?;
    update_shell(site).and(back())
}

fn update_shell(site: &Site) -> Result<()> {
    let newest = offered(site, &site.alone, "bash")?.swap_remove(0);
    let order = site.all_ok(&["package", "bash", "update", "--all", "--yes"])?;
    for host in site.nodes() {
        let reply = order.of(&host.fqdn())?;
        same("changed", &reply.changed, &json!(true))?;
        same("after", &reply.text("after"), &newest)?;
        same("bash, as dpkg has it", &version(site, host, "bash")?, &newest)?;
    }
    println!("    {newest} on all, in {:.1} s", order.took.as_secs_f64());
    Ok(())
}
