//! What is said of earlier jobs: the list, and what came after a command had ended.

use std::collections::BTreeMap;

use marcato_core::{CallerId, EndState, Identity, JobId, Timestamp};

use super::group::escape;
use super::table::{Screen, cut, names};

/// So many lines the list has unless all jobs are asked for.
const LISTED_MAX: usize = 20;

/// How many of so many jobs are left out; the line that says so is one of the list.
#[must_use]
pub const fn hidden(jobs: usize) -> usize {
    if jobs <= LISTED_MAX { 0 } else { jobs - (LISTED_MAX - 1) }
}

/// A job in the list.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub id: JobId,
    /// When it was begun.
    pub begun: Timestamp,
    /// Who signed.
    pub caller: CallerId,
    /// What was typed.
    pub command: String,
    /// What became of it.
    pub result: String,
}

/// The list, a line each; cut to the width of a terminal.
#[must_use]
pub fn list(rows: &[Row], screen: Screen) -> Vec<String> {
    let widest = |text: fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let (id, caller) =
        (widest(|row| row.id.as_str().len()), widest(|row| row.caller.as_str().len()));
    let line = |row: &Row| {
        let when = row.begun.to_string();
        let (day, time) = (when.get(..10).unwrap_or(&when), when.get(11..19).unwrap_or_default());
        let (result, command) = (&row.result, escape(&row.command));
        cut(
            format!("{:id$}  {day} {time}Z  {:caller$}  {result}  {command}", row.id, row.caller),
            screen,
        )
    };
    rows.iter().map(line).collect()
}

/// Which nodes answered after the command had ended, and what stood there instead.
#[must_use]
pub fn late(late: &[crate::jobs::Late], screen: Screen) -> Vec<String> {
    let mut by: BTreeMap<EndState, Vec<&Identity>> = BTreeMap::new();
    for late in late {
        by.entry(late.was).or_default().push(&late.node);
    }
    let line = |(was, nodes): (EndState, Vec<&Identity>)| {
        let start = format!("{} answered later, and had been \"{was}\": ", nodes.len());
        let used = start.chars().count();
        format!("{start}{}", names(nodes.into_iter(), screen, used))
    };
    by.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Late;

    #[test]
    fn a_list_has_its_lines_and_no_more() {
        let check = |jobs: usize, want: usize| assert_eq!(hidden(jobs), want, "{jobs}");
        check(0, 0);
        check(LISTED_MAX, 0);
        check(LISTED_MAX + 1, 2);
        check(200, 181);
    }

    #[test]
    fn a_line_for_each_job() {
        let row = |id: &str, caller: &str, result: &str, command: &str| Row {
            id: id.parse().unwrap(),
            begun: "2026-11-23T12:00:40.123Z".parse().unwrap(),
            caller: caller.parse().unwrap(),
            command: command.to_owned(),
            result: result.to_owned(),
        };
        let rows = [
            row("K7PX", "ops", "3 / 3", "ping"),
            row("AAAAA", "alice@x", "1 / 2 · 1 failed · exit 2", "package openssl update\u{1b}"),
        ];
        let pipe = Screen { width: None, color: false, above: 0 };
        assert_eq!(
            list(&rows, pipe),
            [
                "K7PX   2026-11-23 12:00:40Z  ops      3 / 3  ping",
                "AAAAA  2026-11-23 12:00:40Z  alice@x  1 / 2 · 1 failed · exit 2  \
                 package openssl update\\u{1b}",
            ]
        );
        let narrow = Screen { width: Some(40), color: false, above: 0 };
        assert!(list(&rows, narrow)[1].ends_with('…'));
    }

    #[test]
    fn what_was_replaced() {
        let at = "2026-11-23T12:00:40.123Z".parse().unwrap();
        let of = |node: &str, was| Late { node: node.parse().unwrap(), was, at };
        let replaced = [
            of("web1.x", EndState::NoResponse),
            of("web2.x", EndState::NoResponse),
            of("db1.x", EndState::TimedOut),
        ];
        let terminal = Screen { width: Some(80), color: false, above: 0 };
        assert_eq!(
            late(&replaced, terminal),
            [
                "1 answered later, and had been \"timed out\": db1.x",
                "2 answered later, and had been \"no response\": web[1-2].x",
            ]
        );
    }
}
