//! `mco lab demo`: the main job from beginning to end, on a fleet of its own that is gone afterwards.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_core::Exit;

use super::layout::Layout;
use super::processes::{self, Process};
use super::{down, up};
use crate::words::Failure;

/// How many nodes the demo has.
const NODES: u32 = 20;
/// The node that goes down: web2.
const APART: u32 = 1;

/// What is typed, and what there is to see.
const SCENES: [(&str, &[&str]); 6] = [
    (
        "Which hosts run Debian 8.5? The registry knows; no list is kept anywhere.",
        &["find", "-W", "operatingsystem=Debian operatingsystemrelease=8.5"],
    ),
    (
        "Which openssl has every host? All are asked at once; what is alike is put together.",
        &["package", "openssl", "status"],
    ),
    (
        "Restart nginx in fault group c alone. Hosts without nginx do nothing, and are counted.",
        &["service", "nginx", "restart", "-W", "hagroup=c", "--yes"],
    ),
    (
        "The same from a script, as JSON (its first lines).",
        &["service", "nginx", "status", "-W", "hagroup=c role=web", "--json"],
    ),
    (
        "A change without a terminal and without --yes is refused before anything is sent.",
        &["service", "nginx", "restart", "-W", "hagroup=c"],
    ),
    ("Who answers?", &["ping"]),
];

/// Runs `mco lab demo`.
pub(super) fn main(dir: Option<PathBuf>) -> Result<Exit, Failure> {
    let own = dir.is_none();
    let lab = Layout::new(dir.unwrap_or_else(temporary))?;
    say(
        "# A fleet of 20 simulated hosts on this machine: real programs, real keys, real connections.",
    )?;
    say(&format!("$ mco lab up --nodes {NODES} --dir {}", lab.dir.display()))?;
    up::with_one_apart(&lab, NODES, APART)?;
    let shown = scenes(&lab);
    say(&format!("\n$ mco lab down --purge --dir {}", lab.dir.display()))?;
    down::main(&lab, own)?;
    shown.map(|()| Exit::Ok)
}

fn scenes(lab: &Layout) -> Result<(), Failure> {
    for (what, words) in SCENES {
        scene(lab, what, words)?;
    }
    say("\n# One host goes down. The next command names it, and says so in its exit code (4).")?;
    stop_one(lab)?;
    run(lab, &["service", "nginx", "status", "-W", "role=web"])
}

fn scene(lab: &Layout, what: &str, words: &[&str]) -> Result<(), Failure> {
    say(&format!("\n# {what}"))?;
    run(lab, words)
}

/// Runs a command as its user would, and shows what is typed, what comes, and the exit code.
fn run(lab: &Layout, words: &[&str]) -> Result<(), Failure> {
    let typed: Vec<String> = words.iter().map(|word| typed(word)).collect();
    say(&format!("$ mco {}", typed.join(" ")))?;
    let program = std::env::current_exe().map_err(|error| lab.failure(&error))?;
    let status = Command::new(program)
        .args(words)
        .env("MARCATO_CONFIG", lab.client_toml())
        .env_remove("MARCATO_BROKER")
        .env_remove("MARCATO_FLEET")
        .stdin(std::process::Stdio::null())
        .status()
        .map_err(|error| lab.failure(&error))?;
    say(&format!("[exit {}]", status.code().unwrap_or(-1)))
}

/// A word as it is typed.
fn typed(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}

/// Ends the one node that has a process of its own.
fn stop_one(lab: &Layout) -> Result<(), Failure> {
    let running = lab.running()?.unwrap_or_default();
    let own = up::process_name(APART);
    let one: Vec<Process> = running.processes.into_iter().filter(|p| p.what == own).collect();
    processes::end(&one, down::PATIENCE);
    Ok(())
}

fn temporary() -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    std::env::temp_dir().join(format!("marcato-demo-{}-{}", std::process::id(), now.as_millis()))
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(Exit::Unavailable, error))
}
