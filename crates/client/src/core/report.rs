//! What became of an order, node by node, and the exit code that follows from it.

use marcato_core::{
    ActionName, AgentName, CallerId, Changed, Collective, EndState, Exit, Identity, OrderId,
    Reason, Span, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::UnknownName;

/// How far a node's clock is from the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    /// By how many milliseconds the node's clock is ahead; negative where it is behind.
    pub ahead_ms: i64,
    /// By how many milliseconds either way this may be wrong: half of the way there and back.
    pub within_ms: u64,
}

/// What became of the order on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node.
    pub node: Identity,
    /// How it ended.
    pub state: EndState,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether the host was changed.
    pub changed: Changed,
    /// Whether the node signed this; otherwise it is the client's own word, which a receipt that
    /// comes later replaces.
    pub signed: bool,
    /// The action's outputs.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// What the node says of it, or the client where it is the client's word; may be empty.
    #[serde(default)]
    pub message: String,
    /// Whether the node left outputs out because they exceed the limit.
    #[serde(default)]
    pub truncated: bool,
    /// When the order came in, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Timestamp>,
    /// When the action began, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// When the receipt came in, by the client's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// Since when the node is not connected, where the registry knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since: Option<Timestamp>,
    /// Whether the node takes no changes, as the registry has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Until when a silent node may still start the change, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_start_until: Option<Timestamp>,
    /// How far the node's clock is off, where it refused for its clock's sake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Skew>,
}

impl NodeReport {
    /// A line that nothing more is known of, by the client's own word.
    #[must_use]
    pub fn new(node: Identity, state: EndState, reason: Option<Reason>, changed: Changed) -> Self {
        Self {
            node,
            state,
            reason,
            changed,
            signed: false,
            data: Map::new(),
            message: String::new(),
            truncated: false,
            received: None,
            started: None,
            finished: None,
            answered: None,
            down_since: None,
            read_only: false,
            may_start_until: None,
            clock: None,
        }
    }

    /// Whether it is ok, and what it tells of is as it should be.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let is_ill = matches!(self.reason, Some(Reason::NotRunning | Reason::InterruptedDpkg));
        self.state == EndState::Ok && !is_ill
    }

    /// Whether the node itself answered, if only that it runs the order, and took it as one that
    /// is for it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self.state {
            EndState::TimedOut | EndState::Lost => true,
            state => self.signed && state != EndState::Rejected,
        }
    }
}

/// Why a message that claims to answer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedWhy {
    /// It is not what it should be.
    Malformed,
    /// It carries no signature.
    Unsigned,
    /// Its signature is not that of the node's key.
    Signature,
    /// It answers another order.
    OtherOrder,
    /// It answers another step.
    OtherStep,
    /// It is about another node than its subject.
    OtherNode,
    /// Its sealed part is not the one that was signed.
    Sealed,
    /// No certificate of the authority's is known for its sender.
    NoCertificate,
    /// Its sender's certificate names another key than the one known.
    KeyChanged,
}

/// Messages that claimed to answer and did not count. They ended nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// In whose name they came; none where the subject named nobody.
    pub node: Option<Identity>,
    /// Why they do not count.
    pub why: RefusedWhy,
    /// The first one's fault in words.
    pub text: String,
    /// How many there were.
    pub count: u64,
}

/// How many nodes are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Nodes that are accounted for; without a hub those that answered.
    pub nodes: usize,
    /// Ended with `ok`.
    pub ok: usize,
    /// Ended otherwise, by the node's own word.
    pub failed: usize,
    /// Ended by the client's word: no answer, or never asked.
    pub silent: usize,
    /// Accepted and not ended.
    pub running: usize,
    /// Not heard yet.
    pub waiting: usize,
    /// Sent the order.
    #[serde(default)]
    pub sent: usize,
    /// Not sent it yet, because it is not their turn.
    #[serde(default)]
    pub held: usize,
}

/// Why an order was not sent to all nodes that it is for, though the operator stayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Stopped {
    /// On this node it went wrong.
    Node {
        /// The node.
        node: Identity,
    },
    /// The others could not have started it in time any more.
    Time,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The fleet.
    pub collective: Collective,
    /// Who signed.
    pub caller: CallerId,
    /// The agent.
    pub agent: AgentName,
    /// The action.
    pub action: ActionName,
    /// The orders that were sent: one; more where a read was signed anew; none where nobody was
    /// asked.
    pub orders: Vec<OrderId>,
    /// When the order was made.
    pub issued: Timestamp,
    /// When the last account was closed; none while some are open.
    pub ended: Option<Timestamp>,
    /// How many nodes were expected; none where no hub said so.
    pub expected: Option<usize>,
    /// Whether those are all there are. Where no hub answers, or one too young to know every node,
    /// nobody can say that.
    #[serde(default)]
    pub complete: bool,
    /// Since when the hub gathers registrations; none where there is no hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_since: Option<Timestamp>,
    /// Exactly one entry for each expected node, sorted by name; without a hub one for each node
    /// that answered.
    pub nodes: Vec<NodeReport>,
    /// Nodes that answered and were not expected.
    pub unexpected: Vec<NodeReport>,
    /// The agents that a node must have to be meant: the order's own, and those of the filter.
    #[serde(default)]
    pub agents: Vec<String>,
    /// Nodes that match but lack one of these agents.
    pub not_capable: Vec<Identity>,
    /// Nodes that take no changes, and so were not sent one.
    pub read_only: Vec<Identity>,
    /// Nodes unheard for so long that they are not expected any more.
    pub gone: Vec<Identity>,
    /// Known nodes that the hub did not name though it was asked for them.
    pub vanished: Vec<Identity>,
    /// Names typed in full that nobody is called; without a hub those that did not answer.
    #[serde(default)]
    pub unknown_names: Vec<UnknownName>,
    /// What claimed to be an answer and was none.
    pub refused: Vec<Refusal>,
    /// Whether the operator went before the end.
    pub interrupted: bool,
    /// Why it was not sent to all nodes; those that are left are `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// Why the order was not signed; nothing was sent then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_signed: Option<String>,
}

impl Report {
    /// The exit code that follows from what became of the order.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.interrupted {
            return Exit::Interrupted;
        }
        if self.not_signed.is_some() {
            return Exit::NoPermission;
        }
        let all = || self.nodes.iter().chain(&self.unexpected);
        if all().any(|node| node.state.is_signed() && node.state != EndState::Ok) {
            return Exit::Failed;
        }
        let is_ok = |node: &NodeReport| node.state == EndState::Ok;
        if self.expected == Some(0) && !all().any(is_ok) {
            return Exit::Nothing;
        }
        if !all().any(is_ok) {
            return Exit::NoAnswer;
        }
        if !self.nodes.iter().all(is_ok) || self.misses_hosts() {
            return Exit::Silent;
        }
        let is_nothing =
            |node: &NodeReport| matches!(node.reason, Some(Reason::Absent | Reason::NoValue));
        let is_well = all().all(NodeReport::is_well) && !all().all(is_nothing);
        if is_well { Exit::Ok } else { Exit::Nothing }
    }

    /// Whether hosts that were meant may stand in no line: a hub is too young to name them all, or a
    /// name that was typed is nobody's.
    #[must_use]
    pub fn misses_hosts(&self) -> bool {
        self.gathering().is_some() || !self.unknown_names.is_empty()
    }

    /// The hub's age where it was too young to know every node.
    #[must_use]
    pub fn gathering(&self) -> Option<Span> {
        self.hub_since.filter(|_| !self.complete).map(|since| self.issued.since(since))
    }
}
