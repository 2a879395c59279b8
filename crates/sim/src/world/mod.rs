//! The world of a run: hosts, hub, operators, broker and wires, and the clock that drives them.

mod attack;
mod broker;
mod client;
mod faults;
mod hub;
mod network;
mod node;
mod odd;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Arguments;
use std::ops::Range;
use std::rc::Rc;

use marcato_core::Timestamp;
use marcato_node::core::{Approved, RunKey};
use marcato_protocol::digest::Digest;
use marcato_protocol::message::Message;

use crate::EPOCH;
use crate::coverage::{Coverage, Group};
use crate::fault::{Fault, Kind};
use crate::keys::Keys;
use crate::plan::{CrashOf, Outage, Plan};
use crate::queue::Queue;
use crate::random::Random;
use crate::trace::Trace;
use crate::truth::{HostTruth, Truth};

use self::attack::Attacker;
use self::broker::Broker;
use self::client::{Command, Operator};
use self::hub::SimHub;
use self::network::{Endpoint, Item};
use self::node::SimNode;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Actor {
    Node(usize),
    Hub,
    Command(usize),
    /// An operator's own program.
    Odd,
}

/// What can happen at a moment.
#[derive(Debug)]
enum Event {
    FaultStarts(usize),
    FaultEnds(usize),
    /// Something that a fault plans for a moment of its own.
    FaultActs(Kind, usize),
    /// A daemon ends as it was planned.
    Outage(Outage),
    /// A program is started.
    Start(Actor),
    /// A message reaches the broker.
    Up {
        end: usize,
        session: u64,
        message: Rc<Message>,
    },
    /// Something reaches a program.
    Down {
        end: usize,
        session: u64,
        item: Item,
    },
    /// The broker, or whoever speaks for it, sends a message of its own accord.
    Inject(Rc<Message>),
    /// An end of a connection finds out that the other is gone. `sure` where it was told.
    BrokerNotices {
        end: usize,
        session: u64,
    },
    EndNotices {
        end: usize,
        session: u64,
        sure: bool,
    },
    Connect {
        end: usize,
        session: u64,
    },
    Wake {
        actor: Actor,
        number: u64,
    },
    /// A record is on a disk, or is not.
    Written {
        node: usize,
        life: u64,
        key: marcato_node::core::JournalKey,
        end_of: Option<RunKey>,
    },
    /// The folder of a change is on a disk.
    Prepared {
        node: usize,
        life: u64,
        approved: Box<Approved>,
    },
    Spawned {
        node: usize,
        life: u64,
        approved: Box<Approved>,
    },
    /// A process says that it is the one that does a change.
    Claims {
        node: usize,
        process: u64,
    },
    /// A process does what it does, and ends.
    Acts {
        node: usize,
        process: u64,
    },
    Ends {
        node: usize,
        process: u64,
    },
    /// An operator's key has signed.
    Signs {
        command: usize,
        bytes: Vec<u8>,
    },
    Interrupt(usize),
    /// A command ends for good.
    Retires(usize),
    /// An operator's own program sends something.
    OddOrder(odd::Odd),
}

/// Which program dies when.
#[derive(Debug, Default)]
struct Crashes {
    effects: u64,
    after_all: Option<(u64, CrashOf)>,
    after: BTreeMap<Actor, (u64, CrashOf)>,
}

/// A run that goes on. See the module.
#[derive(Debug)]
pub struct World {
    now: u64,
    queue: Queue<Event>,
    random: Random,
    plan: Plan,
    keys: &'static Keys,
    nodes: Vec<SimNode>,
    hub: SimHub,
    operators: Vec<Operator>,
    commands: Vec<Command>,
    /// The commands that were not typed yet because no other ended early.
    spares: Range<usize>,
    ends: Vec<Endpoint>,
    broker: Broker,
    attacker: Attacker,
    crashes: Crashes,
    processes: u64,
    /// The orders that were sent, as whole messages.
    sent: BTreeSet<Digest>,
    /// What happened.
    pub truth: Truth,
    /// The same, line by line.
    pub trace: Trace,
    /// What of it is counted.
    pub coverage: Coverage,
}

impl World {
    /// A run before its first moment.
    #[must_use]
    pub fn new(plan: Plan, keep_trace: bool) -> Self {
        let keys = Keys::shared();
        let mut random = Random::new(plan.seed, 1);
        let nodes: Vec<SimNode> =
            plan.hosts.iter().map(|files| SimNode::new(files.clone(), &mut random)).collect();
        let ends = nodes.len() + 2 + plan.commands.len() + plan.spares.len();
        let hosts = plan.hosts.iter().map(|files| HostTruth {
            identity: keys.hosts[files.index].identity.clone(),
            files: vec![(0, files.clone())],
            set_back: 0,
            clock_set: Vec::new(),
            damaged: Vec::new(),
            rebuilt: None,
            lives: Vec::new(),
        });
        let truth = Truth { hosts: hosts.collect(), until: plan.until, ..Truth::default() };
        let crashes = Crashes { after_all: plan.crash_after, ..Crashes::default() };
        let mut world = Self {
            now: 0,
            queue: Queue::new(),
            random,
            keys,
            nodes,
            hub: SimHub::default(),
            operators: (0..keys.operators.len()).map(|_| Operator::default()).collect(),
            commands: Vec::new(),
            spares: 0..0,
            ends: (0..ends).map(|_| Endpoint::default()).collect(),
            broker: Broker::new(ends),
            attacker: Attacker::default(),
            crashes,
            processes: 0,
            sent: BTreeSet::new(),
            truth,
            trace: Trace::new(keep_trace),
            coverage: Coverage::default(),
            plan,
        };
        world.set_up();
        world
    }

    fn set_up(&mut self) {
        self.queue.push(0, Event::Start(Actor::Hub));
        self.queue.push(1, Event::Connect { end: self.odd_end(), session: 0 });
        for node in 0..self.nodes.len() {
            let at = 10 + self.random.below(800);
            self.queue.push(at, Event::Start(Actor::Node(node)));
        }
        for (index, plan) in self.plan.commands.clone().into_iter().enumerate() {
            self.queue.push(plan.at, Event::Start(Actor::Command(index)));
            self.commands.push(Command::new(plan));
        }
        self.spares = self.commands.len()..self.commands.len() + self.plan.spares.len();
        self.commands.extend(self.plan.spares.iter().cloned().map(Command::new));
        for (node, spoken) in &self.plan.others {
            self.nodes[*node].spoken = *spoken;
        }
        self.truth.jobs.resize_with(self.commands.len(), Default::default);
        for outage in &self.plan.outages {
            self.queue.push(outage.at, Event::Outage(*outage));
        }
        for (index, fault) in self.plan.faults.iter().enumerate() {
            self.queue.push(fault.from, Event::FaultStarts(index));
            self.queue.push(fault.until, Event::FaultEnds(index));
        }
    }

    /// Runs to the end.
    pub fn run(&mut self) {
        while let Some((at, event)) = self.queue.pop() {
            if at >= self.plan.until {
                break;
            }
            self.now = at;
            self.happen(event);
        }
        for command in 0..self.commands.len() {
            self.retire(command);
        }
    }

    /// How many effects all programs together did.
    #[must_use]
    pub const fn effects(&self) -> u64 {
        self.crashes.effects
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::FaultStarts(index) => self.fault_starts(index),
            Event::FaultEnds(index) => self.fault_ends(index),
            Event::FaultActs(kind, node) => self.fault_acts(kind, node),
            Event::Outage(outage) => self.outage(outage),
            Event::Start(Actor::Node(node)) => self.start_node(node),
            Event::Start(Actor::Hub) => self.start_hub(),
            Event::Start(Actor::Command(command)) => self.start_command(command),
            Event::Start(Actor::Odd) => {}
            Event::Up { end, session, message } => self.reaches_broker(end, session, message),
            Event::Down { end, session, item } => self.reaches_end(end, session, item),
            Event::Inject(message) => self.route(None, &message),
            Event::BrokerNotices { end, session } => self.broker_notices(end, session),
            Event::EndNotices { end, session, sure } => self.end_notices(end, session, sure),
            Event::Connect { end, session } => self.connect(end, session),
            Event::Wake { actor, number } => self.wakes(actor, number),
            Event::Written { node, life, key, end_of } => self.written(node, life, key, end_of),
            Event::Prepared { node, life, approved } => self.prepared(node, life, approved),
            Event::Spawned { node, life, approved } => self.spawned(node, life, approved),
            Event::Claims { node, process } => self.claims(node, process),
            Event::Acts { node, process } => self.acts(node, process),
            Event::Ends { node, process } => self.ends(node, process),
            Event::Signs { command, bytes } => self.signs(command, &bytes),
            Event::Interrupt(command) => self.interrupt(command),
            Event::Retires(command) => self.retire(command),
            Event::OddOrder(odd) => self.odd_order(odd),
        }
    }

    fn wakes(&mut self, actor: Actor, number: u64) {
        match actor {
            Actor::Node(node) => self.node_wakes(node, number),
            Actor::Hub => self.hub_wakes(number),
            Actor::Command(command) => self.command_wakes(command, number),
            Actor::Odd => {}
        }
    }

    /// What a clock reads that is off by so many milliseconds.
    fn clock(&self, offset: i64) -> Timestamp {
        Timestamp::from_ms((EPOCH + self.now).saturating_add_signed(offset))
    }

    /// In how many milliseconds a clock will read that time.
    const fn until(&self, at: Timestamp, now: Timestamp) -> u64 {
        let span = at.since(now).as_ms();
        if span == 0 { 1 } else { span }
    }

    /// The fault at work now that concerns this end: a node, whose number its end has, or a link.
    fn fault(&self, kind: Kind, end: Option<usize>) -> Option<&Fault> {
        let now = self.now;
        self.plan.faults.iter().find(|fault| {
            fault.kind == kind
                && fault.is_active(now)
                && end.is_none_or(|end| self.concerns(fault, end))
        })
    }

    fn concerns(&self, fault: &Fault, end: usize) -> bool {
        match self.actor(end) {
            Actor::Node(node) => fault.nodes.contains(&node),
            Actor::Hub => fault.hub,
            Actor::Command(command) => fault.commands.contains(&command),
            Actor::Odd => false,
        }
    }

    /// The ends whose links a fault is about.
    fn links(&self, fault: &Fault) -> Vec<usize> {
        (0..self.ends.len()).filter(|end| self.concerns(fault, *end)).collect()
    }

    /// Whether a fault that hits now and then hits now.
    fn hits(&mut self, kind: Kind, end: Option<usize>) -> bool {
        let Some(per_mille) = self.fault(kind, end).map(|fault| fault.per_mille) else {
            return false;
        };
        let hit = self.random.chance(per_mille);
        if hit {
            self.coverage.count(Group::Fault, kind.name());
        }
        hit
    }

    fn hit(&mut self, kind: Kind) {
        self.coverage.count(Group::Fault, kind.name());
    }

    fn occurs(&mut self, name: &'static str) {
        self.coverage.count(Group::Event, name);
    }

    fn note(&mut self, line: Arguments<'_>) {
        self.trace.add(self.now, line, &[]);
    }

    /// Counts an effect that was just done; gives how its doer dies, if it does now.
    fn effect_done(&mut self, actor: Actor) -> Option<CrashOf> {
        self.crashes.effects += 1;
        if let Some((after, of)) = self.crashes.after_all
            && after == self.crashes.effects
        {
            return Some(of);
        }
        let (left, of) = self.crashes.after.get_mut(&actor)?;
        *left = left.saturating_sub(1);
        let of = *of;
        if *left == 0 {
            self.crashes.after.remove(&actor);
            return Some(of);
        }
        None
    }

    const fn hub_end(&self) -> usize {
        self.nodes.len()
    }

    const fn odd_end(&self) -> usize {
        self.nodes.len() + 1
    }

    const fn command_end(&self, command: usize) -> usize {
        self.nodes.len() + 2 + command
    }

    fn actor(&self, end: usize) -> Actor {
        match end.checked_sub(self.nodes.len()) {
            None => Actor::Node(end),
            Some(0) => Actor::Hub,
            Some(1) => Actor::Odd,
            Some(more) => Actor::Command(more - 2),
        }
    }
}
