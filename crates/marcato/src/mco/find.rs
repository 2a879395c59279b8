//! `mco find`: which nodes match, from the registry alone.

use std::time::{SystemTime, UNIX_EPOCH};

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
use crate::words::table;
use crate::words::time::since;

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
        let why = if is_nothing { nothing::why(&mut connection, &terms).await } else { Vec::new() };
        connection.close().await?;
        Ok((found, why))
    }))?;
    let exit = if !found.nodes.is_empty() {
        Exit::Ok
    } else if found.complete {
        Exit::Nothing
    } else {
        Exit::NoAnswer
    };
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

fn json(fleet: &Fleet, found: &Found, exit: Exit) -> serde_json::Value {
    let node = |(node, down): &(Identity, Option<Timestamp>)| match down {
        Some(since) => json!({"node": node, "down_since": since}),
        None => json!({"node": node}),
    };
    json!({
        "schema": SCHEMA,
        "fleet": fleet.name,
        "exit": exit.code(),
        "complete": found.complete,
        "nodes": found.nodes.iter().map(node).collect::<Vec<_>>(),
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
            console.warn("no hub answers here, and no node either");
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

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
