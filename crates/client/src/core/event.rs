//! What happens to the client's machines, and what they want done.

use marcato_core::{Identity, Timestamp};
use marcato_protocol::message::Message;
use marcato_protocol::sshsig::Signature;

use super::{Checked, Job, KnownNode, Stopped};

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A message came in.
    Message(Message),
    /// A message came in and was checked elsewhere, by [`super::Checker::check`]. It counts as the
    /// message itself would.
    Checked(Checked),
    /// Nobody listened to the message whose reply subject this is.
    NoResponders(String),
    /// A message of [`Effect::Publish`] could not be handed to the broker; this was its subject.
    NotPublished(String),
    /// The operator's key signed the bytes of [`Effect::Sign`].
    Signed(Signature),
    /// It did not, for this reason.
    NotSigned(String),
    /// It is these nodes' turn to be sent an order that is sent to one after another.
    Release(Vec<Identity>),
    /// Nobody else is sent such an order, for this reason. Those that were are waited for.
    Stop(Stopped),
    /// The connection stands again after it was gone.
    Connected,
    /// The operator wants to go: nothing more is sent, and the accounts are closed.
    Interrupted,
    /// A time of [`Effect::WakeAt`] has come. Ticks at other times do no harm.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Subscribe to this subject before anything that follows; twice is once.
    Subscribe(String),
    /// Publish this message.
    Publish(Message),
    /// Publish this empty message, which asks whether a node is connected. Whether that succeeded
    /// need not be told.
    Probe(Message),
    /// Have the operator's key sign these bytes as an order.
    Sign(Vec<u8>),
    /// Give an [`Event::Tick`] then; a later one replaces an earlier one.
    WakeAt(Timestamp),
    /// A node was proved by its certificate and was not known before: keep it.
    Learned(KnownNode),
    /// This node's account was opened, moved or closed: its line in a report is another.
    Moved(Identity),
    /// The machine has its result. It still takes what comes late.
    Done,
}

/// What carries an order out: a job, or a machine that has one and decides how it goes.
pub trait Machine: std::fmt::Debug {
    /// Takes what happened.
    #[must_use]
    fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect>;

    /// The order and its accounts.
    fn job(&self) -> &Job;
}

impl Machine for Job {
    fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        Self::step(self, event, now)
    }

    fn job(&self) -> &Job {
        self
    }
}
