//! Progress: a node's signed word that it has taken an order and has not ended it yet.

use marcato_core::limits::protocol::{HEADER_BYTES_MAX, OUTER_BYTES_MAX};
use marcato_core::{Identity, OrderId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Verified;
use crate::digest::Digest;
use crate::keys::NodeSignKey;
use crate::message::{self, Headers, Kind, Message};
use crate::receipt::{Expected, ReceiptError};
use crate::sshsig::{Namespace, Signature};
use crate::strict;

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has taken the order.
    Accepted,
    /// It runs it.
    Running,
}

/// What a node says before the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The protocol's version.
    pub v: u32,
    /// The order.
    pub order: OrderId,
    /// SHA-256 of the order's signed bytes.
    pub order_digest: Digest,
    /// Which step, from 0.
    pub step: u64,
    /// SHA-256 of the step's bytes.
    pub step_digest: Digest,
    /// The node.
    pub node: Identity,
    /// How far it is.
    pub phase: Phase,
    /// When it says so, by its own clock.
    pub at: Timestamp,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

impl Progress {
    /// Signs it into a message.
    #[must_use]
    pub fn message(&self, subject: String, key: &NodeSignKey) -> Message {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let signature = key.sign(Namespace::Progress, &body).to_base64();
        let headers = Headers::of(Kind::Progress).with(message::SIGNATURE, signature);
        Message { subject, reply: None, headers, body }
    }

    /// Reads and checks a message.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn verify(
        message: &Message,
        expected: &Expected<'_>,
    ) -> Result<Verified<Self>, ReceiptError> {
        let malformed = |what: String| ReceiptError::Malformed(what);
        let headers = &message.headers;
        if headers.kind() != Some(Kind::Progress) || headers.weight() > HEADER_BYTES_MAX {
            return Err(malformed("its headers are not those of progress".into()));
        }
        if message.body.len() > OUTER_BYTES_MAX {
            return Err(malformed("it is too long".into()));
        }
        let signature = message.headers.get(message::SIGNATURE);
        let signature = signature.ok_or_else(|| malformed("it is not signed".into()))?;
        let signature =
            Signature::from_base64(signature).map_err(|error| malformed(error.to_string()))?;
        let progress: Self =
            strict::parse(&message.body).map_err(|error| malformed(error.to_string()))?;
        let Self { v, order, order_digest, step, step_digest, node, .. } = &progress;
        expected.check(*v, (*order, *order_digest), (*step, *step_digest), node)?;
        signature
            .verify(expected.key, Namespace::Progress, &message.body)
            .map_err(|error| ReceiptError::Signature(error.to_string()))?;
        Ok(Verified::assertion(progress))
    }
}
