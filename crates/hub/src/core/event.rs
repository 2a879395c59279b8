//! What happens to the hub, and what it wants done.

use marcato_core::{Collective, Identity, Timestamp};
use marcato_protocol::message::Message;
use marcato_protocol::registration::RegistrationError;
use marcato_protocol::sshsig::PublicKey;

/// What a hub is told once.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The fleet.
    pub collective: Collective,
    /// The public key of the fleet's authority, which signed each node's certificate.
    pub authority: PublicKey,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The connection to the broker stands, for the first time or again.
    Connected,
    /// The connection is gone: nothing that nodes do not say now counts against them.
    Disconnected,
    /// A message came in on one of the hub's subjects.
    Message(Message),
    /// Nobody listened to the message whose reply subject this is.
    NoResponders(String),
    /// A time of [`Effect::WakeAt`] has come. Ticks at other times do no harm.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Publish this message.
    Publish(Message),
    /// Give an [`Event::Tick`] then; a later one replaces an earlier one.
    WakeAt(Timestamp),
    /// Write this to the log.
    Log(Said),
}

/// What the hub tells its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A node registered that was not known.
    Joined(Identity),
    /// A node that was down is there again.
    Back(Identity),
    /// A node is not connected.
    Down {
        /// Which.
        node: Identity,
        /// Since when it was not heard.
        since: Timestamp,
    },
    /// A node took its leave in order.
    Left(Identity),
    /// A name came with another key; the one with the newer certificate is kept.
    KeyChanged {
        /// The name.
        node: Identity,
        /// The fingerprint of the key that is kept.
        kept: String,
        /// The fingerprint of the other.
        other: String,
    },
    /// A message did not count. Of its kind, no more is told for a while.
    Refused(Refused),
    /// The registry is full and forgot a node that has long been down.
    Forgot(Identity),
}

/// A message that did not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it came in; a name there is only claimed.
    pub subject: String,
    /// Why.
    pub why: RegistrationError,
    /// How many others were refused since the last that was told.
    pub untold: u64,
}
