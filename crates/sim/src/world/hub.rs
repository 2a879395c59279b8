//! The hub's shell: a core, a connection and a clock.

use marcato_hub::core::{Effect, Event as HubEvent, Hub, Said, Setup};
use marcato_protocol::message::Message;

use super::network::Item;
use super::{Actor, Event, World};
use crate::fault::Kind;

/// The hub.
#[derive(Debug, Default)]
pub(super) struct SimHub {
    pub(super) core: Option<Hub>,
    wake: u64,
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
        self.step_hub(match item {
            Item::Message(message) => HubEvent::Message(Message::clone(&message)),
            Item::Nobody(subject) => HubEvent::NoResponders(subject),
        });
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
