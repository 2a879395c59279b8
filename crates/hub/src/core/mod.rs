//! The pure core of the hub: no I/O, no clock, no randomness.
//!
//! What the registry knows is soft: each node's own signed word, kept while it is fresh. Nothing is
//! believed without a certificate of the fleet's authority, and a node is called down only when its
//! heartbeat is late and a broker then says that nobody is connected there, or when it said that it
//! leaves. The hub's word binds nobody: clients check each key themselves.

mod answer;
mod event;
mod registry;

use std::collections::{BTreeMap, BTreeSet};

use marcato_core::limits::hub::{ASK_LATE_EVERY, LOG_REFUSED_EVERY, WANTED_EVERY, WANTED_MAX};
use marcato_core::limits::timing::HEARTBEAT_LATE;
use marcato_core::{Identity, Timestamp};
use marcato_protocol::message::{Headers, Kind, Message};
use marcato_protocol::question::Question;
use marcato_protocol::registration::{Heartbeat, Registration, RegistrationError};
use marcato_protocol::subject::Subjects;

pub use event::{Effect, Event, Refused, Said, Setup};
use registry::{Registry, Taken};

/// The registry of one fleet. See the module.
#[derive(Debug)]
pub struct Hub {
    setup: Setup,
    subjects: Subjects,
    since: Timestamp,
    connected: bool,
    registry: Registry,
    /// When to look at which node again.
    due: BTreeSet<(Timestamp, Identity)>,
    /// Which nodes were asked for their registration, and when.
    wanted: BTreeMap<Identity, Timestamp>,
    /// When the last refusal of a kind was told, and how many were not since.
    told: BTreeMap<&'static str, (Timestamp, u64)>,
}

impl Hub {
    /// An empty registry.
    #[must_use]
    pub fn new(setup: Setup, now: Timestamp) -> Self {
        Self {
            subjects: Subjects::of(&setup.collective),
            setup,
            since: now,
            connected: false,
            registry: Registry::default(),
            due: BTreeSet::new(),
            wanted: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// The subjects that the hub listens to.
    #[must_use]
    pub fn subjects(&self) -> [String; 3] {
        [self.subjects.registries(), self.subjects.questions(), self.subjects.hub_probes()]
    }

    /// How many nodes are registered, those that are down among them.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.registry.len()
    }

    /// Takes what happened.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Connected => self.connected_again(now),
            Event::Disconnected => self.connected = false,
            Event::Message(message) => self.take(&message, now, &mut effects),
            Event::NoResponders(subject) => self.nobody(&subject, &mut effects),
            Event::Tick => {}
        }
        if self.connected {
            self.ask_late(now, &mut effects);
            if let Some((at, _)) = self.due.first() {
                effects.push(Effect::WakeAt(*at));
            }
        }
        effects
    }

    /// Silence while the hub itself was away counts against nobody.
    fn connected_again(&mut self, now: Timestamp) {
        self.connected = true;
        let up: Vec<Identity> = self.registry.up().cloned().collect();
        for node in up {
            self.look_at(&node, now + HEARTBEAT_LATE);
        }
    }

    fn take(&mut self, message: &Message, now: Timestamp, effects: &mut Vec<Effect>) {
        let result = match message.headers.kind() {
            Some(Kind::Registration) => self.take_registration(message, now, effects),
            Some(Kind::Heartbeat) => self.take_heartbeat(message, now, effects),
            Some(Kind::Question) if message.subject == self.subjects.questions() => {
                return self.answer(message, effects);
            }
            _ => Err(RegistrationError::Malformed("it is nothing that a hub takes".into())),
        };
        if let Err(why) = result {
            self.refuse(message, why, now, effects);
        }
    }

    fn take_registration(
        &mut self,
        message: &Message,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RegistrationError> {
        let Setup { authority, collective } = &self.setup;
        let registered = Registration::verify(message, authority, collective)?;
        let node = registered.registration.node.clone();
        self.wanted.remove(&node);
        let taken = self.registry.register(&registered, message.body.len(), now);
        if let Taken::Full = taken {
            let text = "the registry is full, and no node has been down for long";
            return Err(RegistrationError::Malformed(text.into()));
        }
        let Taken::In { said, forgot, is_down } = taken else { return Ok(()) };
        effects.extend(forgot.into_iter().map(|node| Effect::Log(Said::Forgot(node))));
        effects.extend(said.map(Effect::Log));
        if !is_down {
            self.look_at(&node, now + HEARTBEAT_LATE);
        }
        Ok(())
    }

    fn take_heartbeat(
        &mut self,
        message: &Message,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RegistrationError> {
        let received = Heartbeat::parse(message)?;
        let node = received.node().clone();
        let Some(key) = self.registry.key(&node) else {
            self.want(&node, now, effects);
            return Ok(());
        };
        let heartbeat = match received.verify(key) {
            Ok(heartbeat) => heartbeat,
            Err(error) => {
                // A rebuilt host speaks with another key under the old name: its registration
                // proves whose that is.
                self.want(&node, now, effects);
                return Err(error);
            }
        };
        let Some(beat) = self.registry.beat(&heartbeat, now) else { return Ok(()) };
        effects.extend(beat.said.map(Effect::Log));
        if beat.is_down {
            self.forget_due(&node);
        } else {
            self.look_at(&node, now + HEARTBEAT_LATE);
            if !beat.is_current {
                self.want(&node, now, effects);
            }
        }
        Ok(())
    }

    /// Asks a node for its registration, not too often.
    fn want(&mut self, node: &Identity, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.wanted.len() >= WANTED_MAX {
            self.wanted.retain(|_, asked| now < *asked + WANTED_EVERY);
        }
        let asked_lately = self.wanted.get(node).is_some_and(|asked| now < *asked + WANTED_EVERY);
        if asked_lately || self.wanted.len() >= WANTED_MAX {
            return;
        }
        self.wanted.insert(node.clone(), now);
        effects.push(Effect::Publish(Message {
            subject: self.subjects.node(node),
            reply: None,
            headers: Headers::of(Kind::Wanted),
            body: Vec::new(),
        }));
    }

    /// Plans when to look at a node again; the plan before is void.
    fn look_at(&mut self, node: &Identity, at: Timestamp) {
        if let Some(before) = self.registry.plan(node, Some(at)) {
            self.due.remove(&(before, node.clone()));
        }
        self.due.insert((at, node.clone()));
    }

    fn forget_due(&mut self, node: &Identity) {
        if let Some(before) = self.registry.plan(node, None) {
            self.due.remove(&(before, node.clone()));
        }
    }

    /// Asks the nodes whose heartbeat is late whether they are connected.
    fn ask_late(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some((at, node)) = self.due.first().cloned() {
            if at > now {
                return;
            }
            self.due.pop_first();
            if !self.registry.ask(&node) {
                continue;
            }
            effects.push(Effect::Publish(Message {
                subject: self.subjects.node(&node),
                reply: Some(self.subjects.hub_probe(&node)),
                headers: Headers::default(),
                body: Vec::new(),
            }));
            self.look_at(&node, now + ASK_LATE_EVERY);
        }
    }

    /// A broker says that nobody listened to the message with this reply subject.
    fn nobody(&mut self, subject: &str, effects: &mut Vec<Effect>) {
        let Some(node) = Subjects::last_identity(subject) else { return };
        if self.subjects.hub_probe(&node) != subject {
            return;
        }
        if let Some(since) = self.registry.down(&node) {
            self.forget_due(&node);
            effects.push(Effect::Log(Said::Down { node, since }));
        }
    }

    fn answer(&self, message: &Message, effects: &mut Vec<Effect>) {
        // Without a question's id there is nowhere to answer: a subject comes from names alone.
        let Ok(question) = Question::parse(message) else { return };
        let subject = self.subjects.answer(&question.caller, question.id);
        let answers = answer::answer(&self.registry, &question, self.since);
        effects.extend(answers.iter().map(|part| Effect::Publish(part.message(subject.clone()))));
    }

    /// Tells of a refusal, unless one of its kind was told a moment ago.
    fn refuse(
        &mut self,
        message: &Message,
        why: RegistrationError,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let kind = match why {
            RegistrationError::Malformed(_) => "malformed",
            RegistrationError::Version(_) => "version",
            RegistrationError::Certificate(_) => "certificate",
            RegistrationError::Name { .. } => "name",
            RegistrationError::Signature(_) => "signature",
        };
        let (told, untold) = self.told.entry(kind).or_default();
        if *told != Timestamp::default() && now < *told + LOG_REFUSED_EVERY {
            *untold += 1;
            return;
        }
        *told = now;
        let refused =
            Refused { subject: message.subject.clone(), why, untold: std::mem::take(untold) };
        effects.push(Effect::Log(Said::Refused(refused)));
    }
}
