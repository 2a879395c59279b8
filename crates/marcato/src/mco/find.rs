//! `mco find`: which nodes match, from the registry alone.

use std::time::{SystemTime, UNIX_EPOCH};

use marcato_client::core::{Coverage, LeftOut};
use marcato_client::shell::{Fleet as Connection, Found};
use marcato_core::{Exit, Identity, Terms, Timestamp};
use marcato_filter::Filter;
use serde_json::json;

use super::cli::Find;
use super::console::Console;
use super::interrupt::Interrupt;
use super::{block_on, nothing, order, sign};
use crate::config::Fleet;
use crate::words::Failure;
use crate::words::fold::fold;
use crate::words::group::escape;
use crate::words::time::since;
use crate::words::{coverage, table};

/// The version of the JSON form.
const SCHEMA: &str = "marcato.find.v1";

/// Runs the command, and says how it ended.
pub fn main(args: &Find) -> Exit {
    let mut console = Console::new(&args.output);
    let exit = match run(args, &mut console) {
        Ok(exit) => exit,
        Err(failure) => {
            console.fail(&failure);
            failure.exit
        }
    };
    // The names are all that was wanted: a list that is cut must not pass for whole.
    if console.flush() || exit != Exit::Ok { exit } else { Exit::Unavailable }
}

fn run(args: &Find, console: &mut Console) -> Result<Exit, Failure> {
    let terms = args.filter.terms()?;
    Filter::parse(&terms)?;
    let fleet = Fleet::load(args.fleet.config.as_deref(), args.fleet.fleet.as_deref())?;
    let setup = order::setup(&fleet, &args.fleet);
    let (found, why) = block_on(Interrupt::default().guard(async {
        let mut connection = Connection::connect(setup).await?;
        // Only where no hub is, the nodes are asked themselves, and that is signed.
        let found = connection.find(terms.clone(), &sign::Lazy(&fleet)).await?;
        let is_nothing = found.nodes.is_empty() && found.complete;
        let why = if is_nothing {
            nothing::why(&mut connection, &terms, &found.coverage).await
        } else {
            Vec::new()
        };
        connection.close().await?;
        Ok((found, why))
    }))?;
    let exit = exit(&found);
    for line in &why {
        console.warn(line);
    }
    if args.output.json {
        console.say(&json(&fleet, &found, exit).to_string());
    } else {
        show(&found, &terms, console);
    }
    Ok(exit)
}

/// As for an order: a list from which hosts may be missing is not simply whole.
const fn exit(found: &Found) -> Exit {
    let Coverage { gathering, unknown_names, .. } = &found.coverage;
    let misses = gathering.is_some() || !unknown_names.is_empty() || !found.left_out.is_empty();
    match (found.nodes.is_empty(), found.complete) {
        (false, _) if misses => Exit::Silent,
        (false, _) => Exit::Ok,
        (true, true) => Exit::Nothing,
        (true, false) => Exit::NoAnswer,
    }
}

fn json(fleet: &Fleet, found: &Found, exit: Exit) -> serde_json::Value {
    let node = |(node, down): &(Identity, Option<Timestamp>)| match down {
        Some(since) => json!({"node": node, "down_since": since}),
        None => json!({"node": node}),
    };
    let left_out = |LeftOut { identity, reason, text, .. }: &LeftOut| json!({"node": identity, "reason": reason, "text": text});
    let coverage = &found.coverage;
    json!({
        "schema": SCHEMA,
        "fleet": fleet.name,
        "exit": exit.code(),
        "complete": found.complete && coverage.gathering.is_none(),
        "hub_since": coverage.since,
        "nodes": found.nodes.iter().map(node).collect::<Vec<_>>(),
        "left_out": found.left_out.iter().map(left_out).collect::<Vec<_>>(),
        "vanished": coverage.vanished,
        "unknown_names": coverage.unknown_names,
    })
}

/// Names as data; on a terminal folded, else one on each line and never cut.
fn show(found: &Found, terms: &Terms, console: &mut Console) {
    let names = found.nodes.iter().map(|(node, _)| node.as_str());
    if console.screen.width.is_some() {
        for name in fold(names) {
            console.say(&name);
        }
    } else {
        for name in names {
            console.say(name);
        }
    }
    if found.nodes.is_empty() {
        if !found.complete {
            misses(found, console);
            let what = if found.left_out.is_empty() { "either" } else { "that says it matches" };
            console.warn(&format!("no hub answers here, and no node {what}"));
        }
        return;
    }
    let down = || found.nodes.iter().filter_map(|(node, down)| Some((node, (*down)?)));
    let (count, now) = (down().count(), now());
    if count > 0 {
        let since = since(down().map(|(_, at)| now.since(at))).unwrap_or_default();
        let start = format!("{count} down, {since}: ");
        let names = table::names(down().map(|(node, _)| node), console.screen, start.len());
        console.note(&format!("{start}{names}"));
    }
    misses(found, console);
    let all = found.nodes.len();
    let plural = if all == 1 { "node" } else { "nodes" };
    let what = if terms.is_empty() { "in the fleet" } else { "match" };
    let verb = if terms.is_empty() || all != 1 { what } else { "matches" };
    console.note(&format!("{all} {plural} {verb}"));
    if !found.complete {
        console.note(
            "no hub answers here: these are the nodes that answered, and there may be others",
        );
    }
}

/// Who may be missing from the list. What changes the exit code is told even to whoever wants quiet.
fn misses(found: &Found, console: &mut Console) {
    let vanished = &found.coverage.vanished;
    if !vanished.is_empty() {
        let start = format!("{} known here, but not to the hub: ", vanished.len());
        let names = table::names(vanished.iter(), console.screen, start.len());
        let line = format!("{start}{names}");
        if exit(found) == Exit::Ok { console.note(&line) } else { console.warn(&line) }
    }
    for node in &found.left_out {
        console.warn(&format!("{} {}: {}", node.identity, node.reason, escape(&node.text)));
    }
    for line in coverage::lines(&found.coverage, found.complete) {
        console.warn(&line);
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
