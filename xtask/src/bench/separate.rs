//! 50 node processes, a hub and `mco`, each as it is installed: what an operator waits for, and what
//! a host pays.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use super::page::{Figure, Section, Value, median, range, share};
use super::peers;
use super::process::{self, Memory};
use super::{Effort, Programs, orders, tell};

/// Runs before the first that counts.
const WARM_UP: usize = 5;
/// How often CPU of a request is counted: requests come this far apart, so that 200 of them fill a
/// minute and none finds the caches as the one before left them.
const APART: Duration = Duration::from_millis(290);

/// Measures the client alone, then fleets of growing size.
pub fn measure(
    programs: &Programs,
    scratch: &Path,
    effort: &Effort,
) -> Result<Vec<Section>, String> {
    tell("mco --help");
    let start = start_of_client(programs, effort)?;
    let mut fleet = Fleet::start(programs, scratch)?;
    let mut walls = Vec::new();
    let mut alone = None;
    for &nodes in effort.fleets {
        tell(&format!("{nodes} node processes"));
        fleet.grow(nodes)?;
        let times = wall(&fleet, nodes, effort)?;
        if alone.is_none() {
            alone = fleet.nodes().first().map(|&pid| process::memory(pid)).transpose()?;
        }
        walls.push(wall_figure(nodes, &times, effort));
    }
    let nodes = fleet.nodes();
    tell(&format!("{} node processes at rest for {} s", nodes.len(), effort.seconds));
    let rest = at_rest(&fleet, alone, effort)?;
    tell(&format!("{} requests", effort.requests));
    let time = Duration::from_secs(effort.seconds);
    let cost = orders::cost(|| fleet.mco(), &nodes, fleet.hub(), (effort.requests, time, APART))?;
    let each = |cpu: Duration| share(cpu, cost.orders * nodes.len());
    let mut figures = walls;
    figures.push(start);
    figures.push(
        Figure::new("CPU of a node for one request", each(cost.nodes))
            .at_most(Value::Ms(0.6))
            .note(format!("{} requests in {:.0} s", cost.orders, cost.took.as_secs_f64()))
            .peer(peers::CHORIA_NODE_CPU),
    );
    figures.push(
        Figure::new("CPU of the hub for one node and request", each(cost.hub))
            .peer(peers::CHORIA_BROKER_CPU),
    );
    figures.push(
        Figure::new("CPU of `mco` for one request", share(cost.client, cost.orders))
            .peer(peers::CHORIA_CLIENT_CPU),
    );
    figures.push(
        Figure::new("wall of `mco` with pauses between", Value::time(median(cost.walls.clone())))
            .note(range(&cost.walls)),
    );
    Ok(vec![section("separate processes: a request", &how_requests(effort), figures), rest])
}

fn section(what: &str, how: &str, figures: Vec<Figure>) -> Section {
    let mut title = what.to_owned();
    title[..1].make_ascii_uppercase();
    Section {
        title,
        how: format!("{how} {}", peers::CHORIA_HOW),
        peer: Some(peers::CHORIA),
        figures,
    }
}

fn how_requests(effort: &Effort) -> String {
    format!(
        "Each node is a process `mcod node` with folders, keys and a certificate of its own, the hub \
         one `mcod hub`. Wall is that of the whole process `mco rpc rpcutil ping`, from its start to \
         its end: configuration, key file, connection, the registry's answer, signature, order, all \
         receipts opened and verified, the job written down; median of {} runs, one behind the other, \
         after {WARM_UP} to warm up. CPU of nodes and hub is what the kernel's scheduler counted for \
         all threads (schedstat) over at least {} requests and {} s, what they use at rest included; \
         CPU of `mco` is that of the ended processes.",
        effort.runs, effort.requests, effort.seconds
    )
}

fn start_of_client(programs: &Programs, effort: &Effort) -> Result<Figure, String> {
    let help = || process::succeed(Command::new(&programs.mco).arg("--help"));
    for _ in 0..WARM_UP {
        help()?;
    }
    let times: Vec<Duration> =
        (0..effort.runs).map(|_| help().map(|(_, took)| took)).collect::<Result<_, _>>()?;
    Ok(Figure::new("wall of `mco --help`", Value::time(median(times.clone())))
        .at_most(Value::Ms(6.0))
        .note(range(&times))
        .peer(peers::CHORIA_START))
}

/// The wall times of a request that every node answers.
fn wall(fleet: &Fleet<'_>, nodes: usize, effort: &Effort) -> Result<Vec<Duration>, String> {
    for _ in 0..WARM_UP {
        let (expected, states) = orders::states(fleet.mco())?;
        if expected != nodes || states.get("ok") != Some(&nodes) {
            return Err(format!("of {nodes} nodes {expected} were expected: {states:?}"));
        }
    }
    // Ends with an error when any node is not ok.
    let ping = || process::succeed(fleet.mco().args(["rpc", "rpcutil", "ping"]));
    (0..effort.runs).map(|_| ping().map(|(_, took)| took)).collect()
}

fn wall_figure(nodes: usize, times: &[Duration], effort: &Effort) -> Figure {
    let plural = if nodes == 1 { "node" } else { "nodes" };
    let value = Value::time(median(times.to_vec()));
    let figure = Figure::new(format!("wall of `mco rpc rpcutil ping`, {nodes} {plural}"), value)
        .note(range(times))
        .peer(peers::choria_wall(nodes));
    if Some(&nodes) == effort.fleets.last() { figure.at_most(Value::Ms(50.0)) } else { figure }
}

/// What nodes and hub use while nobody asks anything.
fn at_rest(fleet: &Fleet<'_>, alone: Option<Memory>, effort: &Effort) -> Result<Section, String> {
    let nodes = fleet.nodes();
    let before = (process::cpu_of(&nodes)?, process::cpu(fleet.hub())?);
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(effort.seconds));
    let seconds = begun.elapsed().as_secs_f64();
    let after = (process::cpu_of(&nodes)?, process::cpu(fleet.hub())?);
    let memory: Vec<Memory> =
        nodes.iter().map(|&pid| process::memory(pid)).collect::<Result<_, _>>()?;
    let mean = |sum: u64| Value::bytes(sum / u64::try_from(memory.len()).unwrap_or(1).max(1));
    let rate = |cpu: Duration| Value::CpuPerSecond(cpu.as_secs_f64() * 1e3 / seconds);
    let each = u32::try_from(nodes.len()).unwrap_or(1).max(1);
    let hub = process::memory(fleet.hub())?;
    let mut figures = vec![
        Figure::new(
            format!("PSS of a node among {}", nodes.len()),
            mean(memory.iter().map(|memory| memory.pss).sum()),
        )
        .at_most(Value::Mb(8.0))
        .peer(peers::CHORIA_NODE_PSS),
    ];
    figures.extend(alone.map(|alone| {
        Figure::new("RSS of a node that is alone", Value::bytes(alone.rss))
            .at_most(Value::Mb(12.0))
            .peer(peers::CHORIA_NODE_RSS)
    }));
    figures.push(
        Figure::new("CPU of a node", rate((after.0 - before.0) / each))
            .at_most(Value::CpuPerSecond(0.1))
            .note(format!("mean of {} over {seconds:.0} s", nodes.len()))
            .peer(peers::CHORIA_NODE_REST),
    );
    figures.push(Figure::new("CPU of the hub", rate(after.1 - before.1)));
    figures.push(Figure::new("RSS of the hub", Value::bytes(hub.rss)));
    let how = format!(
        "The same processes while nobody asks anything, over at least {} s. PSS counts a page that \
         several processes share (the program's text) in parts; memory of a node that is alone was \
         read while there was one, after its first requests.",
        effort.seconds
    );
    Ok(section("separate processes: at rest", &how, figures))
}
