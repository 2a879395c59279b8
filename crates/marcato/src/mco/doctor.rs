//! `mco doctor`: what keeps commands from working. It does what a command does, a step at a time, and
//! says of each step how it went: the configuration, the key, the broker, the hub, and an order that
//! only looks, which shows whom the nodes know, what is wrong with them and how their clocks go.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use marcato_client::core::{Aim, NodeReport, Report, Task};
use marcato_client::shell::Fleet as Connection;
use marcato_client::shell::signer::Signer;
use marcato_core::limits::cut_to;
use marcato_core::limits::node::HEALTH_LINE_BYTES_MAX;
use marcato_core::limits::timing::{ACCEPTED_WITHIN, READ_WAIT};
use marcato_core::{EndState, Exit, Identity, Reason, Span, Terms};
use serde_json::Value;

use super::cli::{Doctor, FleetArgs};
use super::console::Console;
use super::{block_on, order, sign};
use crate::config::Fleet;
use crate::words::findings::Findings;
use crate::words::fold::fold;
use crate::words::group::escape;
use crate::words::{Failure, coverage, node_count};

/// So many nodes are named.
const NAMED_MAX: usize = 10;

/// So many different complaints of nodes are told.
const COMPLAINTS_MAX: usize = 5;

/// Runs the command, and says how it ended.
pub fn main(args: &Doctor) -> Exit {
    let mut console = Console::new(&args.output);
    let mut findings = Findings::default();
    examine(&args.fleet, &mut findings);
    if args.output.json {
        console.say(&findings.json().to_string());
    } else {
        for line in findings.lines(console.screen.color, args.output.quiet) {
            console.say(&line);
        }
    }
    console.end(findings.exit())
}

fn examine(args: &FleetArgs, findings: &mut Findings) {
    let fleet = match Fleet::load(args.config.as_deref(), args.fleet.as_deref()) {
        Ok(fleet) => fleet,
        Err(error) => return findings.fail("fleet", error.into()),
    };
    findings.ok("fleet", format_args!("{}, where you are {}", fleet.name, fleet.config.caller));
    // What goes wrong is a finding; nothing is left to fail.
    let _ = block_on(async {
        let signer = key(&fleet, findings).await;
        talk(&fleet, args, signer.as_deref(), findings).await;
        Ok(())
    });
}

async fn key(fleet: &Fleet, findings: &mut Findings) -> Option<Box<dyn Signer>> {
    match sign::open(fleet).await {
        Ok(signer) => {
            let key = fleet.config.key.as_deref().unwrap_or("the only key in the ssh-agent");
            findings.ok("key", format_args!("{key} can be used"));
            Some(signer)
        }
        Err(failure) => {
            findings.fail("key", failure);
            None
        }
    }
}

async fn talk(
    fleet: &Fleet,
    args: &FleetArgs,
    signer: Option<&dyn Signer>,
    findings: &mut Findings,
) {
    let begun = Instant::now();
    let mut connection = match Connection::connect(order::setup(fleet, args)).await {
        Ok(connection) => connection,
        Err(error) => return findings.fail("broker", error.into()),
    };
    let broker = args.broker.as_ref().unwrap_or(&fleet.config.broker);
    let took = begun.elapsed().as_millis();
    findings.ok("broker", format_args!("{broker} answers in {took} ms"));
    let Some(signer) = signer else { return };
    hub(&mut connection, signer, findings).await;
    match ping(&mut connection, signer).await {
        Ok(report) => {
            nodes(&report, findings);
            health(&report, findings);
            clocks(&report, findings);
        }
        Err(failure) => findings.fail("nodes", failure),
    }
    // What cannot be kept of the nodes' keys is learnt again.
    let _ = connection.close().await;
}

async fn hub(connection: &mut Connection, signer: &dyn Signer, findings: &mut Findings) {
    let found = match connection.find(Terms::default(), signer).await {
        Ok(found) => found,
        Err(error) => return findings.fail("hub", error.into()),
    };
    if !found.complete {
        let text = "no hub is connected to the broker: nobody knows which nodes there are";
        let failure = Failure::new(Exit::Unavailable, text).hint("systemctl status mcod-hub there");
        return findings.fail("hub", failure);
    }
    let down = found.nodes.iter().filter(|(_, down)| down.is_some()).count();
    findings.ok("hub", format_args!("{} registered, {down} down", node_count(found.nodes.len())));
    for line in coverage::lines(&found.coverage, found.complete) {
        findings.warn("hub", Failure::new(Exit::Silent, line));
    }
    let vanished = &found.coverage.vanished;
    if !vanished.is_empty() {
        let text =
            format!("{} known here, but not to the hub: {}", vanished.len(), named(vanished));
        findings.warn("hub", Failure::new(Exit::Silent, text));
    }
}

/// The smallest order that there is, to every node.
async fn ping(connection: &mut Connection, signer: &dyn Signer) -> Result<Report, Failure> {
    let own = |error| Failure::new(Exit::Usage, error);
    let task = Task {
        agent: "rpcutil".parse().map_err(own)?,
        action: "ping".parse().map_err(own)?,
        inputs: serde_json::Map::new(),
        changes: false,
        to_read_only: false,
        filter: Terms::default(),
        aim: Aim::Matching,
        reason: None,
        wait: READ_WAIT,
        run_limit: READ_WAIT,
    };
    let choice = connection.choose(&task, signer).await?;
    Ok(connection.run(task, choice, signer, &mut |_, _| ()).await?)
}

/// How the nodes answered, those that did not do as they were told by what they said of it.
fn nodes(report: &Report, findings: &mut Findings) {
    let mut groups: BTreeMap<(EndState, Option<Reason>), Vec<&NodeReport>> = BTreeMap::new();
    for node in &report.nodes {
        groups.entry((node.state, node.reason)).or_default().push(node);
    }
    let ok = groups.remove(&(EndState::Ok, None)).map_or(0, |nodes| nodes.len());
    let all = report.nodes.len();
    if all == 0 {
        let text = "no node has registered with this fleet's hub";
        let failure = Failure::new(Exit::NoAnswer, text).hint("mcod doctor, on a node's host");
        return findings.fail("nodes", failure);
    }
    if ok > 0 {
        findings.ok("nodes", format_args!("{ok} of {all} take your orders"));
    }
    for ((state, reason), nodes) in groups {
        let reason_word = reason.map(|reason| format!(" {reason}")).unwrap_or_default();
        let names: Vec<Identity> = nodes.iter().map(|node| node.node.clone()).collect();
        let text = format!("{} {state}{reason_word}: {}", nodes.len(), named(&names));
        let exit = if state.is_silent() { Exit::Silent } else { Exit::Failed };
        let mut failure = Failure::new(exit, text);
        if let Some(reason) = reason {
            failure = failure.hint(reason.hint());
        }
        // One that is away keeps no command from the others; if all are, nothing works.
        if state.is_silent() && ok > 0 {
            findings.warn("nodes", failure);
        } else {
            findings.fail("nodes", failure);
        }
    }
}

/// What nodes say is wrong with them: each complaint once, those of the most nodes first.
fn health(report: &Report, findings: &mut Findings) {
    let mut complaints: BTreeMap<String, BTreeSet<Identity>> = BTreeMap::new();
    for node in &report.nodes {
        let lines = node.data.get("health").and_then(Value::as_array);
        for line in lines.into_iter().flatten().filter_map(Value::as_str) {
            let line = escape(cut_to(line, HEALTH_LINE_BYTES_MAX));
            complaints.entry(line).or_default().insert(node.node.clone());
        }
    }
    let ill: BTreeSet<&Identity> = complaints.values().flatten().collect();
    if ill.is_empty() {
        return;
    }
    let mut text = format!("{} not well", ill.len());
    let mut complaints: Vec<(&String, &BTreeSet<Identity>)> = complaints.iter().collect();
    complaints.sort_by_key(|(_, nodes)| Reverse(nodes.len()));
    for (line, nodes) in complaints.iter().take(COMPLAINTS_MAX) {
        let names: Vec<Identity> = nodes.iter().cloned().collect();
        text += &format!("\n{}, {}: {line}", node_count(names.len()), named(&names));
    }
    if complaints.len() > COMPLAINTS_MAX {
        let more = complaints.len() - COMPLAINTS_MAX;
        text += &format!("\nand {more} more complaints; mco inventory NODE shows those of a node");
    }
    let hint = "mcod doctor, on such a node's host";
    findings.warn("health", Failure::new(Exit::Failed, text).hint(hint));
}

/// How far the clocks of the nodes that answered are from this one, at least.
fn clocks(report: &Report, findings: &mut Findings) {
    let offsets: Vec<(Span, &NodeReport)> =
        report.nodes.iter().filter_map(|node| Some((offset(report, node)?, node))).collect();
    let off: Vec<_> = offsets.iter().filter(|(offset, _)| *offset > ACCEPTED_WITHIN).collect();
    match off.iter().max_by_key(|(offset, _)| *offset) {
        None if offsets.is_empty() => {}
        None => {
            let nodes = node_count(offsets.len());
            findings.ok("clock", format_args!("that of {nodes} goes as here"));
        }
        Some((most, worst)) => {
            let names: Vec<Identity> = off.iter().map(|(_, node)| node.node.clone()).collect();
            let text = format!(
                "{} off by more than {} s, {} by {} s: {}",
                off.len(),
                ACCEPTED_WITHIN.as_ms() / 1000,
                worst.node,
                most.as_ms() / 1000,
                named(&names)
            );
            let failure = Failure::new(Exit::Failed, text);
            findings.warn("clock", failure.hint("set them, or this one: timedatectl status"));
        }
    }
}

/// By how much a node's clock is off: its end lies between the sending and the answer.
fn offset(report: &Report, node: &NodeReport) -> Option<Span> {
    if let Some(skew) = node.clock {
        return Some(Span::from_ms(skew.ahead_ms.unsigned_abs()));
    }
    let (finished, answered) = (node.finished?, node.answered?);
    Some(finished.since(answered).max(report.issued.since(finished)))
}

fn named(nodes: &[Identity]) -> String {
    let more = if nodes.len() > NAMED_MAX { " …" } else { "" };
    let names = fold(nodes.iter().take(NAMED_MAX).map(Identity::as_str)).join(" ");
    format!("{names}{more}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn complaints_are_told_once_and_not_without_end() {
        let node = |index: usize, health: Value| {
            json!({"node": format!("web{index:02}.x"), "state": "ok", "changed": "false",
                "signed": true, "data": { "health": health }})
        };
        let common = "facts.yaml:2: broken\u{1b}";
        let mut nodes: Vec<Value> = (1..=20).map(|at| node(at, json!([common, common]))).collect();
        nodes.extend((21..=32).map(|at| node(at, json!([format!("fault {at}")]))));
        nodes.extend([node(33, Value::Null), node(34, json!("no list")), node(35, json!([7, []]))]);
        let report: Report = serde_json::from_value(json!({
            "collective": "lab", "caller": "ops", "agent": "rpcutil", "action": "ping",
            "orders": [], "issued": "2026-11-23T12:00:00.000Z", "ended": null,
            "expected": nodes.len(), "complete": true, "nodes": nodes, "unexpected": [],
            "not_capable": [], "read_only": [], "gone": [], "vanished": [], "refused": [],
            "interrupted": false
        }))
        .unwrap();
        let mut findings = Findings::default();
        health(&report, &mut findings);
        assert_eq!(
            findings.lines(false, false),
            [
                "warn  health    32 not well",
                "                20 nodes, web[01-10].x …: facts.yaml:2: broken\\u{1b}",
                "                1 node, web21.x: fault 21",
                "                1 node, web22.x: fault 22",
                "                1 node, web23.x: fault 23",
                "                1 node, web24.x: fault 24",
                "                and 8 more complaints; mco inventory NODE shows those of a node",
                "                Next: mcod doctor, on such a node's host",
            ]
        );
        assert_eq!(findings.exit(), Exit::Ok);
    }
}
