//! Orders: what an operator signs, and how it travels.
//!
//! The body of an order's message is the exact signed JSON. An order of one step holds it inline; an
//! order of several holds the Merkle root over the steps' bytes, and each message carries one step
//! behind the order's bytes.

use marcato_core::limits::protocol::{
    BODY_BYTES_MAX, HEADER_BYTES_MAX, ORDER_STEPS_MAX, READER_KEYS_MAX, REASON_BYTES_MAX,
    SET_NODES_MAX,
};
use marcato_core::{ActionName, AgentName, CallerId, Collective, OrderId, Span, Terms, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::head::{Foreign, Head, Parts};
use crate::merkle::{self, Proof};
use crate::message::{self, Headers, Kind, Message};
use crate::seal::OpenPublicKey;
use crate::sshsig::{PublicKey, Signature};
use crate::strict;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The protocol's version.
    pub v: u32,
    /// The order's name.
    pub id: OrderId,
    /// Who signs.
    pub caller: CallerId,
    /// The fleet.
    pub collective: Collective,
    /// When it was signed.
    pub issued: Timestamp,
    /// Until when a node may start it.
    pub start_by: Timestamp,
    /// How long it may run, in milliseconds.
    pub run_limit_ms: Span,
    /// To whom the inner part of receipts is sealed.
    pub readers: Vec<OpenPublicKey>,
    /// Whether receipts shall carry the node's certificate: asked for where no hub can be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub certificates: bool,
    /// Why the operator does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The one step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// Several steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Set>,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

/// A Merkle root and the exact number of leaves below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The root.
    pub root: Digest,
    /// The number of leaves.
    pub count: u64,
}

/// For whom a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The chosen nodes alone.
    Set(Set),
    /// Every node whose facts match; for reads alone.
    Matching,
}

/// One action for one audience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The agent.
    pub agent: AgentName,
    /// The action.
    pub action: ActionName,
    /// The action's inputs.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// For whom it is.
    pub audience: Audience,
    /// Which nodes are meant; each asks itself again.
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub filter: Terms,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

/// Why a message is not an order. None of this is trusted: the message was only read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It exceeds a limit.
    #[error("{what} is longer than {limit} bytes")]
    TooLarge {
        /// What is too long.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// It is not an order.
    #[error("not an order: {0}")]
    Malformed(String),
    /// It is one of a version whose form is not known here.
    #[error("an order of version {} of the protocol", .0.head.v)]
    Version(Box<Foreign>),
}

pub(crate) fn malformed(what: impl ToString) -> OrderError {
    OrderError::Malformed(what.to_string())
}

/// An order and one of its steps as they came in: read and bounded, but not verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The order.
    pub order: Order,
    /// The step that this message is about.
    pub step: Step,
    /// Which step it is, from 0.
    pub step_index: u64,
    /// SHA-256 of the order's signed bytes.
    pub order_digest: Digest,
    /// SHA-256 of the step's bytes; of the order's bytes where the step is inline.
    pub step_digest: Digest,
    /// The receiver's place in the step's set.
    pub proof: Option<Proof>,
    /// Where the step stands behind the order: its Merkle leaf and its way to the root.
    pub(crate) step_place: Option<(Digest, Proof)>,
    pub(crate) signed: Vec<u8>,
    pub(crate) signature: Signature,
}

impl Order {
    /// The bytes to sign.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps with text keys always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads an order's bytes by the rules of the protocol.
    ///
    /// # Errors
    /// Says which rule they break.
    pub fn parse(bytes: &[u8]) -> Result<Self, OrderError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(OrderError::TooLarge { what: "the order", limit: BODY_BYTES_MAX });
        }
        let order: Self = strict::parse(bytes).map_err(malformed)?;
        order.check()?;
        Ok(order)
    }

    fn check(&self) -> Result<(), OrderError> {
        if !(1..=READER_KEYS_MAX).contains(&self.readers.len()) {
            return Err(malformed(format_args!("1 to {READER_KEYS_MAX} reader keys are needed")));
        }
        if self.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
            return Err(OrderError::TooLarge { what: "the reason", limit: REASON_BYTES_MAX });
        }
        if self.start_by < self.issued {
            return Err(malformed("start_by lies before issued"));
        }
        match (&self.step, self.steps) {
            (Some(step), None) => step.check(),
            (None, Some(set)) if (1..=ORDER_STEPS_MAX).contains(&set.count) => Ok(()),
            (None, Some(_)) => Err(malformed("an impossible number of steps")),
            _ => Err(malformed("exactly one of step and steps is needed")),
        }
    }
}

impl Step {
    /// The bytes of a step that stands behind its order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps with text keys always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Result<Self, OrderError> {
        let step: Self = strict::parse(bytes).map_err(malformed)?;
        step.check()?;
        Ok(step)
    }

    fn check(&self) -> Result<(), OrderError> {
        match self.audience {
            Audience::Set(set) if !(1..=SET_NODES_MAX).contains(&set.count) => {
                Err(malformed("an impossible number of nodes"))
            }
            _ => Ok(()),
        }
    }
}

/// An order of several steps, ready to be signed: the steps' bytes and their tree.
#[derive(Debug, Clone)]
pub struct StepTree {
    bytes: Vec<Vec<u8>>,
    tree: merkle::MerkleSet,
}

impl StepTree {
    /// Builds the tree over the steps of the order `id`.
    #[must_use]
    pub fn build(id: OrderId, steps: &[Step]) -> Self {
        let bytes: Vec<Vec<u8>> = steps.iter().map(Step::to_bytes).collect();
        let leaves = bytes.iter().map(|step| merkle::leaf_step(id.as_bytes(), step)).collect();
        Self { bytes, tree: merkle::MerkleSet::build(leaves) }
    }

    /// What the order says of its steps.
    #[must_use]
    pub fn set(&self) -> Set {
        Set { root: self.tree.root(), count: self.tree.count() }
    }
}

/// A signed order: its exact bytes and their signature.
#[derive(Debug, Clone)]
pub struct SignedOrder {
    bytes: Vec<u8>,
    signature: Signature,
}

impl SignedOrder {
    /// Puts the bytes of [`Order::to_bytes`] and their signature together.
    #[must_use]
    pub const fn new(bytes: Vec<u8>, signature: Signature) -> Self {
        Self { bytes, signature }
    }

    /// SHA-256 of the signed bytes: what receipts are bound to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The message for a subject: with the receiver's proof where the step has a set.
    #[must_use]
    pub fn message(&self, subject: String, reply: String, proof: Option<&Proof>) -> Message {
        let headers = self.headers(proof);
        Message { subject, reply: Some(reply), headers, body: self.bytes.clone() }
    }

    /// The message of one step of several; `None` where there is no such step.
    #[must_use]
    pub fn step_message(
        &self,
        subject: String,
        reply: String,
        (steps, index): (&StepTree, u64),
        proof: Option<&Proof>,
    ) -> Option<Message> {
        let step = steps.bytes.get(usize::try_from(index).ok()?)?;
        let step_proof = steps.tree.proof(index)?;
        let place = format!("{} {}", self.bytes.len(), step_proof.to_base64());
        let headers = self.headers(proof).with(message::STEP, place);
        let body = [self.bytes.as_slice(), step].concat();
        Some(Message { subject, reply: Some(reply), headers, body })
    }

    fn headers(&self, proof: Option<&Proof>) -> Headers {
        let mut headers = Headers::of(Kind::Order);
        headers.push(message::SIGNATURE, self.signature.to_base64());
        if let Some(proof) = proof {
            headers.push(message::PROOF, proof.to_base64());
        }
        headers
    }
}

impl Received {
    /// The key that is said to have signed it.
    #[must_use]
    pub const fn signer(&self) -> &PublicKey {
        self.signature.key()
    }

    /// Reads an order's message. Cheap checks come first; no signature is checked here.
    ///
    /// # Errors
    /// Says which rule the message breaks.
    pub fn parse(message: &Message) -> Result<Self, OrderError> {
        let (body, headers) = (&message.body, &message.headers);
        if headers.kind() != Some(Kind::Order) {
            return Err(malformed("its headers are not those of an order"));
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(OrderError::TooLarge { what: "the body", limit: BODY_BYTES_MAX });
        }
        if headers.weight() > HEADER_BYTES_MAX {
            return Err(OrderError::TooLarge { what: "the headers", limit: HEADER_BYTES_MAX });
        }
        // Another version may differ in whatever is read from here on.
        Self::read(message).map_err(|error| match Foreign::read(message) {
            Some(foreign) => OrderError::Version(Box::new(foreign)),
            None => error,
        })
    }

    fn read(message: &Message) -> Result<Self, OrderError> {
        let headers = &message.headers;
        let parts = Parts::of(message)?;
        let order = Order::parse(parts.order)?;
        let step = match (&order.step, &parts.place) {
            (Some(step), None) => step.clone(),
            (None, Some(_)) => Step::parse(parts.step)?,
            _ => return Err(malformed("the step's header does not fit the order")),
        };
        let proof = headers.get(message::PROOF).map(Proof::from_base64).transpose();
        let signature = headers
            .get(message::SIGNATURE)
            .ok_or_else(|| malformed("it carries no signature, or two"))?;
        let (step_index, order_digest, step_digest) = parts.names();
        Ok(Self {
            step_index,
            step_digest,
            proof: proof.map_err(malformed)?,
            step_place: parts
                .place
                .map(|place| (merkle::leaf_step(order.id.as_bytes(), parts.step), place.proof)),
            signed: parts.order.to_vec(),
            signature: Signature::from_base64(signature).map_err(malformed)?,
            order,
            step,
            order_digest,
        })
    }

    /// What answers are bound to.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            v: self.order.v,
            id: self.order.id,
            caller: self.order.caller.clone(),
            start_by: self.order.start_by,
            certificates: self.order.certificates,
            step_index: self.step_index,
            order_digest: self.order_digest,
            step_digest: self.step_digest,
        }
    }
}
