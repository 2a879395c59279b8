//! A report as a script reads it. The form is stable: fields are added, never changed.

use std::collections::BTreeMap;

use marcato_client::core::{NodeReport, Refusal, Report, Selection, Stopped, UnknownName};
use marcato_core::{
    ActionName, AgentName, Changed, Collective, EndState, Exit, Identity, JobId, Reason, Span,
    Timestamp,
};
use serde::Serialize;
use serde_json::{Map, Value};

/// The version of the form.
pub const SCHEMA: &str = "marcato.replies.v1";

/// The version of the form of the last line where each node has one.
pub const SCHEMA_LAST: &str = "marcato.tally.v1";

/// The whole answer of a command.
#[derive(Debug, Serialize)]
pub struct Replies<'a> {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The fleet.
    pub fleet: &'a str,
    /// The job's id.
    pub job: Option<&'a JobId>,
    /// The exit code.
    pub exit: u8,
    /// How many nodes were expected; null where no hub said so.
    pub expected: Option<usize>,
    /// Whether those are all there are: not without a hub, nor while it is too young to know.
    pub complete: bool,
    /// Since when the hub gathers registrations; null where there is none.
    pub hub_since: Option<Timestamp>,
    /// How long the command took, in milliseconds.
    pub took_ms: u64,
    /// How many expected nodes ended how.
    pub counts: BTreeMap<EndState, usize>,
    /// One element for each expected node; left out where each had a line of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replies: Option<Vec<Reply<'a>>>,
    /// Nodes that answered and were not expected.
    pub unexpected: Vec<Reply<'a>>,
    /// Nodes that match but lack the agent.
    pub not_capable: &'a [Identity],
    /// Nodes that take no changes.
    pub read_only: &'a [Identity],
    /// Nodes unheard for seven days.
    pub gone: &'a [Identity],
    /// Known nodes that the hub did not name.
    pub vanished: &'a [Identity],
    /// Names typed in full that nobody is called; without a hub those that did not answer.
    pub unknown_names: &'a [UnknownName],
    /// Answers that did not count.
    pub refused: &'a [Refusal],
    /// Why it was not sent to all nodes, where it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<&'a Stopped>,
}

/// What became of the order on one node.
#[derive(Debug, Serialize)]
pub struct Reply<'a> {
    /// The node.
    pub sender: &'a Identity,
    /// The agent.
    pub agent: &'a AgentName,
    /// The action.
    pub action: &'a ActionName,
    /// As the ancestors have it: 0 ok, 1 failed or refused, 5 other; null where no answer came.
    pub statuscode: Option<u8>,
    /// `OK`, or what the node says of it.
    pub statusmsg: &'a str,
    /// The outputs.
    pub data: &'a Map<String, Value>,
    /// The end state.
    pub state: EndState,
    /// Why.
    pub reason: Option<Reason>,
    /// `true`, `false` or `"unknown"`.
    pub changed: Value,
    /// When the action began, by the node's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended, by the node's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// Since when the node is not connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_since: Option<Timestamp>,
    /// Whether the node takes no changes; such nodes are asked reads alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Until when a silent node may still start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_start_until: Option<Timestamp>,
    /// Whether outputs were left out because they exceed the limit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl<'a> Replies<'a> {
    /// The same as the last of many lines: that of the whole, behind those of the nodes.
    #[must_use]
    pub fn last(self) -> Self {
        Self { schema: SCHEMA_LAST, replies: None, ..self }
    }

    /// The form of a report.
    #[must_use]
    pub fn of(report: &'a Report, job: Option<&'a JobId>, exit: Exit, took: Span) -> Self {
        let reply = |node: &'a NodeReport| reply(&report.agent, &report.action, node);
        Self {
            schema: SCHEMA,
            fleet: report.collective.as_str(),
            job,
            exit: exit.code(),
            expected: report.expected,
            complete: report.complete,
            hub_since: report.hub_since,
            took_ms: took.as_ms(),
            counts: counts(&report.nodes),
            replies: Some(report.nodes.iter().map(reply).collect()),
            unexpected: report.unexpected.iter().map(reply).collect(),
            not_capable: &report.not_capable,
            read_only: &report.read_only,
            gone: &report.gone,
            vanished: &report.vanished,
            unknown_names: &report.unknown_names,
            refused: &report.refused,
            stopped: report.stopped.as_ref(),
        }
    }

    /// The form of an answer where no node was asked.
    #[must_use]
    pub fn nothing(fleet: &'a Collective, selection: &'a Selection) -> Self {
        let coverage = &selection.coverage;
        Self {
            schema: SCHEMA,
            fleet: fleet.as_str(),
            job: None,
            exit: Exit::Nothing.code(),
            expected: Some(0),
            complete: selection.complete && coverage.gathering.is_none(),
            hub_since: coverage.since,
            took_ms: 0,
            counts: BTreeMap::new(),
            replies: Some(Vec::new()),
            unexpected: Vec::new(),
            not_capable: &selection.not_capable,
            read_only: &selection.read_only,
            gone: &selection.gone,
            vanished: &coverage.vanished,
            unknown_names: &coverage.unknown_names,
            refused: &[],
            stopped: None,
        }
    }
}

/// A line of its own for one node, once it has ended.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// [`Line::SCHEMA`].
    pub schema: &'static str,
    /// What became of the order there.
    #[serde(flatten)]
    pub reply: Reply<'a>,
}

impl<'a> Line<'a> {
    /// The version of the form.
    pub const SCHEMA: &'static str = "marcato.reply.v1";

    /// The form of a node's end.
    #[must_use]
    pub fn of(agent: &'a AgentName, action: &'a ActionName, node: &'a NodeReport) -> Self {
        Self { schema: Self::SCHEMA, reply: reply(agent, action, node) }
    }
}

fn counts(nodes: &[NodeReport]) -> BTreeMap<EndState, usize> {
    let mut counts = BTreeMap::new();
    for node in nodes {
        *counts.entry(node.state).or_default() += 1;
    }
    counts
}

fn reply<'a>(agent: &'a AgentName, action: &'a ActionName, node: &'a NodeReport) -> Reply<'a> {
    let statuscode = match node.state {
        _ if !node.signed => None,
        EndState::Ok => Some(0),
        EndState::Failed | EndState::Denied | EndState::Rejected => Some(1),
        _ => Some(5),
    };
    let statusmsg = match (&*node.message, node.state) {
        ("", EndState::Ok) => "OK",
        ("", state) => state.words(),
        (message, _) => message,
    };
    let changed = match node.changed {
        Changed::True => Value::Bool(true),
        Changed::False => Value::Bool(false),
        Changed::Unknown => Value::from("unknown"),
    };
    Reply {
        sender: &node.node,
        agent,
        action,
        statuscode,
        statusmsg,
        data: &node.data,
        state: node.state,
        reason: node.reason,
        changed,
        started: node.started,
        finished: node.finished,
        down_since: node.down_since,
        read_only: node.read_only,
        may_start_until: node.may_start_until,
        truncated: node.truncated,
    }
}
