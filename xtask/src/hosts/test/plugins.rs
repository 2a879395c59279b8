//! Agents that are executables, called by Choria's protocol: the ones that the contract's own tests
//! use, installed as an administrator installs them.

use super::super::error::{Error, Result, file};
use super::super::plan::Spec;
use super::super::{fleet, process};
use super::site::{SOON, Site, holds, same};
use serde_json::json;
use std::fs;
use std::path::Path;

/// Where the contract's tests have them.
const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/agent/tests/plugins");

/// Where a host has them.
const FOLDER: &str = "/usr/share/marcato/agents";

/// The agents, and the rules that allow them.
const AGENTS: [&str; 3] = ["helloworld", "rogue", "witness"];
const POLICY: &str = "/etc/marcato/policy.d/20-plugins.policy";
const RULES: &str = "allow callers=* agents=helloworld,rogue,witness actions=*\n";

/// Installs the agents on the two hosts with nginx, and their declarations where the operator is;
/// waits until they are registered, does something, and removes them from the hosts.
///
/// # Errors
/// When a host cannot, the agents are not registered, or what is done fails.
pub fn with_agents(site: &Site, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let hosts = [&site.alone, &site.other];
    let mine = fleet::agents(site.hosts.dir());
    fs::create_dir_all(&mine).map_err(file("make", &mine))?;
    for name in AGENTS {
        let declaration = format!("{name}.json");
        let path = mine.join(&declaration);
        fs::write(&path, read(&declaration)?).map_err(file("write", path))?;
        for host in hosts {
            site.put(host, &format!("{FOLDER}/{name}"), "0755", &read(name)?)?;
            site.put(host, &format!("{FOLDER}/{declaration}"), "0644", &read(&declaration)?)?;
        }
    }
    for host in hosts {
        site.put(host, POLICY, "0644", RULES.as_bytes())?;
        site.says(host, &["systemctl", "reload", "mcod"])?;
    }
    // In the daemons' own time; until then no node is said to have the agent.
    let words = ["rpc", "helloworld", "ping", "--all", "--yes"];
    let there = site.until("both hosts have the agents", SOON, || {
        let order = site.operator.order(&words)?;
        Ok(order.exit == 0 && order.replies.len() == hosts.len())
    });
    let acted = there.and_then(|()| act());
    for host in hosts {
        site.says(host, &["rm", "-rf", FOLDER, POLICY])?;
        site.says(host, &["systemctl", "reload", "mcod"])?;
    }
    acted
}

fn read(name: &str) -> Result<Vec<u8>> {
    let path = Path::new(PLUGINS).join(name);
    fs::read(&path).map_err(file("read", path))
}

/// The agent of Choria's documentation, unmodified.
pub fn documented(site: &mut Site) -> Result<()> {
    with_agents(site, || call_documented(site))
}

fn call_documented(site: &Site) -> Result<()> {
    let order =
        site.operator.order(&["rpc", "helloworld", "ping", "msg=grüß dich", "--all", "--yes"])?;
    let (alone, other) = (site.alone.fqdn(), site.other.fqdn());
    order.ends(0, &[(&alone, "ok", None), (&other, "ok", None)])?;
    let lacking = site.nodes().len() - order.replies.len();
    same("how many lack the agent", order.not_capable.len(), lacking)?;
    for reply in &order.replies {
        same("what it sends back", reply.data.get("result"), Some(&json!("grüß dich")))?;
        same("a default that it left out", reply.data.get("count"), Some(&json!(1)))?;
        println!("    {}: {}", reply.sender, reply.text("result"));
    }
    let refused =
        site.operator.mco(&["rpc", "helloworld", "ping", "msg=$(id)", "--all", "--yes"])?;
    refused.exits(64)?;
    println!("    {}", refused.err.lines().next().unwrap_or_default());
    Ok(())
}

/// One that ignores TERM, forks daemons, writes 10 MiB and answers with bad JSON.
pub fn rogue(site: &mut Site) -> Result<()> {
    with_agents(site, || {
        call_rogue(site, "flood", "failed", "agent")?;
        call_rogue(site, "hang", "timed_out", "run-limit")
    })
}

fn call_rogue(site: &Site, action: &str, state: &str, why: &str) -> Result<()> {
    let mark = format!("/tmp/rogue-{action}-{}", std::process::id());
    let input = format!("mark={mark}");
    let order = site.operator.order(&["rpc", "rogue", action, &input, "--all", "--yes"])?;
    let (alone, other) = (site.alone.fqdn(), site.other.fqdn());
    order.ends(2, &[(&alone, state, Some(why)), (&other, state, Some(why))])?;
    for host in [&site.alone, &site.other] {
        let came = site.hosts.exec(&host.name, &["test", "-e", &mark], b"")?;
        holds("it has written everything", came.status == 0 || action == "hang")?;
        let reply = order.of(&host.fqdn())?;
        println!("    {action} on {}: {state}: {}", reply.sender, reply.statusmsg);
        left(host, &mark)?;
    }
    Ok(())
}

/// Wants no process of this machine, hosts included, to have the mark among its arguments.
fn left(host: &Spec, mark: &str) -> Result<()> {
    let left = process::with_argument(mark);
    let what = format!("{} still has processes {left:?}", host.fqdn());
    if left.is_empty() { Ok(()) } else { Err(Error::Unmet(what)) }
}
