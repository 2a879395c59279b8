//! What a node writes down of changes: that it took one, before it starts; and how each ended.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marcato_core::limits::node::CHANGE_RECEIPT_KEPT;
use marcato_core::limits::timing::{SKEW, START_WINDOW_MAX};
use marcato_core::{AgentName, CallerId, OrderId, Timestamp};
use marcato_protocol::digest::Digest;
use marcato_protocol::message::Message;
use marcato_protocol::receipt::SignedReceipt;
use serde::{Deserialize, Serialize};

use super::run::RunKey;

/// Names a record between [`super::Effect::Write`] and [`super::Event::Written`]; counted from the
/// daemon's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalKey(pub u64);

/// Whether a record that could not be written may stand in the journal all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayStand(pub bool);

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
    /// An order was cancelled, and shall not begin whenever it comes.
    Barred {
        /// Which one.
        order: OrderId,
        /// Who cancelled it.
        by: CallerId,
        /// Whether this counts where another caller signed it.
        others: bool,
        /// Until when it might start.
        until: Timestamp,
    },
    /// Records before this one were damaged and are lost: a change that was issued before `at` may
    /// have run, so one that is not known is refused.
    Damaged {
        /// When the damage was found.
        at: Timestamp,
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

/// What of a journal is still needed: all that has no end yet, answers for as long as copies of
/// their orders may come, and the last change of each item for as long as an older one might start,
/// what was cancelled for as long as it might, once however often it was.
/// A refusal only keeps its order from starting: callers who may do nothing must not fill the disk.
#[must_use]
pub fn retain(records: Vec<JournalRecord>, now: Timestamp) -> Vec<JournalRecord> {
    let mut ended = BTreeSet::new();
    let mut last: BTreeMap<(AgentName, Option<String>), (Timestamp, RunKey)> = BTreeMap::new();
    for record in &records {
        let JournalRecord::Ended { about, began, .. } = record else { continue };
        ended.insert(about.key);
        if *began {
            let item = last.entry((about.agent.clone(), about.item.clone()));
            let item = item.or_insert((about.issued, about.key));
            *item = (*item).max((about.issued, about.key));
        }
    }
    let is_last = |about: &About| {
        let last = last.get(&(about.agent.clone(), about.item.clone()));
        last.is_some_and(|(_, key)| *key == about.key)
    };
    let mut barred = BTreeSet::new();
    let needed = |record: &JournalRecord| match record {
        JournalRecord::Accepted { about, .. } => !ended.contains(&about.key),
        JournalRecord::Ended { about, began, at, .. } => {
            let answered = *began && *at + CHANGE_RECEIPT_KEPT >= now;
            let supersedes = is_last(about) && about.issued + START_WINDOW_MAX + SKEW >= now;
            answered || supersedes || about.start_by + SKEW + SKEW >= now
        }
        // Issued by a clock that is ahead, started by one that is behind.
        JournalRecord::Damaged { at } => *at + START_WINDOW_MAX + SKEW + SKEW >= now,
        JournalRecord::Barred { order, by, others, until } => {
            *until >= now && barred.insert((*order, by.clone(), *others))
        }
    };
    records.into_iter().filter(needed).collect()
}

impl JournalRecord {
    /// What the record is about, if it is about an order.
    #[must_use]
    pub const fn about(&self) -> Option<&About> {
        match self {
            Self::Accepted { about, .. } | Self::Ended { about, .. } => Some(about),
            Self::Barred { .. } | Self::Damaged { .. } => None,
        }
    }
}
