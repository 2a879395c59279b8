//! Connections between programs and broker: messages that are lost, late, doubled or overtaken, and
//! ends that find out after a while that the other is gone.

use std::collections::BTreeSet;
use std::rc::Rc;

use marcato_protocol::message::{Kind as MessageKind, Message};

use super::{Actor, Event, World};
use crate::fault::Kind;
use crate::truth;

/// How long an end may take to notice that a link carries nothing, in milliseconds: two pings.
const NOTICED_WITHIN: (u64, u64) = (20_000, 45_000);

/// A program's end of its connection.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    /// Whether the program believes that it is connected.
    pub(super) connected: bool,
    /// Whether it ever was, since it was started.
    pub(super) was_connected: bool,
    /// Counts the connections.
    pub(super) session: u64,
    /// What it listens to.
    pub(super) subjects: BTreeSet<String>,
    /// Why nothing goes up, and down: how many faults say so.
    pub(super) cut: [u32; 2],
    /// When the last message arrives that goes up, and down.
    last: [u64; 2],
}

/// What reaches a program.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// A message.
    Message(Rc<Message>),
    /// Nobody listens to the message with this reply subject.
    Nobody(String),
}

/// Directions.
const UP: usize = 0;
const DOWN: usize = 1;

impl World {
    /// A program hands a message over; whether it could.
    pub(super) fn publish(&mut self, end: usize, message: Message) -> bool {
        let kind = message.headers.kind().map_or("probe", MessageKind::as_str);
        let line = format_args!("{:?} > {kind} {}", self.actor(end), message.subject);
        self.trace.add(self.now, line, &message.body);
        if message.headers.kind() == Some(MessageKind::Order) {
            self.sent.insert(truth::digest_of(&message));
        }
        if !self.ends[end].connected {
            return false;
        }
        let (session, message) = (self.ends[end].session, Rc::new(message));
        self.transmit(end, UP, |message| Event::Up { end, session, message }, message);
        true
    }

    /// The broker hands something to a program.
    pub(super) fn deliver(&mut self, end: usize, item: Item) {
        let Some(session) = self.broker.sessions[end] else { return };
        self.transmit(end, DOWN, |item| Event::Down { end, session, item }, item);
    }

    fn transmit<T: Clone>(
        &mut self,
        end: usize,
        direction: usize,
        event: impl Fn(T) -> Event,
        what: T,
    ) {
        if self.ends[end].cut[direction] > 0 {
            return;
        }
        let link = Some(end);
        if self.hits(Kind::Drop, link) {
            return;
        }
        let copies = 1 + usize::from(direction == DOWN && self.hits(Kind::Duplicate, link));
        for copy in 0..copies {
            let mut at = self.now + self.random.between(1, 3);
            if copy > 0 {
                at += self.random.below(3_000);
            }
            if self.hits(Kind::Delay, link) {
                at += self.random.between(100, 8_000);
            }
            if self.hits(Kind::Reorder, link) {
                at += self.random.below(400);
            } else if self.fault(Kind::Reorder, link).is_none() && copy == 0 {
                at = at.max(self.ends[end].last[direction]);
                self.ends[end].last[direction] = at;
            }
            self.queue.push(at, event(what.clone()));
        }
    }

    pub(super) fn reaches_broker(&mut self, end: usize, session: u64, message: Rc<Message>) {
        if self.broker.sessions[end] != Some(session) {
            return;
        }
        self.attacked(end, message);
    }

    /// What the broker does with a message.
    pub(super) fn route(&mut self, from: Option<usize>, message: &Rc<Message>) {
        let listeners = self.broker.listeners(&message.subject);
        if listeners.is_empty()
            && let (Some(from), Some(reply)) = (from, &message.reply)
            && self.broker.listeners(reply).contains(&from)
        {
            self.deliver(from, Item::Nobody(reply.clone()));
        }
        for end in listeners {
            self.deliver(end, Item::Message(message.clone()));
        }
    }

    pub(super) fn reaches_end(&mut self, end: usize, session: u64, item: Item) {
        if !self.ends[end].connected || self.ends[end].session != session {
            return;
        }
        match self.actor(end) {
            Actor::Node(node) => self.node_hears(node, item),
            Actor::Hub => self.hub_hears(item),
            Actor::Command(command) => self.command_hears(command, item),
            Actor::Odd => {}
        }
    }

    /// A program listens to one more subject.
    pub(super) fn subscribe(&mut self, end: usize, subject: String) {
        if self.ends[end].connected && self.broker.sessions[end] == Some(self.ends[end].session) {
            self.broker.subscribe(end, &subject);
        }
        self.ends[end].subjects.insert(subject);
    }

    /// Has an end connect after a while.
    pub(super) fn connect_in(&mut self, end: usize, ms: u64) {
        let session = self.ends[end].session;
        self.queue.push(self.now + ms, Event::Connect { end, session });
    }

    pub(super) fn connect(&mut self, end: usize, session: u64) {
        let endpoint = &self.ends[end];
        if endpoint.connected || endpoint.session != session || !self.is_running(end) {
            return;
        }
        if !self.broker.up || endpoint.cut != [0, 0] {
            let wait = self.random.between(500, 2_000);
            return self.connect_in(end, wait);
        }
        self.broker.forget(end);
        let endpoint = &mut self.ends[end];
        endpoint.session += 1;
        endpoint.connected = true;
        let again = std::mem::replace(&mut endpoint.was_connected, true);
        self.broker.sessions[end] = Some(endpoint.session);
        for subject in &endpoint.subjects {
            self.broker.subscribe(end, subject);
        }
        self.note(format_args!("{:?} connects", self.actor(end)));
        match self.actor(end) {
            Actor::Node(node) => self.node_connected(node),
            Actor::Hub => self.hub_connected(),
            Actor::Command(command) => self.command_connected(command, again),
            Actor::Odd => {}
        }
    }

    /// The broker closes a connection, and its end is told.
    pub(super) fn close(&mut self, end: usize) {
        if self.broker.sessions[end].is_some() {
            self.broker.forget(end);
            let (session, wait) = (self.ends[end].session, self.random.between(1, 60));
            self.queue.push(self.now + wait, Event::EndNotices { end, session, sure: true });
        }
    }

    /// A program is gone, and with it its end of the connection. The broker is told, or finds out.
    pub(super) fn hang_up(&mut self, end: usize, told: bool) {
        let endpoint = &mut self.ends[end];
        let session = endpoint.session;
        endpoint.connected = false;
        endpoint.was_connected = false;
        endpoint.session += 1;
        if self.broker.sessions[end] != Some(session) {
            return;
        }
        let wait = if told && endpoint.cut == [0, 0] {
            self.random.between(1, 20)
        } else {
            self.random.between(NOTICED_WITHIN.0, NOTICED_WITHIN.1)
        };
        self.queue.push(self.now + wait, Event::BrokerNotices { end, session });
    }

    /// A link carries nothing any more in these directions.
    pub(super) fn cut(&mut self, end: usize, directions: [bool; 2]) {
        for (count, cut) in self.ends[end].cut.iter_mut().zip(directions) {
            *count += u32::from(cut);
        }
        let session = self.ends[end].session;
        let [broker, own] =
            [0, 1].map(|_| self.now + self.random.between(NOTICED_WITHIN.0, NOTICED_WITHIN.1));
        self.queue.push(broker, Event::BrokerNotices { end, session });
        self.queue.push(own, Event::EndNotices { end, session, sure: false });
    }

    /// A link works again in these directions.
    pub(super) fn mend(&mut self, end: usize, directions: [bool; 2]) {
        for (count, cut) in self.ends[end].cut.iter_mut().zip(directions) {
            *count -= u32::from(cut);
        }
        let session = self.ends[end].session;
        if self.ends[end].connected && self.broker.sessions[end] != Some(session) {
            // The broker knows nothing of this connection, and says so.
            self.queue.push(self.now + 100, Event::EndNotices { end, session, sure: true });
        }
    }

    pub(super) fn broker_notices(&mut self, end: usize, session: u64) {
        let gone = self.ends[end].session != session || self.ends[end].cut != [0, 0];
        if gone && self.broker.sessions[end] == Some(session) {
            self.note(format_args!("broker misses {:?}", self.actor(end)));
            self.broker.forget(end);
        }
    }

    pub(super) fn end_notices(&mut self, end: usize, session: u64, sure: bool) {
        let endpoint = &mut self.ends[end];
        let gone = sure || endpoint.cut != [0, 0];
        if !gone || !endpoint.connected || endpoint.session != session {
            return;
        }
        endpoint.connected = false;
        if self.broker.sessions[end] == Some(session) && endpoint.cut == [0, 0] {
            self.broker.forget(end);
        }
        self.note(format_args!("{:?} misses the broker", self.actor(end)));
        match self.actor(end) {
            Actor::Node(node) => self.node_disconnected(node),
            Actor::Hub => self.hub_disconnected(),
            Actor::Command(_) | Actor::Odd => {}
        }
        let wait = self.random.between(20, 1_500);
        self.connect_in(end, wait);
    }

    fn is_running(&self, end: usize) -> bool {
        match self.actor(end) {
            Actor::Node(node) => self.nodes[node].daemon.is_some(),
            Actor::Hub => self.hub.core.is_some(),
            Actor::Command(command) => self.commands[command].is_alive(),
            Actor::Odd => true,
        }
    }
}
