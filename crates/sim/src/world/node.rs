//! A host with its node: the shell that a real one has, over a simulated disk and clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use marcato_core::{EndState, Reason};
use marcato_node::core::{
    Effect, Entry, Event as NodeEvent, JournalKey, JournalRecord, MayStand, Node, Recovered,
    RunKey, Setup, What,
};
use marcato_protocol::digest::Digest;
use marcato_protocol::message::{Kind as MessageKind, Message};
use marcato_protocol::receipt::Outer;
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;

use super::network::Item;
use super::process::{Process, Spawned};
use super::{Actor, Event, World};
use crate::coverage::Group;
use crate::disk::Disk;
use crate::fault::Kind;
use crate::host::{Files, Host};
use crate::plan::{CrashOf, Outage};
use crate::random::Random;
use crate::truth::{self, Said, Taken};

/// A host and its node.
#[derive(Debug)]
pub(super) struct SimNode {
    pub(super) files: Files,
    pub(super) host: Host,
    pub(super) disk: Disk,
    /// By how much its clock is off, in milliseconds.
    pub(super) offset: i64,
    pub(super) spoken: Spoken,
    /// How often it was rebuilt.
    pub(super) birth: usize,
    pub(super) daemon: Option<Daemon>,
    /// Counts the daemons.
    pub(super) life: u64,
    /// What runs on the host apart from the daemon, by number.
    pub(super) processes: BTreeMap<u64, Process>,
    /// Processes that were started and have not claimed their change yet.
    pub(super) spawned: BTreeMap<u64, Spawned>,
    /// How long it stays down the next time that it dies, in milliseconds.
    pub(super) rest: u64,
}

/// A daemon that runs.
#[derive(Debug)]
pub(super) struct Daemon {
    core: Node,
    wake: u64,
    /// When the disk is done with what it was given.
    disk_free: u64,
}

impl SimNode {
    pub(super) fn new(files: Files, random: &mut Random) -> Self {
        // A few seconds either way, as far as clocks on hosts with a time service drift at worst.
        let drift = i64::try_from(random.below(4_000)).unwrap_or(0) - 2_000;
        Self {
            host: Host::new(files.index),
            files,
            disk: Disk::default(),
            offset: drift,
            spoken: Spoken::RELEASE,
            birth: 0,
            daemon: None,
            life: 0,
            processes: BTreeMap::new(),
            spawned: BTreeMap::new(),
            rest: 0,
        }
    }
}

impl World {
    pub(super) fn start_node(&mut self, node: usize) {
        if self.nodes[node].daemon.is_some() {
            return;
        }
        let now = self.clock(self.nodes[node].offset);
        let seed = self.random.bytes();
        let keys = &self.keys.hosts[self.nodes[node].files.index];
        let host = &mut self.nodes[node];
        host.life += 1;
        let journal = host.disk.open(now);
        let runs = Disk::open_runs(&journal).into_iter().filter_map(|key| {
            let lives = host.processes.values().any(|process| process.key == key);
            Some((key, host.disk.recover(key, lives)?))
        });
        let runs: Vec<_> = runs.collect();
        let birth = &keys.births[host.birth];
        let setup = Setup {
            seed,
            identity: keys.identity.clone(),
            collective: self.keys.collective.clone(),
            spoken: host.spoken,
            key: birth.key.clone(),
            certificate: birth.certificate.clone(),
            rules: host.files.rules(),
            started: now,
            clock_high: host.disk.clock,
            journal,
            runs: runs.clone(),
        };
        let (core, effects) = Node::new(setup, now);
        host.daemon = Some(Daemon { core, wake: 0, disk_free: 0 });
        self.truth.hosts[node].lives.push((self.now, None));
        self.note(format_args!("node {node} starts"));
        for (_, how) in &runs {
            match how {
                Recovered::Running => self.occurs("a change outlived its daemon"),
                Recovered::Finished(_) => self.occurs("an end was found by the next daemon"),
                Recovered::NeverStarted => {
                    self.occurs("a prepared change was given up and begun anew");
                }
                Recovered::Gone => {}
            }
        }
        self.node_effects(node, effects);
        let subjects = Subjects::of(&self.keys.collective);
        let identity = &self.truth.hosts[node].identity;
        self.ends[node].subjects = [subjects.orders(), subjects.node(identity)].into();
        let wait = self.random.between(1, 300);
        self.connect_in(node, wait);
    }

    /// The daemon is gone; it will be started again.
    pub(super) fn end_node(&mut self, node: usize, how: Option<CrashOf>) {
        let host = &mut self.nodes[node];
        if host.daemon.take().is_none() {
            return;
        }
        if let Some((_, until)) = self.truth.hosts[node].lives.last_mut() {
            *until = Some(self.now);
        }
        let life = host.life;
        let power = how == Some(CrashOf::Host);
        let lost = match how {
            Some(of) => host.disk.lose(&mut self.random, of == CrashOf::Host),
            None => host.disk.lose(&mut self.random, false),
        };
        if power {
            host.host.starts += 1;
            host.spawned.clear();
            for (number, process) in std::mem::take(&mut host.processes) {
                self.truth.runs[process.run].killed.get_or_insert(self.now);
                self.trace.add(self.now, format_args!("node {node} loses process {number}"), &[]);
            }
        }
        // Reads run in the daemon.
        for run in &mut self.truth.runs {
            let own = run.host == node && run.life == life && !run.change;
            if own && run.outcome.is_none() {
                run.killed.get_or_insert(self.now);
            }
        }
        self.note(format_args!("node {node} ends: {how:?}, records lost: {lost}"));
        self.hang_up(node, !power);
        let rest = match std::mem::take(&mut self.nodes[node].rest) {
            0 if self.random.chance(500) => self.random.between(50, 800),
            0 => self.random.between(800, 5_000),
            rest => rest,
        };
        self.queue.push(self.now + rest, Event::Start(Actor::Node(node)));
    }

    pub(super) fn outage(&mut self, outage: Outage) {
        let Outage { node, how, rest, .. } = outage;
        self.nodes[node].rest = rest;
        match how {
            Some(_) => self.end_node(node, how),
            None => self.step_node(node, NodeEvent::Stopping),
        }
    }

    pub(super) fn node_connected(&mut self, node: usize) {
        self.step_node(node, NodeEvent::Connected);
    }

    pub(super) fn node_disconnected(&mut self, node: usize) {
        self.step_node(node, NodeEvent::Disconnected);
    }

    pub(super) fn node_hears(&mut self, node: usize, item: Item) {
        let Item::Message(message) = item else { return };
        let said = self.truth.receipts.len();
        let is_order = message.headers.kind() == Some(MessageKind::Order);
        let digest = Digest::of(&message.body);
        if is_order && self.sent.contains(&truth::digest_of(&message)) {
            self.truth.taken.push(Taken { host: node, order: digest, at: self.now });
        }
        self.step_node(node, NodeEvent::Message(Message::clone(&message)));
        if is_order {
            let (before, now) = self.truth.receipts.split_at(said);
            let answers = |said: &Said| {
                let same = said.host == node && said.outer.order_digest == digest;
                same && said.outer.sealed.is_some()
            };
            if now.iter().any(answers) && before.iter().any(answers) {
                self.occurs("a second copy was answered");
            }
        }
    }

    pub(super) fn node_wakes(&mut self, node: usize, number: u64) {
        if self.nodes[node].daemon.as_ref().is_some_and(|daemon| daemon.wake == number) {
            self.step_node(node, NodeEvent::Tick);
        }
    }

    pub(super) fn step_node(&mut self, node: usize, event: NodeEvent) {
        let now = self.clock(self.nodes[node].offset);
        let Some(daemon) = &mut self.nodes[node].daemon else { return };
        let effects = daemon.core.step(event, now);
        let (held, most) = (daemon.core.held(), &mut self.truth.held);
        most.orders = most.orders.max(held.orders);
        most.refusals = most.refusals.max(held.refusals);
        most.jobs = most.jobs.max(held.jobs);
        most.items = most.items.max(held.items);
        most.bars = most.bars.max(held.bars);
        most.unsent = most.unsent.max(held.unsent);
        self.node_effects(node, effects);
    }

    fn node_effects(&mut self, node: usize, effects: Vec<Effect>) {
        for effect in effects {
            let life = self.nodes[node].life;
            match effect {
                Effect::Publish(message) => self.node_says(node, message),
                Effect::Write(record, key) => self.writes(node, *record, key),
                Effect::Measure(message) => {
                    let facts = Arc::new(self.nodes[node].files.facts());
                    self.step_node(node, NodeEvent::Measured(message, facts));
                }
                Effect::Listen(key) => {
                    let said = self.said(node, key);
                    self.step_node(node, NodeEvent::Said(key, Some(said)));
                }
                Effect::Run(approved) if approved.changes() => {
                    let at = self.now + self.random.between(1, 4);
                    self.queue.push(at, Event::Prepared { node, life, approved });
                }
                Effect::Run(approved) => self.reads(node, approved),
                Effect::WakeAt(at) => {
                    let now = self.clock(self.nodes[node].offset);
                    let wait = self.until(at, now);
                    let Some(daemon) = &mut self.nodes[node].daemon else { return };
                    daemon.wake += 1;
                    let (actor, number) = (Actor::Node(node), daemon.wake);
                    self.queue.push(self.now + wait, Event::Wake { actor, number });
                }
                Effect::KeepClock(at) => self.nodes[node].disk.clock = at,
                Effect::Log(entry) => self.node_logs(node, &entry),
                Effect::Stop => return self.end_node(node, None),
            }
            if !self.survives(node) {
                return;
            }
        }
    }

    /// Counts an effect that a node's shell has just done, or a part of one that takes it several
    /// moments; whether the daemon lives on.
    pub(super) fn survives(&mut self, node: usize) -> bool {
        let Some(of) = self.effect_done(Actor::Node(node)) else { return true };
        self.hit(if of == CrashOf::Host { Kind::HostCrash } else { Kind::NodeCrash });
        self.end_node(node, Some(of));
        false
    }

    fn node_logs(&mut self, node: usize, entry: &Entry) {
        if let Some(reason) = entry.reason {
            self.coverage.count(Group::Reason, reason.code());
        }
        if entry.what == What::Recovered && entry.text == "never started" {
            self.occurs("an unstarted change was started by the next daemon");
        }
        let order = entry.order.map(|order| order.to_string()).unwrap_or_default();
        let reason = entry.reason.map_or("", Reason::code);
        let what = entry.what.word();
        self.note(format_args!("node {node} logs {what} {order} {reason} {}", entry.text));
    }

    fn node_says(&mut self, node: usize, message: Message) {
        if message.headers.kind() == Some(MessageKind::Registration) {
            let host = &self.nodes[node];
            let key = self.keys.hosts[host.files.index].births[host.birth].key.public().digest();
            let sent = (node, key, self.now);
            self.hub.registrations.insert(truth::digest_of(&message), sent);
        }
        if message.headers.kind() == Some(MessageKind::Receipt) {
            let length = message.headers.get(marcato_protocol::message::OUTER);
            let length = length.and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
            let outer = message.body.get(..length).unwrap_or_default();
            if let Ok(outer) = serde_json::from_slice::<Outer>(outer) {
                if let Some(reason) = outer.reason {
                    self.coverage.count(Group::Reason, reason.code());
                }
                if outer.state == EndState::Cancelled {
                    self.occurs(if outer.received < outer.finished {
                        "a change that waited was cancelled"
                    } else {
                        "a change came after it was cancelled"
                    });
                }
                let SimNode { birth, life, .. } = self.nodes[node];
                let (digest, message) = (Digest::of(&message.body), truth::digest_of(&message));
                let said = Said { host: node, birth, life, at: self.now, outer, digest, message };
                self.truth.receipts.push(said);
            }
        }
        self.publish(node, message);
    }

    fn writes(&mut self, node: usize, record: JournalRecord, key: JournalKey) {
        let end_of = match &record {
            JournalRecord::Ended { about, .. } => Some(about.key),
            JournalRecord::Accepted { .. }
            | JournalRecord::Barred { .. }
            | JournalRecord::Damaged { .. } => None,
        };
        let took = self.random.between(1, 12);
        let host = &mut self.nodes[node];
        host.disk.append(record);
        let Some(daemon) = &mut host.daemon else { return };
        daemon.disk_free = daemon.disk_free.max(self.now) + took;
        let at = daemon.disk_free;
        let life = host.life;
        self.queue.push(at, Event::Written { node, life, key, end_of });
    }

    pub(super) fn written(
        &mut self,
        node: usize,
        life: u64,
        key: JournalKey,
        end_of: Option<RunKey>,
    ) {
        if self.nodes[node].life != life || self.nodes[node].daemon.is_none() {
            return;
        }
        if self.hits(Kind::JournalFull, Some(node)) {
            self.nodes[node].disk.take_back();
            let why = "No space left on device (os error 28)".to_owned();
            return self.step_node(node, NodeEvent::NotWritten(key, why, MayStand(false)));
        }
        self.nodes[node].disk.sync();
        // It stands there, and the core has not heard of it.
        if !self.survives(node) {
            return;
        }
        if let Some(run) = end_of {
            self.nodes[node].disk.runs.remove(&run);
        }
        self.step_node(node, NodeEvent::Written(key));
    }
}
