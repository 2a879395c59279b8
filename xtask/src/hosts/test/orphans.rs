//! External agents that have lost who started them: each is in a scope of its own, and is ended.

use super::super::error::{Error, Result};
use super::super::plan::Spec;
use super::super::process::{self, Process};
use super::operator::Order;
use super::plugins::with_agents;
use super::site::{SOON, Site, holds};
use std::fs;

/// What stands in the arguments of a change's runner alone: its folder.
pub const RUNNER: &str = "/var/lib/marcato/runs/";

/// The processes that have this mark as an argument: not the operator's, whose argument is `NAME=MARK`.
fn marked(mark: &str) -> Vec<u32> {
    process::with_argument(&format!("\0{mark}"))
}

/// Has the operator type an order of an external agent on one host, does something as soon as a
/// process there has the mark, and gives back what the operator was told.
fn meanwhile(
    site: &Site,
    words: &[&str],
    mark: &str,
    act: impl FnOnce(&Spec) -> Result<()>,
) -> Result<Order> {
    let host = &site.other;
    let name = host.fqdn();
    let words = [words, &["-I", &name, "--yes"]].concat();
    std::thread::scope(|scope| {
        let typed = scope.spawn(|| site.operator.order(&words));
        let acted = site
            .until("the agent runs", SOON, || Ok(!marked(mark).is_empty()))
            .and_then(|()| act(host));
        let order = typed.join().map_err(|_| Error::Machine("mco: panicked".to_owned()))?;
        acted.and(order)
    })
}

/// Wants everything with the mark to be in one scope of Marcato, and gives back its name.
fn scope_of(mark: &str) -> Result<String> {
    let of = |pid: u32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let group = groups.trim_end().rsplit('/').next().unwrap_or_default().to_owned();
        group.starts_with("marcato-run-").then_some(group).ok_or(groups)
    };
    let scopes: std::result::Result<Vec<_>, _> = marked(mark).into_iter().map(of).collect();
    let mut scopes = scopes.map_err(|group| Error::Unmet(format!("it is in no scope: {group}")))?;
    scopes.dedup();
    match scopes.as_slice() {
        [scope] => Ok(scope.clone()),
        _ => Err(Error::Unmet(format!("not in one scope: {scopes:?}"))),
    }
}

/// Wants nothing with the mark to be left, nor its scope.
fn gone(site: &Site, host: &Spec, mark: &str, scope: &str) -> Result<()> {
    site.until("its processes are gone", SOON, || Ok(marked(mark).is_empty()))?;
    site.until("its scope is gone", SOON, || {
        Ok(site.unit(host, scope, "ActiveState")? == "inactive")
    })?;
    println!("    {scope} is gone, and all that was in it");
    Ok(())
}

fn kill_runner() -> Result<()> {
    let [pid] = process::with_argument(RUNNER)[..] else {
        return Err(Error::Unmet("not one runner of a change".to_owned()));
    };
    Process::of(pid).map_or(Ok(()), |runner| runner.signal("KILL"))
}

/// `kill -9` of what the daemon had started for a change, but not of the agent itself.
pub fn runner_killed(site: &mut Site) -> Result<()> {
    let mark = format!("/tmp/orphan-{}", std::process::id());
    let input = format!("mark={mark}");
    with_agents(site, || {
        let mut scope = String::new();
        let order = meanwhile(site, &["rpc", "rogue", "hang", &input], &mark, |_| {
            scope = scope_of(&mark)?;
            kill_runner()
        })?;
        order.ends(2, &[(&site.other.fqdn(), "interrupted", Some("runner-gone"))])?;
        // It was ended before that was said.
        let left = marked(&mark);
        holds(&format!("nothing is left: {left:?}"), left.is_empty())?;
        gone(site, &site.other, &mark, &scope)
    })
}

/// The same while there is no daemon: the next one does it.
pub fn both_killed(site: &mut Site) -> Result<()> {
    let mark = format!("/tmp/orphan-of-two-{}", std::process::id());
    let input = format!("mark={mark}");
    with_agents(site, || {
        let mut scope = String::new();
        let killed = meanwhile(site, &["rpc", "rogue", "hang", &input], &mark, |host| {
            scope = scope_of(&mark)?;
            site.hosts.kill_mcod(&host.name)?;
            kill_runner()?;
            holds("nobody ends it", !marked(&mark).is_empty())
        });
        site.hosts.start_mcod(&site.other.name)?;
        killed?;
        gone(site, &site.other, &mark, &scope)?;
        site.all_back().map(drop)
    })
}

/// `systemctl stop mcod` during a read
pub fn read_abandoned(site: &mut Site) -> Result<()> {
    let mark = format!("/tmp/held-{}", std::process::id());
    let input = format!("file={mark}");
    with_agents(site, || {
        let mut scope = String::new();
        let stopped = meanwhile(site, &["rpc", "witness", "hold", &input], &mark, |host| {
            scope = scope_of(&mark)?;
            site.says(host, &["systemctl", "stop", "mcod"])?;
            gone(site, host, &mark, &scope)
        });
        site.hosts.start_mcod(&site.other.name)?;
        stopped?;
        site.all_back().map(drop)
    })
}
