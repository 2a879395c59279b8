//! `cargo xtask bench`: measures what the project promises, and writes `docs/benchmarks.md`.
//!
//! No test fails by a time and none of this runs in CI: a target that is missed stands on the page
//! as missed.

mod broker;
mod fleet;
mod lab;
mod machine;
mod orders;
mod page;
mod peers;
mod process;
mod request;
mod separate;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use tempfile::TempDir;

use crate::nats_servers;
use machine::Machine;
use page::{Page, Section};
use peers::Peers;

/// The page, from the root of the repository.
const PAGE: &str = "docs/benchmarks.md";

/// What `cargo xtask bench` is asked for.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these parts; the page is written by a whole run alone.
    part: Vec<Part>,
    /// Measure MCollective, clush, pssh and Ansible beside us, in the same run; needs root.
    #[arg(long)]
    peers: bool,
    /// Few rounds and small fleets, to see that everything works; no page.
    #[arg(long)]
    quick: bool,
}

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One publish, answered by 1,000 connections, on our broker and on nats-servers.
    Broker,
    /// Up to 500 node processes, a hub and `mco`.
    Separate,
    /// A lab of 5,000 nodes.
    Lab,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Connections to the broker.
    connections: usize,
    /// Rounds of one publish and all its answers.
    rounds: usize,
    /// How often each server gets its turn.
    turns: usize,
    /// Sizes of the fleet of separate processes.
    fleets: &'static [usize],
    /// The one of them whose costs are counted.
    counted: usize,
    /// Sizes of the peers' fleets.
    peers: &'static [usize],
    /// Runs of a peer's command.
    peer_runs: usize,
    /// Runs of a command whose wall time is taken.
    runs: usize,
    /// Requests over which CPU is counted, at the least.
    requests: usize,
    /// Seconds over which CPU is counted, at the least.
    seconds: u64,
    /// Nodes of the lab.
    lab: usize,
    /// Orders to the lab.
    lab_runs: usize,
}

const WHOLE: Effort = Effort {
    connections: 1000,
    rounds: 20,
    turns: 5,
    fleets: &[1, 10, 50, 200, 500],
    counted: 50,
    peers: &[1, 10, 50, 200],
    peer_runs: 5,
    runs: 50,
    requests: 200,
    seconds: 60,
    lab: 5000,
    lab_runs: 9,
};

const QUICK: Effort = Effort {
    connections: 100,
    rounds: 5,
    turns: 1,
    fleets: &[1, 5],
    counted: 5,
    peers: &[1, 5],
    peer_runs: 2,
    runs: 5,
    requests: 10,
    seconds: 3,
    lab: 100,
    lab_runs: 2,
};

/// The programs that are measured, as they are shipped.
#[derive(Debug)]
struct Programs {
    mco: PathBuf,
    mcod: PathBuf,
    fanout: PathBuf,
}

/// Builds, measures, and writes the page.
///
/// # Errors
/// When something cannot be built, started or read; the error is one sentence.
pub fn run(root: &Path, arguments: &Arguments) -> Result<(), String> {
    build(root)?;
    let effort = if arguments.quick { &QUICK } else { &WHOLE };
    let wanted = |part| arguments.part.is_empty() || arguments.part.contains(&part);
    // On the disk where nodes keep their journals, not in a file system in memory.
    let scratch = target(root).join("bench");
    std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;

    let copies = TempDir::new_in(&scratch).map_err(|error| error.to_string())?;
    let programs = Programs::copy(&target(root).join("release"), copies.path())?;

    let before = Machine::look(root)?;
    let mut sections: Vec<Section> = Vec::new();
    if wanted(Part::Broker) {
        let servers = nats_servers::ensure(root)?;
        sections.push(broker::measure(&programs, &servers, &scratch, effort)?);
    }
    if wanted(Part::Separate) {
        let peers =
            if arguments.peers { Peers::measure(&scratch, effort)? } else { Peers::default() };
        sections.extend(separate::measure(&programs, &scratch, effort, &peers)?);
    }
    if wanted(Part::Lab) {
        sections.extend(lab::measure(&programs, &scratch, effort)?);
    }
    let page = Page { before, load_after: machine::load()?, sections };
    if arguments.quick || !arguments.part.is_empty() {
        print!("{page}");
        return Ok(());
    }
    let path = root.join(PAGE);
    std::fs::write(&path, page.to_string()).map_err(|e| format!("{}: {e}", path.display()))?;
    println!("wrote {PAGE}: {}", page.verdict());
    Ok(())
}

/// Builds what is measured with the profile of a release.
fn build(root: &Path) -> Result<(), String> {
    cargo(root, &["--package", "marcato", "--bins"])?;
    cargo(root, &["--package", "marcato-broker", "--example", "fanout"])
}

impl Programs {
    /// Copies them, so that a build meanwhile changes nothing of what is measured.
    fn copy(release: &Path, folder: &Path) -> Result<Self, String> {
        let copy = |name: &str| {
            let (from, to) = (release.join(name), folder.join(Path::new(name).file_name()?));
            Some(
                std::fs::copy(&from, &to)
                    .map(|_| to)
                    .map_err(|e| format!("{}: {e}", from.display())),
            )
        };
        let copy = |name| copy(name).unwrap_or_else(|| Err(format!("{name} is no file")));
        Ok(Self { mco: copy("mco")?, mcod: copy("mcod")?, fanout: copy("examples/fanout")? })
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked"]).args(arguments).current_dir(root);
    let status = build.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo build: {status}")) }
}

fn target(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root.join(target.unwrap_or_else(|| "target".into()))
}

/// Says on standard error what is being measured: a whole run takes minutes.
fn tell(what: &str) {
    eprintln!("bench: {what}");
}
