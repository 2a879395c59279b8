//! What can happen to a node's core. This enum is the whole list.

use std::sync::Arc;

use marcato_agent::Outcome;
use marcato_core::Facts;
use marcato_protocol::message::Message;

use super::journal::{JournalKey, MayStand};
use super::run::RunKey;
use super::setup::Rules;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The connection to the broker stands, with all subscriptions.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// A message came in.
    Message(Message),
    /// A message for which volatile facts had to be measured, with all facts as they are now.
    Measured(Message, Arc<Facts>),
    /// A record is on the disk for good.
    Written(JournalKey),
    /// A record could not be written; in the system's words.
    NotWritten(JournalKey, String, MayStand),
    /// What a change that runs says that it does or waits for; empty where it says nothing, none
    /// where that could not be read.
    Said(RunKey, Option<String>),
    /// An action ended. What could not be started at all ended as failed.
    Ended(RunKey, Outcome),
    /// The process of a change vanished without an outcome.
    Gone(RunKey),
    /// The time that [`super::Effect::WakeAt`] asked for has come.
    Tick,
    /// The node's files or facts changed.
    Reloaded(Box<Rules>),
    /// The daemon shall end.
    Stopping,
}
