//! The hub's shell: a core, a connection and a clock.

use std::collections::BTreeMap;

use marcato_core::Terms;
use marcato_hub::core::{Effect, Event as HubEvent, Hub, Said, Setup};
use marcato_protocol::digest::Digest;
use marcato_protocol::message::Message;
use marcato_protocol::question::{Answer, Ask, Found, Question};

use super::network::Item;
use super::{Actor, Event, World};
use crate::fault::Kind;
use crate::truth::{self, Answered, Registered};

/// The hub.
#[derive(Debug, Default)]
pub(super) struct SimHub {
    pub(super) core: Option<Hub>,
    wake: u64,
    /// Counts the hubs.
    life: u64,
    /// The registrations that were sent, as whole messages: whose, by which key, and when.
    pub(super) registrations: BTreeMap<Digest, (usize, Digest, u64)>,
    /// Which nodes the question asks for that it has at hand.
    asked: Option<Terms>,
    /// Until when it is not started again.
    pub(super) away_until: u64,
}

impl World {
    pub(super) fn start_hub(&mut self) {
        if self.hub.core.is_some() {
            return;
        }
        if self.now < self.hub.away_until {
            return self.queue.push(self.hub.away_until, Event::Start(Actor::Hub));
        }
        let setup = Setup {
            collective: self.keys.collective.clone(),
            authority: self.keys.authority.public().clone(),
        };
        let hub = Hub::new(setup, self.clock(0));
        self.hub.life += 1;
        let end = self.hub_end();
        self.ends[end].subjects = hub.subjects().into();
        self.hub.core = Some(hub);
        self.note(format_args!("hub starts"));
        self.connect_in(end, 5);
    }

    pub(super) fn end_hub(&mut self) {
        if self.hub.core.take().is_none() {
            return;
        }
        self.note(format_args!("hub ends"));
        self.hang_up(self.hub_end(), true);
        let wait = self.random.between(20, 4_000);
        self.queue.push(self.now + wait, Event::Start(Actor::Hub));
    }

    pub(super) fn hub_connected(&mut self) {
        self.step_hub(HubEvent::Connected);
    }

    pub(super) fn hub_disconnected(&mut self) {
        self.step_hub(HubEvent::Disconnected);
    }

    pub(super) fn hub_hears(&mut self, item: Item) {
        let message = match item {
            Item::Message(message) => message,
            Item::Nobody(subject) => return self.step_hub(HubEvent::NoResponders(subject)),
        };
        let digest = truth::digest_of(&message);
        if let Some((host, key, sent)) = self.hub.registrations.get(&digest).copied() {
            let (hub, at) = (self.hub.life, self.now);
            self.truth.registered.push(Registered { hub, host, key, sent, at });
        }
        let question = Question::parse(&message).map(|question| question.ask);
        self.hub.asked = match question {
            Ok(Ask::Find(terms)) => Some(terms),
            _ => None,
        };
        self.step_hub(HubEvent::Message(Message::clone(&message)));
        self.hub.asked = None;
    }

    /// Writes down what the hub answers to the question at hand.
    fn hub_answers(&mut self, message: &Message) {
        let Ok(Answer { parts: 1, id, found, .. }) = Answer::parse(message) else { return };
        let message = truth::digest_of(message);
        self.truth.whole_answers.insert((id, message));
        if let (Found::Nodes(listed), Some(terms)) = (found, self.hub.asked.clone()) {
            let (hub, at) = (self.hub.life, self.now);
            self.truth.answers.push(Answered { hub, at, terms, listed, message });
        }
    }

    pub(super) fn hub_wakes(&mut self, number: u64) {
        if self.hub.wake == number {
            self.step_hub(HubEvent::Tick);
        }
    }

    fn step_hub(&mut self, event: HubEvent) {
        let now = self.clock(0);
        let Some(core) = &mut self.hub.core else { return };
        for effect in core.step(event, now) {
            match effect {
                Effect::Publish(message) => {
                    self.hub_answers(&message);
                    self.publish(self.hub_end(), message);
                }
                Effect::WakeAt(at) => {
                    self.hub.wake += 1;
                    let (actor, number) = (Actor::Hub, self.hub.wake);
                    let wait = self.until(at, now);
                    self.queue.push(self.now + wait, Event::Wake { actor, number });
                }
                Effect::Log(said) => {
                    if let Said::Down { .. } = said {
                        self.occurs("a node was called down by the hub");
                    }
                    self.note(format_args!("hub logs {said:?}"));
                }
            }
            if self.effect_done(Actor::Hub).is_some() {
                self.hit(Kind::HubCrash);
                return self.end_hub();
            }
        }
    }
}
