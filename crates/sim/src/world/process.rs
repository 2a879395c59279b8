//! What runs on a host: changes in processes of their own, which outlive the daemon; reads in it.

use marcato_agent::{Call, Outcome};
use marcato_core::{Changed, Reason, Span, Timestamp};
use marcato_node::core::{Approved, Event as NodeEvent, RunKey};

use super::{Event, World};
use crate::disk::Folder;
use crate::fault::Kind;
use crate::host::Deed;
use crate::truth::Run;

/// How much longer than its limit an action runs that nothing ends, in milliseconds.
const OVERRUN: u64 = 12_000;

/// An action that runs.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) key: RunKey,
    /// Where the truth has it.
    pub(super) run: usize,
    call: Call,
    change: bool,
    /// Under which life of the daemon it was begun.
    life: u64,
    deed: Option<Deed>,
    end: End,
}

/// A process that was started and has not begun its action yet.
#[derive(Debug)]
pub(super) struct Spawned {
    /// By which life of the daemon.
    life: u64,
    /// What the host's clock read then.
    clock: Timestamp,
    approved: Box<Approved>,
}

/// How an action ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Well,
    Fails,
    Broken,
    /// At its limit.
    Limit,
}

impl World {
    /// The folder of a change is made, and lies on the disk for good.
    pub(super) fn prepared(&mut self, node: usize, life: u64, approved: Box<Approved>) {
        if self.nodes[node].life != life || self.nodes[node].daemon.is_none() {
            return;
        }
        self.nodes[node].disk.runs.insert(approved.key(), Folder::Prepared);
        if !self.survives(node) {
            return;
        }
        let at = self.now + self.random.between(1, 4);
        self.queue.push(at, Event::Spawned { node, life, approved });
    }

    /// The process of a change is started: from here on it lives apart from its daemon.
    pub(super) fn spawned(&mut self, node: usize, life: u64, approved: Box<Approved>) {
        if self.nodes[node].life != life || self.nodes[node].daemon.is_none() {
            return;
        }
        self.processes += 1;
        let process = self.processes;
        let clock = self.clock(self.nodes[node].offset);
        self.nodes[node].spawned.insert(process, Spawned { life, clock, approved });
        // Where its daemon dies here, the next one may look at the folder before it does.
        let within = if self.survives(node) { 4 } else { 8_000 };
        let wait = self.random.between(1, within);
        self.queue.push(self.now + wait, Event::Claims { node, process });
    }

    /// A process says that it is the one that does a change, unless that is settled.
    pub(super) fn claims(&mut self, node: usize, process: u64) {
        let host = &mut self.nodes[node];
        let Some(spawned) = host.spawned.remove(&process) else { return };
        let key = spawned.approved.key();
        if !host.disk.claim(key) {
            self.occurs("a process found its change given up");
            return self.note(format_args!("node {node}: {key} is not begun"));
        }
        self.begin(node, spawned);
        if self.nodes[node].daemon.is_some() {
            let _ = self.survives(node);
        }
    }

    pub(super) fn reads(&mut self, node: usize, approved: Box<Approved>) {
        let host = &self.nodes[node];
        let (life, clock) = (host.life, self.clock(host.offset));
        self.begin(node, Spawned { life, clock, approved });
    }

    fn begin(&mut self, node: usize, spawned: Spawned) {
        let Spawned { life, clock, approved } = spawned;
        let (key, change) = (approved.key(), approved.changes());
        let call = approved.into_call();
        let host = &self.nodes[node];
        let run = Run {
            host: node,
            birth: host.birth,
            life,
            key: (key.order, key.step),
            agent: call.agent.clone(),
            action: call.action.clone(),
            inputs: call.inputs.clone(),
            change,
            at: self.now,
            clock,
            deed: None,
            outcome: None,
            killed: None,
        };
        self.truth.runs.push(run);
        self.note(format_args!("node {node} begins {key} {} {}", call.agent, call.action));
        let (lasts, end) = self.course(node, change, call.limit);
        self.processes += 1;
        let number = self.processes;
        let run = self.truth.runs.len() - 1;
        let process = Process { key, run, call, change, life, deed: None, end };
        self.nodes[node].processes.insert(number, process);
        // Somewhere on the way it does what it does; one that is ended at its limit perhaps not.
        let acts = match end {
            End::Limit if self.random.chance(500) => None,
            End::Broken | End::Fails if self.random.chance(500) => None,
            _ => Some(self.random.below(lasts.max(1))),
        };
        if let Some(after) = acts {
            self.queue.push(self.now + after, Event::Acts { node, process: number });
        }
        self.queue.push(self.now + lasts, Event::Ends { node, process: number });
        if change && self.hits(Kind::RunnerKilled, Some(node)) {
            let at = self.now + self.random.below(lasts.max(1));
            self.nodes[node]
                .processes
                .entry(number)
                .and_modify(|process| process.end = End::Broken);
            self.queue.push(at, Event::FaultActs(Kind::RunnerKilled, node));
        }
    }

    /// How long an action takes, in milliseconds, and how it ends.
    fn course(&mut self, node: usize, change: bool, limit: Span) -> (u64, End) {
        let on = Some(node);
        let limit = limit.as_ms();
        let mut lasts =
            if change { self.random.between(20, 1_800) } else { self.random.between(1, 30) };
        let mut end = End::Well;
        if self.hits(Kind::SlowAction, on) {
            lasts = self.random.between(500, limit + limit / 2);
        }
        if self.hits(Kind::FailingAction, on) {
            end = End::Fails;
        }
        if self.hits(Kind::BrokenAgent, on) {
            end = End::Broken;
        }
        let endless = if change { Kind::Overrun } else { Kind::HungRead };
        if self.hits(endless, on) {
            return (limit + OVERRUN, end);
        }
        if lasts > limit { (limit, End::Limit) } else { (lasts, end) }
    }

    pub(super) fn acts(&mut self, node: usize, number: u64) {
        let host = &mut self.nodes[node];
        let Some(process) = host.processes.get_mut(&number) else { return };
        let deed = host.host.act(&process.call);
        process.deed = Some(deed.clone());
        let run = process.run;
        self.trace.add(
            self.now,
            format_args!("node {node} acts for {}, changed: {}", process.key, deed.changed),
            &[],
        );
        self.truth.runs[run].deed = Some((self.now, deed));
    }

    pub(super) fn ends(&mut self, node: usize, number: u64) {
        let Some(process) = self.nodes[node].processes.remove(&number) else { return };
        let Process { key, run, change, life, .. } = process;
        let outcome = outcome(&process);
        let alive = self.nodes[node].daemon.is_some();
        if !change && (!alive || self.nodes[node].life != life) {
            return;
        }
        self.note(format_args!("node {node} ends {key}: {:?}", outcome.result));
        self.truth.runs[run].outcome = Some((self.now, outcome.clone()));
        if change && let Some(folder) = self.nodes[node].disk.runs.get_mut(&key) {
            *folder = Folder::Ended(outcome.clone());
        }
        if alive {
            self.step_node(node, NodeEvent::Ended(key, outcome));
        }
    }

    /// What a change that runs on a host says of itself: which of all runs it is.
    pub(super) fn said(&self, node: usize, key: RunKey) -> String {
        let mut processes = self.nodes[node].processes.values();
        let process = processes.find(|process| process.change && process.key == key);
        process.map(|process| format!("run {}", process.run)).unwrap_or_default()
    }

    /// Kills one process of a change on a host.
    pub(super) fn kill_runner(&mut self, node: usize) {
        let changes = self.nodes[node].processes.iter().filter(|(_, process)| process.change);
        let Some(number) = changes.map(|(number, _)| *number).next() else { return };
        let Some(process) = self.nodes[node].processes.remove(&number) else { return };
        self.truth.runs[process.run].killed = Some(self.now);
        self.note(format_args!("node {node}: {} is killed", process.key));
        if self.nodes[node].daemon.is_some() {
            self.step_node(node, NodeEvent::Gone(process.key));
        }
    }
}

/// What a process says when it ends.
fn outcome(process: &Process) -> Outcome {
    let changed = || match &process.deed {
        Some(deed) => deed.changed(),
        None => Changed::False,
    };
    match process.end {
        End::Well => match &process.deed {
            Some(deed) => deed.outcome(),
            None => Outcome::failed(Reason::Agent, Changed::Unknown, "it did nothing"),
        },
        End::Fails => Outcome::failed(Reason::Action, changed(), "it failed, as it was told to"),
        End::Broken => Outcome::failed(Reason::Agent, Changed::Unknown, "it crashed"),
        End::Limit => Outcome::timed_out(
            Reason::RunLimit,
            if process.change { Changed::Unknown } else { Changed::False },
            "its time was over",
        ),
    }
}
