//! What all versions of an order share, so that a reader can answer one whose form it cannot read:
//! to say `version` it must know whom to tell, and of what.

use marcato_core::{CallerId, OrderId, Terms, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::merkle::Proof;
use crate::message::{self, Message};
use crate::order::{OrderError, malformed};
use crate::strict;
use crate::version::Spoken;

/// What an answer to an order is bound to, and where it goes. Not to be trusted: it was only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The protocol's version.
    pub v: u32,
    /// The order's name.
    pub id: OrderId,
    /// Who claims to have signed it.
    pub caller: CallerId,
    /// Until when a node may start it.
    pub start_by: Timestamp,
    /// Whether receipts shall carry the node's certificate.
    pub certificates: bool,
    /// Which step it is, from 0.
    pub step_index: u64,
    /// SHA-256 of the order's bytes.
    pub order_digest: Digest,
    /// SHA-256 of the step's bytes; of the order's bytes where the step is inline.
    pub step_digest: Digest,
}

/// An order of a version that the reader does not speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// What its sender can be answered by.
    pub head: Head,
    /// Whom it means, where that has the form which this release knows.
    pub filter: Option<Terms>,
}

/// The fields of a head; whatever stands beside them is another version's own.
#[derive(Deserialize)]
struct Fields {
    v: u32,
    id: OrderId,
    caller: CallerId,
    start_by: Timestamp,
    #[serde(default)]
    certificates: bool,
    #[serde(default)]
    step: Value,
}

#[derive(Deserialize)]
struct Filtered {
    #[serde(default)]
    filter: Terms,
}

impl Foreign {
    /// Reads as much of a message as all versions share; `None` where this release knows its
    /// version, or where not even that much stands there.
    pub(crate) fn read(message: &Message) -> Option<Self> {
        let parts = Parts::of(message).ok()?;
        let fields: Fields = strict::parse(parts.order).ok()?;
        if Spoken::RELEASE.speaks(fields.v) {
            return None;
        }
        let step = match &parts.place {
            Some(_) => strict::parse(parts.step).ok(),
            None => strict::from_value(fields.step).ok(),
        };
        let (step_index, order_digest, step_digest) = parts.names();
        let Fields { v, id, caller, start_by, certificates, .. } = fields;
        let head =
            Head { v, id, caller, start_by, certificates, step_index, order_digest, step_digest };
        Some(Self { head, filter: step.map(|step: Filtered| step.filter) })
    }
}

/// A message's body, divided as its headers say.
pub(crate) struct Parts<'a> {
    pub(crate) order: &'a [u8],
    /// The step's bytes where one stands behind the order.
    pub(crate) step: &'a [u8],
    pub(crate) place: Option<StepPlace>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(message: &'a Message) -> Result<Self, OrderError> {
        let place = message.headers.get(message::STEP).map(StepPlace::parse).transpose()?;
        let split = place.as_ref().map_or(message.body.len(), |place| place.order_length);
        let (order, step) = message
            .body
            .split_at_checked(split)
            .ok_or_else(|| malformed("the body is too short"))?;
        Ok(Self { order, step, place })
    }

    /// The step's place, the order's digest and the step's.
    pub(crate) fn names(&self) -> (u64, Digest, Digest) {
        let order = Digest::of(self.order);
        match &self.place {
            Some(place) => (place.proof.index, order, Digest::of(self.step)),
            None => (0, order, order),
        }
    }
}

/// The header of a step behind its order.
pub(crate) struct StepPlace {
    order_length: usize,
    pub(crate) proof: Proof,
}

impl StepPlace {
    fn parse(text: &str) -> Result<Self, OrderError> {
        let wrong = || malformed("the step's header is not `length proof`");
        let (length, proof) = text.split_once(' ').ok_or_else(wrong)?;
        Ok(Self {
            order_length: message::decimal(length).ok_or_else(wrong)?,
            proof: Proof::from_base64(proof).map_err(malformed)?,
        })
    }
}
