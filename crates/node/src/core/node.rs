//! The node's state, and what each event does to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use marcato_core::limits::node::{
    CLOCK_KEPT_EVERY, COPIES_PER_SECOND, RECEIPT_SENT_AGAIN, STOP_GRACE, UNSENT_RECEIPTS_MAX,
};
use marcato_core::limits::timing::SKEW;
use marcato_core::{CallerId, Collective, Facts, Identity, OrderId, Reason, Timestamp};
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::bars::Bars;
use super::bucket::Bucket;
use super::cut;
use super::effect::{Effect, Entry, Level, What};
use super::event::Event;
use super::journal::JournalKey;
use super::refusals::Refusals;
use super::registration::Presence;
use super::run::RunKey;
use super::runs::{Pending, Runs};
use super::seen::Seen;
use super::setup::{Rules, Setup};
use super::steady::Steady;
use super::superseded::LastChanges;

/// A node's core: a state machine without a clock, a disk or a network.
#[derive(Debug)]
pub struct Node {
    pub(super) identity: Identity,
    pub(super) collective: Collective,
    pub(super) spoken: Spoken,
    pub(super) key: Arc<NodeSignKey>,
    pub(super) certificate: Arc<str>,
    pub(super) subjects: Subjects,
    pub(super) rules: Rules,
    /// The facts with the volatile ones, while the order is looked at for which they were measured.
    pub(super) measured: Option<Arc<Facts>>,
    pub(super) started: Timestamp,
    pub(super) random: ChaCha20Rng,
    pub(super) steady: Steady,
    pub(super) presence: Presence,
    pub(super) seen: Seen,
    pub(super) refusals: Refusals,
    pub(super) copies: Bucket,
    pub(super) last_changes: LastChanges,
    pub(super) bars: Bars,
    pub(super) runs: Runs,
    pub(super) writes: BTreeMap<JournalKey, Pending>,
    writes_made: u64,
    /// When the journal was last found damaged: changes that were issued before may have run.
    pub(super) damaged: Option<Timestamp>,
    /// Why the journal does not take records at the moment, in words.
    pub(super) journal_fault: Option<String>,
    pub(super) connected: bool,
    /// Receipts that wait for a connection.
    unsent: VecDeque<RunKey>,
    clock_high: Timestamp,
    clock_kept: Timestamp,
    /// When the daemon ends at the latest, once it is to end.
    stopping: Option<Timestamp>,
    /// The wish that the shell knows of.
    wake: Option<Timestamp>,
    effects: Vec<Effect>,
}

/// How much a node holds at a moment; each count has its limit in `marcato_core::limits::node`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Orders that it remembers, of all callers.
    pub orders: usize,
    /// Refusals of orders that did not verify.
    pub refusals: usize,
    /// Orders that were accepted and have not ended.
    pub jobs: usize,
    /// Items of which it knows the last change.
    pub items: usize,
    /// Orders that were cancelled and might still come.
    pub bars: usize,
    /// Receipts that wait for a connection.
    pub unsent: usize,
}

impl Node {
    /// A node as it starts: what the journal holds is taken up where the last daemon left it.
    #[must_use]
    pub fn new(setup: Setup, now: Timestamp) -> (Self, Vec<Effect>) {
        let mut node = Self {
            subjects: Subjects::of(&setup.collective),
            identity: setup.identity,
            collective: setup.collective,
            spoken: setup.spoken,
            key: setup.key,
            certificate: setup.certificate,
            presence: Presence::new(setup.rules.facts.clone(), now),
            rules: setup.rules,
            measured: None,
            started: setup.started,
            random: ChaCha20Rng::from_seed(setup.seed),
            steady: Steady::new(now),
            seen: Seen::default(),
            refusals: Refusals::new(now),
            copies: Bucket::new(COPIES_PER_SECOND, now),
            last_changes: LastChanges::default(),
            bars: Bars::default(),
            runs: Runs::default(),
            writes: BTreeMap::new(),
            writes_made: 0,
            damaged: None,
            journal_fault: None,
            connected: false,
            unsent: VecDeque::new(),
            clock_high: setup.clock_high,
            clock_kept: setup.clock_high,
            stopping: None,
            wake: None,
            effects: Vec::new(),
        };
        node.describe(now);
        node.recover(setup.journal, setup.runs, now);
        let effects = node.settle(now);
        (node, effects)
    }

    /// Takes an event in; what comes back is to be done in its order.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        self.steady.advance(now);
        match event {
            Event::Connected => self.on_connected(now),
            Event::Disconnected => self.on_disconnected(now),
            Event::Message(message) => self.on_message(&message, now),
            Event::Measured(message, facts) => {
                self.measured = Some(facts);
                self.on_message(&message, now);
                self.measured = None;
            }
            Event::Written(key) => self.on_written(key, now),
            Event::NotWritten(key, why, stands) => self.on_not_written(key, &why, stands, now),
            Event::Said(key, text) => self.on_said(key, text.as_deref(), now),
            Event::Ended(key, outcome) => self.on_ended(key, outcome, now),
            Event::Gone(key) => self.on_gone(key, now),
            Event::Tick => self.on_tick(now),
            Event::Reloaded(rules) => {
                self.rules = *rules;
                self.describe(now);
            }
            Event::Stopping => self.on_stopping(now),
        }
        self.settle(now)
    }

    /// How much the node holds now.
    #[must_use]
    pub fn held(&self) -> Held {
        Held {
            orders: self.seen.len(),
            refusals: self.refusals.len(),
            jobs: self.runs.len(),
            items: self.last_changes.len(),
            bars: self.bars.len(),
            unsent: self.unsent.len(),
        }
    }

    fn on_connected(&mut self, now: Timestamp) {
        self.connected = true;
        self.appear(now);
        for key in std::mem::take(&mut self.unsent) {
            self.publish_receipt(key);
        }
    }

    /// What was sent last may have gone into a connection that was dead already.
    fn on_disconnected(&mut self, now: Timestamp) {
        self.connected = false;
        let recent = |ended: Timestamp| now.since(ended) <= RECEIPT_SENT_AGAIN;
        for key in self.seen.changes_that_ended(recent) {
            self.publish_receipt(key);
        }
    }

    fn on_message(&mut self, message: &Message, now: Timestamp) {
        if self.stopping.is_some() {
            return;
        }
        match message.headers.kind() {
            Some(Kind::Order) => self.on_order(message, now),
            Some(Kind::Wanted) if message.subject == self.subjects.node(&self.identity) => {
                self.wanted(now);
            }
            // A message without anything asks whether somebody is connected here: the broker has
            // answered that. What else comes is not for a node.
            _ => {}
        }
    }

    fn on_tick(&mut self, now: Timestamp) {
        self.wake = None;
        self.present(now);
        self.look_after_runs(now);
        self.seen.forget(self.steady);
        self.refusals.forget(self.steady);
        self.bars.forget(self.steady);
        if let Some(count) = self.refusals.count(now) {
            let text = format!("{count} more refused orders were neither answered nor logged");
            self.log(Level::Warn, What::RefusedCount, None, None, text);
        }
    }

    fn on_stopping(&mut self, now: Timestamp) {
        if self.stopping.is_none() {
            self.stopping = Some(now + STOP_GRACE);
            if self.connected {
                self.heartbeat(now, true);
            }
        }
    }

    /// Whether nothing new is begun.
    pub(super) const fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Ends a step: when to come back, and whether the daemon may end.
    fn settle(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.stopping.is_some_and(|latest| latest <= now || !self.runs.has_reads()) {
            self.effect(Effect::Stop);
            return std::mem::take(&mut self.effects);
        }
        let presence = self.connected.then(|| self.presence.wake_at());
        let wishes = [presence, self.runs.wake_at(), self.refusals.tell_at(), self.stopping];
        let wake = wishes.into_iter().flatten().min();
        if wake != self.wake {
            self.wake = wake;
            self.effects.extend(wake.map(Effect::WakeAt));
        }
        std::mem::take(&mut self.effects)
    }

    /// Takes note of a time that somebody signed whom the node knows.
    ///
    /// # Errors
    /// Where the node's clock reads less than what it verified before: orders that were run then
    /// might be taken for new ones.
    pub(super) fn check_clock(&mut self, issued: Timestamp, now: Timestamp) -> Result<(), String> {
        if now + SKEW < self.clock_high {
            let high = self.clock_high;
            return Err(format!("this node's clock reads {now}; it verified an order of {high}"));
        }
        self.clock_high = self.clock_high.max(issued);
        if self.clock_high.since(self.clock_kept) >= CLOCK_KEPT_EVERY {
            self.clock_kept = self.clock_high;
            self.effect(Effect::KeepClock(self.clock_high));
        }
        Ok(())
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) const fn next_write(&mut self) -> JournalKey {
        self.writes_made += 1;
        JournalKey(self.writes_made)
    }

    /// Sends the kept receipt of an order, or keeps in mind that it is to be sent.
    pub(super) fn publish_receipt(&mut self, key: RunKey) {
        if !self.connected {
            if self.unsent.len() == UNSENT_RECEIPTS_MAX {
                self.unsent.pop_front();
            }
            self.unsent.push_back(key);
            return;
        }
        let Some(known) = self.seen.get(key) else { return };
        let Some(receipt) = &known.receipt else { return };
        let subject = self.subjects.reply(&known.about.caller, key.order, &self.identity);
        let certificate = known.certificate.then(|| self.certificate.to_string());
        let message = receipt.message(subject, certificate);
        self.effect(Effect::Publish(message));
    }

    pub(super) fn log(
        &mut self,
        level: Level,
        what: What,
        order: Option<(OrderId, &CallerId)>,
        reason: Option<Reason>,
        text: String,
    ) {
        let (order, caller) = order.map(|(order, caller)| (order, caller.clone())).unzip();
        let text = cut(&text);
        self.effect(Effect::Log(Entry { level, what, order, caller, reason, text }));
    }
}
