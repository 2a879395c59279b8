//! A broker, or somebody at its side, that does what it must not be able to gain by: it holds back,
//! repeats, misdirects, alters and invents messages.

use std::collections::VecDeque;
use std::rc::Rc;

use marcato_core::{Changed, EndState, OrderId, Reason};
use marcato_protocol::digest::Digest;
use marcato_protocol::message::{self, Headers, Kind as MessageKind, Message};
use marcato_protocol::order::{Order, Received};
use marcato_protocol::question::{Answer, Found};
use marcato_protocol::receipt::{Inner, Outer, SignedReceipt};
use marcato_protocol::subject::Subjects;

use super::network::Item;
use super::{Event, World};
use crate::fault::Kind;

/// How many messages an attacker remembers.
const KEPT_MAX: usize = 64;

/// What an attacker knows.
#[derive(Debug, Default)]
pub(super) struct Attacker {
    kept: VecDeque<Rc<Message>>,
    /// The order that is held back at the moment, as one node's copy of it.
    held: Option<Digest>,
}

impl World {
    /// What becomes of a message at the broker.
    pub(super) fn attacked(&mut self, end: usize, message: Rc<Message>) {
        let kind = message.headers.kind();
        if self.fault(Kind::Replay, None).is_some() {
            self.replay(&message);
        }
        if kind == Some(MessageKind::Order) {
            self.attack_order(end, &message);
            if self.is_held(&message) {
                return;
            }
        }
        if kind == Some(MessageKind::Receipt) && self.hits(Kind::Swap, None) {
            self.swap(&message);
        }
        if kind == Some(MessageKind::Answer) && self.hits(Kind::FalseAnswers, None) {
            let answer = Rc::new(self.false_answer(&message));
            return self.route(None, &answer);
        }
        if kind.is_some() && self.hits(Kind::Alter, None) {
            let altered = Rc::new(self.altered(&message));
            self.route(None, &altered);
            if self.random.chance(500) {
                return;
            }
        }
        self.route(Some(end), &message);
    }

    fn inject(&mut self, ms: u64, message: Message) {
        self.doubt(&message);
        self.queue.push(self.now + ms, Event::Inject(Rc::new(message)));
    }

    /// What a broker says of an order that it also sends otherwise proves nothing any more.
    fn doubt(&mut self, message: &Message) {
        if message.headers.kind() != Some(MessageKind::Order) {
            return;
        }
        let Ok(order) = Order::parse(&message.body) else { return };
        match Subjects::last_identity(&message.subject).and_then(|node| self.truth.host(&node)) {
            Some(node) => {
                self.truth.doubtful.insert((order.id, node));
            }
            None => {
                let all = (0..self.nodes.len()).map(|node| (order.id, node));
                self.truth.doubtful.extend(all);
            }
        }
    }

    fn replay(&mut self, message: &Rc<Message>) {
        if self.attacker.kept.len() == KEPT_MAX {
            self.attacker.kept.pop_front();
        }
        self.attacker.kept.push_back(message.clone());
        if self.hits(Kind::Replay, None) {
            let old = self.attacker.kept[self.random.index(self.attacker.kept.len())].clone();
            let wait = self.random.below(60_000);
            self.inject(wait, Message::clone(&old));
        }
    }

    fn attack_order(&mut self, end: usize, message: &Rc<Message>) {
        if self.hits(Kind::Misdeliver, None) {
            let node = self.random.index(self.nodes.len());
            let subjects = Subjects::of(&self.keys.collective);
            let subject = subjects.node(&self.truth.hosts[node].identity);
            self.inject(5, Message { subject, ..Message::clone(message) });
        }
        if self.hits(Kind::Forge, None) {
            self.forge(message);
        }
        if let Some(reply) = message.reply.clone()
            && self.hits(Kind::FalseSilence, None)
        {
            self.doubt(message);
            self.deliver(end, Item::Nobody(reply));
        }
    }

    /// Whether an order is held back until a later one has passed.
    fn is_held(&mut self, message: &Rc<Message>) -> bool {
        if self.fault(Kind::Hold, None).is_none() || !message.subject.contains(".node.") {
            return false;
        }
        let Ok(order) = Order::parse(&message.body) else { return false };
        let restart = order.step.as_ref().is_some_and(|step| {
            step.action.as_str() == "restart" && step.inputs["service"] == "ssh"
        });
        let digest = Digest::of(&message.body);
        if !restart || *self.attacker.held.get_or_insert(digest) != digest {
            return false;
        }
        self.hit(Kind::Hold);
        // All of the start window: the skew is on top of the wait.
        let wait = self.random.between(35_000, 39_000);
        self.queue.push(self.now + wait, Event::Inject(message.clone()));
        true
    }

    /// The same receipt in another node's name, or as the answer to another order.
    fn swap(&mut self, message: &Rc<Message>) {
        let mut tokens: Vec<&str> = message.subject.split('.').collect();
        let other = self.random.index(self.nodes.len());
        let other = marcato_protocol::subject::token(self.truth.hosts[other].identity.as_str());
        let orders = &self.truth.orders;
        let order = orders[self.random.index(orders.len())].order.id.to_string();
        let (place, with) = if self.random.chance(500) {
            (tokens.len() - 1, &other)
        } else {
            (tokens.len() - 2, &order)
        };
        tokens[place] = with;
        let subject = tokens.join(".");
        self.inject(3, Message { subject, ..Message::clone(message) });
    }

    /// A receipt by somebody who has no key that counts.
    fn forge(&mut self, message: &Rc<Message>) {
        let Ok(received) = Received::parse(message) else { return };
        let node = match Subjects::last_identity(&message.subject) {
            Some(node) if message.subject.contains(".node.") => node,
            _ => self.truth.hosts[self.random.index(self.nodes.len())].identity.clone(),
        };
        let keys = self.keys;
        let now = self.clock(0);
        let mut outer = Outer::answering(&received, node.clone(), EndState::Ok, now);
        let (state, reason) = self.random.pick(&[
            (EndState::Ok, None),
            (EndState::Failed, Some(Reason::Action)),
            (EndState::Rejected, Some(Reason::Restarted)),
        ]);
        (outer.state, outer.reason, outer.changed) = (state, reason, Changed::False);
        let readers = &received.order.readers;
        let random = self.random.generator();
        let receipt =
            SignedReceipt::issue(outer, &Inner::default(), readers, &keys.stranger, random);
        let subjects = Subjects::of(&keys.collective);
        let subject = subjects.reply(&received.order.caller, received.order.id, &node);
        let certificate = self.random.chance(500).then(|| keys.forged.clone());
        let mut forged = receipt.message(subject, certificate);
        if self.random.chance(300) {
            let unsigned = forged.headers.iter().filter(|(name, _)| *name != message::SIGNATURE);
            forged.headers =
                unsigned.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        }
        self.inject(1, forged);
    }

    /// The hub's answer with something else in it.
    fn false_answer(&mut self, message: &Message) -> Message {
        let Ok(mut answer) = Answer::parse(message) else { return message.clone() };
        let now = self.clock(0);
        match &mut answer.found {
            Found::Nodes(nodes) if !nodes.is_empty() => {
                let at = self.random.index(nodes.len());
                match self.random.below(5) {
                    0 => nodes[at].down = Some(now),
                    1 => nodes[at].key = Digest::of(b"another"),
                    2 => nodes[at].not_capable = true,
                    3 => nodes.push(nodes[at].clone()),
                    _ => {
                        nodes.remove(at);
                    }
                }
            }
            Found::Certificates(texts) if !texts.is_empty() => {
                let at = self.random.index(texts.len());
                texts[at] = self.keys.forged.clone();
            }
            _ => {}
        }
        answer.message(message.subject.clone())
    }

    /// The same message with something in it altered.
    fn altered(&mut self, message: &Message) -> Message {
        let mut altered = message.clone();
        if self.random.chance(400) || altered.body.is_empty() {
            let mut headers: Vec<(String, String)> =
                message.headers.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            let at = self.random.index(headers.len());
            let value = &mut headers[at].1;
            let place = self.random.index(value.len());
            if value.is_char_boundary(place) && value.is_char_boundary(place + 1) {
                let with = self.random.pick(&["A", "b", "7", "="]);
                value.replace_range(place..=place, with);
            }
            altered.headers = headers.into_iter().collect::<Headers>();
        } else {
            let at = self.random.index(altered.body.len());
            // A bit that turns digits and letters into others of their kind, now and then.
            altered.body[at] ^= self.random.pick(&[1, 2, 4, 0x20, 0x80]);
        }
        altered
    }

    /// An id that some order has.
    pub(super) fn some_order(&mut self) -> Option<OrderId> {
        let orders = &self.truth.orders;
        let at = self.random.index(orders.len());
        self.truth.orders.get(at).map(|signed| signed.order.id)
    }
}
