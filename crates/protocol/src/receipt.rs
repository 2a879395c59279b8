//! Receipts: a node's signed answer, of an outer part that everybody may read and an inner part that
//! is sealed to the order's readers.
//!
//! The message's body is the outer JSON followed directly by the sealed bytes; the outer part holds
//! the digest of the sealed bytes, and the node signs the outer part.

use marcato_core::limits::protocol::{HEADER_BYTES_MAX, OUTER_BYTES_MAX, REPLY_BYTES_MAX};
use marcato_core::{Changed, EndState, Identity, OrderId, Reason, Timestamp};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Verified;
use crate::digest::Digest;
use crate::head::Head;
use crate::keys::{NodeSignKey, OpenKey};
use crate::message::{self, Headers, Kind, Message};
use crate::order::Received;
use crate::seal::{self, OpenPublicKey, Sealed};
use crate::sshsig::{Namespace, PublicKey, Signature};
use crate::strict;

/// What everybody may read of a receipt; what the node signs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outer {
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
    /// How it ended.
    pub state: EndState,
    /// Why; absent only for a plain `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether the host was changed.
    pub changed: Changed,
    /// When the order came in, by the node's clock.
    pub received: Timestamp,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// SHA-256 of the sealed bytes; absent where there is no inner part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Digest>,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

/// What only the readers see.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inner {
    /// The action's outputs.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// What the node says of it, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Whether outputs were left out because they exceed a limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// A receipt as it travels and is kept: the same bytes each time it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReceipt {
    outer: String,
    signature: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    seal: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "sealed_text")]
    sealed: Vec<u8>,
}

/// Sealed bytes as base64 where a receipt is kept as text.
mod sealed_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// Why a message is not a receipt that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is not a receipt.
    #[error("not a receipt: {0}")]
    Malformed(String),
    /// It is not signed by the node's key.
    #[error("its signature is not that of the node's key: {0}")]
    Signature(String),
    /// The sealed bytes are not those that the node signed.
    #[error("its sealed part is not the one that the node signed")]
    Sealed,
    /// It answers another order, step or node.
    #[error("it answers another {0}")]
    Other(&'static str),
    /// The inner part does not open.
    #[error("its inner part does not open: {0}")]
    Open(String),
}

fn malformed(what: impl ToString) -> ReceiptError {
    ReceiptError::Malformed(what.to_string())
}

/// What a sealing is bound to: the kind of message, the order, the step and the node.
pub(crate) fn seal_info(kind: &[u8], order: Digest, step: Digest, node: &Identity) -> Vec<u8> {
    [kind, order.as_bytes(), step.as_bytes(), node.as_str().as_bytes()].concat()
}

impl Outer {
    fn seal_info(&self) -> Vec<u8> {
        seal_info(b"marcato.receipt.v1", self.order_digest, self.step_digest, &self.node)
    }

    /// The outer part of an answer to a received order, with nothing done and nothing begun.
    #[must_use]
    pub fn answering(received: &Received, node: Identity, state: EndState, now: Timestamp) -> Self {
        Self::to(&received.head(), node, state, now)
    }

    /// The same for an order of which no more than its head was read.
    #[must_use]
    pub fn to(head: &Head, node: Identity, state: EndState, now: Timestamp) -> Self {
        Self {
            v: head.v,
            order: head.id,
            order_digest: head.order_digest,
            step: head.step_index,
            step_digest: head.step_digest,
            node,
            state,
            reason: None,
            changed: Changed::False,
            received: now,
            started: None,
            finished: now,
            sealed: None,
            ext: Map::new(),
        }
    }
}

impl Inner {
    /// The bytes to seal, with the outputs left out where they exceed a limit. They are read as
    /// their reader will: outputs that are nested too deeply, or have numbers that not everybody
    /// keeps exactly, would else make the whole of it unreadable.
    fn to_bytes(&self) -> Vec<u8> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        if bytes.len() <= REPLY_BYTES_MAX && strict::parse::<Self>(&bytes).is_ok() {
            return bytes;
        }
        let message = self.message.chars().take(REPLY_BYTES_MAX / 8).collect();
        let cut = Self { data: Map::new(), message, truncated: true };
        serde_json::to_vec(&cut).unwrap_or_default()
    }
}

impl SignedReceipt {
    /// Seals the inner part to the readers and signs the outer one. Without readers (an order that
    /// did not verify) the inner part stays behind; to those that an order can name it can be sealed.
    pub fn issue(
        mut outer: Outer,
        inner: &Inner,
        readers: &[OpenPublicKey],
        key: &NodeSignKey,
        random: &mut impl CryptoRng,
    ) -> Self {
        let info = outer.seal_info();
        let sealed = seal::seal(random, readers, &info, &[], &inner.to_bytes()).ok();
        outer.sealed = sealed.as_ref().map(Sealed::digest);
        let outer = serde_json::to_string(&outer).unwrap_or_default();
        let signature = key.sign(Namespace::Receipt, outer.as_bytes()).to_base64();
        let (seal, sealed) = sealed.map(|s| (s.stanzas_to_base64(), s.body)).unwrap_or_default();
        Self { outer, signature, seal, sealed }
    }

    /// Its outer part, where it is one; nobody has verified it here.
    #[must_use]
    pub fn outer(&self) -> Option<Outer> {
        strict::parse(self.outer.as_bytes()).ok()
    }

    /// What it takes where it is kept, in bytes.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.outer.len() + self.signature.len() + self.seal.len() + self.sealed.len()
    }

    /// The message for a subject.
    #[must_use]
    pub fn message(&self, subject: String, certificate: Option<String>) -> Message {
        let mut headers = Headers::of(Kind::Receipt);
        headers.push(message::SIGNATURE, self.signature.clone());
        headers.push(message::OUTER, self.outer.len().to_string());
        if !self.seal.is_empty() {
            headers.push(message::SEAL, self.seal.clone());
        }
        if let Some(certificate) = certificate {
            headers.push(message::CERTIFICATE, certificate);
        }
        let body = [self.outer.as_bytes(), &self.sealed].concat();
        Message { subject, reply: None, headers, body }
    }
}

/// A receipt as it came in, not verified yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedReceipt {
    outer: Outer,
    signed: Vec<u8>,
    signature: Signature,
    sealed: Option<Sealed>,
    /// The node's certificate in its text form, where it came along.
    pub certificate: Option<String>,
}

/// A verified receipt: what the node said of this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// The outer part.
    pub outer: Outer,
    sealed: Option<Sealed>,
}

/// What a receipt must answer.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The order's version.
    pub v: u32,
    /// The order's name.
    pub order: OrderId,
    /// SHA-256 of the order's signed bytes.
    pub order_digest: Digest,
    /// Which step, from 0: two steps of one order may have the same bytes.
    pub step: u64,
    /// SHA-256 of the step's bytes.
    pub step_digest: Digest,
    /// The node, as the subject names it.
    pub node: &'a Identity,
    /// The node's sign key, from its certificate.
    pub key: &'a PublicKey,
}

impl Expected<'_> {
    /// Whether an answer says of itself that it is the expected one.
    pub(crate) fn check(
        &self,
        v: u32,
        order: (OrderId, Digest),
        step: (u64, Digest),
        node: &Identity,
    ) -> Result<(), ReceiptError> {
        if order != (self.order, self.order_digest) {
            return Err(ReceiptError::Other("order"));
        }
        if step != (self.step, self.step_digest) {
            return Err(ReceiptError::Other("step"));
        }
        if node != self.node {
            return Err(ReceiptError::Other("node"));
        }
        if v != self.v {
            return Err(malformed("it is not of the order's version"));
        }
        Ok(())
    }
}

/// An answer's outer part of this length, and what is sealed behind it.
pub(crate) fn parts(
    message: &Message,
    outer: Option<usize>,
    inner_max: usize,
) -> Result<(&[u8], Option<Sealed>), ReceiptError> {
    let (signed, sealed) = outer
        .filter(|length| *length <= OUTER_BYTES_MAX)
        .and_then(|length| message.body.split_at_checked(length))
        .ok_or_else(|| malformed("its outer part has an impossible length"))?;
    if sealed.len() > inner_max + seal::BODY_OVERHEAD_BYTES {
        return Err(malformed("its sealed part is too long"));
    }
    let sealed = match message.headers.get(message::SEAL) {
        Some(stanzas) => Some(Sealed::from_parts(stanzas, sealed.to_vec()).map_err(malformed)?),
        None if sealed.is_empty() => None,
        None => return Err(malformed("something stands behind its outer part")),
    };
    Ok((signed, sealed))
}

impl ReceivedReceipt {
    /// Reads a message; nothing in it is trusted yet.
    ///
    /// # Errors
    /// Says why it is not a receipt.
    pub fn parse(message: &Message) -> Result<Self, ReceiptError> {
        let headers = &message.headers;
        if headers.kind() != Some(Kind::Receipt) || headers.weight() > HEADER_BYTES_MAX {
            return Err(malformed("its headers are not those of a receipt"));
        }
        let length = headers.get(message::OUTER).and_then(message::decimal);
        let (signed, sealed) = parts(message, length, REPLY_BYTES_MAX)?;
        let signature = headers.get(message::SIGNATURE);
        let signature = signature.ok_or_else(|| malformed("it is not signed"))?;
        Ok(Self {
            outer: strict::parse(signed).map_err(malformed)?,
            signed: signed.to_vec(),
            signature: Signature::from_base64(signature).map_err(malformed)?,
            sealed,
            certificate: headers.get(message::CERTIFICATE).map(str::to_owned),
        })
    }

    /// The order that it claims to answer.
    #[must_use]
    pub const fn order(&self) -> OrderId {
        self.outer.order
    }

    /// Checks that it answers this order and step, and that this node signed it.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn verify(self, expected: &Expected<'_>) -> Result<Verified<Receipt>, ReceiptError> {
        let Outer { v, order, order_digest, step, step_digest, node, .. } = &self.outer;
        expected.check(*v, (*order, *order_digest), (*step, *step_digest), node)?;
        if !self.outer.state.is_signed() {
            return Err(malformed("it carries a state that only a client can state"));
        }
        if self.outer.reason.is_none() && self.outer.state != EndState::Ok {
            return Err(malformed("it says that it did not end well, and not why"));
        }
        if self.outer.sealed != self.sealed.as_ref().map(Sealed::digest) {
            return Err(ReceiptError::Sealed);
        }
        self.signature
            .verify(expected.key, Namespace::Receipt, &self.signed)
            .map_err(|error| ReceiptError::Signature(error.to_string()))?;
        Ok(Verified::assertion(Receipt { outer: self.outer, sealed: self.sealed }))
    }
}

impl Receipt {
    /// Opens the inner part with a reader's key; an empty one where there is none.
    ///
    /// # Errors
    /// Where it is not sealed to this key or not an inner part.
    pub fn open(&self, key: &OpenKey) -> Result<Inner, ReceiptError> {
        let Some(sealed) = &self.sealed else { return Ok(Inner::default()) };
        let bytes = seal::open(key, &self.outer.seal_info(), &[], sealed)
            .map_err(|error| ReceiptError::Open(error.to_string()))?;
        strict::parse(&bytes).map_err(|error| ReceiptError::Open(error.to_string()))
    }
}
