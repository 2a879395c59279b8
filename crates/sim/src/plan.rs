//! What a run will be: fleet, orders and faults, all drawn from its seed before it begins.

use std::collections::BTreeMap;

use marcato_agent::job;
use marcato_client::core::{Aim, Limit, Task};
use marcato_core::limits::timing::{CHANGE_WAIT, READ_WAIT};
use marcato_core::{OrderId, Span, Terms};
use marcato_protocol::version::Spoken;
use marcato_rollout::Pace;
use serde_json::{Map, Value, json};

use crate::fault::{Fault, Kind};
use crate::host::{Allowed, Files, ServiceAgent, declaration};
use crate::keys::{HOSTS_MAX, name};
use crate::random::Random;

/// The fewest nodes of a run.
pub const NODES_MIN: usize = 20;

/// The fewest orders of a run: commands that came to sign one.
pub const ORDERS_MIN: usize = 10;

/// How many more commands may be typed, one for each that ended before its order was signed.
const SPARES: usize = 24;

/// The fewest kinds of fault that are at work at the same time.
pub const KINDS_MIN: usize = 3;

/// When the last fault ends, in milliseconds of the run.
pub const FAULTS_UNTIL: u64 = 60_000;

/// When a run ends: long after the last order could still do anything.
pub const RUN_UNTIL: u64 = 150_000;

/// What an operator wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Ask the nodes whether they are there.
    Ping,
    /// Ask for a fact that some nodes lack.
    Fact,
    /// Look at a service.
    Status(&'static str),
    /// Restart a service.
    Restart(&'static str),
    /// Look at a package.
    Version(&'static str),
    /// Bring a package to a version.
    Install(&'static str, u64),
    /// The same with a version that is no number.
    InstallNonsense,
    /// Cancel the last change that anybody has signed by then, which stands here once it is typed.
    Cancel(Option<OrderId>),
}

/// A command that an operator types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// When, in milliseconds of the run.
    pub at: u64,
    /// Who.
    pub operator: usize,
    /// What.
    pub work: Work,
    /// In which fault group alone.
    pub group: Option<char>,
    /// A read for chosen nodes rather than for whoever matches.
    pub chosen: bool,
    /// How it goes from node to node, where it is for chosen ones.
    pub pace: Pace,
    /// How long it stays to take what comes late, in milliseconds.
    pub lingers: u64,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed of everything that is drawn while it runs.
    pub seed: u64,
    /// The hosts' files at its beginning.
    pub hosts: Vec<Files>,
    /// The versions of the protocol that operators' commands speak.
    pub spoken: Spoken,
    /// Those that nodes speak which are of another release.
    pub others: BTreeMap<usize, Spoken>,
    /// The operators' commands.
    pub commands: Vec<Command>,
    /// Those that are typed later where one of the others ended before its order was signed, in turn.
    pub spares: Vec<Command>,
    /// The faults.
    pub faults: Vec<Fault>,
    /// Nodes' ends that are no accident.
    pub outages: Vec<Outage>,
    /// The one effect, counted over all programs, after which whoever did it crashes.
    pub crash_after: Option<(u64, CrashOf)>,
    /// When it ends.
    pub until: u64,
}

/// The end of a daemon at a set moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When, in milliseconds of the run.
    pub at: u64,
    /// Which node's.
    pub node: usize,
    /// What dies; nothing where the daemon is stopped in order.
    pub how: Option<CrashOf>,
    /// How long it stays down, in milliseconds.
    pub rest: u64,
}

/// What dies in a planned crash of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashOf {
    /// The daemon alone.
    Daemon,
    /// The whole host, with what was not synced.
    Host,
}

impl Command {
    /// The task that the client's core gets.
    #[must_use]
    pub fn task(&self) -> Task {
        let (agent, action, inputs): (&str, &str, Value) = match self.work {
            Work::Ping => ("rpcutil", "ping", json!({})),
            Work::Fact => ("rpcutil", "get_fact", json!({"fact": "rack"})),
            Work::Status(service) => ("service", "status", json!({"service": service})),
            Work::Restart(service) => ("service", "restart", json!({"service": service})),
            Work::Version(package) => ("package", "status", json!({"package": package})),
            Work::Install(package, version) => {
                ("package", "install", json!({"package": package, "version": version}))
            }
            Work::InstallNonsense => {
                ("package", "install", json!({"package": "openssl", "version": "newest"}))
            }
            Work::Cancel(order) => {
                let order = order.unwrap_or(OrderId::from_bytes([0; 16]));
                (job::NAME, job::CANCEL, json!({ (job::ORDER): order }))
            }
        };
        let ddl = declaration(agent);
        let changes = ddl.actions[&name(action)].changes();
        let facts = self.group.map(|group| format!("hagroup={group}"));
        let Value::Object(inputs) = inputs else { panic!("inputs are an object") };
        let inputs: Map<String, Value> = inputs;
        Task {
            agent: name(agent),
            action: name(action),
            inputs,
            changes,
            to_read_only: false,
            filter: Terms { facts: facts.into_iter().collect(), ..Terms::default() },
            aim: if self.chosen || changes { Aim::Set } else { Aim::Matching },
            reason: None,
            wait: if changes { CHANGE_WAIT } else { READ_WAIT },
            run_limit: ddl.metadata.timeout,
        }
    }
}

impl Plan {
    /// Draws a run from its seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed, 0);
        let nodes = NODES_MIN + random.index(HOSTS_MAX - NODES_MIN - 1);
        let hosts = (0..nodes).map(|index| files(&mut random, index)).collect();
        let faults = faults(&mut random, nodes);
        let mut commands = commands(&mut random);
        let mut spares: Vec<_> = (0..SPARES).map(|_| command(&mut random)).collect();
        let mut random = Random::new(seed, 2);
        for command in commands.iter_mut().chain(&mut spares) {
            command.pace = pace(&mut random);
        }
        if let Some(hold) = faults.iter().find(|fault| fault.kind == Kind::Hold) {
            // The second is issued more than the skew after the first, which is still on its way.
            let at = hold.from + 500;
            let restart = |at| Command {
                at,
                operator: 0,
                work: Work::Restart("ssh"),
                group: None,
                chosen: true,
                pace: Pace::default(),
                lingers: 0,
            };
            commands.extend([restart(at), restart(at + 32_000)]);
        }
        let plan = Self::of(seed, hosts, commands, RUN_UNTIL);
        Self { faults, spares, ..plan }
    }

    /// A small run, of which every effect can be crashed. First all is well; then a node is down
    /// while a read comes and back for its second copy, another stays silent when a change comes,
    /// and a third is stopped in order; at the end a change is cancelled that waits for another, and
    /// one goes in batches.
    #[must_use]
    pub fn small(seed: u64) -> Self {
        let hosts = (0..4).map(Files::new).collect();
        let command = |at, work, chosen| Command {
            at,
            operator: 0,
            work,
            group: None,
            chosen,
            pace: Pace::default(),
            lingers: 20_000,
        };
        let in_batches = Pace { batch: Some(Limit::Nodes(2)), ..Pace::default() };
        let commands = vec![
            command(3_000, Work::Restart("ssh"), true),
            command(3_400, Work::Ping, false),
            command(3_600, Work::Install("openssl", 2), true),
            command(5_000, Work::Status("ssh"), true),
            command(9_100, Work::Ping, false),
            command(16_100, Work::Restart("ssh"), true),
            command(30_500, Work::Fact, false),
            command(34_000, Work::Install("openssl", 3), true),
            command(34_020, Work::Install("openssl", 4), true),
            command(34_080, Work::Cancel(None), true),
            Command { pace: in_batches, ..command(40_000, Work::Restart("nginx"), true) },
        ];
        let outage = |at, node, how, rest| Outage { at, node, how, rest };
        let outages = vec![
            outage(9_000, 1, Some(CrashOf::Host), 2_000),
            outage(16_000, 2, Some(CrashOf::Host), 60_000),
            outage(30_000, 3, None, 3_000),
        ];
        Self { outages, ..Self::of(seed, hosts, commands, 75_000) }
    }

    /// A run without faults.
    #[must_use]
    pub fn of(seed: u64, hosts: Vec<Files>, commands: Vec<Command>, until: u64) -> Self {
        let spoken = Spoken::RELEASE;
        Self {
            seed,
            hosts,
            spoken,
            others: BTreeMap::new(),
            commands,
            spares: Vec::new(),
            faults: Vec::new(),
            outages: Vec::new(),
            crash_after: None,
            until,
        }
    }
}

fn files(random: &mut Random, index: usize) -> Files {
    let mut files = Files::new(index);
    match random.below(12) {
        0 => files.service = ServiceAgent::Old,
        1 => files.service = ServiceAgent::Missing,
        2 => files.allowed = Allowed::FirstChanges,
        3 => files.allowed = Allowed::NoRestarts,
        4 => files.read_only = true,
        5 => files.second = false,
        _ if random.chance(30) => files.allowed = Allowed::Nothing,
        _ => {}
    }
    files
}

fn commands(random: &mut Random) -> Vec<Command> {
    let count = ORDERS_MIN + random.index(3);
    let mut commands: Vec<Command> = (0..count).map(|_| command(random)).collect();
    // Changes are cancelled soon after: before they came, while they wait, when they run.
    for index in 0..commands.len() {
        let change = commands[index].clone();
        if change.task().changes && random.chance(400) {
            let at = change.at + random.between(5, 4_000);
            let operator = if random.chance(700) { change.operator } else { random.index(2) };
            let work = Work::Cancel(None);
            commands.push(Command { at, operator, work, chosen: true, ..change });
        }
    }
    // One at least is for whoever matches, by somebody whom most nodes know.
    let work = random.pick(&[Work::Ping, Work::Fact, Work::Status("nginx"), Work::Version("curl")]);
    let first = &mut commands[0];
    (first.work, first.chosen, first.operator) = (work, false, 0);
    commands.sort_by_key(|command| command.at);
    commands
}

fn command(random: &mut Random) -> Command {
    let work = match random.below(11) {
        0 => Work::Ping,
        1 => Work::Fact,
        2 => Work::Status("nginx"),
        3..=4 => Work::Restart("nginx"),
        5 => Work::Restart("ssh"),
        6 => Work::Version("curl"),
        7..=8 => Work::Install("openssl", random.between(1, 3)),
        9 => Work::Install("curl", random.between(6, 9)),
        _ => Work::InstallNonsense,
    };
    let operator = match random.below(20) {
        0 => 2,
        1..=7 => 1,
        _ => 0,
    };
    let group = random.chance(500).then(|| random.pick(&['a', 'b', 'c']));
    let lingers = if random.chance(500) { random.between(5_000, 40_000) } else { 0 };
    let (at, chosen) = (random.between(2_500, 45_000), random.chance(400));
    Command { at, operator, work, group, chosen, pace: Pace::default(), lingers }
}

/// How some orders go from node to node.
fn pace(random: &mut Random) -> Pace {
    let width = 3 + random.index(6);
    let (batch, parallel) = match random.below(8) {
        0 => (Some(Limit::Nodes(width)), None),
        1 => {
            (Some(random.pick(&[Limit::Percent(20), Limit::Percent(34), Limit::Percent(50)])), None)
        }
        2 => (None, Some(width)),
        3 => (Some(Limit::Nodes(width)), Some(3)),
        _ => (None, None),
    };
    let rest = Span::from_ms(random.pick(&[0, 300, 2_000]));
    Pace { batch, parallel, rest, keep_going: random.chance(300) }
}

/// So many kinds at least that last, all of them at work at the same time, and others.
fn faults(random: &mut Random, nodes: usize) -> Vec<Fault> {
    let count = KINDS_MIN + random.index(4);
    let mut drawn: BTreeMap<Kind, Fault> = BTreeMap::new();
    while drawn.len() < count || drawn.keys().filter(|kind| kind.lasts()).count() < KINDS_MIN {
        let kind = random.pick(Kind::ALL);
        let from = random.between(500, 9_000);
        let until = random.between(25_000, FAULTS_UNTIL);
        let most = if random.chance(300) { nodes } else { 1 + random.index(nodes / 2) };
        let mut hit: Vec<usize> = (0..most).map(|_| random.index(nodes)).collect();
        hit.sort_unstable();
        hit.dedup();
        let per_mille = random.pick(&[30, 100, 300]);
        let (mut hub, mut commands) = (false, Vec::new());
        if kind.is_of_links() {
            hub = random.chance(300);
            if random.chance(400) {
                commands.extend((0..4).map(|_| random.index(ORDERS_MIN)));
                commands.sort_unstable();
                commands.dedup();
            }
            if (hub || !commands.is_empty()) && random.chance(300) {
                hit.clear();
            }
        }
        drawn.insert(kind, Fault { kind, from, until, nodes: hit, hub, commands, per_mille });
    }
    drawn.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_as_large_as_promised() {
        for seed in 0..200 {
            let plan = Plan::draw(seed);
            assert!(plan.hosts.len() >= NODES_MIN && plan.commands.len() >= ORDERS_MIN);
            let lasts = |fault: &&Fault| fault.kind.lasts() && fault.is_active(10_000);
            assert!(plan.faults.iter().filter(lasts).count() >= KINDS_MIN, "seed {seed}");
            let mut aims = plan.commands.iter().map(|command| command.task().aim);
            assert!(aims.any(|aim| aim == Aim::Matching), "seed {seed}");
            assert_eq!(Plan::draw(seed), plan);
        }
    }
}
