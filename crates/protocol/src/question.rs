//! What a client asks the hub, and the hub's answers.
//!
//! Nothing here is signed: a client believes nothing of an answer but that it may be complete. Which
//! key a node has is proved by its certificate alone.

use std::collections::BTreeMap;

use marcato_core::limits::protocol::{
    ANSWER_PART_BYTES_MAX, ANSWER_PARTS_MAX, BODY_BYTES_MAX, HEADER_BYTES_MAX,
};
use marcato_core::{CallerId, FactName, Identity, OrderId, Terms, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::message::{Headers, Kind, Message};
use crate::strict;
use crate::version::Spoken;

/// A question to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The protocol's version.
    pub v: u32,
    /// Names the question, and with it the answer's subject; the order's id where one follows.
    pub id: OrderId,
    /// Who asks.
    pub caller: CallerId,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Which nodes match.
    Find(Terms),
    /// The certificates of these nodes.
    Certificates(Vec<Identity>),
    /// The values of a fact, with how many nodes have each: for messages about nothing found.
    Values(FactName),
    /// Names that begin with some letters: for whoever types.
    Names(Beginning),
}

/// How names begin, and of what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    /// Whose names.
    pub of: Named,
    /// The letters; none are the beginning of every name.
    pub begin: String,
}

/// What has a name in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// The nodes' agents.
    Agents,
    /// The nodes' classes.
    Classes,
    /// The nodes' facts. Behind a dot the names are those inside a structured fact.
    Facts,
    /// The nodes.
    Nodes,
}

/// One part of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The protocol's version.
    pub v: u32,
    /// The question.
    pub id: OrderId,
    /// Which part this is, from 0.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// Since when the hub gathers registrations: a young one may not know every node yet.
    pub since: Timestamp,
    /// The answer.
    pub found: Found,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The nodes that match, sorted by name.
    Nodes(Vec<Listed>),
    /// Certificates in their text form.
    Certificates(Vec<String>),
    /// Values of a fact.
    Values(Values),
    /// Names, sorted; the first ones where there are many.
    Names(Vec<String>),
    /// The question was not understood, and why.
    Refused(String),
}

/// A node of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name.
    pub node: Identity,
    /// The digest of its sign key.
    pub key: Digest,
    /// The versions that it speaks.
    pub spoken: Spoken,
    /// Since when it is not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Timestamp>,
    /// Whether it takes no changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Whether it matches but for an agent that it lacks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_capable: bool,
}

/// The values of a fact over the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// The most frequent values and how many nodes have each.
    pub values: BTreeMap<String, u64>,
    /// How many nodes have no such fact.
    pub without: u64,
    /// Where no node has it: names that are nearest to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<FactName>,
}

/// Why a message is no question or no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: {why}")]
pub struct QuestionError {
    kind: Kind,
    why: String,
}

fn check_headers(message: &Message, kind: Kind) -> Result<(), QuestionError> {
    let headers = &message.headers;
    if headers.kind() == Some(kind) && headers.weight() <= HEADER_BYTES_MAX {
        return Ok(());
    }
    Err(QuestionError { kind, why: "its headers are those of something else".to_owned() })
}

impl Question {
    /// The message to the hub; `reply` is where a broker says that no hub is there.
    #[must_use]
    pub fn message(&self, subject: String, reply: String) -> Message {
        let body = serde_json::to_vec(self).unwrap_or_default();
        Message { subject, reply: Some(reply), headers: Headers::of(Kind::Question), body }
    }

    /// Reads a question.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn parse(message: &Message) -> Result<Self, QuestionError> {
        let wrong = |why: String| QuestionError { kind: Kind::Question, why };
        check_headers(message, Kind::Question)?;
        if message.body.len() > BODY_BYTES_MAX {
            return Err(wrong(format!("longer than {BODY_BYTES_MAX} bytes")));
        }
        strict::parse(&message.body).map_err(|error| wrong(error.to_string()))
    }
}

impl Answer {
    /// The message to the asker.
    #[must_use]
    pub fn message(&self, subject: String) -> Message {
        let body = serde_json::to_vec(self).unwrap_or_default();
        Message { subject, reply: None, headers: Headers::of(Kind::Answer), body }
    }

    /// Reads a part of an answer.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn parse(message: &Message) -> Result<Self, QuestionError> {
        let wrong = |why: String| QuestionError { kind: Kind::Answer, why };
        check_headers(message, Kind::Answer)?;
        if message.body.len() > 2 * ANSWER_PART_BYTES_MAX {
            return Err(wrong("too long".into()));
        }
        let answer: Self =
            strict::parse(&message.body).map_err(|error| wrong(error.to_string()))?;
        if answer.part >= answer.parts || answer.parts > ANSWER_PARTS_MAX {
            return Err(wrong("an impossible number of parts".into()));
        }
        Ok(answer)
    }
}
