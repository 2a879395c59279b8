//! Progress: a node's signed word that it has taken an order and has not ended it yet; where there is
//! something to say of it, with a text that is sealed to the order's readers, as a receipt's inner part
//! is.

use marcato_core::limits::protocol::{HEADER_BYTES_MAX, PROGRESS_INNER_BYTES_MAX};
use marcato_core::{Identity, OrderId, Timestamp};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Verified;
use crate::digest::Digest;
use crate::keys::{NodeSignKey, OpenKey};
use crate::message::{self, Headers, Kind, Message};
use crate::receipt::{self, Expected, ReceiptError};
use crate::seal::{self, OpenPublicKey, Sealed};
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

/// What a node says before the end; what everybody may read of it, and what the node signs.
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
    /// SHA-256 of the sealed bytes; absent where nothing is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Digest>,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

/// What only the readers see.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
}

impl Progress {
    fn seal_info(&self) -> Vec<u8> {
        let (order, step) = (self.order_digest, self.step_digest);
        receipt::seal_info(b"marcato.progress.v1", order, step, &self.node)
    }

    /// Seals what the node does or waits for, for this message and all later ones of its order and
    /// step. `None` for a text that is empty or too long, and where there is no reader.
    pub fn seal(
        &self,
        message: &str,
        readers: &[OpenPublicKey],
        random: &mut impl CryptoRng,
    ) -> Option<Sealed> {
        if message.is_empty() {
            return None;
        }
        let inner = serde_json::to_vec(&Inner { message: message.to_owned() }).ok()?;
        let fits = inner.len() <= PROGRESS_INNER_BYTES_MAX;
        fits.then(|| seal::seal(random, readers, &self.seal_info(), &[], &inner).ok())?
    }

    /// Signs it into a message, with what is sealed.
    #[must_use]
    pub fn message(
        mut self,
        sealed: Option<&Sealed>,
        subject: String,
        key: &NodeSignKey,
    ) -> Message {
        self.sealed = sealed.map(Sealed::digest);
        let mut body = serde_json::to_vec(&self).unwrap_or_default();
        let signature = key.sign(Namespace::Progress, &body).to_base64();
        let mut headers = Headers::of(Kind::Progress).with(message::SIGNATURE, signature);
        if let Some(sealed) = sealed {
            headers.push(message::OUTER, body.len().to_string());
            headers.push(message::SEAL, sealed.stanzas_to_base64());
            body.extend_from_slice(&sealed.body);
        }
        Message { subject, reply: None, headers, body }
    }

    /// What a message claims to be; nobody has verified it here.
    #[must_use]
    pub fn claimed(message: &Message) -> Option<Self> {
        strict::parse(parts(message).ok()?.0).ok()
    }

    /// Reads and checks a message.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn verify(
        message: &Message,
        expected: &Expected<'_>,
    ) -> Result<Verified<Heard>, ReceiptError> {
        let malformed = |what: String| ReceiptError::Malformed(what);
        let headers = &message.headers;
        if headers.kind() != Some(Kind::Progress) || headers.weight() > HEADER_BYTES_MAX {
            return Err(malformed("its headers are not those of progress".into()));
        }
        let (signed, sealed) = parts(message)?;
        let signature = headers.get(message::SIGNATURE);
        let signature = signature.ok_or_else(|| malformed("it is not signed".into()))?;
        let signature =
            Signature::from_base64(signature).map_err(|error| malformed(error.to_string()))?;
        let outer: Self = strict::parse(signed).map_err(|error| malformed(error.to_string()))?;
        let Self { v, order, order_digest, step, step_digest, node, .. } = &outer;
        expected.check(*v, (*order, *order_digest), (*step, *step_digest), node)?;
        if outer.sealed != sealed.as_ref().map(Sealed::digest) {
            return Err(ReceiptError::Sealed);
        }
        signature
            .verify(expected.key, Namespace::Progress, signed)
            .map_err(|error| ReceiptError::Signature(error.to_string()))?;
        Ok(Verified::assertion(Heard { outer, sealed }))
    }
}

/// A message's outer part, which is all of it where nothing is sealed, and what is sealed.
fn parts(message: &Message) -> Result<(&[u8], Option<Sealed>), ReceiptError> {
    let length = match message.headers.get(message::OUTER) {
        Some(length) => message::decimal(length),
        None => Some(message.body.len()),
    };
    receipt::parts(message, length, PROGRESS_INNER_BYTES_MAX)
}

/// Verified progress: what the node said of this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The outer part.
    pub outer: Progress,
    sealed: Option<Sealed>,
}

impl Heard {
    /// Whether it has a part for the readers.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Opens with a reader's key what the node says that it does or waits for; empty where it does
    /// not say.
    ///
    /// # Errors
    /// Where it is not sealed to this key or not such a text.
    pub fn open(&self, key: &OpenKey) -> Result<String, ReceiptError> {
        let Some(sealed) = &self.sealed else { return Ok(String::new()) };
        let bytes = seal::open(key, &self.outer.seal_info(), &[], sealed)
            .map_err(|error| ReceiptError::Open(error.to_string()))?;
        let inner = strict::parse::<Inner>(&bytes);
        inner.map(|inner| inner.message).map_err(|error| ReceiptError::Open(error.to_string()))
    }
}
