//! `mco lab up` with 5,000 nodes of the real code over real connections, in a few processes: what an
//! order to all of them costs, what a person sees of it, and how soon the key for completion answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use super::page::{Figure, Section, Value, median, range, share};
use super::request::Request;
use super::terminal;
use super::{Effort, Programs, fleet, orders, process, tell};

/// What is typed at a terminal, whether it changes the nodes, and the exit code; a service that is
/// stale is so because of the update before.
const TYPED: [(&[&str], bool, i32); 16] = [
    (&["find"], false, 0),
    (&["find", "-W", "hagroup=c"], false, 0),
    (&["ping"], false, 0),
    (&["facts", "fqdn"], false, 0),
    (&["rpc", "rpcutil", "inventory"], false, 0),
    (&["package", "openssl", "status"], false, 0),
    (&["package", "search", "ssl"], false, 0),
    (&["service", "nginx", "status"], false, 0),
    (&["package", "openssl", "update"], true, 0),
    (&["service", "stale", "openssl"], false, 0),
    (&["service", "restart", "--stale", "openssl"], true, 0),
    (&["job", "show"], false, 0),
    (&["job", "follow"], false, 0),
    (&["job", "list"], false, 0),
    // No policy of the lab lets packages of this machine be changed.
    (&["can", "package.update"], false, 2),
    (&["doctor"], false, 0),
];

/// Where the key for completion is pressed: the end of each line.
const COMPLETED: [&[&str]; 6] = [
    &["find", "-F", "hagr"],
    &["find", "-F", "fqdn="],
    &["find", "-I", "this"],
    &["find", "-A", ""],
    &["service", "nginx", "re"],
    &["job", "show", ""],
];

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
    let seen = Seen { up, processes: nodes.len(), memory, answered, cost };
    Ok(vec![section(effort.lab, &seen), completions(effort, &mco)?, screens(effort, &mco)?])
}

/// How soon the key for completion brings something, at worst.
fn completions(effort: &Effort, mco: &impl Fn() -> Command) -> Result<Section, String> {
    let mut figures = Vec::new();
    for line in COMPLETED {
        let typed = format!("mco {}", line.join(" "));
        tell(&format!("the key for completion behind `{typed}`"));
        let mut times = Vec::new();
        let mut empty = 0;
        for _ in 0..effort.runs {
            let mut command = mco();
            command.args(["__complete", "--bash", "--", "mco"]).args(line);
            let (output, took) = process::succeed(&mut command)?;
            times.push(took);
            empty += usize::from(output.stdout.is_empty());
        }
        let worst = times.iter().copied().max().unwrap_or_default();
        let note = format!(
            "median {}; {empty} of {} without a word",
            Value::time(median(times.clone())),
            times.len()
        );
        figures.push(
            Figure::new(format!("`{typed}`, the slowest"), Value::time(worst))
                .at_most(Value::Ms(150.0))
                .note(note),
        );
    }
    let how = format!(
        "The same lab. Wall of `mco __complete`, which the shell's script runs when the key is \
         pressed, over {} tries each. What the hub does not answer in time is left out rather than \
         waited for.",
        effort.runs
    );
    let title = format!("{} lab nodes: completion", Value::Count(effort.lab));
    Ok(Section { title, how, peer: None, figures })
}

/// How many rows a person sees.
fn screens(effort: &Effort, mco: &impl Fn() -> Command) -> Result<Section, String> {
    let mut figures = Vec::new();
    for (words, change, exit) in TYPED {
        let typed = format!("mco {}", words.join(" "));
        tell(&format!("`{typed}` on a terminal"));
        let mut command = mco();
        command.args(words);
        if change {
            // Nobody is there to type the number of nodes.
            command.args(["--all", "--yes"]);
        }
        let seen = terminal::show(&mut command)?;
        if seen.code != Some(exit) {
            return Err(format!("{typed}: {:?} and not {exit}: {}", seen.code, seen.text.trim()));
        }
        figures.push(
            Figure::new(format!("`{typed}`"), Value::Count(seen.rows()))
                .at_most(Value::Count(20))
                .note(format!("{}, exit {exit}", Value::time(seen.took))),
        );
    }
    let how =
        "The same lab. Rows of a terminal of 80 columns, progress included; a change goes to every \
               node."
            .to_owned();
    let title = format!("{} lab nodes: rows to be read", Value::Count(effort.lab));
    Ok(Section { title, how, peer: None, figures })
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
