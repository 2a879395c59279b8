//! Whose turn it is: a machine that knows nodes by their names alone, and when they began and ended.

use std::collections::BTreeSet;

use marcato_client::core::Stopped;
use marcato_core::{Identity, Timestamp};

use crate::Plan;

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A node runs the order, whether or not it was its turn: its account is open.
    Runs(Identity),
    /// A node's account was closed.
    Ended {
        /// The node.
        node: Identity,
        /// Whether the order was there; where it was not, nothing has to come to rest.
        reached: bool,
        /// Whether that speaks against sending it to others.
        fault: bool,
    },
    /// It is time to look. Nothing is released before everything that happened was told.
    Tick {
        /// The last moment at which a node may be sent the order.
        last: Timestamp,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It is these nodes' turn.
    Release(Vec<Identity>),
    /// Nobody else has a turn.
    Stop(Stopped),
    /// Look again then.
    WakeAt(Timestamp),
}

/// Whose turn it is. See the module.
#[derive(Debug)]
pub struct Turns {
    plan: Plan,
    /// Who has not had a turn, the first by name first.
    left: BTreeSet<Identity>,
    /// Who has the order and has not ended.
    flying: BTreeSet<Identity>,
    /// The places that rest, each until then, by the node that had it.
    resting: BTreeSet<(Timestamp, Identity)>,
}

impl Turns {
    /// Nobody has had a turn.
    #[must_use]
    pub fn new(plan: Plan, nodes: impl IntoIterator<Item = Identity>) -> Self {
        let left = nodes.into_iter().collect();
        Self { plan, left, flying: BTreeSet::new(), resting: BTreeSet::new() }
    }

    /// Takes what happened.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Runs(node) => {
                // Its place may rest: a word after the client had closed the account opens it again.
                self.resting.retain(|(_, other)| *other != node);
                self.left.remove(&node);
                self.flying.insert(node);
                Vec::new()
            }
            Event::Ended { node, reached, fault } => {
                self.left.remove(&node);
                if self.flying.remove(&node) && reached {
                    self.resting.insert((now + self.plan.rest, node.clone()));
                }
                let stops = fault && self.plan.stops;
                if stops { self.stop(Stopped::Node { node }) } else { Vec::new() }
            }
            Event::Tick { last } => self.look(last, now),
        }
    }

    fn look(&mut self, last: Timestamp, now: Timestamp) -> Vec<Effect> {
        while self.resting.first().is_some_and(|(until, _)| *until <= now) {
            self.resting.pop_first();
        }
        let taken = self.flying.len() + self.resting.len();
        let free = self.plan.width.saturating_sub(taken).min(self.left.len());
        if free > 0 && now > last {
            return self.stop(Stopped::Time);
        }
        let released: Vec<_> = std::iter::from_fn(|| self.left.pop_first()).take(free).collect();
        self.flying.extend(released.iter().cloned());
        let mut effects = Vec::new();
        if !released.is_empty() {
            effects.push(Effect::Release(released));
        }
        if !self.left.is_empty() {
            effects.extend(self.resting.first().map(|(until, _)| Effect::WakeAt(*until)));
        }
        effects
    }

    fn stop(&mut self, why: Stopped) -> Vec<Effect> {
        let left = std::mem::take(&mut self.left);
        if left.is_empty() { Vec::new() } else { vec![Effect::Stop(why)] }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::BTreeMap;

    use marcato_core::Span;
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_795_000_000_000);

    fn name(index: usize) -> Identity {
        format!("web{index:02}").parse().unwrap()
    }

    fn plan(width: usize, rest: u64, stops: bool) -> Plan {
        let span = Span::from_secs(100);
        let rest = Span::from_ms(rest);
        Plan { width, rest, stops, turn: span, valid: span }
    }

    /// Turns on a bench: time passes by hand, and who had a turn is written down.
    struct Bench {
        turns: Turns,
        now: Timestamp,
        released: Vec<Identity>,
        stopped: Option<Stopped>,
        wake: Option<Timestamp>,
    }

    impl Bench {
        fn new(plan: Plan, nodes: usize) -> Self {
            let turns = Turns::new(plan, (0..nodes).map(name));
            let mut bench =
                Self { turns, now: START, released: Vec::new(), stopped: None, wake: None };
            bench.tick(0);
            bench
        }

        fn step(&mut self, event: Event) {
            for effect in self.turns.step(event, self.now) {
                match effect {
                    Effect::Release(nodes) => {
                        assert_eq!(self.stopped, None, "a turn after the end");
                        self.released.extend(nodes);
                    }
                    Effect::Stop(why) => assert_eq!(self.stopped.replace(why), None),
                    Effect::WakeAt(at) => self.wake = Some(at),
                }
            }
        }

        fn tick(&mut self, ms: u64) {
            self.now = self.now + Span::from_ms(ms);
            self.step(Event::Tick { last: START + Span::from_secs(90) });
        }

        fn ended(&mut self, node: usize, reached: bool, fault: bool) {
            self.step(Event::Ended { node: name(node), reached, fault });
        }

        fn released(&self) -> String {
            self.released.iter().map(|node| &node.as_str()[3..]).collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn the_next_one_goes_as_soon_as_there_is_a_place() {
        let mut bench = Bench::new(plan(2, 0, false), 4);
        assert_eq!(bench.released(), "00 01");
        bench.ended(1, true, true);
        bench.tick(0);
        assert_eq!(bench.released(), "00 01 02", "nobody waits for web00");
        bench.ended(2, true, false);
        bench.ended(0, true, false);
        bench.tick(0);
        assert_eq!((bench.released().as_str(), bench.stopped), ("00 01 02 03", None));
    }

    #[test]
    fn a_place_rests_where_the_order_was() {
        let mut bench = Bench::new(plan(1, 1000, true), 3);
        bench.ended(0, true, false);
        bench.tick(0);
        assert_eq!(bench.wake, Some(START + Span::from_secs(1)));
        bench.tick(999);
        assert_eq!(bench.released(), "00");
        bench.tick(1);
        assert_eq!(bench.released(), "00 01");
        bench.ended(1, false, false);
        bench.tick(0);
        assert_eq!(bench.released(), "00 01 02");
    }

    #[test]
    fn a_fault_ends_it_and_so_does_time() {
        let mut bench = Bench::new(plan(1, 0, true), 3);
        bench.ended(0, true, true);
        bench.tick(0);
        assert_eq!(bench.released(), "00");
        assert_eq!(bench.stopped, Some(Stopped::Node { node: name(0) }));

        let mut bench = Bench::new(plan(1, 0, false), 3);
        bench.tick(90_000);
        bench.ended(0, true, true);
        bench.tick(0);
        assert_eq!(bench.released(), "00 01", "the last moment");
        bench.ended(1, true, false);
        bench.tick(1);
        assert_eq!((bench.released().as_str(), bench.stopped), ("00 01", Some(Stopped::Time)));

        let mut bench = Bench::new(plan(1, 0, true), 1);
        bench.ended(0, true, true);
        assert_eq!(bench.stopped, None, "nobody was left");
    }

    /// A word that comes after the client had closed the account opens it again.
    #[test]
    fn a_node_that_is_back_takes_its_place() {
        let mut bench = Bench::new(plan(1, 1000, false), 3);
        bench.ended(0, true, false);
        bench.step(Event::Runs(name(0)));
        bench.tick(5000);
        assert_eq!(bench.released(), "00");
        bench.step(Event::Runs(name(1)));
        bench.ended(0, true, false);
        bench.ended(1, true, false);
        bench.tick(1000);
        assert_eq!(bench.released(), "00 02", "whoever ran it without a turn gets none");
    }

    #[derive(Debug, Clone)]
    enum Act {
        /// Of those that have it, the nth ends.
        Ends(usize, bool, bool),
        /// Any node says that it runs it.
        Runs(usize),
        After(u64),
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![
            6 => (any::<prop::sample::Index>(), any::<bool>(), prop::bool::weighted(0.1))
                .prop_map(|(node, reached, fault)| Act::Ends(node.index(1000), reached, fault)),
            1 => (0..12usize).prop_map(Act::Runs),
            4 => (0..2000u64).prop_map(Act::After),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_nobody_has_two_turns_and_nobody_is_forgotten(
            width in 1..5usize,
            rest in 0..1500u64,
            stops in any::<bool>(),
            nodes in 0..12usize,
            acts in prop::collection::vec(acts(), 0..60),
        ) {
            let mut bench = Bench::new(plan(width, rest, stops), nodes);
            // Who has it, whoever had it, and when those ended whose places rest: the test's own book.
            let mut flying: BTreeSet<Identity> = bench.released.iter().cloned().collect();
            let mut seen = flying.clone();
            let mut ended: BTreeMap<Identity, Timestamp> = BTreeMap::new();
            prop_assert_eq!(seen.len(), width.min(nodes));
            let end = [Act::Ends(0, true, false), Act::After(1500)];
            for act in acts.into_iter().chain(end.into_iter().cycle().take(100)) {
                match act {
                    Act::Ends(at, reached, fault) if !flying.is_empty() => {
                        let node = flying.iter().nth(at % flying.len()).cloned().unwrap();
                        flying.remove(&node);
                        if reached {
                            ended.insert(node.clone(), bench.now);
                        }
                        bench.step(Event::Ended { node, reached, fault });
                    }
                    Act::Ends(..) => {}
                    Act::Runs(node) => {
                        let node = name(node);
                        ended.remove(&node);
                        flying.insert(node.clone());
                        seen.insert(node.clone());
                        bench.step(Event::Runs(node));
                    }
                    Act::After(ms) => bench.now = bench.now + Span::from_ms(ms),
                }
                let before = bench.released.len();
                bench.tick(0);
                for node in &bench.released[before..] {
                    prop_assert!(seen.insert(node.clone()), "{node} has two turns");
                    flying.insert(node.clone());
                }
                let rests = ended.values().filter(|at| **at + Span::from_ms(rest) > bench.now);
                if bench.released.len() > before {
                    prop_assert!(flying.len() + rests.count() <= width);
                }
            }
            if bench.stopped.is_none() {
                let all: BTreeSet<_> = (0..nodes).map(name).collect();
                prop_assert!(seen.is_superset(&all), "{:?} never had a turn", &all - &seen);
            }
        }
    }
}
