//! What an operator wants done, and the order that says so.

use marcato_core::limits::timing::{RUN_LIMIT_MAX, START_WINDOW_MAX};
use marcato_core::{ActionName, AgentName, CallerId, Collective, OrderId, Span, Terms, Timestamp};
use marcato_protocol::order::{Audience, Order, OrderError, Step};
use marcato_protocol::seal::OpenPublicKey;
use serde_json::{Map, Value};

/// For whom an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aim {
    /// One message for every node that matches. Only reads: a change becomes [`Aim::Set`].
    Matching,
    /// The chosen nodes alone, a message for each.
    Set,
}

/// What an operator wants done.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The agent.
    pub agent: AgentName,
    /// The action.
    pub action: ActionName,
    /// Its inputs, checked against the agent's declaration.
    pub inputs: Map<String, Value>,
    /// Whether it may change hosts.
    pub changes: bool,
    /// Whether it is for nodes too that take no changes: it changes what a node remembers, and not
    /// its host.
    pub to_read_only: bool,
    /// Which nodes, as typed; the agent is added.
    pub filter: Terms,
    /// For whom.
    pub aim: Aim,
    /// Why the operator does it.
    pub reason: Option<String>,
    /// How long to wait: a read ends then, a change must have begun by then.
    pub wait: Span,
    /// How long it may run on a node.
    pub run_limit: Span,
}

impl Task {
    /// The filter with the task's agent: what the hub is asked and what is signed.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let mut terms = self.filter.clone();
        if !terms.agents.iter().any(|agent| agent == self.agent.as_str()) {
            terms.agents.push(self.agent.as_str().to_owned());
        }
        terms
    }

    /// Whether one message goes to all that match.
    #[must_use]
    pub const fn is_matching(&self) -> bool {
        !self.changes && matches!(self.aim, Aim::Matching)
    }
}

/// Why a task cannot be an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// The wait is longer than nodes accept.
    #[error("a wait of {} s is too long; {} s are accepted", .0.as_ms() / 1000, START_WINDOW_MAX.as_ms() / 2000)]
    Wait(Span),
    /// The run limit is longer than nodes accept.
    #[error("a run limit of {} s is too long; {} s are accepted", .0.as_ms() / 1000, RUN_LIMIT_MAX.as_ms() / 1000)]
    RunLimit(Span),
    /// Nodes would refuse the order.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// What an order needs beside its task.
#[derive(Debug, Clone)]
pub(super) struct Frame<'a> {
    pub v: u32,
    pub id: OrderId,
    pub caller: &'a CallerId,
    pub collective: &'a Collective,
    pub issued: Timestamp,
    /// How long after its issue nodes may start it.
    pub valid: Span,
    pub reader: OpenPublicKey,
    pub audience: Audience,
    /// Whether receipts shall carry certificates.
    pub certificates: bool,
}

/// Builds the order and checks it as a node will.
pub(super) fn order(task: &Task, frame: Frame<'_>) -> Result<(Order, Vec<u8>), TaskError> {
    if frame.valid.as_ms() > START_WINDOW_MAX.as_ms() / 2 {
        return Err(TaskError::Wait(frame.valid));
    }
    if task.run_limit > RUN_LIMIT_MAX {
        return Err(TaskError::RunLimit(task.run_limit));
    }
    let order = Order {
        v: frame.v,
        id: frame.id,
        caller: frame.caller.clone(),
        collective: frame.collective.clone(),
        issued: frame.issued,
        start_by: frame.issued + frame.valid,
        run_limit_ms: task.run_limit,
        readers: vec![frame.reader],
        certificates: frame.certificates,
        reason: task.reason.clone(),
        step: Some(Step {
            agent: task.agent.clone(),
            action: task.action.clone(),
            inputs: task.inputs.clone(),
            audience: frame.audience,
            filter: task.terms(),
            ext: Map::new(),
        }),
        steps: None,
        ext: Map::new(),
    };
    let bytes = order.to_bytes();
    Order::parse(&bytes)?;
    Ok((order, bytes))
}
