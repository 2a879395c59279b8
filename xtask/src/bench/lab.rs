//! `mco lab up` with 5,000 nodes of the real code over real connections, in a few processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use super::page::{Figure, Section, Value, median, range, share};
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

/// Measures one order to a large lab.
pub fn measure(
    programs: &Programs,
    scratch: &Path,
    effort: &Effort,
) -> Result<Vec<Section>, String> {
    tell(&format!("a lab of {} nodes", effort.lab));
    let folder = TempDir::new_in(scratch).map_err(|error| error.to_string())?;
    let lab = Lab { programs, dir: folder.path().join("lab"), _folder: folder };
    let (_, up) = process::succeed(lab.command("up").args(["--nodes", &effort.lab.to_string()]))?;
    let (hub, nodes) = lab.processes()?;
    let count = effort.lab + 1;
    let fresh = (process::memory(hub)?, memory(&nodes)?);

    tell(&format!("{} orders to it", effort.lab_runs));
    let mco = || fleet::mco(programs, &lab.dir.join("client.toml"));
    // The first order also makes the nodes known to the client, and is told by node.
    let (expected, states) = orders::states(mco())?;
    let answered = states.get("ok").copied().unwrap_or(0);
    let cost = orders::cost(mco, &nodes, hub, (effort.lab_runs, Duration::ZERO, Duration::ZERO))?;
    let (expected_then, states_then) = orders::states(mco())?;
    let answered_then = states_then.get("ok").copied().unwrap_or(0);
    let memory = (process::memory(hub)?, memory(&nodes)?);

    let all = cost.orders * count;
    let busy = (cost.nodes + cost.hub + cost.client).as_secs_f64() / cost.took.as_secs_f64();
    let per_node = |bytes: u64| Value::bytes(bytes / u64::try_from(count).unwrap_or(1));
    let silent =
        Figure::new("nodes that did not answer", Value::Count(count - answered.min(answered_then)))
            .at_most(Value::Count(0))
            .note(format!(
                "{} expected, {} ok in the first order and {} of {} in the last",
                Value::Count(expected),
                Value::Count(answered),
                Value::Count(answered_then),
                Value::Count(expected_then),
            ));
    let figures = vec![
        silent,
        Figure::new("wall of `mco rpc rpcutil ping`", Value::time(median(cost.walls.clone())))
            .note(range(&cost.walls)),
        Figure::new("CPU of the node processes, per node", share(cost.nodes, all))
            .note(format!("{} in all", share(cost.nodes, cost.orders))),
        Figure::new("CPU of the hub (broker and registry), per node", share(cost.hub, all))
            .note(format!("{} in all", share(cost.hub, cost.orders))),
        Figure::new("CPU of `mco`, per node", share(cost.client, all))
            .note(format!("{} in all", share(cost.client, cost.orders))),
        Figure::new("`mco lab up` until all have registered", Value::time(up))
            .note("keys and certificates made, with fsync"),
        Figure::new("RSS of the hub", Value::bytes(memory.0.rss)).note(format!(
            "{} a node; {} before the first order",
            per_node(memory.0.rss),
            Value::bytes(fresh.0.rss)
        )),
        Figure::new("PSS of the node processes", Value::bytes(memory.1)).note(format!(
            "{} a node; {} before the first order",
            per_node(memory.1),
            Value::bytes(fresh.1)
        )),
    ];
    let how = format!(
        "`mco lab up --nodes {}`: the nodes' real code, keys and connections, in {} processes, and \
         this machine as one node more; only packages and services are simulated. One order, all \
         receipts signed, sealed, verified and opened; median of {} orders after one to warm up. All \
         of it shares the machine's cores: {busy:.1} of them were busy with it.",
        Value::Count(effort.lab),
        nodes.len(),
        cost.orders,
    );
    let title = format!("{} lab nodes", Value::Count(effort.lab));
    Ok(vec![Section { title, how, peer: None, figures }])
}

fn memory(nodes: &[u32]) -> Result<u64, String> {
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
