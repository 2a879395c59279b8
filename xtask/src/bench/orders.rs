//! Requests, run as an operator runs them, and what they cost everyone.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::process;
use super::request::Request;

/// What so many orders cost, all nodes together.
#[derive(Debug)]
pub struct Cost {
    /// How many orders there were.
    pub orders: usize,
    /// How long all of it took.
    pub took: Duration,
    /// CPU of the node processes.
    pub nodes: Duration,
    /// CPU of the hub: broker and registry.
    pub hub: Duration,
    /// CPU of `mco`.
    pub client: Duration,
    /// Wall time of each.
    pub walls: Vec<Duration>,
}

/// What `mco --json` says.
#[derive(Debug, Deserialize)]
struct Replies {
    expected: Option<usize>,
    replies: Vec<Reply>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    state: String,
}

/// Runs orders one after the other, each at least `apart` after the one before, until there were so
/// many and so much time has gone, and counts what they cost.
///
/// # Errors
/// When a process is gone or an order does not end with `ok` from every node; one sentence.
pub fn cost(
    request: impl Fn() -> Command,
    nodes: &[u32],
    hub: u32,
    (orders, time, apart): (usize, Duration, Duration),
) -> Result<Cost, String> {
    let counts = || {
        Ok::<_, String>((process::cpu_of(nodes)?, process::cpu(hub)?, process::cpu_of_commands()?))
    };
    let before = counts()?;
    let begun = Instant::now();
    let mut walls = Vec::new();
    while walls.len() < orders || begun.elapsed() < time {
        let next = Instant::now() + apart;
        let (_, took) = process::succeed(&mut request())?;
        walls.push(took);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let took = begun.elapsed();
    let after = counts()?;
    Ok(Cost {
        orders: walls.len(),
        took,
        nodes: after.0 - before.0,
        hub: after.1 - before.1,
        client: after.2 - before.2,
        walls,
    })
}

/// One order, with every node's state counted.
///
/// # Errors
/// When it cannot be run or read, or the expected set is unknown; one sentence.
pub fn states(mco: Command) -> Result<(usize, BTreeMap<String, usize>), String> {
    let mut ping = Request::Ping.of(mco);
    ping.arg("--json");
    let (output, _) = process::output(&mut ping)?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let replies: Replies = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("mco: {error}: {}", said()))?;
    let expected = replies.expected.ok_or("mco: the registry did not say what is expected")?;
    let mut states = BTreeMap::new();
    for reply in replies.replies {
        *states.entry(reply.state).or_default() += 1;
    }
    Ok((expected, states))
}
