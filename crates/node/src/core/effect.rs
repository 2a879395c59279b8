//! What a node's core asks of its shell, to be done in the order in which it stands there.

use marcato_core::{CallerId, OrderId, Reason, Timestamp};
use marcato_protocol::message::Message;

use super::approved::Approved;
use super::journal::{JournalKey, JournalRecord};
use super::run::RunKey;

/// Something to do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send a message; it may be lost.
    Publish(Message),
    /// Append a record to the journal so that it survives a loss of power, then report
    /// [`super::Event::Written`] or [`super::Event::NotWritten`]. When the record is an end, what
    /// the run left on the disk is not needed any more.
    Write(Box<JournalRecord>, JournalKey),
    /// Read the volatile facts, and report this message anew with them:
    /// [`super::Event::Measured`]. Its filter asks for one.
    Measure(Message),
    /// Run an action and report [`super::Event::Ended`] or [`super::Event::Gone`]. That a change
    /// was begun must be on the disk before its process is.
    Run(Box<Approved>),
    /// Look what a change that runs says of itself, and report it: [`super::Event::Said`]. That may
    /// take its time; it is not asked for again before.
    Listen(RunKey),
    /// Report [`super::Event::Tick`] at that time; the last such wish counts.
    WakeAt(Timestamp),
    /// Keep the highest verified time over restarts.
    KeepClock(Timestamp),
    /// Tell the log.
    Log(Entry),
    /// End the daemon.
    Stop,
}

/// How much a log entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// An order went its way.
    Info,
    /// An order was refused, or something is odd.
    Warn,
    /// The node cannot do its work.
    Error,
}

/// What a log entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A change was accepted.
    Accepted,
    /// An action ended, whichever way.
    Ended,
    /// An order was refused.
    Refused,
    /// Refusals that were neither answered nor logged one by one.
    RefusedCount,
    /// The journal failed.
    Journal,
    /// A change that the last daemon accepted was found again.
    Recovered,
    /// The node's files or facts changed.
    Reloaded,
    /// The node describes itself only in part.
    Registration,
}

impl What {
    /// The word in the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::RefusedCount => "refused-count",
            Self::Journal => "journal",
            Self::Recovered => "recovered",
            Self::Reloaded => "reloaded",
            Self::Registration => "registration",
        }
    }
}

/// A line for the log. Its texts may quote what others sent: the log must escape them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How much it matters.
    pub level: Level,
    /// What it is about.
    pub what: What,
    /// The order, where there is one.
    pub order: Option<OrderId>,
    /// Who signed it, or claims to have.
    pub caller: Option<CallerId>,
    /// Why.
    pub reason: Option<Reason>,
    /// The rest, for a person.
    pub text: String,
}
