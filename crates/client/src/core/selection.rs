//! Which nodes an order is for, and which that were found are left out and why.

use std::collections::BTreeMap;

use marcato_core::limits::timing::GONE_AFTER;
use marcato_core::{Identity, Reason, Timestamp};
use marcato_protocol::question::Listed;
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::version::Spoken;

use super::Directory;

/// A node that an order is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub identity: Identity,
    /// Its sign key, proved by a certificate.
    pub key: PublicKey,
    /// The versions that it speaks.
    pub spoken: Spoken,
    /// Since when the registry calls it down; it is sent the order all the same.
    pub down: Option<Timestamp>,
}

/// A node that matches and is not sent the order. It is expected: it counts as `skipped`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub identity: Identity,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub text: String,
    /// Since when the registry calls it down.
    pub down: Option<Timestamp>,
}

/// Which nodes are meant. Each name stands in one of the lists at most; all are sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The nodes that the order is for.
    pub chosen: Vec<Chosen>,
    /// Nodes that match and cannot be sent it.
    pub left_out: Vec<LeftOut>,
    /// Nodes that match but lack an agent; not expected.
    pub not_capable: Vec<Identity>,
    /// Nodes that take no changes, where the order is one; not expected.
    pub read_only: Vec<Identity>,
    /// Nodes unheard for so long that they are not expected any more.
    pub gone: Vec<Identity>,
    /// Known nodes that the hub did not name though every node was asked for.
    pub vanished: Vec<Identity>,
    /// The protocol's version to sign; the newest that all chosen nodes speak.
    pub version: u32,
    /// Whether a hub said which nodes there are. Without one nobody knows whom to expect.
    pub complete: bool,
    /// Since when that hub gathers registrations.
    pub since: Option<Timestamp>,
}
