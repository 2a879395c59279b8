//! `cargo xtask hosts test`: the operator's commands against real hosts, judged by what dpkg, systemd
//! and the kernel of those hosts say.
//!
//! Nothing is simulated: `mco` and `mcod` are the programs that are shipped, installed as units, and
//! what a report says is compared with the host that it speaks of. Each case leaves the hosts as it
//! found them, so that any of them can be run alone; the last one leaves one host more.

mod away;
mod changing;
mod debian;
mod disk;
mod facts;
mod hung;
mod looking;
mod openssl;
mod operator;
mod orphans;
mod plugins;
mod policy;
mod probe;
mod refusals;
mod rest;
mod restarts;
mod service;
mod site;
mod tenth;
mod transactions;
mod units;
mod upgrade;
mod verbs;

use super::error::{Error, Result};
use super::fleet::Programs;
use super::set::Hosts;
use crate::ci::Interrupt;
use site::Site;
use std::path::Path;
use std::time::Instant;

/// How many nodes there are: three in each of three fault groups.
const NODES: u16 = 9;

/// A case: what must hold, and how it is shown.
type Case = (&'static str, fn(&mut Site) -> Result<()>);

/// All cases, in the order in which they are run.
const CASES: &[Case] = &[
    ("find names every node, from the registry alone", looking::find),
    ("ping is answered by every node", looking::ping),
    ("the versions shown are those that dpkg has", looking::versions),
    ("a package that comes, changes and goes is followed", looking::a_package_comes_and_goes),
    ("a hole in OpenSSL is closed on every host, and nothing runs the old library", openssl::hole),
    ("an update of one host touches that host", openssl::one_host),
    ("an update by two facts touches the hosts that have both", openssl::by_two_facts),
    ("the shell is updated by one command", openssl::shell),
    ("a restart of one host touches that host", changing::one_host),
    ("the fault groups are restarted one after the other", changing::group_by_group),
    ("an unfiltered restart leaves a host without the service alone", changing::everywhere),
    ("a service that no host has is no success", changing::nobody_has_it),
    ("nothing is changed without being asked for", changing::not_confirmed),
    ("a held package is kept", refusals::held),
    ("a full disk is found before anything is changed", refusals::full_disk),
    ("a held lock is waited for and named, a file that is left is none", refusals::locked),
    ("a dead mirror changes nothing", refusals::dead_mirror),
    (
        "a package that asks is answered by nobody, and what an administrator wrote is kept",
        transactions::asking,
    ),
    ("an interrupted dpkg is named, and repaired when asked for", transactions::interrupted),
    ("a transaction outlives a killed daemon", transactions::outlives),
    (
        "a transaction that exceeds its time goes on, and is told later",
        transactions::past_its_limit,
    ),
    ("a disk that fills while dpkg unpacks is named, and what was begun is told", disk::fills),
    ("our own package brings what it should, and starts nothing", upgrade::installed),
    ("our own package is updated by the daemon that it brings", upgrade::own_package),
    ("a broken configuration leaves the running service alone", units::broken_configuration),
    ("a service that dies in its first second is no success", units::dies),
    ("a masked service is named as such", units::masked),
    ("a service is started, reloaded, disabled, enabled and stopped", verbs::of_nginx),
    ("units that have failed are named, with what they said of why", verbs::failed),
    ("a daemon that hangs is no response, and what it was sent may have run", hung::stopped),
    ("a host that hangs in a transaction is lost, and its receipt is fetched later", hung::frozen),
    ("a host shut down in order is down at once, and back after its boot", away::shut_down),
    ("a node whose daemon was killed is down at once", away::killed),
    ("a daemon that is stopped ends cleanly and is down at once", away::stopped),
    ("a cut link is no response, then down", away::cut),
    ("a change outlives a restart of its daemon", restarts::restarted),
    ("a change outlives a killed daemon", restarts::killed),
    ("a change that is killed with its daemon is not called done", restarts::both_killed),
    ("a denial names its rule, and a reload takes a new one", policy::denied),
    ("a broken file is named by its line, and the old rules hold", policy::broken),
    ("an agent in another language answers like any other", plugins::documented),
    ("a rogue agent leaves no process behind", plugins::rogue),
    ("an agent is ended when what ran it is killed", orphans::runner_killed),
    ("an agent that lost daemon and runner is ended by the next daemon", orphans::both_killed),
    ("a read of an external agent ends with its daemon", orphans::read_abandoned),
    ("services are restarted over D-Bus, and without a bus by systemctl", service::both_ways),
    ("a node finds the facts that Debian's facter finds", facts::beside_facter),
    ("a node at rest, and what was logged", rest::figures),
    ("a host that was just booted is in the next command", tenth::tenth),
];

/// Boots new hosts, runs the cases whose words hold `only`, and ends the hosts; false when a case
/// failed.
///
/// # Errors
/// When the hosts cannot be made, or something of them is left at the end.
pub fn run(dir: &Path, programs: Programs, only: Option<&str>, keep: bool) -> Result<bool> {
    let chosen = |&&(name, _): &&Case| only.is_none_or(|part| name.contains(part));
    let cases: Vec<&Case> = CASES.iter().filter(chosen).collect();
    if cases.is_empty() {
        let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
        return Err(Error::Usage(format!("no such case; there are:\n  {}", names.join("\n  "))));
    }
    let begun = Instant::now();
    let interrupt = Interrupt::listen().map_err(Error::Machine)?;
    let mut hosts = Hosts::open(dir)?;
    if hosts.specs().iter().any(|spec| hosts.container(&spec.name).is_some()) {
        return Err(Error::Usage(
            "hosts are up already; `cargo xtask hosts down` ends them".to_owned(),
        ));
    }
    let tested = boot(&mut hosts, programs).map(|site| run_cases(site, &cases, &interrupt));
    let ended = if keep { Ok(()) } else { hosts.down() };
    let (passed, failed) = tested?;
    println!("\n{} s", begun.elapsed().as_secs());
    println!("{passed} passed, {failed} failed");
    ended?;
    Ok(failed == 0)
}

fn boot(hosts: &mut Hosts, programs: Programs) -> Result<Site> {
    let begun = Instant::now();
    println!("booting {NODES} hosts and the hub's");
    hosts.up(NODES, Some(programs.clone()))?;
    println!("up, joined and registered after {:.1} s", begun.elapsed().as_secs_f64());
    Site::new(Hosts::open(hosts.dir())?, programs.mco())
}

/// How many passed and how many failed; those that an interrupt left out count as failed.
fn run_cases(mut site: Site, cases: &[&Case], interrupt: &Interrupt) -> (usize, usize) {
    let mut passed = 0;
    for (name, case) in cases {
        if interrupt.came() {
            println!("interrupted");
            break;
        }
        println!("\n{name}");
        let begun = Instant::now();
        let ended = case(&mut site);
        let took = begun.elapsed().as_secs_f64();
        match ended {
            Ok(()) => {
                passed += 1;
                println!("    ok, {took:.1} s");
            }
            Err(error) => {
                println!("    FAILED after {took:.1} s: {error}");
                site.show_journals();
                if let Err(error) = site.heal() {
                    println!("    what follows may fail for this: {error}");
                }
            }
        }
    }
    (passed, cases.len() - passed)
}
