//! What is needed to answer an order: taken from it once, so that the order itself need not be kept.

use marcato_agent::{ActionResult, Outcome};
use marcato_core::{CallerId, Changed, EndState, Identity, Reason, Timestamp};
use marcato_protocol::head::Head;
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::message::Message;
use marcato_protocol::order::Received;
use marcato_protocol::progress::{Phase, Progress};
use marcato_protocol::receipt::{Inner, Outer, SignedReceipt};
use marcato_protocol::seal::{OpenPublicKey, Sealed};
use marcato_protocol::subject::Subjects;
use rand_chacha::ChaCha20Rng;
use serde_json::Map;

use super::cut;
use super::run::RunKey;

/// How an order ended, for its receipt.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) state: EndState,
    pub(super) reason: Option<Reason>,
    pub(super) changed: Changed,
    pub(super) inner: Inner,
}

impl End {
    /// Refused before anything was done.
    pub(super) fn refused(state: EndState, reason: Reason, text: &str) -> Self {
        let inner = Inner { message: cut(text), ..Inner::default() };
        Self { state, reason: Some(reason), changed: Changed::False, inner }
    }

    /// An agent's outcome.
    pub(super) fn of(outcome: Outcome) -> Self {
        let Outcome { result, reason, changed, data, message } = outcome;
        let (state, reason) = match result {
            ActionResult::Ok => (EndState::Ok, reason),
            ActionResult::Failed => (EndState::Failed, reason.or(Some(Reason::Action))),
            ActionResult::TimedOut => (EndState::TimedOut, reason.or(Some(Reason::RunLimit))),
        };
        Self { state, reason, changed, inner: Inner { data, message, truncated: false } }
    }

    /// Of what vanished.
    pub(super) fn gone() -> Self {
        let message = "the process that ran it vanished before it said how it ended".to_owned();
        Self {
            state: EndState::Interrupted,
            reason: Some(Reason::RunnerGone),
            changed: Changed::Unknown,
            inner: Inner { message, ..Inner::default() },
        }
    }

    /// [`EndState::Rejected`] for this reason.
    pub(super) fn rejected(reason: Reason, text: &str) -> Self {
        Self::refused(EndState::Rejected, reason, text)
    }
}

/// What an answer takes from its order.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    outer: Outer,
    readers: Vec<OpenPublicKey>,
    pub(super) caller: CallerId,
    pub(super) certificate: bool,
}

impl Answer {
    /// To a received order that came in at `received`.
    pub(super) fn to(order: &Received, node: &Identity, received: Timestamp) -> Self {
        let readers = order.order.readers.clone();
        Self { readers, ..Self::without_inner(&order.head(), node, received) }
    }

    /// Without an inner part: for orders of which nobody knows who signed them.
    pub(super) fn without_inner(order: &Head, node: &Identity, received: Timestamp) -> Self {
        Self {
            outer: Outer::to(order, node.clone(), EndState::Ok, received),
            readers: Vec::new(),
            caller: order.caller.clone(),
            certificate: order.certificates,
        }
    }

    /// The order and step that are answered.
    pub(super) const fn key(&self) -> RunKey {
        RunKey { order: self.outer.order, step: self.outer.step }
    }

    /// Notes when the action began.
    pub(super) const fn began(&mut self, now: Timestamp) {
        self.outer.started = Some(now);
    }

    /// Since when it runs, or waits.
    pub(super) fn since(&self) -> Timestamp {
        self.outer.started.unwrap_or(self.outer.received)
    }

    /// The receipt.
    pub(super) fn receipt(
        &self,
        end: End,
        now: Timestamp,
        key: &NodeSignKey,
        random: &mut ChaCha20Rng,
    ) -> SignedReceipt {
        let mut outer = self.outer.clone();
        outer.state = end.state;
        outer.reason = end.reason;
        outer.changed = end.changed;
        outer.finished = now;
        SignedReceipt::issue(outer, &end.inner, &self.readers, key, random)
    }

    /// A word before the end, in which `sealed` is for the readers alone.
    pub(super) fn progress(
        &self,
        (phase, sealed): (Phase, Option<&Sealed>),
        now: Timestamp,
        key: &NodeSignKey,
        subjects: &Subjects,
    ) -> Message {
        let subject = subjects.reply(&self.caller, self.outer.order, &self.outer.node);
        self.word(phase, now).message(sealed, subject, key)
    }

    /// Seals what is to stand in words before the end.
    pub(super) fn seal(&self, text: &str, random: &mut ChaCha20Rng) -> Option<Sealed> {
        let word = self.word(Phase::Running, self.since());
        word.seal(text, &self.readers, random)
    }

    fn word(&self, phase: Phase, at: Timestamp) -> Progress {
        let outer = &self.outer;
        Progress {
            v: outer.v,
            order: outer.order,
            order_digest: outer.order_digest,
            step: outer.step,
            step_digest: outer.step_digest,
            node: outer.node.clone(),
            phase,
            at,
            sealed: None,
            ext: Map::new(),
        }
    }
}
