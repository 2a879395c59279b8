//! What is said of an order: each node's line where a script wants one, and at the end the report in
//! the form that was asked for.

use std::collections::BTreeSet;

use marcato_client::core::{NodeReport, Report, Selection};
use marcato_core::ddl::Action;
use marcato_core::{Collective, EndState, Exit, Identity, JobId, Reason, Span};

use super::console::Console;
use super::order::Intent;
use super::{grammar, next};
use crate::jobs::Late;
use crate::words::json::{Line, Replies};
use crate::words::table::{self, Screen};
use crate::words::tally::{self, About, Display};
use crate::words::{Failure, jobs};

/// The lines of `--jsonl`: one for each node, when it has ended.
#[derive(Debug, Default)]
pub struct Lines(BTreeSet<Identity>);

impl Lines {
    /// Writes a node's line, if it is the first.
    pub fn tell(&mut self, intent: &Intent, node: &NodeReport, console: &mut Console) {
        if self.0.insert(node.node.clone()) {
            say(&Line::of(&intent.agent, &intent.action, node), console);
        }
    }
}

/// No node is meant: says why, in the form that was asked for.
pub fn nothing(
    intent: &Intent,
    fleet: &Collective,
    selection: &Selection,
    words: &[String],
    console: &mut Console,
) {
    for line in words {
        console.warn(line);
    }
    let replies = Replies::nothing(fleet, selection);
    if intent.order.output.json {
        say(&replies, console);
    } else if intent.order.report.jsonl {
        say(&replies.last(), console);
    }
}

pub(super) fn say(value: &impl serde::Serialize, console: &mut Console) {
    match serde_json::to_string(value) {
        Ok(text) => console.say(&text),
        Err(error) => {
            let text = format!("the answer as JSON: {error}");
            console.fail(&Failure::new(Exit::Unavailable, text));
        }
    }
}

/// An order that has its result.
#[derive(Debug)]
pub struct Ended<'a> {
    /// What was wanted.
    pub intent: &'a Intent,
    /// The action's declaration.
    pub action: &'a Action,
    /// What became of it.
    pub report: &'a Report,
    /// What of that came only after the command had ended.
    pub late: &'a [Late],
    /// The job's id, if it is kept.
    pub id: Option<&'a JobId>,
    /// How long it took.
    pub took: Span,
}

impl Ended<'_> {
    /// Shows the report, where some nodes have had their line already, and says how the command ends.
    pub fn tell(&self, mut lines: Lines, console: &mut Console) -> Exit {
        let exit = exit(self.report, self.intent.order.allow_down);
        let flags = &self.intent.order;
        if flags.output.json {
            say(&Replies::of(self.report, self.id, exit, self.took), console);
        } else if flags.report.jsonl {
            for node in &self.report.nodes {
                lines.tell(self.intent, node, console);
            }
            say(&Replies::of(self.report, self.id, exit, self.took).last(), console);
        } else {
            self.show(exit, console);
        }
        exit
    }

    fn show(&self, exit: Exit, console: &mut Console) {
        let Self { intent, action, report, .. } = self;
        let quiet = intent.order.output.quiet;
        if quiet && exit == Exit::Ok {
            for line in tally::alarms(report, console.screen) {
                console.warn(&line);
            }
            return;
        }
        let item = grammar::subject_of(action).and_then(|input| intent.input(input));
        let about = About {
            action: Some(action),
            item,
            job: self.id,
            took: self.took,
            look: intent.look,
            shape: intent.order.report.shape(),
            display: if quiet { Display::Failed } else { intent.order.report.display },
            exit,
            next: &next::commands(intent, (action, item), (report, self.id)),
        };
        let late = jobs::late(self.late, console.screen);
        let above = console.screen.above + late.len();
        let shown = table::show(report, &about, Screen { above, ..console.screen });
        for line in &shown.data {
            console.say(line);
        }
        for line in &late {
            console.warn(line);
        }
        for line in &shown.talk {
            // Something is wrong, and so even who wants quiet is told.
            console.warn(line);
        }
        if report.interrupted {
            let id = self.id.filter(|_| action.changes());
            for line in interrupted(report, id) {
                console.warn(&line);
            }
            return;
        }
        for hint in &shown.hints {
            console.note(hint);
        }
    }
}

/// How a command ends; nodes that were down already may be left out of that, where others answered.
pub fn exit(report: &Report, allow_down: bool) -> Exit {
    let is_up = |node: &NodeReport| node.state != EndState::Down || node.down_since.is_none();
    if !allow_down || !report.nodes.iter().any(is_up) {
        return report.exit();
    }
    let mut report = report.clone();
    report.nodes.retain(is_up);
    report.exit()
}

/// What still goes on when the operator has gone, and how to see to it.
fn interrupted(report: &Report, change: Option<&JobId>) -> Vec<String> {
    if report.orders.is_empty() {
        return vec!["interrupted. Nothing was sent.".to_owned()];
    }
    let running = |node: &&NodeReport| {
        node.state == EndState::Lost || node.reason == Some(Reason::StillRunning)
    };
    let running = report.nodes.iter().filter(running).count();
    let waiting = report.nodes.iter().filter(|node| node.may_start_until.is_some()).count();
    let mut parts = vec!["interrupted".to_owned()];
    match running {
        0 => {}
        1 => parts.push("1 still running on its node, and goes on".to_owned()),
        more => parts.push(format!("{more} still running on their nodes, and go on")),
    }
    match waiting {
        0 => {}
        1 => parts.push("1 has not answered, and may still start it".to_owned()),
        more => parts.push(format!("{more} have not answered, and may still start it")),
    }
    let not_sent = report.nodes.iter().filter(|node| node.reason == Some(Reason::NotSent)).count();
    if not_sent > 0 {
        parts.push(format!("{not_sent} were not sent it"));
    }
    let mut lines = vec![parts.join("; ")];
    if let Some(id) = change {
        let mut next = Vec::new();
        if running + waiting > 0 {
            next.extend([format!("mco job follow {id}"), format!("mco job cancel {id}")]);
        }
        if not_sent > 0 {
            next.push(format!("mco again {id} --untouched"));
        }
        lines.extend((!next.is_empty()).then(|| format!("Next: {}", next.join("  ·  "))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_that_were_down_already() {
        let check = |states: &[(&str, bool)], want: [Exit; 2]| {
            let node = |(number, (state, since)): (usize, &(&str, bool))| {
                json!({"node": format!("web{number}"), "state": state, "changed": "false",
                    "signed": *state != "down",
                    "down_since": since.then_some("2026-11-23T09:00:00.000Z")})
            };
            let nodes: Vec<_> = states.iter().enumerate().map(node).collect();
            let report: Report = serde_json::from_value(json!({
                "collective": "lab", "caller": "ops", "agent": "rpcutil", "action": "ping",
                "orders": [], "issued": "2026-11-23T12:00:00.000Z", "ended": null,
                "expected": nodes.len(), "complete": true, "nodes": nodes, "unexpected": [],
                "not_capable": [], "read_only": [], "gone": [], "vanished": [], "refused": [],
                "interrupted": false
            }))
            .unwrap();
            assert_eq!([exit(&report, false), exit(&report, true)], want, "{states:?}");
        };
        check(&[("ok", false), ("down", true)], [Exit::Silent, Exit::Ok]);
        // It went down while it was asked.
        check(&[("ok", false), ("down", false)], [Exit::Silent, Exit::Silent]);
        check(&[("failed", false), ("down", true)], [Exit::Failed, Exit::Failed]);
        check(&[("down", true)], [Exit::NoAnswer, Exit::NoAnswer]);
    }
}
