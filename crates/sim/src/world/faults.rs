//! What a fault does when it begins, in its midst, and when it ends.

use marcato_node::core::Event as NodeEvent;
use marcato_protocol::version::Spoken;

use super::odd::Odd;
use super::{Actor, Event, World};
use crate::disk::Disk;
use crate::fault::{Fault, Kind};
use crate::host::{Allowed, Host, ServiceAgent};
use crate::plan::CrashOf;

impl World {
    pub(super) fn fault_starts(&mut self, index: usize) {
        let fault = self.plan.faults[index].clone();
        self.note(format_args!("{} begins at {:?}", fault.kind.name(), fault.nodes));
        match fault.kind {
            Kind::Partition | Kind::OneWay => {
                for end in self.links(&fault) {
                    self.hit(fault.kind);
                    self.cut(end, directions(fault.kind, end));
                }
            }
            Kind::NodeCrash | Kind::HostCrash => {
                let host = fault.kind == Kind::HostCrash;
                let of = if host { CrashOf::Host } else { CrashOf::Daemon };
                for node in fault.nodes {
                    let after = self.random.between(1, 50);
                    self.crashes.after.insert(Actor::Node(node), (after, of));
                    self.nodes[node].rest = self.random.between(20, 12_000);
                }
            }
            Kind::HubCrash => {
                let after = self.random.between(1, 250);
                self.crashes.after.insert(Actor::Hub, (after, CrashOf::Daemon));
            }
            Kind::ClientCrash => {
                for _ in 0..3 {
                    let command = self.random.index(self.plan.commands.len());
                    let after = self.random.between(1, 40);
                    self.crashes.after.insert(Actor::Command(command), (after, CrashOf::Daemon));
                }
            }
            Kind::Interrupt => {
                for _ in 0..3 {
                    let command = self.random.index(self.plan.commands.len());
                    let at = self.plan.commands[command].at + self.random.below(6_000);
                    self.queue.push(at.max(self.now), Event::Interrupt(command));
                }
            }
            Kind::NoHub => {
                self.hit(Kind::NoHub);
                self.hub.away_until = (self.now + 15_000).min(fault.until);
                self.end_hub();
            }
            Kind::SkewedClock => {
                for node in fault.nodes {
                    self.hit(Kind::SkewedClock);
                    let most = self.random.pick(&[20, 45, 90]);
                    let offset = self.off_by(most);
                    self.set_clock(node, offset);
                }
            }
            Kind::OtherVersion => {
                for node in fault.nodes {
                    self.hit(Kind::OtherVersion);
                    let (oldest, newest) = self.random.pick(&[(1, 2), (2, 2), (2, 3), (0, 1)]);
                    self.nodes[node].spoken = Spoken { oldest, newest };
                    // It comes with a new release, which is started.
                    self.step_node(node, NodeEvent::Stopping);
                }
            }
            _ => self.plan_acts(&fault),
        }
    }

    /// Faults that act at moments of their own.
    fn plan_acts(&mut self, fault: &Fault) {
        let times = match fault.kind {
            Kind::CutLink | Kind::NewRules => 2,
            Kind::BrokerRestart | Kind::OddOrders | Kind::Burst => {
                return self.plan_for_all(fault);
            }
            Kind::NodeStop | Kind::SteppedClock | Kind::Rebuilt | Kind::JournalDamage => 1,
            _ => return,
        };
        for end in self.links(fault) {
            for _ in 0..times {
                let at = self.random.between(fault.from, fault.until.min(50_000));
                self.queue.push(at, Event::FaultActs(fault.kind, end));
            }
        }
    }

    fn plan_for_all(&mut self, fault: &Fault) {
        let node = fault.nodes[0];
        let at = |world: &mut Self| world.random.between(fault.from, fault.until.min(50_000));
        match fault.kind {
            Kind::BrokerRestart => {
                for _ in 0..2 {
                    let at = at(self);
                    self.queue.push(at, Event::FaultActs(Kind::BrokerRestart, 0));
                }
            }
            Kind::Burst => {
                let at = at(self);
                self.queue.push(at, Event::OddOrder(Odd::Burst(node)));
            }
            _ => {
                for odd in [
                    Odd::MatchingChange,
                    Odd::OtherCollective(node),
                    Odd::WrongKey(node),
                    Odd::SameId(node),
                    Odd::LongWindow(node),
                    Odd::TooLong(node),
                    Odd::NoProof(node),
                    Odd::Garbage(node),
                ] {
                    let at = at(self);
                    self.queue.push(at, Event::OddOrder(odd));
                }
            }
        }
    }

    pub(super) fn fault_ends(&mut self, index: usize) {
        let fault = self.plan.faults[index].clone();
        self.note(format_args!("{} ends", fault.kind.name()));
        match fault.kind {
            Kind::Partition | Kind::OneWay => {
                for end in self.links(&fault) {
                    self.mend(end, directions(fault.kind, end));
                }
            }
            Kind::NodeCrash | Kind::HostCrash => {
                for node in fault.nodes {
                    self.crashes.after.remove(&Actor::Node(node));
                }
            }
            _ => {}
        }
    }

    pub(super) fn fault_acts(&mut self, kind: Kind, node: usize) {
        match kind {
            Kind::CutLink => {
                self.hit(kind);
                self.close(node);
            }
            Kind::BrokerRestart => self.restart_broker(),
            Kind::NodeStop => {
                self.hit(kind);
                self.nodes[node].rest = self.random.between(100, 15_000);
                self.step_node(node, NodeEvent::Stopping);
            }
            Kind::RunnerKilled => self.kill_runner(node),
            Kind::SteppedClock => {
                self.hit(kind);
                let most = self.random.pick(&[5, 60, 200]);
                let offset = self.nodes[node].offset + self.off_by(most);
                self.set_clock(node, offset);
            }
            Kind::NewRules => self.new_rules(node),
            Kind::JournalDamage => {
                self.end_node(node, Some(CrashOf::Daemon));
                if self.nodes[node].disk.damage(&mut self.random) {
                    self.hit(kind);
                    self.truth.hosts[node].damaged.push(self.now);
                }
            }
            Kind::Rebuilt if self.nodes[node].birth == 0 => {
                self.hit(kind);
                self.truth.hosts[node].rebuilt = Some(self.now);
                self.end_node(node, Some(CrashOf::Host));
                let host = &mut self.nodes[node];
                host.birth = 1;
                host.disk = Disk::default();
                host.host = Host::new(host.files.index);
            }
            _ => {}
        }
    }

    fn set_clock(&mut self, node: usize, offset: i64) {
        let back = u64::try_from(self.nodes[node].offset - offset).unwrap_or(0);
        self.truth.hosts[node].set_back += back;
        self.truth.hosts[node].clock_set.push(self.now);
        self.nodes[node].offset = offset;
    }

    fn restart_broker(&mut self) {
        if !self.broker.up {
            // It was down for a moment and is up again.
            self.broker.up = true;
            return;
        }
        self.hit(Kind::BrokerRestart);
        self.note(format_args!("broker restarts"));
        for end in 0..self.ends.len() {
            self.close(end);
        }
        self.broker.up = false;
        let wait = self.random.between(50, 3_000);
        self.queue.push(self.now + wait, Event::FaultActs(Kind::BrokerRestart, 0));
    }

    fn new_rules(&mut self, node: usize) {
        self.hit(Kind::NewRules);
        let files = &mut self.nodes[node].files;
        match self.random.below(8) {
            0 => files.read_only = !files.read_only,
            1 => files.second = !files.second,
            2 => files.service = ServiceAgent::Missing,
            3 => files.service = ServiceAgent::Old,
            4..=6 => files.group = self.random.pick(&['a', 'b', 'c']),
            _ => files.allowed = self.random.pick(&[Allowed::Everything, Allowed::NoRestarts]),
        }
        let files = files.clone();
        self.note(format_args!("node {node} gets {files:?}"));
        self.truth.hosts[node].files.push((self.now, files.clone()));
        self.step_node(node, NodeEvent::Reloaded(Box::new(files.rules())));
    }

    /// So many seconds at most, either way, in milliseconds.
    fn off_by(&mut self, most: u64) -> i64 {
        let most = most * 1000;
        i64::try_from(self.random.below(2 * most)).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
    }
}

/// Which directions of a link a fault cuts: up and down.
const fn directions(kind: Kind, end: usize) -> [bool; 2] {
    match kind {
        Kind::OneWay => [end.is_multiple_of(2), !end.is_multiple_of(2)],
        _ => [true, true],
    }
}
