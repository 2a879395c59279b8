//! What an agent is asked, and how it ended.

use std::sync::Arc;

use marcato_core::{
    ActionName, AgentName, CallerId, Changed, Collective, Facts, OrderId, Reason, Span, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::runner::Voice;

/// One action, asked of one agent. The node makes it from a verified order, with inputs that the
/// agent's declaration has checked; a runner reads it back from its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The order that asks.
    pub order: OrderId,
    /// Who signed it.
    pub caller: CallerId,
    /// For which fleet.
    pub collective: Collective,
    /// Of which agent.
    pub agent: AgentName,
    /// Which action.
    pub action: ActionName,
    /// With what, checked.
    pub inputs: Map<String, Value>,
    /// When it was issued.
    pub issued: Timestamp,
    /// How long it may run.
    pub limit: Span,
    /// The host's facts.
    #[serde(with = "shared")]
    pub facts: Arc<Facts>,
    /// By which the agent says what it does or waits for meanwhile.
    #[serde(skip)]
    pub voice: Voice,
}

/// Writes and reads shared facts as the facts alone.
mod shared {
    use std::sync::Arc;

    use marcato_core::Facts;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(facts: &Arc<Facts>, to: S) -> Result<S::Ok, S::Error> {
        facts.as_ref().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Facts>, D::Error> {
        Facts::deserialize(from).map(Arc::new)
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Well or not.
    pub result: ActionResult,
    /// Why; always there unless it ended well.
    pub reason: Option<Reason>,
    /// Whether the host was changed.
    pub changed: Changed,
    /// The outputs that the action declares.
    pub data: Map<String, Value>,
    /// What a person should read; may be empty.
    pub message: String,
}

/// The three ways in which a call can end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    /// Done, or nothing was to be done.
    Ok,
    /// It did not reach what it was asked for.
    Failed,
    /// The time limit passed.
    TimedOut,
}

impl Outcome {
    /// It went well and changed nothing.
    #[must_use]
    pub fn ok(data: Map<String, Value>) -> Self {
        let (result, changed) = (ActionResult::Ok, Changed::False);
        Self { result, reason: None, changed, data, message: String::new() }
    }

    /// It failed. `changed` is what is known of the host by now.
    #[must_use]
    pub fn failed(reason: Reason, changed: Changed, message: impl Into<String>) -> Self {
        let (result, reason) = (ActionResult::Failed, Some(reason));
        Self { result, reason, changed, data: Map::new(), message: message.into() }
    }

    /// The time limit passed. `changed` is what is known of the host by now.
    #[must_use]
    pub fn timed_out(reason: Reason, changed: Changed, message: impl Into<String>) -> Self {
        let (result, reason) = (ActionResult::TimedOut, Some(reason));
        Self { result, reason, changed, data: Map::new(), message: message.into() }
    }

    /// The same with a reason, such as [`Reason::Absent`] beside `ok`.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same with outputs.
    #[must_use]
    pub fn with(mut self, data: Map<String, Value>) -> Self {
        self.data = data;
        self
    }

    /// The same with what is known of the host by now.
    #[must_use]
    pub const fn changing(mut self, changed: Changed) -> Self {
        self.changed = changed;
        self
    }

    /// The same with a message.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}
