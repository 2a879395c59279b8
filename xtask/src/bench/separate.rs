//! Up to 500 node processes, a hub and `mco`, each as it is installed: what an operator waits for,
//! and what a host pays.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use super::orders::Cost;
use super::page::{Figure, Section, Value, median, range, share};
use super::peers::{Peers, choria};
use super::process::{self, Memory};
use super::request::Request;
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
    peers: &Peers,
) -> Result<Vec<Section>, String> {
    tell("mco --help");
    let mut walls = vec![start_of_client(programs, effort)?];
    let mut fleet = Fleet::start(programs, scratch)?;
    let (mut counted, mut alone, mut grown) = (Vec::new(), None, Vec::new());
    for &nodes in effort.fleets {
        tell(&format!("{nodes} node processes"));
        fleet.grow(nodes)?;
        for request in Request::ALL {
            walls.push(wall(&fleet, request, nodes, effort)?.peer(peers.words(request, nodes)));
        }
        grown.push((nodes, process::memory(fleet.hub())?));
        if alone.is_none() {
            alone = fleet.nodes().first().map(|&pid| process::memory(pid)).transpose()?;
        }
        if nodes == effort.counted {
            counted = vec![costs(&fleet, effort)?, at_rest(&fleet, alone, effort)?];
        }
    }
    let how = how_walls(effort) + " " + &peers.how();
    let mut sections = vec![section("separate processes: a request", how, walls)];
    sections.extend(counted);
    if let Some(rest) = sections.last_mut() {
        rest.figures.extend(grown.iter().map(|(nodes, hub)| {
            Figure::new(format!("RSS of the hub of {}", in_words(*nodes)), Value::bytes(hub.rss))
        }));
    }
    Ok(sections)
}

fn in_words(nodes: usize) -> String {
    format!("{nodes} {}", if nodes == 1 { "node" } else { "nodes" })
}

fn section(what: &str, how: String, figures: Vec<Figure>) -> Section {
    let mut title = what.to_owned();
    title[..1].make_ascii_uppercase();
    Section { title, how, peer: Some("peers"), figures }
}

fn how_walls(effort: &Effort) -> String {
    format!(
        "Each node is a process `mcod node` with folders, keys and a certificate of its own, the hub \
         one `mcod hub`. Wall is that of the whole process `mco`, from its start to its end: \
         configuration, key file, connection, the registry's answer and, but for `find`, which asks \
         the registry alone, signature, order, all receipts opened and verified, the job written \
         down; median of {} runs, one behind the other, after {WARM_UP} to warm up. CPU is that of \
         the same runs, for one of them: of `mco`, of the hub, and of all nodes divided by their \
         number. openssl is looked up in this machine's own dpkg by every node.",
        effort.runs
    )
}

fn start_of_client(programs: &Programs, effort: &Effort) -> Result<Figure, String> {
    let help = || process::succeed(Command::new(&programs.mco).arg("--help"));
    for _ in 0..WARM_UP {
        help()?;
    }
    let times: Vec<Duration> =
        (0..effort.runs).map(|_| help().map(|(_, took)| took)).collect::<Result<_, _>>()?;
    Ok(Figure::new("`mco --help`", Value::time(median(times.clone())))
        .at_most(Value::Ms(6.0))
        .note(range(&times))
        .peer(choria::START))
}

/// The wall time of a request that every node answers.
fn wall(
    fleet: &Fleet<'_>,
    request: Request,
    nodes: usize,
    effort: &Effort,
) -> Result<Figure, String> {
    let (expected, states) = orders::states(fleet.mco())?;
    if expected != nodes || states.get("ok") != Some(&nodes) {
        return Err(format!("of {nodes} nodes {expected} were expected: {states:?}"));
    }
    // Ends with an error when any node is not ok.
    let run = || process::succeed(&mut request.of(fleet.mco())).map(|(_, took)| took);
    for _ in 0..WARM_UP {
        run()?;
    }
    let pids = fleet.nodes();
    let Cost { orders, walls, client, hub, nodes: all, .. } = orders::cost(
        || request.of(fleet.mco()),
        &pids,
        fleet.hub(),
        (effort.runs, Duration::ZERO, Duration::ZERO),
    )?;
    let cpu = [share(client, orders), share(hub, orders), share(all, orders * nodes)];
    let what = format!("{}: `{}`", in_words(nodes), request.typed());
    let note =
        format!("{}; CPU: `mco` {}, hub {}, a node {}", range(&walls), cpu[0], cpu[1], cpu[2]);
    let mut figure = Figure::new(what, Value::time(median(walls))).note(note);
    figure.most = request.at_most(nodes);
    Ok(figure)
}

/// What each request costs client, hub and nodes.
fn costs(fleet: &Fleet<'_>, effort: &Effort) -> Result<Section, String> {
    let nodes = fleet.nodes();
    let mut figures = Vec::new();
    for request in Request::ALL {
        tell(&format!("{} × {}", effort.requests, request.typed()));
        let time = Duration::from_secs(effort.seconds);
        let one = || request.of(fleet.mco());
        let cost = orders::cost(one, &nodes, fleet.hub(), (effort.requests, time, APART))?;
        let each = |cpu: Duration| share(cpu, cost.orders * nodes.len());
        let typed = request.typed();
        let is_ping = request == Request::Ping;
        let choria = |words: &'static str| if is_ping { words } else { "" };
        let mut node = Figure::new(format!("`{typed}`: CPU of a node"), each(cost.nodes))
            .note(format!("{} requests in {:.0} s", cost.orders, cost.took.as_secs_f64()))
            .peer(choria(choria::NODE_CPU));
        node.most = is_ping.then_some(Value::Ms(0.6));
        figures.push(node);
        let hub = Figure::new(format!("`{typed}`: CPU of the hub, per node"), each(cost.hub));
        figures.push(hub.peer(choria(choria::BROKER_CPU)));
        let client = share(cost.client, cost.orders);
        let client = Figure::new(format!("`{typed}`: CPU of `mco`"), client);
        figures.push(client.peer(choria(choria::CLIENT_CPU)));
        let paused = Value::time(median(cost.walls.clone()));
        let paused = Figure::new(format!("`{typed}`: wall, with pauses between"), paused);
        figures.push(paused.note(range(&cost.walls)));
    }
    let how = format!(
        "{} node processes. CPU of nodes and hub is what the kernel's scheduler counted for all \
         threads (schedstat) over at least {} requests and {} s, what they use at rest included; CPU \
         of `mco` is that of the ended processes.",
        nodes.len(),
        effort.requests,
        effort.seconds
    );
    Ok(section("separate processes: what a request costs", how, figures))
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
    let mut figures = vec![
        Figure::new(
            format!("PSS of a node among {}", nodes.len()),
            mean(memory.iter().map(|memory| memory.pss).sum()),
        )
        .at_most(Value::Mb(8.0))
        .peer(choria::NODE_PSS),
    ];
    figures.extend(alone.map(|alone| {
        Figure::new("RSS of a node that is alone", Value::bytes(alone.rss))
            .at_most(Value::Mb(12.0))
            .peer(choria::NODE_RSS)
    }));
    figures.push(
        Figure::new("CPU of a node", rate((after.0 - before.0) / each))
            .at_most(Value::CpuPerSecond(0.1))
            .note(format!("mean of {} over {seconds:.0} s", nodes.len()))
            .peer(choria::NODE_REST),
    );
    figures.push(Figure::new("CPU of the hub", rate(after.1 - before.1)));
    let how = format!(
        "The same processes while nobody asks anything, over at least {} s. PSS counts a page that \
         several processes share (the program's text) in parts; memory of a node that is alone was \
         read while there was one, after its first requests; the hub's was read after the requests of \
         each size.",
        effort.seconds
    );
    Ok(section("separate processes: at rest", how, figures))
}
