//! `mco lab up`: brings a fleet up, and returns when all nodes have registered.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use marcato_core::Exit;

use super::layout::{Layout, Running, make_dir};
use super::processes::{self, Process};
use super::{down, make, show};
use crate::words::Failure;

/// So many nodes share a process: each needs three descriptors.
const NODES_PER_PROCESS: u32 = 2_500;
/// Where the hub listens the first time: the system chooses.
pub(super) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// What processes that run nodes are called, before the number of the first one.
const NODES_PROCESS: &str = "nodes-";
/// How long the hub may take to listen.
const HUB_WAIT: Duration = Duration::from_secs(10);
/// How long the nodes may take to register, and how much longer for each of them.
const REGISTER_WAIT: Duration = Duration::from_secs(20);
const REGISTER_WAIT_EACH: Duration = Duration::from_millis(10);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After what time it is said what is waited for.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Runs `mco lab up`.
pub(super) fn main(lab: &Layout, nodes: u32) -> Result<Exit, Failure> {
    let _lock = lab.claim()?;
    if let Some(running) = lab.running()? {
        if running.is_up() {
            tell(&format!(
                "the lab is up: {} nodes and this machine, in {}",
                running.nodes,
                lab.dir.display()
            ));
            if running.nodes != nodes {
                tell(&format!("for {nodes} nodes: mco lab down, then mco lab up --nodes {nodes}"));
            }
            return Ok(Exit::Ok);
        }
        processes::end(&running.processes, down::PATIENCE);
    }
    match bring_up(lab, nodes) {
        Ok(()) => {
            tell(&format!(
                "the lab is up: {nodes} nodes and this machine, in {}",
                lab.dir.display()
            ));
            tell(&format!("Next: eval \"$(mco lab env --dir {})\" && mco ping", lab.word()));
            Ok(Exit::Ok)
        }
        Err(failure) => {
            // Half a fleet helps nobody.
            let left = lab.running().ok().flatten().unwrap_or_default();
            processes::end(&left.processes, down::PATIENCE);
            Err(failure)
        }
    }
}

fn bring_up(lab: &Layout, nodes: u32) -> Result<(), Failure> {
    let keys = make::fleet(lab)?;
    let mut running = Running { address: None, nodes, processes: Vec::new() };
    let address = match start_hub(lab, &mut running) {
        Ok(address) => address,
        // Another program may have its port since the lab was last up.
        Err(_) if running.processes.pop().is_some_and(|hub| !hub.lives()) => {
            make::hub(lab, &keys, ANY_PORT).map_err(|error| lab.failure(&error))?;
            start_hub(lab, &mut running)?
        }
        Err(failure) => return Err(failure),
    };
    // From now on it comes back at the same place, where that is free.
    make::hub(lab, &keys, address).map_err(|error| lab.failure(&error))?;
    make::client(lab, &keys, address)?;
    make::nodes(lab, &keys, address, nodes)?;
    start_nodes(lab, &mut running)?;
    wait_for_nodes(lab, &running)
}

fn start_hub(lab: &Layout, running: &mut Running) -> Result<SocketAddr, Failure> {
    let state = lab.hub().join("state");
    make_dir(&state).map_err(|error| lab.failure(&error))?;
    let file = state.join("address");
    // What an earlier hub wrote must not be taken for this one's.
    let _ = fs::remove_file(&file);
    let hub = start(lab, "hub", &[OsStr::new("hub")])?;
    running.processes.push(hub.clone());
    lab.keep(running)?;
    let end = Instant::now() + HUB_WAIT;
    while Instant::now() < end && hub.lives() {
        if let Ok(text) = fs::read_to_string(&file)
            && let Ok(address) = text.trim().parse()
        {
            running.address = Some(address);
            lab.keep(running)?;
            return Ok(address);
        }
        std::thread::sleep(LOOK_EVERY / 5);
    }
    Err(lab
        .failure(&"the hub did not start")
        .hint(format_args!("see {}", lab.log("hub.log").display())))
}

fn start_nodes(lab: &Layout, running: &mut Running) -> Result<(), Failure> {
    // This machine comes behind the simulated ones.
    let all = running.nodes + 1;
    let mut first = 0;
    while first < all {
        let last = all.min(first + NODES_PER_PROCESS);
        let (from, many) = (first.to_string(), (last - first).to_string());
        let arguments = ["nodes", "--first", &from, "--count", &many].map(OsStr::new);
        running.processes.push(start(lab, &process_name(first), &arguments)?);
        lab.keep(running)?;
        first = last;
    }
    Ok(())
}

/// What the process is called that runs the nodes from that one on.
fn process_name(first: u32) -> String {
    format!("{NODES_PROCESS}{first}")
}

/// The first node of the process that is called so; none where it runs no nodes.
pub(super) fn first_node(process: &str) -> Option<usize> {
    process.strip_prefix(NODES_PROCESS)?.parse().ok()
}

fn start(lab: &Layout, what: &str, arguments: &[&OsStr]) -> Result<Process, Failure> {
    let arguments = [arguments, &[OsStr::new("--dir"), lab.dir.as_os_str()]].concat();
    let log = lab.log(&format!("{what}.log"));
    Process::start(what, &arguments, &log).map_err(|error| lab.failure(&error))
}

fn wait_for_nodes(lab: &Layout, running: &Running) -> Result<(), Failure> {
    let wanted = running.nodes as usize + 1;
    let begun = Instant::now();
    let end = begun + REGISTER_WAIT + REGISTER_WAIT_EACH * running.nodes;
    let mut told = begun;
    loop {
        let found = show::registered(lab)?;
        // Before the registry is there, those answer that are: they have not registered.
        let there = found.nodes.iter().filter(|(_, down)| found.complete && down.is_none());
        let registered = there.count();
        if registered >= wanted {
            return Ok(());
        }
        let dead = running.processes.iter().find(|process| !process.lives());
        if let Some(dead) = dead {
            let log = lab.log(&format!("{}.log", dead.what));
            return Err(lab
                .failure(&format_args!("the process {} has ended", dead.what))
                .hint(format_args!("see {}", log.display())));
        }
        if Instant::now() > end {
            return Err(lab
                .failure(&format_args!("only {registered} of {wanted} nodes have registered"))
                .hint(format_args!("see {}", lab.path("log").display())));
        }
        if told.elapsed() >= TELL_AFTER {
            told = Instant::now();
            tell(&format!("{registered} of {wanted} nodes have registered"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Says something on standard error.
pub(super) fn tell(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(anstream::stderr(), "{line}");
}
