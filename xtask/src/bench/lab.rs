//! `mco lab up` with 5,000 nodes of the real code over real connections, in a few processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use super::page::{Figure, Section, Value, median, range, share};
use super::request::Request;
use super::{Effort, Programs, fleet, orders, process, tell};

/// What `lab.json` says of the lab's processes.
#[derive(Debug, Deserialize)]
struct Running {
    processes: Vec<Process>,
}

#[derive(Debug, Deserialize)]
struct Process {
    what: String,
    pid: u32,
}

/// A lab that is up; it is taken down when this is dropped.
struct Lab<'a> {
    programs: &'a Programs,
    dir: PathBuf,
    _folder: TempDir,
}

/// What was seen of it.
struct Seen {
    /// From nothing to all registered.
    up: Duration,
    /// How many processes the nodes are in.
    processes: usize,
    /// Memory of the hub and of the node processes in bytes: before the first order, and at the end.
    memory: [(u64, u64); 2],
    /// Expected nodes, and those that were `ok`: in the first order and in the last.
    answered: [(usize, usize); 2],
    /// The orders between.
    cost: orders::Cost,
}

/// Measures orders to a large lab.
pub fn measure(programs: &Programs, scratch: &Path, effort: &Effort) -> Result<Section, String> {
    tell(&format!("a lab of {} nodes", effort.lab));
    let folder = TempDir::new_in(scratch).map_err(|error| error.to_string())?;
    let lab = Lab { programs, dir: folder.path().join("lab"), _folder: folder };
    let (_, up) = process::succeed(lab.command("up").args(["--nodes", &effort.lab.to_string()]))?;
    let (hub, nodes) = lab.processes()?;
    let memory = || Ok::<_, String>((process::memory(hub)?.rss, pss(&nodes)?));
    let fresh = memory()?;

    tell(&format!("{} orders to it", effort.lab_runs));
    let mco = || fleet::mco(programs, &lab.dir.join("client.toml"));
    let answered = || {
        let (expected, states) = orders::states(mco())?;
        Ok::<_, String>((expected, states.get("ok").copied().unwrap_or(0)))
    };
    // The first order also makes the nodes known to the client.
    let first = answered()?;
    let cost = orders::cost(
        || Request::Ping.of(mco()),
        &nodes,
        hub,
        (effort.lab_runs, Duration::ZERO, Duration::ZERO),
    )?;
    let answered = [first, answered()?];
    let memory = [fresh, memory()?];
    Ok(section(effort.lab, &Seen { up, processes: nodes.len(), memory, answered, cost }))
}

fn section(size: usize, seen: &Seen) -> Section {
    // This machine is one more.
    let count = size + 1;
    let Seen { up, processes, memory: [fresh, last], answered: [first, end], cost } = seen;
    let busy = (cost.nodes + cost.hub + cost.client).as_secs_f64() / cost.took.as_secs_f64();
    let said = |(expected, ok): (usize, usize)| {
        format!("{} ok of {} expected", Value::Count(ok), Value::Count(expected))
    };
    let cpu = |what: &str, cpu: Duration| {
        Figure::new(format!("CPU of {what}, per node"), share(cpu, cost.orders * count))
            .note(format!("{} in all", share(cpu, cost.orders)))
    };
    let memory = |what: &str, fresh: u64, bytes: u64| {
        let each = Value::bytes(bytes / u64::try_from(count).unwrap_or(1));
        let note = format!("{each} a node; {} before the first order", Value::bytes(fresh));
        Figure::new(what, Value::bytes(bytes)).note(note)
    };
    let silent = count.saturating_sub(first.1.min(end.1));
    let figures = vec![
        Figure::new("nodes that did not answer", Value::Count(silent))
            .at_most(Value::Count(0))
            .note(format!("first order: {}; last: {}", said(*first), said(*end))),
        Figure::new("wall of `mco rpc rpcutil ping`", Value::time(median(cost.walls.clone())))
            .note(range(&cost.walls)),
        cpu("the node processes", cost.nodes),
        cpu("the hub (broker and registry)", cost.hub),
        cpu("`mco`", cost.client),
        memory("RSS of the hub", fresh.0, last.0),
        memory("PSS of the node processes", fresh.1, last.1),
        Figure::new("`mco lab up` until all have registered", Value::time(*up))
            .note("keys and certificates made, with fsync"),
    ];
    let how = format!(
        "`mco lab up --nodes {size}`: the nodes' real code, keys and connections, in {processes} \
         processes, and this machine as one node more; only packages and services are simulated. \
         One order to all, every receipt signed, sealed, verified and opened; median of {} orders \
         after one to warm up. All of it shares the machine's cores: {busy:.1} of them were busy \
         with it.",
        cost.orders,
    );
    Section { title: format!("{} lab nodes", Value::Count(size)), how, peer: None, figures }
}

fn pss(nodes: &[u32]) -> Result<u64, String> {
    nodes.iter().map(|&pid| process::memory(pid).map(|memory| memory.pss)).sum()
}

impl Lab<'_> {
    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.programs.mco);
        command.args(["lab", what, "--dir"]).arg(&self.dir);
        command
    }

    /// The hub's process, and those of the nodes.
    fn processes(&self) -> Result<(u32, Vec<u32>), String> {
        let path = self.dir.join("lab.json");
        let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let running: Running =
            serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let is_hub = |process: &&Process| process.what == "hub";
        let hub = running.processes.iter().find(is_hub).map(|process| process.pid);
        let nodes = running.processes.iter().filter(|process| !is_hub(process));
        Ok((hub.ok_or("the lab has no hub")?, nodes.map(|process| process.pid).collect()))
    }
}

impl Drop for Lab<'_> {
    fn drop(&mut self) {
        if let Err(error) = process::succeed(&mut self.command("down")) {
            tell(&error);
        }
    }
}
