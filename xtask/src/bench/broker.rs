//! The broker beside nats-server: one publish, answered by 1,000 connections.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::page::{Figure, Section, Value, median, range};
use super::process::{self, Daemon};
use super::{Effort, Programs, tell};

/// How long a nats-server may take to listen.
const START: Duration = Duration::from_secs(10);
/// The answers' bodies, in bytes.
const BYTES: &str = "512";

/// One turn of one server, as the example prints it.
#[derive(Debug, Deserialize)]
struct Turn {
    median_ms: f64,
}

/// Where a nats-server listens, as it writes it down.
#[derive(Debug, Deserialize)]
struct Ports {
    nats: Vec<String>,
}

/// A server of a comparison.
struct Server {
    name: String,
    /// None is our own, which the example starts in a process of its own.
    program: Option<PathBuf>,
    turns: Vec<Duration>,
}

/// Measures our broker and these nats-servers by turns, so that what else the machine does meets all
/// of them alike.
pub fn measure(
    programs: &Programs,
    servers: &[PathBuf],
    scratch: &Path,
    effort: &Effort,
) -> Result<Section, String> {
    let mut compared = vec![Server { name: "Marcato".into(), program: None, turns: Vec::new() }];
    for program in servers {
        let name = version(program)?;
        compared.push(Server { name, program: Some(program.clone()), turns: Vec::new() });
    }
    for turn in 1..=effort.turns {
        for server in &mut compared {
            tell(&format!("broker: {}, turn {turn} of {}", server.name, effort.turns));
            let took = take_turn(programs, server.program.as_deref(), scratch, effort)?;
            server.turns.push(took);
        }
    }
    Ok(section(&compared, effort))
}

fn section(compared: &[Server], effort: &Effort) -> Section {
    let fastest = compared.iter().filter(|server| server.program.is_some());
    let fastest = fastest.map(|server| median(server.turns.clone())).min();
    let mut figures = Vec::new();
    for server in compared {
        let value = Value::time(median(server.turns.clone()));
        let figure = Figure::new(server.name.clone(), value).note(range(&server.turns));
        if server.program.is_some() {
            figures.push(figure);
            continue;
        }
        figures.push(figure.at_most(Value::Ms(20.0)));
        let faster = Figure::new("Marcato, beside the faster nats-server", value);
        figures.extend(fastest.map(|fastest| faster.at_most(Value::time(fastest))));
    }
    Section {
        title: format!("Broker, 1 → {} → 1", Value::Count(effort.connections)),
        how: format!(
            "One publish to a subject on which {} connections of the official Rust client, all in \
             one process, have subscribed; each answers with {BYTES} bytes; the time until the \
             asking connection has all answers. No signatures. The server is in a process of its \
             own. Each turn is the median of {} rounds after two to warm up; the servers take turns, \
             {} each, in the same run, and the figure is the median of a server's turns.",
            Value::Count(effort.connections),
            effort.rounds,
            effort.turns
        ),
        peer: None,
        figures,
    }
}

fn take_turn(
    programs: &Programs,
    server: Option<&Path>,
    scratch: &Path,
    effort: &Effort,
) -> Result<Duration, String> {
    let folder = tempfile::TempDir::new_in(scratch).map_err(|error| error.to_string())?;
    let started = server.map(|server| start(server, folder.path())).transpose()?;
    let url = started.as_ref().map_or("ours", |(_, url)| url.as_str());
    let mut fanout = Command::new(&programs.fanout);
    fanout.arg(url).arg(effort.connections.to_string());
    fanout.arg(effort.rounds.to_string()).arg(BYTES);
    let (output, _) = process::succeed(&mut fanout)?;
    let turn: Turn = serde_json::from_slice(&output.stdout).map_err(|e| format!("fanout: {e}"))?;
    Ok(Duration::from_secs_f64(turn.median_ms / 1e3))
}

/// Starts a nats-server on a free port of loopback, with nothing configured.
fn start(server: &Path, folder: &Path) -> Result<(Daemon, String), String> {
    let mut command = Command::new(server);
    command.args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir"]).arg(folder);
    let mut daemon = Daemon::start(&mut command, &folder.join("log"))?;
    let ports = folder.join(format!("nats-server_{}.ports", daemon.pid()));
    let until = Instant::now() + START;
    while Instant::now() < until && daemon.lives() {
        // It is there before it is whole.
        let read = std::fs::read(&ports).ok();
        let read = read.and_then(|bytes| serde_json::from_slice::<Ports>(&bytes).ok());
        if let Some(url) = read.and_then(|ports| ports.nats.into_iter().next()) {
            return Ok((daemon, url));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("{} does not listen", server.display()))
}

fn version(server: &Path) -> Result<String, String> {
    let (output, _) = process::succeed(Command::new(server).arg("--version"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().replace(": v", " "))
}
