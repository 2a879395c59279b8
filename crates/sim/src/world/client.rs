//! Operators and their commands: inquiry, selection, job, report, as `mco` does it.

use std::sync::Arc;

use marcato_agent::job;
use marcato_client::core::{
    Directory, Effect, Event as ClientEvent, Inquiry, InquirySetup, Job, JobSetup, Machine,
    Outcome, Purpose, Report, Selection, Stopped, TaskError, Waiting,
};
use marcato_core::{EndState, Identity, OrderId, Timestamp};
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::{NodeSignKey, OpenKey};
use marcato_protocol::message::{Kind as MessageKind, Message};
use marcato_protocol::order::{Audience, Order};
use marcato_protocol::question::{Answer, Question};
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::subject::Subjects;
use marcato_rollout::{Pace, Plan as PacePlan, Rollout};

use super::network::Item;
use super::{Actor, Event, World};
use crate::coverage::{Group, REFUSALS};
use crate::fault::Kind;
use crate::plan::{Command as CommandPlan, Work};
use crate::truth::{self, Course, Paced, Signed};

/// From when on commands are typed for others that ended early, in milliseconds.
const SPARES_FROM: u64 = 50_000;

/// An operator: what his commands share.
#[derive(Debug, Default)]
pub(super) struct Operator {
    directory: Directory,
}

/// A command.
#[derive(Debug)]
pub(super) struct Command {
    plan: CommandPlan,
    stage: Stage,
    id: Option<OrderId>,
    wake: u64,
    /// Whether a read goes before it because no hub says who is there.
    scouting: bool,
}

/// How far a command is.
#[derive(Debug)]
enum Stage {
    Planned,
    /// Connecting.
    Started,
    Asking(Box<Inquiry>),
    Working(Box<dyn Machine>),
    Over,
}

impl Command {
    pub(super) const fn new(plan: CommandPlan) -> Self {
        Self { plan, stage: Stage::Planned, id: None, wake: 0, scouting: false }
    }

    pub(super) const fn is_alive(&self) -> bool {
        !matches!(self.stage, Stage::Planned | Stage::Over)
    }
}

impl World {
    pub(super) fn start_command(&mut self, command: usize) {
        if let Work::Cancel(target) = &mut self.commands[command].plan.work {
            let mut orders = self.truth.orders.iter().rev();
            let last = orders.find(|signed| signed.changes && signed.cancels().is_none());
            *target = last.map(|signed| signed.order.id);
        }
        let plan = self.commands[command].plan.clone();
        self.note(format_args!("operator {} types {:?}", plan.operator, plan.work));
        let truth = &mut self.truth.jobs[command];
        truth.changes = plan.task().changes;
        self.commands[command].stage = Stage::Started;
        self.connect_in(self.command_end(command), 1);
    }

    pub(super) fn command_connected(&mut self, command: usize, again: bool) {
        if again {
            return self.step_command(command, ClientEvent::Connected);
        }
        self.truth.jobs[command].started = self.now;
        let id = OrderId::from_bytes(self.random.bytes());
        let seed = self.random.bytes();
        let running = &mut self.commands[command];
        running.id = Some(id);
        let task = running.plan.task();
        let setup = InquirySetup {
            id,
            seed,
            collective: self.keys.collective.clone(),
            authority: self.keys.authority.public().clone(),
            caller: self.keys.operators[running.plan.operator].0.clone(),
            spoken: self.plan.spoken,
            directory: Arc::new(self.operators[running.plan.operator].directory.clone()),
            purpose: Purpose::Order { terms: task.terms(), changes: task.changes },
        };
        let (inquiry, effects) = Inquiry::new(setup, self.clock(0));
        self.commands[command].stage = Stage::Asking(Box::new(inquiry));
        self.command_effects(command, effects);
    }

    pub(super) fn command_hears(&mut self, command: usize, item: Item) {
        let job = &mut self.truth.jobs[command];
        let event = match item {
            Item::Message(message) => {
                if message.headers.kind() == Some(MessageKind::Answer) {
                    job.answers.extend(Answer::parse(&message));
                }
                let digest = truth::digest_of(&message);
                job.heard.push(digest);
                job.course.push((self.now, Course::Heard(digest)));
                ClientEvent::Message(Message::clone(&message))
            }
            Item::Nobody(subject) => {
                match Subjects::last_identity(&subject) {
                    Some(node) => {
                        job.course.push((self.now, Course::Nobody(node.clone())));
                        job.nobody.insert(node);
                    }
                    None => job.nobody_at_all = true,
                }
                ClientEvent::NoResponders(subject)
            }
        };
        self.step_command(command, event);
    }

    pub(super) fn command_wakes(&mut self, command: usize, number: u64) {
        if self.commands[command].wake == number {
            self.step_command(command, ClientEvent::Tick);
        }
    }

    pub(super) fn interrupt(&mut self, command: usize) {
        if self.commands[command].is_alive() {
            self.hit(Kind::Interrupt);
            let job = &mut self.truth.jobs[command];
            job.interrupted = true;
            job.course.push((self.now, Course::Interrupted));
            self.step_command(command, ClientEvent::Interrupted);
        }
    }

    fn step_command(&mut self, command: usize, event: ClientEvent) {
        let now = self.clock(0);
        let effects = match &mut self.commands[command].stage {
            Stage::Asking(inquiry) => inquiry.step(event, now),
            Stage::Working(job) => job.step(event, now),
            Stage::Planned | Stage::Started | Stage::Over => return,
        };
        self.command_effects(command, effects);
    }

    fn command_effects(&mut self, command: usize, effects: Vec<Effect>) {
        let now = self.clock(0);
        let end = self.command_end(command);
        for effect in effects {
            match effect {
                Effect::Subscribe(subject) => self.subscribe(end, subject),
                Effect::Publish(message) => self.command_sends(command, message),
                Effect::Probe(message) => {
                    self.publish(end, message);
                }
                Effect::Sign(bytes) => self.sign(command, bytes),
                Effect::WakeAt(at) => {
                    self.commands[command].wake += 1;
                    let (actor, number) = (Actor::Command(command), self.commands[command].wake);
                    let wait = self.until(at, now);
                    self.queue.push(self.now + wait, Event::Wake { actor, number });
                }
                Effect::Learned(node) => {
                    let operator = self.commands[command].plan.operator;
                    // A name that another command has learned with another key meanwhile stays.
                    let _ = self.operators[operator].directory.keep(node);
                }
                Effect::Moved(node) => {
                    if let Stage::Working(machine) = &self.commands[command].stage
                        && !self.commands[command].scouting
                    {
                        let line = machine.job().node(&node).cloned();
                        self.truth.jobs[command].lines.extend(line);
                        let waits = machine.job().waits(&node);
                        self.shows(command, node, waits);
                    }
                }
                Effect::Done => self.command_done(command),
            }
            if self.effect_done(Actor::Command(command)).is_some() {
                self.hit(Kind::ClientCrash);
                return self.kill_command(command);
            }
        }
    }

    /// An operator sees what a node says of itself.
    fn shows(&mut self, command: usize, node: Identity, waits: Option<Waiting>) {
        let Some(Waiting::Running(said)) = waits else { return };
        if !said.is_empty() {
            self.occurs("a change said what it does");
            self.truth.jobs[command].shown.insert((node, said));
        }
    }

    fn kill_command(&mut self, command: usize) {
        self.note(format_args!("command {command} dies"));
        self.commands[command].stage = Stage::Over;
        self.truth.jobs[command].died = true;
        self.hang_up(self.command_end(command), true);
        self.make_up_for(command);
    }

    /// Has another command typed for one that ended before its order was signed.
    fn make_up_for(&mut self, command: usize) {
        if self.truth.jobs[command].orders.is_empty()
            && let Some(spare) = self.spares.next()
        {
            // When most faults are over, so that what made this one fail fails few others.
            let at = SPARES_FROM.max(self.now) + self.random.between(500, 15_000);
            self.queue.push(at, Event::Start(Actor::Command(spare)));
        }
    }

    fn command_sends(&mut self, command: usize, message: Message) {
        let end = self.command_end(command);
        let subject = message.subject.clone();
        let is_order = message.headers.kind() == Some(MessageKind::Order);
        if let Ok(question) = Question::parse(&message) {
            self.truth.jobs[command].asked = Some(question.id);
        }
        let digest = Digest::of(&message.body);
        if is_order && let Some(node) = Subjects::last_identity(&subject) {
            self.truth.jobs[command].course.push((self.now, Course::Sent(node)));
        }
        if !self.publish(end, message) {
            return self.step_command(command, ClientEvent::NotPublished(subject));
        }
        if !is_order {
            return;
        }
        let Some(signed) = self.truth.orders.iter_mut().find(|signed| signed.digest == digest)
        else {
            return;
        };
        let id = signed.order.id;
        let truth = &mut self.truth.jobs[command];
        if !self.commands[command].scouting {
            truth.digests.insert(digest);
        }
        match Subjects::last_identity(&subject) {
            Some(node) if subject.contains(".node.") => {
                let host = self.truth.hosts.iter().position(|host| host.identity == node);
                signed.addressed.extend(host);
                *truth.sent.entry((id, node)).or_default() += 1;
            }
            _ => {
                truth.broadcast.insert(id);
            }
        }
    }

    fn sign(&mut self, command: usize, bytes: Vec<u8>) {
        let wait = if self.hits(Kind::SlowSigning, None) {
            self.random.between(1_000, 14_000)
        } else {
            self.random.between(1, 5)
        };
        self.queue.push(self.now + wait, Event::Signs { command, bytes });
    }

    pub(super) fn signs(&mut self, command: usize, bytes: &[u8]) {
        if !self.commands[command].is_alive() {
            return;
        }
        if self.hits(Kind::NoSigning, None) {
            let why = "the agent refused".to_owned();
            return self.step_command(command, ClientEvent::NotSigned(why));
        }
        let operator = self.commands[command].plan.operator;
        let keys = self.keys;
        let signature = keys.operators[operator].1.sign(Namespace::Order, bytes);
        let id = self.know_order(bytes, Some(operator), true);
        if !self.commands[command].scouting {
            let orders = &mut self.truth.jobs[command].orders;
            if !orders.contains(&id) {
                orders.push(id);
            }
        }
        self.step_command(command, ClientEvent::Signed(signature));
    }

    /// Writes down that somebody signed these bytes.
    pub(super) fn know_order(
        &mut self,
        bytes: &[u8],
        operator: Option<usize>,
        proper: bool,
    ) -> OrderId {
        let Ok(order) = Order::parse(bytes) else { panic!("a client signs what is no order") };
        let id = order.id;
        let changes = order.step.as_ref().is_some_and(|step| {
            !matches!(step.audience, Audience::Matching)
                && matches!(step.action.as_str(), "restart" | "install" | job::CANCEL)
        });
        let (digest, addressed) = (Digest::of(bytes), Default::default());
        self.truth.orders.push(Signed { order, digest, operator, proper, changes, addressed });
        id
    }

    /// The machine at work has its result.
    fn command_done(&mut self, command: usize) {
        match std::mem::replace(&mut self.commands[command].stage, Stage::Started) {
            Stage::Asking(inquiry) => self.inquiry_done(command, &inquiry),
            Stage::Working(machine) if self.commands[command].scouting => {
                let operator = self.commands[command].plan.operator;
                let directory = &self.operators[operator].directory;
                let found =
                    Selection::of_answered(&machine.job().report(), directory, self.plan.spoken);
                self.commands[command].scouting = false;
                let id = OrderId::from_bytes(self.random.bytes());
                self.work(command, id, found, false);
            }
            Stage::Working(machine) => {
                let report = machine.job().report();
                self.commands[command].stage = Stage::Working(machine);
                self.job_done(command, report);
            }
            other => self.commands[command].stage = other,
        }
    }

    fn inquiry_done(&mut self, command: usize, inquiry: &Inquiry) {
        let Some(id) = self.commands[command].id else { return };
        let changes = self.commands[command].plan.task().changes;
        match inquiry.outcome() {
            Some(Outcome::Found) => {
                let selection = inquiry.selection(self.clock(0));
                self.work(command, id, selection, false);
            }
            Some(Outcome::NoHub) => {
                self.occurs("no hub was there");
                self.work(command, id, Selection::unknown(self.plan.spoken), changes);
            }
            other => {
                self.truth.jobs[command].gave_up = other.cloned();
                self.retire(command);
            }
        }
    }

    /// Begins the order itself, or the read before a change of which nobody knows for whom it is.
    fn work(&mut self, command: usize, id: OrderId, selection: Selection, scouting: bool) {
        let seed = self.random.bytes();
        let reader = Arc::new(OpenKey::generate(self.random.generator()));
        let running = &mut self.commands[command];
        running.scouting = scouting;
        let mut task = running.plan.task();
        if scouting {
            let ping = CommandPlan { work: Work::Ping, ..running.plan.clone() };
            task = ping.task();
        }
        let (operator, pace) = (running.plan.operator, running.plan.pace);
        let setup = JobSetup {
            id,
            seed,
            reader,
            collective: self.keys.collective.clone(),
            authority: self.keys.authority.public().clone(),
            caller: self.keys.operators[operator].0.clone(),
            spoken: self.plan.spoken,
            directory: Arc::new(self.operators[operator].directory.clone()),
            task,
            selection,
            paced: None,
        };
        if !scouting {
            self.truth.jobs[command].begin(paced(pace, &setup));
        }
        match machine(pace, setup, self.clock(0)) {
            Ok((machine, effects)) => {
                self.commands[command].stage = Stage::Working(machine);
                self.command_effects(command, effects);
            }
            Err(error) => panic!("the simulated task is none: {error}"),
        }
    }

    fn job_done(&mut self, command: usize, report: Report) {
        for line in &report.nodes {
            self.coverage.count(Group::State, line.state.words());
            if let Some(reason) = line.reason {
                self.coverage.count(Group::Reason, reason.code());
            }
        }
        for refusal in &report.refused {
            let name = REFUSALS.iter().find(|(why, _)| *why == refusal.why);
            self.coverage.count(Group::Refusal, name.map_or("another", |(_, name)| name));
        }
        if report.orders.len() > 1 {
            self.occurs("a read was signed anew");
        }
        if self.truth.jobs[command].pace.is_some() {
            self.occurs("an order went from node to node");
        }
        if matches!(report.stopped, Some(Stopped::Node { .. })) {
            self.occurs("an order stopped where it went wrong");
        }
        let ok = report.nodes.iter().filter(|line| line.state == EndState::Ok).count();
        self.note(format_args!(
            "command {command} reports {ok} ok of {}, exit {:?}",
            report.nodes.len(),
            report.exit()
        ));
        let truth = &mut self.truth.jobs[command];
        (truth.report, truth.heard_by_report) = (Some(report), truth.heard.len());
        let wait = self.commands[command].plan.lingers + 1;
        self.queue.push(self.now + wait, Event::Retires(command));
    }

    /// The command ends; what came late was taken.
    pub(super) fn retire(&mut self, command: usize) {
        let stage = std::mem::replace(&mut self.commands[command].stage, Stage::Over);
        if let Stage::Working(machine) = stage {
            let truth = &mut self.truth.jobs[command];
            let late = machine.job().report();
            if truth.report.as_ref().is_some_and(|first| first.nodes != late.nodes) {
                self.coverage.count(Group::Event, "a late receipt replaced the client's word");
            }
            let truth = &mut self.truth.jobs[command];
            truth.late = truth.report.is_some().then_some(late);
        } else if matches!(stage, Stage::Planned | Stage::Over) {
            return;
        }
        self.hang_up(self.command_end(command), true);
        self.make_up_for(command);
    }

    /// The key of an operator.
    pub(super) fn operator_key(&self, operator: usize) -> &'static NodeSignKey {
        &self.keys.operators[operator].1
    }
}

/// How an order goes over its nodes, in the words of the truth; `None` where it is sent to all at once.
fn paced(pace: Pace, setup: &JobSetup) -> Option<Paced> {
    let plan = plan_of(pace, setup)?;
    Some(Paced { width: plan.width, wait: setup.task.wait.as_ms(), stops: plan.stops })
}

fn plan_of(pace: Pace, setup: &JobSetup) -> Option<PacePlan> {
    let is_set = !setup.task.is_matching();
    is_set.then(|| PacePlan::new(&pace, &setup.task, setup.selection.chosen.len())).flatten()
}

/// The machine that carries a task out, as `mco` chooses it.
fn machine(
    pace: Pace,
    setup: JobSetup,
    now: Timestamp,
) -> Result<(Box<dyn Machine>, Vec<Effect>), TaskError> {
    Ok(match plan_of(pace, &setup) {
        Some(plan) => {
            let (rollout, effects) = Rollout::new(plan, setup, now)?;
            (Box::new(rollout), effects)
        }
        None => {
            let (job, effects) = Job::new(setup, now)?;
            (Box::new(job), effects)
        }
    })
}
