//! What a node writes down of changes: that it took one, before it starts; and how each ended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marcato_core::{AgentName, CallerId, Timestamp};
use marcato_protocol::digest::Digest;
use marcato_protocol::message::Message;
use marcato_protocol::receipt::SignedReceipt;
use serde::{Deserialize, Serialize};

use super::run::RunKey;

/// Names a record between [`super::Effect::Write`] and [`super::Event::Written`]; counted from the
/// daemon's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalKey(pub u64);

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case", deny_unknown_fields)]
pub enum JournalRecord {
    /// A change was accepted and may start from now on.
    Accepted {
        /// Which one.
        about: About,
        /// The order as it came in: a daemon that finds it unstarted verifies it again.
        message: KeptMessage,
    },
    /// A change ended, or was refused and never began.
    Ended {
        /// Which one.
        about: About,
        /// Whether it was begun.
        began: bool,
        /// When it ended.
        at: Timestamp,
        /// The answer: the same bytes for every copy of the order.
        receipt: SignedReceipt,
    },
}

/// What every record says of its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Order and step.
    pub key: RunKey,
    /// SHA-256 of the order's signed bytes.
    pub order_digest: Digest,
    /// SHA-256 of the step's bytes.
    pub step_digest: Digest,
    /// Who signed.
    pub caller: CallerId,
    /// The agent.
    pub agent: AgentName,
    /// What is changed, where the agent says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// Until when it might start.
    pub start_by: Timestamp,
    /// When it came in.
    pub received: Timestamp,
}

/// A message as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptMessage {
    subject: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl From<&Message> for KeptMessage {
    fn from(message: &Message) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            subject: message.subject.clone(),
            headers: message.headers.iter().map(own).collect(),
            body: STANDARD.encode(&message.body),
        }
    }
}

impl KeptMessage {
    /// The message; `None` where the body is damaged.
    #[must_use]
    pub fn restore(&self) -> Option<Message> {
        Some(Message {
            subject: self.subject.clone(),
            reply: None,
            headers: self.headers.iter().cloned().collect(),
            body: STANDARD.decode(&self.body).ok()?,
        })
    }
}

impl JournalRecord {
    /// What the record is about.
    #[must_use]
    pub const fn about(&self) -> &About {
        match self {
            Self::Accepted { about, .. } | Self::Ended { about, .. } => about,
        }
    }
}
