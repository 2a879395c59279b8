//! An order as a job sends it: bytes, signature, set, and how far the sending is.

use std::collections::VecDeque;

use marcato_core::limits::client::{SEND_BATCH, SIGN_WAIT};
use marcato_core::{CallerId, EndState, Identity, OrderId, Reason, Span, Timestamp};
use marcato_protocol::digest::Digest;
use marcato_protocol::merkle::{self, MerkleSet};
use marcato_protocol::message::{Headers, Message};
use marcato_protocol::order::{Audience, Order, Set, SignedOrder};
use marcato_protocol::sshsig::{Namespace, PublicKey, Signature};
use marcato_protocol::subject::Subjects;

use super::Job;
use super::account::{Account, Stage};
use crate::core::check::Sent;
use crate::core::task::{self, Frame, TaskError};
use crate::core::{Effect, Stopped};

/// An order as it is sent.
#[derive(Debug)]
pub(super) struct Round {
    pub order: Order,
    bytes: Vec<u8>,
    signed: Option<SignedOrder>,
    /// The nodes of its set, sorted; empty where it is for whoever matches.
    nodes: Vec<Identity>,
    tree: Option<MerkleSet>,
    /// Whether its signature once came too late to send it.
    late: bool,
    /// How many first copies wait to be sent.
    pub firsts: usize,
    /// When the last first copy was sent: the wait counts from here.
    pub sent: Option<Timestamp>,
    /// Whether the silent nodes were asked if they are connected.
    pub probed: bool,
    /// Whether the silent nodes were sent a second copy.
    pub resent: bool,
    /// Whether the wait is over.
    pub closed: bool,
}

impl Round {
    pub const fn is_matching(&self) -> bool {
        self.tree.is_none()
    }

    pub const fn is_signing(&self) -> bool {
        self.signed.is_none()
    }

    fn message(
        &self,
        subjects: &Subjects,
        caller: &CallerId,
        node: Option<&Identity>,
    ) -> Option<Message> {
        let signed = self.signed.as_ref()?;
        let Some(node) = node else {
            let reply = subjects.answer(caller, self.order.id);
            return Some(signed.message(subjects.orders(), reply, None));
        };
        let reply = subjects.reply(caller, self.order.id, node);
        let proof = match &self.tree {
            Some(tree) => Some(tree.proof(self.nodes.binary_search(node).ok()? as u64)?),
            None => None,
        };
        Some(signed.message(subjects.node(node), reply, proof.as_ref()))
    }
}

/// A message that waits to be sent.
#[derive(Debug)]
pub(super) enum Out {
    /// The order of this round, to whoever matches.
    All(usize),
    /// The order of this round, to one node; its first copy or another.
    Order(usize, Identity),
    /// The question whether the node is connected.
    Probe(usize, Identity),
}

/// What waits to be sent.
pub(super) type Outbox = VecDeque<Out>;

impl Job {
    /// Makes the next order and asks for its signature. `nodes` are its set, `None` is whoever
    /// matches.
    pub(super) fn open_round(
        &mut self,
        nodes: Option<Vec<(Identity, PublicKey)>>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), TaskError> {
        let id = if self.rounds.is_empty() { self.setup_id } else { self.new_id() };
        let leaf =
            |(node, key): &(Identity, PublicKey)| merkle::leaf(id.as_bytes(), node.as_str(), key);
        let tree = nodes.as_ref().map(|nodes| MerkleSet::build(nodes.iter().map(leaf).collect()));
        let audience = match &tree {
            Some(tree) => Audience::Set(Set { root: tree.root(), count: tree.count() }),
            None => Audience::Matching,
        };
        let valid = self.valid(self.rounds.len());
        let (order, bytes) = task::order(&self.task, self.frame(id, audience, valid, now))?;
        effects.push(Effect::Subscribe(self.subjects.replies(&self.caller, id)));
        effects.push(Effect::Sign(bytes.clone()));
        let nodes: Vec<Identity> =
            nodes.into_iter().flatten().map(|(identity, _)| identity).collect();
        self.rounds.push(Round {
            order,
            bytes,
            signed: None,
            nodes,
            tree,
            late: false,
            firsts: 0,
            sent: None,
            probed: false,
            resent: false,
            closed: false,
        });
        Ok(())
    }

    fn frame(&self, id: OrderId, audience: Audience, valid: Span, issued: Timestamp) -> Frame<'_> {
        Frame {
            v: self.version,
            id,
            caller: &self.caller,
            collective: &self.collective,
            issued,
            valid,
            reader: *self.reader.public(),
            audience,
            certificates: self.is_adaptive(),
        }
    }

    /// The key has signed the newest order: send it.
    pub(super) fn signed(
        &mut self,
        signature: Signature,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let index = self.rounds.len().saturating_sub(1);
        let valid = self.valid(index);
        let round = self.rounds.get_mut(index).filter(|round| round.is_signing());
        let Some(round) = round.filter(|_| !self.finished) else { return };
        if let Err(error) = signature.verify(signature.key(), Namespace::Order, &round.bytes) {
            return self.not_signed(
                format!("the key's signature does not fit: {error}"),
                now,
                effects,
            );
        }
        // A person who had to confirm took so long that most of the wait is over: the same again,
        // this time with room for that. Once, so that nobody is asked for ever.
        let left = round.order.start_by.since(now);
        if left.as_ms() < self.task.wait.as_ms() / 2 && !round.late {
            round.late = true;
            round.order.issued = now;
            round.order.start_by = now + SIGN_WAIT + valid;
            round.bytes = round.order.to_bytes();
            effects.push(Effect::Sign(round.bytes.clone()));
            return;
        }
        self.restarted
            .retain(|node, _| self.accounts.get(node).is_some_and(|account| account.round > index));
        let digest = Digest::of(&round.bytes);
        round.signed = Some(SignedOrder::new(round.bytes.clone(), signature));
        let Order { v, id, .. } = round.order;
        let mut checker = (*self.checker).clone();
        checker.orders.push(Sent { v, id, digest });
        self.checker = checker.into();
        if round.is_matching() {
            round.firsts = 1;
            self.outbox.push_back(Out::All(index));
            // Whom the registry calls down is asked at once rather than when it stays silent.
            let down = self.accounts.iter().filter(|(_, account)| {
                account.round == index && account.is_waiting() && account.down.is_some()
            });
            let probes = down.map(|(node, _)| Out::Probe(index, node.clone()));
            self.outbox.extend(probes.collect::<Vec<_>>());
        } else {
            let released = |node: &&Identity| self.accounts.get(node).is_some_and(|a| a.released);
            let orders = round.nodes.iter().filter(released);
            let before = self.outbox.len();
            self.outbox.extend(orders.map(|node| Out::Order(index, node.clone())));
            round.firsts = self.outbox.len() - before;
        }
    }

    /// The key did not sign the newest order.
    pub(super) fn not_signed(&mut self, why: String, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.finished || !self.rounds.last().is_some_and(Round::is_signing) {
            return;
        }
        self.rounds.pop();
        if self.rounds.is_empty() {
            self.failure = Some(why);
            self.close_all(now, effects);
        } else {
            self.give_up_restarted(effects);
        }
    }

    /// How long after its issue nodes may start an order. A pace is kept with the first one; what is
    /// signed anew is for nodes whose turn it was already.
    fn valid(&self, index: usize) -> Span {
        self.paced.filter(|_| index == 0).unwrap_or(self.task.wait)
    }

    /// It is these nodes' turn: they are sent the order as soon as it is signed.
    pub(super) fn release(&mut self, nodes: Vec<Identity>) {
        let signed = self.rounds.first().is_some_and(|round| !round.is_signing());
        for node in nodes {
            let account = self.accounts.get_mut(&node);
            let Some(account) = account.filter(|account| account.is_held()) else { continue };
            account.released = true;
            if signed {
                self.outbox.push_back(Out::Order(0, node));
            }
        }
    }

    /// Nobody else is sent the order. Those that were are waited for.
    pub(super) fn stop(&mut self, why: Stopped, effects: &mut Vec<Effect>) {
        let held = self.accounts.iter().filter(|(_, account)| account.is_held());
        let reports: Vec<_> = held
            .map(|(node, account)| {
                self.words(account).say(node, EndState::Skipped, Reason::NotSent)
            })
            .collect();
        if !reports.is_empty() {
            self.stopped.get_or_insert(why);
        }
        for report in reports {
            self.end(report, effects);
        }
    }

    /// Hands some messages of the outbox over.
    pub(super) fn send(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for _ in 0..SEND_BATCH {
            let Some(out) = self.outbox.pop_front() else { return };
            match out {
                Out::All(index) => self.send_to_all(index, now, effects),
                Out::Order(index, node) => self.send_to(index, &node, now, effects),
                Out::Probe(index, node) => self.probe(index, &node, effects),
            }
        }
    }

    fn send_to_all(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let message = self.rounds[index].message(&self.subjects, &self.caller, None);
        effects.extend(message.map(Effect::Publish));
        for account in self.accounts.values_mut().filter(|account| account.round == index) {
            if account.is_open() {
                account.copies += 1;
                account.sent = Some(now);
            }
        }
        self.first_sent(index, now);
    }

    fn send_to(
        &mut self,
        index: usize,
        node: &Identity,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let round = &self.rounds[index];
        let first = !self.is_paced() && !round.is_matching() && round.sent.is_none();
        if let Some(account) = self.accounts.get_mut(node)
            && account.round == index
            && account.is_open()
            && let Some(message) = round.message(&self.subjects, &self.caller, Some(node))
        {
            effects.push(Effect::Publish(message));
            account.copies += 1;
            account.since.get_or_insert(now);
            account.sent = Some(now);
            if self.is_paced() {
                self.plan(node, now);
            }
        }
        if first {
            self.first_sent(index, now);
        }
    }

    fn first_sent(&mut self, index: usize, now: Timestamp) {
        let round = &mut self.rounds[index];
        round.firsts = round.firsts.saturating_sub(1);
        if round.firsts == 0 && round.sent.is_none() {
            round.sent = Some(now);
            self.last_reply = self.last_reply.max(now);
        }
    }

    /// An empty request: a broker says at once where nobody is connected, and the node ignores it.
    fn probe(&self, index: usize, node: &Identity, effects: &mut Vec<Effect>) {
        if !self.accounts.get(node).is_some_and(Account::is_waiting) {
            return;
        }
        let id = self.rounds[index].order.id;
        effects.push(Effect::Probe(Message {
            subject: self.subjects.node(node),
            reply: Some(self.subjects.reply(&self.caller, id, node)),
            headers: Headers::default(),
            body: Vec::new(),
        }));
    }

    /// Queues another copy for those open nodes of the round that have not been sent two.
    pub(super) fn send_again(&mut self, index: usize, wanted: impl Fn(&Stage) -> bool) {
        let paced = self.is_paced();
        for (node, account) in &mut self.accounts {
            let wanted = account.is_open() && wanted(&account.stage);
            // Where a pace is kept, the first copy is only sent in its turn.
            let had_turn = account.since.is_some() || !paced;
            if wanted && had_turn && account.round == index && !account.resent {
                // A node that was never sent a first copy gets it now, and may get a second.
                account.resent = account.copies > 0;
                self.outbox.push_back(Out::Order(index, node.clone()));
            }
        }
    }

    /// A message could not be handed over: the copy does not count.
    pub(super) fn not_published(&mut self, subject: &str) {
        if subject == self.subjects.orders() {
            for account in self.accounts.values_mut().filter(|account| account.round == 0) {
                account.copies = 0;
            }
        } else if let Some(account) =
            Subjects::last_identity(subject).and_then(|node| self.accounts.get_mut(&node))
        {
            account.copies = account.copies.saturating_sub(1);
            account.unpublished = true;
        }
    }

    /// The connection is there again: what was lost meanwhile is asked for once more. Where nodes would
    /// refuse it as expired by now only those are asked that have accepted it: they answer a copy
    /// before they look at its age. A copy that could not be handed over was none.
    pub(super) fn connected_again(&mut self, now: Timestamp) {
        for account in self.accounts.values_mut() {
            account.resent &= !std::mem::take(&mut account.unpublished);
        }
        for index in 0..self.rounds.len() {
            let round = &self.rounds[index];
            let sent = if self.is_paced() { !round.is_signing() } else { round.sent.is_some() };
            let is_over = round.closed || now > round.order.start_by;
            let is_accepted = |stage: &Stage| matches!(stage, Stage::Running(_));
            match (sent, is_over) {
                (false, _) => {}
                (true, true) if self.task.changes => self.send_again(index, is_accepted),
                (true, true) => {}
                (true, false) if round.is_matching() && self.is_adaptive() => {
                    self.outbox.push_back(Out::All(index));
                }
                (true, false) => self.send_again(index, |_| true),
            }
        }
    }

    /// Signs anew for the nodes that had just started, once for each; where that is impossible they
    /// end with their own first word.
    pub(super) fn sign_anew(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.resign_at = None;
        let nodes = self.restarted.keys().filter_map(|node| {
            let key = self.checker.chosen.get(node);
            let known = || self.checker.directory.get(node).or_else(|| self.learned.get(node));
            Some((node.clone(), key.or_else(|| Some(known()?.sign()))?.clone()))
        });
        let nodes: Vec<_> = nodes.collect();
        if self.open_round(Some(nodes), now, effects).is_err() {
            self.give_up_restarted(effects);
        }
    }

    pub(super) fn give_up_restarted(&mut self, effects: &mut Vec<Effect>) {
        self.resign_at = None;
        for (node, report) in std::mem::take(&mut self.restarted) {
            if self.accounts.get(&node).is_some_and(|account| !account.is_signed()) {
                self.end(report, effects);
            }
        }
    }

    /// Closes every open account at once: the operator goes, or the key did not sign.
    pub(super) fn close_all(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.outbox.clear();
        self.give_up_restarted(effects);
        let open = self.accounts.iter().filter(|(_, account)| account.is_open());
        let reports: Vec<_> = open
            .map(|(node, account)| self.words(account).end_of_wait(node, account, now))
            .collect();
        for report in reports {
            self.end(report, effects);
        }
        self.finished = true;
    }
}
