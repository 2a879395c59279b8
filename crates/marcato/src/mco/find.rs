//! `mco find`: which nodes match, from the registry alone.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_client::core::{Coverage, LeftOut, UnknownName};
use marcato_client::shell::{Fleet as Connection, Found};
use marcato_core::{Exit, Identity, Timestamp};
use serde_json::json;

use super::cli::Find;
use super::console::Console;
use super::interrupt::Interrupt;
use super::which::{Which, check_target};
use super::{block_on, nothing, order, sign};
use crate::config::Fleet;
use crate::words::Failure;
use crate::words::fold::fold;
use crate::words::group::escape;
use crate::words::time::since;
use crate::words::{coverage, table};

/// So many rows of a terminal the names take at most.
const ROWS_MAX: usize = 16;

/// The version of the JSON form.
pub const SCHEMA: &str = "marcato.find.v1";

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
    console.end(exit)
}

fn run(args: &Find, console: &mut Console) -> Result<Exit, Failure> {
    let which = Which::of(&args.filter, &args.nodes)?;
    let fleet = Fleet::load(args.fleet.config.as_deref(), args.fleet.fleet.as_deref())?;
    check_target(&args.filter, &fleet.name)?;
    if let Some(why) = which.is_nothing() {
        console.warn(&why);
        if args.output.json {
            let found = Found { complete: true, ..Found::default() };
            console.say(&json(&fleet, &found, None, Exit::Nothing).to_string());
        }
        return Ok(Exit::Nothing);
    }
    let setup = order::setup(&fleet, &args.fleet);
    let (mut found, why) = block_on(Interrupt::default().guard(async {
        let mut connection = Connection::connect(setup).await?;
        // Only where no hub is, the nodes are asked themselves, and that is signed.
        let mut found = connection.find(which.terms.clone(), &sign::Lazy(&fleet)).await?;
        found.nodes.retain(|(node, _)| which.lists(node));
        let unknown_names = &mut found.coverage.unknown_names;
        unknown_names.retain(|unknown| !which.expects(&unknown.name));
        // Without a hub nobody knows who only does not match.
        if which.listed_in.is_none() && (found.complete || !which.is_filtered()) {
            let mut missing = which.missing(found.nodes.iter().map(|(node, _)| node));
            if which.is_filtered() {
                order::only_nobodys(&mut missing, &mut connection, &sign::Lazy(&fleet)).await?;
            }
            unknown_names.extend(missing.iter().map(|name| UnknownName::of(name.to_string())));
        }
        let is_nothing = found.nodes.is_empty() && found.complete;
        let why = if is_nothing {
            nothing::why(&mut connection, &which, &found.coverage).await
        } else {
            Vec::new()
        };
        connection.close().await?;
        Ok((found, why))
    }))?;
    // Names that were typed are told of already.
    let missing = match which.listed_in {
        Some(_) => which.missing(found.nodes.iter().map(|(node, _)| node)),
        None => BTreeSet::new(),
    };
    let all = found.nodes.len();
    if let Some(pick) = which.pick {
        found.nodes = pick.from(found.nodes, |(node, down)| (node, down.is_some()));
    }
    let exit = exit(&found, &missing);
    for line in &why {
        console.warn(line);
    }
    if args.output.json {
        let missing = which.listed_in.as_ref().map(|_| &missing);
        console.say(&json(&fleet, &found, missing, exit).to_string());
    } else {
        show(&found, &which, all, console);
    }
    tell_missing(&which, &missing, console);
    Ok(exit)
}

/// As for an order: a list from which hosts may be missing is not simply whole.
fn exit(found: &Found, missing: &BTreeSet<Identity>) -> Exit {
    let Coverage { gathering, unknown_names, .. } = &found.coverage;
    let unknown = !unknown_names.is_empty() || !missing.is_empty();
    let misses = gathering.is_some() || unknown || !found.left_out.is_empty();
    match (found.nodes.is_empty(), found.complete) {
        (false, _) if misses => Exit::Silent,
        (false, _) => Exit::Ok,
        (true, true) => Exit::Nothing,
        (true, false) => Exit::NoAnswer,
    }
}

/// Names what was asked for by name and is not among the nodes.
fn tell_missing(which: &Which, missing: &BTreeSet<Identity>, console: &mut Console) {
    let Some(list) = which.listed_in.as_ref().filter(|_| !missing.is_empty()) else { return };
    let (count, list) = (missing.len(), escape(list));
    let plural = if count == 1 { "name" } else { "names" };
    let what = if which.is_filtered() { "not there, or not matching" } else { "not there" };
    let start = format!("{count} {plural} of {list} {what}: ");
    let names = table::names(missing.iter(), console.screen, start.chars().count());
    console.warn(&format!("{start}{names}"));
}

fn json(
    fleet: &Fleet,
    found: &Found,
    missing: Option<&BTreeSet<Identity>>,
    exit: Exit,
) -> serde_json::Value {
    let node = |(node, down): &(Identity, Option<Timestamp>)| match down {
        Some(since) => json!({"node": node, "down_since": since}),
        None => json!({"node": node}),
    };
    let left_out = |LeftOut { identity, reason, text, .. }: &LeftOut| json!({"node": identity, "reason": reason, "text": text});
    let coverage = &found.coverage;
    let mut json = json!({
        "schema": SCHEMA,
        "fleet": fleet.name,
        "exit": exit.code(),
        "complete": found.complete && coverage.gathering.is_none(),
        "hub_since": coverage.since,
        "nodes": found.nodes.iter().map(node).collect::<Vec<_>>(),
        "left_out": found.left_out.iter().map(left_out).collect::<Vec<_>>(),
        "vanished": coverage.vanished,
        "unknown_names": coverage.unknown_names,
    });
    // Names of a list that are not among the nodes.
    if let Some(missing) = missing {
        json["missing"] = json!(missing);
    }
    json
}

/// Names as data; on a terminal folded, else one on each line and never cut.
fn show(found: &Found, which: &Which, matching: usize, console: &mut Console) {
    let names = found.nodes.iter().map(|(node, _)| node.as_str());
    if let Some(width) = console.screen.width {
        let (lines, is_whole) = fitting(fold(names), width);
        for line in lines {
            console.say(&line);
        }
        if !is_whole {
            console.note("not all names fit here; to a file or another program each has its line");
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
    let of = if all < matching { format!(" of {matching}") } else { String::new() };
    let plural = if matching == 1 { "node" } else { "nodes" };
    let verb = match (which.is_everything(), matching) {
        (true, _) => "in the fleet",
        (false, 1) => "matches",
        (false, _) => "match",
    };
    console
        .note(&format!("{all}{of} {plural} {}{verb}", if all < matching { "that " } else { "" }));
    if !found.complete {
        console.note(
            "no hub answers here: these are the nodes that answered, and there may be others",
        );
    }
}

/// Folded names on so many rows of a terminal as a person reads at a glance, and whether those are all.
fn fitting(mut lines: Vec<String>, width: usize) -> (Vec<String>, bool) {
    let rows = |line: &String| line.chars().count().div_ceil(width.max(1));
    if lines.iter().map(rows).sum::<usize>() <= ROWS_MAX {
        return (lines, true);
    }
    let hidden = lines.len().saturating_sub(ROWS_MAX);
    lines.truncate(if hidden > 0 { ROWS_MAX - 1 } else { ROWS_MAX });
    for line in &mut lines {
        if line.chars().count() > width {
            *line = line.chars().take(width.saturating_sub(1)).chain(['…']).collect();
        }
    }
    if hidden > 0 {
        lines.push(format!("… and {} more", hidden + 1));
    }
    (lines, false)
}

/// Who may be missing from the list; told even to whoever wants quiet.
fn misses(found: &Found, console: &mut Console) {
    let vanished = &found.coverage.vanished;
    if !vanished.is_empty() {
        let start = format!("{} known here, but not to the hub: ", vanished.len());
        let names = table::names(vanished.iter(), console.screen, start.len());
        console.warn(&format!("{start}{names}"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_screen() {
        let check = |names: Vec<String>, want: (usize, &str, bool)| {
            let (lines, is_whole) = fitting(names, 20);
            assert!(is_whole || lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
            let last = lines.last().map(String::as_str).unwrap_or_default();
            assert_eq!((lines.len(), last, is_whole), want);
        };
        let names = |count: usize| (1..=count).map(|n| format!("{n}.x")).collect::<Vec<_>>();
        check(names(16), (16, "16.x", true));
        check(names(17), (16, "… and 2 more", false));
        let long = "a".repeat(20 * ROWS_MAX);
        check(vec![long.clone()], (1, &long, true));
        let longer = "a".repeat(20 * ROWS_MAX + 1);
        check(vec![longer], (1, "aaaaaaaaaaaaaaaaaaa…", false));
        check(Vec::new(), (0, "", true));
    }
}
