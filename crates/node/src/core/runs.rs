//! What was accepted and has not ended: the queues, what runs, and how it ends.
//!
//! Changes of one agent run one after the other, in the order in which they were written down;
//! reads run beside each other. Neither is begun after its start-by.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use marcato_agent::Outcome;
use marcato_core::limits::node::{
    CHANGES_WAITING_MAX, READ_OVERDUE, READ_PROGRESS_AFTER, READS_RUNNING_MAX, READS_WAITING_MAX,
};
use marcato_core::limits::timing::{PROGRESS_EVERY, SKEW};
use marcato_core::{AgentName, CallerId, Changed, EndState, OrderId, Reason, Span, Timestamp};
use marcato_protocol::message::Message;
use marcato_protocol::progress::Phase;
use marcato_protocol::receipt::SignedReceipt;

use super::answer::{Answer, End};
use super::approved::Approved;
use super::cut;
use super::effect::{Effect, Level, What};
use super::intake::{Stop, reject};
use super::journal::{About, JournalKey, JournalRecord, KeptMessage, MayStand};
use super::node::Node;
use super::run::RunKey;
use super::said::Said;
use super::steady::Steady;

/// Said of a change whose record could neither be written nor taken back.
const MAY_START: &str = "its record may stand there all the same, and the next daemon start it";

/// Said of a refusal of a change that could not be written down.
const NOT_KEPT: &str = "this is not written down, and the next daemon may take a copy of the order";

/// Where an order comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// It just came in.
    Network(&'a Message),
    /// It was accepted by an earlier daemon, and never started.
    Journal(&'a About),
}

impl Source<'_> {
    pub(super) const fn is_network(self) -> bool {
        matches!(self, Self::Network(_))
    }
}

/// Whether a change was begun before it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began(pub(super) bool);

/// A record on its way to the disk, and what waits for it.
#[derive(Debug)]
pub(super) enum Pending {
    /// A change that may start then.
    Accepted(RunKey),
    /// A receipt that may be sent then; and where it says that nothing was done, what it was made of.
    Ended(RunKey, SignedReceipt, Option<Box<(Answer, End)>>),
    /// That an order shall not begin any more: whoever cancelled it is answered then.
    Barred(Box<(About, Answer, End)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its record is on its way to the disk.
    Writing,
    /// It waits for its turn.
    Waiting,
    /// It runs.
    Running,
    /// A read that was answered as timed out, and still runs.
    Late,
}

/// One that was accepted and has not ended.
#[derive(Debug)]
struct Job {
    about: About,
    answer: Answer,
    /// Until it is begun.
    approved: Option<Approved>,
    change: bool,
    stage: Stage,
    limit: Span,
    /// Until when it may start, by the steady clock: one that is set back gives no more time.
    startable: Timestamp,
    /// When a read is answered for.
    late_at: Option<Timestamp>,
    progress_at: Timestamp,
    progress_said: bool,
    /// What its agent says of it.
    said: Said,
    /// Whether the disk was asked for that, and has not answered: it may hang.
    listens: bool,
}

/// How far a step is that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It has not begun.
    Waiting(Timestamp),
    /// It has.
    Running(Timestamp),
}

/// The changes of one agent.
#[derive(Debug, Default)]
struct Lane {
    /// More than one only where an earlier daemon left them.
    running: BTreeSet<RunKey>,
    waiting: VecDeque<RunKey>,
}

/// All that was accepted and has not ended.
#[derive(Debug, Default)]
pub(super) struct Runs {
    jobs: BTreeMap<RunKey, Job>,
    lanes: BTreeMap<AgentName, Lane>,
    reads_running: usize,
    reads_waiting: VecDeque<RunKey>,
}

impl Job {
    /// How far it is, as far as that may be said.
    const fn phase(&self) -> Option<Phase> {
        match self.stage {
            Stage::Waiting => Some(Phase::Accepted),
            Stage::Running if self.progress_said => Some(Phase::Running),
            Stage::Running => Some(Phase::Accepted),
            Stage::Writing | Stage::Late => None,
        }
    }

    fn is_expired(&self, now: Timestamp, steady: Steady) -> bool {
        let over = now > self.about.start_by + SKEW || steady.now() > self.startable;
        matches!(self.stage, Stage::Waiting) && over
    }
}

impl Runs {
    /// Whether one more can be taken.
    pub(super) fn check_room(&self, agent: &AgentName, change: bool) -> Result<(), Stop> {
        if !change {
            return if self.reads_running < READS_RUNNING_MAX
                || self.reads_waiting.len() < READS_WAITING_MAX
            {
                Ok(())
            } else {
                let text = format!("{READS_WAITING_MAX} reads wait on this node already");
                Err(reject(Reason::Full, text))
            };
        }
        let waits = |job: &&Job| {
            job.change
                && job.about.agent == *agent
                && matches!(job.stage, Stage::Writing | Stage::Waiting)
        };
        if self.jobs.values().filter(waits).count() < CHANGES_WAITING_MAX {
            return Ok(());
        }
        let text = format!("{CHANGES_WAITING_MAX} changes of {agent} wait on this node already");
        Err(reject(Reason::Full, text))
    }

    /// Whether a read runs whose answer somebody waits for.
    pub(super) fn has_reads(&self) -> bool {
        self.jobs.values().any(|job| !job.change && job.stage == Stage::Running)
    }

    /// When something is to be looked after.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let wishes = self.jobs.values().filter(|job| job.phase().is_some()).map(|job| {
            let late = job.late_at.filter(|_| job.stage == Stage::Running);
            late.map_or(job.progress_at, |late| late.min(job.progress_at))
        });
        wishes.min()
    }

    /// Takes an ended job out; whether another may take its place.
    fn take(&mut self, key: RunKey) -> Option<Job> {
        let job = self.jobs.remove(&key)?;
        let running = matches!(job.stage, Stage::Running | Stage::Late);
        if job.change {
            if let Some(lane) = self.lanes.get_mut(&job.about.agent) {
                lane.running.remove(&key);
                lane.waiting.retain(|waiting| *waiting != key);
            }
        } else if running {
            self.reads_running -= 1;
        } else {
            self.reads_waiting.retain(|waiting| *waiting != key);
        }
        Some(job)
    }

    /// The steps of an order that have not ended: whether each runs, and since when it waits or does.
    pub(super) fn steps(&self, order: OrderId) -> impl Iterator<Item = (RunKey, Step)> {
        let steps = RunKey { order, step: 0 }..=RunKey { order, step: u64::MAX };
        self.jobs.range(steps).filter_map(|(key, job)| {
            let since = job.answer.since();
            let step = match job.stage {
                Stage::Writing | Stage::Waiting => Step::Waiting(since),
                Stage::Running => Step::Running(since),
                Stage::Late => return None,
            };
            Some((*key, step))
        })
    }

    /// A change that waits because another of its agent runs.
    fn behind_another(&mut self, key: RunKey) -> Option<&mut Job> {
        let job = self.jobs.get_mut(&key)?;
        let lane = self.lanes.get(&job.about.agent)?;
        (job.stage == Stage::Waiting && job.change && !lane.running.is_empty()).then_some(job)
    }

    /// What a caller's order says of itself that has not ended.
    pub(super) fn said(&self, order: OrderId, caller: &CallerId) -> Option<&str> {
        let jobs = self.steps(order).filter_map(|(key, _)| self.jobs.get(&key));
        jobs.filter(|job| job.about.caller == *caller).find_map(|job| job.said.text())
    }

    /// How many jobs there are.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }
}

impl Node {
    /// A change that may run: it is written down first.
    pub(super) fn accept_change(
        &mut self,
        approved: Approved,
        about: About,
        answer: Answer,
        source: Source<'_>,
        now: Timestamp,
    ) {
        let key = about.key;
        self.insert(approved, about.clone(), answer, (true, Stage::Writing), now);
        match source {
            Source::Network(message) => {
                let record = JournalRecord::Accepted { about, message: KeptMessage::from(message) };
                self.write(record, Pending::Accepted(key));
            }
            Source::Journal(_) => self.on_accepted(key, now),
        }
    }

    /// A read that may run.
    pub(super) fn accept_read(
        &mut self,
        approved: Approved,
        about: About,
        answer: Answer,
        now: Timestamp,
    ) {
        let key = about.key;
        self.insert(approved, about, answer, (false, Stage::Waiting), now);
        self.runs.reads_waiting.push_back(key);
        self.advance_reads(now);
    }

    fn insert(
        &mut self,
        approved: Approved,
        about: About,
        answer: Answer,
        (change, stage): (bool, Stage),
        now: Timestamp,
    ) {
        let limit = approved.call().limit;
        let progress_at = now + if change { PROGRESS_EVERY } else { READ_PROGRESS_AFTER };
        let approved = Some(approved);
        let (late_at, progress_said) = (None, false);
        let startable = self.steady.of(about.start_by + SKEW);
        let key = about.key;
        let job = Job {
            about,
            answer,
            approved,
            change,
            stage,
            limit,
            startable,
            late_at,
            progress_at,
            progress_said,
            said: Said::default(),
            listens: false,
        };
        self.runs.jobs.insert(key, job);
    }

    /// A change of an earlier daemon that still runs.
    pub(super) fn readopt(&mut self, about: About, answer: Answer, now: Timestamp) {
        let key = about.key;
        let lane = self.runs.lanes.entry(about.agent.clone()).or_default();
        lane.running.insert(key);
        let job = Job {
            about,
            answer,
            approved: None,
            change: true,
            stage: Stage::Running,
            limit: Span::default(),
            startable: self.steady.now(),
            late_at: None,
            progress_at: now,
            progress_said: true,
            said: Said::default(),
            listens: false,
        };
        self.runs.jobs.insert(key, job);
    }

    pub(super) fn on_written(&mut self, key: JournalKey, now: Timestamp) {
        let Some(pending) = self.writes.remove(&key) else { return };
        if self.journal_fault.take().is_some() {
            self.describe(now);
        }
        match pending {
            Pending::Accepted(key) => self.on_accepted(key, now),
            Pending::Ended(key, receipt, _) => {
                self.seen.answered(key, receipt, Some(now), self.steady);
                self.publish_receipt(key);
            }
            Pending::Barred(cancel) => self.cancelled(*cancel, now),
        }
    }

    pub(super) fn on_not_written(
        &mut self,
        key: JournalKey,
        why: &str,
        MayStand(may_stand): MayStand,
        now: Timestamp,
    ) {
        let Some(pending) = self.writes.remove(&key) else { return };
        let fault = format!("the journal takes no records: {why}");
        self.log(Level::Error, What::Journal, None, Some(Reason::Journal), fault.clone());
        if self.journal_fault.replace(fault.clone()).is_none() {
            self.describe(now);
        }
        match pending {
            Pending::Accepted(key) => {
                let Some(job) = self.runs.take(key) else { return };
                // The end is written too, if that can be: the record may stand there all the same.
                let mut end = End::rejected(Reason::Journal, &fault);
                if may_stand {
                    // A daemon that finds it there before its time is over starts it.
                    end = End::rejected(Reason::Journal, &format!("{fault}; {MAY_START}"));
                    end.changed = Changed::Unknown;
                }
                self.finish((job.about, &job.answer), end, Some(Began(false)), now);
            }
            // What happened did, whether it is written down or not. But that nothing was done the
            // next daemon does not know then: a copy that comes to it in time it may take.
            Pending::Ended(key, receipt, refused) => {
                let receipt = refused.map_or(receipt, |refused| {
                    let (answer, mut end) = *refused;
                    end.changed = Changed::Unknown;
                    end.inner.message = cut(&format!("{}; {NOT_KEPT}", end.inner.message));
                    answer.receipt(end, now, &self.key, &mut self.random)
                });
                self.seen.answered(key, receipt, Some(now), self.steady);
                self.publish_receipt(key);
            }
            Pending::Barred(cancel) => self.not_cancelled(*cancel, &fault, now),
        }
    }

    /// A change is written down.
    fn on_accepted(&mut self, key: RunKey, now: Timestamp) {
        let Some(job) = self.runs.jobs.get_mut(&key) else { return };
        job.stage = Stage::Waiting;
        let (about, call) = (job.about.clone(), job.approved.as_ref().map(Approved::call));
        let text = call.map(|call| format!("{} {}", call.agent, call.action)).unwrap_or_default();
        self.log(Level::Info, What::Accepted, Some((key.order, &about.caller)), None, text);
        self.runs.lanes.entry(about.agent.clone()).or_default().waiting.push_back(key);
        self.advance_changes(&about.agent, now);
        self.say_progress(key, now);
    }

    /// Begins the next change of an agent, if none runs.
    pub(super) fn advance_changes(&mut self, agent: &AgentName, now: Timestamp) {
        while let Some(lane) = self.runs.lanes.get_mut(agent) {
            if !lane.running.is_empty() || self.is_stopping() {
                return;
            }
            let Some(key) = self.runs.lanes.get_mut(agent).and_then(|l| l.waiting.pop_front())
            else {
                self.runs.lanes.remove(agent);
                return;
            };
            self.start(key, now);
        }
    }

    fn advance_reads(&mut self, now: Timestamp) {
        while self.runs.reads_running < READS_RUNNING_MAX && !self.is_stopping() {
            let Some(key) = self.runs.reads_waiting.pop_front() else { return };
            self.start(key, now);
        }
    }

    /// Begins a job, if it still may.
    fn start(&mut self, key: RunKey, now: Timestamp) {
        let Some(job) = self.runs.jobs.get(&key) else { return };
        if job.is_expired(now, self.steady) {
            return self.expire(key, now);
        }
        let approved = job.approved.as_ref();
        let again = approved.map(|approved| self.check_again(&job.about, approved, now));
        if let Some(Err(Stop::Refused(state, reason, text))) = again {
            return self.end_unbegun(key, End::refused(state, reason, &text), now);
        }
        let Some(job) = self.runs.jobs.get_mut(&key) else { return };
        let Some(approved) = job.approved.take() else { return };
        (job.stage, job.said) = (Stage::Running, Said::default());
        job.answer.began(now);
        if job.change {
            self.last_changes.began(&job.about);
            self.runs.lanes.entry(job.about.agent.clone()).or_default().running.insert(key);
        } else {
            job.late_at = Some(now + job.limit + READ_OVERDUE);
            self.runs.reads_running += 1;
        }
        self.effect(Effect::Run(Box::new(approved)));
    }

    /// Ends what waited too long for its turn.
    fn expire(&mut self, key: RunKey, now: Timestamp) {
        let Some(job) = self.runs.jobs.get(&key) else { return };
        let text = format!(
            "it waited for its turn; it might start until {}, this node's clock reads {now}",
            job.about.start_by
        );
        self.end_unbegun(key, End::rejected(Reason::Expired, &text), now);
    }

    /// Ends what waits.
    pub(super) fn end_unbegun(&mut self, key: RunKey, end: End, now: Timestamp) {
        let Some(job) = self.runs.take(key) else { return };
        let began = job.change.then_some(Began(false));
        self.finish((job.about, &job.answer), end, began, now);
    }

    pub(super) fn on_ended(&mut self, key: RunKey, outcome: Outcome, now: Timestamp) {
        self.end(key, End::of(outcome), now);
    }

    pub(super) fn on_gone(&mut self, key: RunKey, now: Timestamp) {
        self.end(key, End::gone(), now);
    }

    fn end(&mut self, key: RunKey, end: End, now: Timestamp) {
        let stage = self.runs.jobs.get(&key).map(|job| job.stage);
        if !matches!(stage, Some(Stage::Running | Stage::Late)) {
            return;
        }
        let Some(job) = self.runs.take(key) else { return };
        let began = job.change.then_some(Began(true));
        let agent = job.about.agent.clone();
        if stage == Some(Stage::Running) {
            self.finish((job.about, &job.answer), end, began, now);
        }
        if job.change {
            self.advance_changes(&agent, now);
        } else {
            self.advance_reads(now);
        }
    }

    /// Answers for good. What is journalled says whether it was begun, and is sent when it stands
    /// there; the rest is sent at once.
    pub(super) fn finish(
        &mut self,
        (about, answer): (About, &Answer),
        end: End,
        journalled: Option<Began>,
        now: Timestamp,
    ) {
        let key = about.key;
        self.log_end(&about, &end, journalled.is_some());
        let receipt = answer.receipt(end.clone(), now, &self.key, &mut self.random);
        match journalled {
            Some(Began(began)) => {
                let refused = (!began).then(|| Box::new((answer.clone(), end)));
                let pending = Pending::Ended(key, receipt.clone(), refused);
                self.write(JournalRecord::Ended { about, began, at: now, receipt }, pending);
            }
            None => {
                self.seen.answered(key, receipt, None, self.steady);
                self.publish_receipt(key);
            }
        }
    }

    /// Every end of a change is logged, of reads what did not go well.
    fn log_end(&mut self, about: &About, end: &End, change: bool) {
        let (level, what) = match end.state {
            EndState::Ok if !change => return,
            EndState::Ok | EndState::Cancelled => (Level::Info, What::Ended),
            EndState::Denied | EndState::Rejected => (Level::Warn, What::Refused),
            _ => (Level::Warn, What::Ended),
        };
        let state = end.state;
        let text = match what {
            What::Refused => end.inner.message.clone(),
            _ => format!("{}: {state}, changed: {}", about.agent, end.changed),
        };
        self.log(level, what, Some((about.key.order, &about.caller)), end.reason, text);
    }

    pub(super) fn write(&mut self, record: JournalRecord, pending: Pending) {
        let key = self.next_write();
        self.writes.insert(key, pending);
        self.effect(Effect::Write(Box::new(record), key));
    }

    /// Says that a job has been taken or still runs.
    fn say_progress(&mut self, key: RunKey, now: Timestamp) {
        if let Some(job) = self.runs.behind_another(key) {
            let text = format!("another change of {} runs here", job.about.agent);
            job.said.take(&text, &job.answer, &mut self.random);
        }
        let message = self.progress(key, now);
        let Some(job) = self.runs.jobs.get_mut(&key) else { return };
        job.progress_at = now + PROGRESS_EVERY;
        let Some(message) = message.filter(|_| self.connected) else { return };
        job.progress_said = true;
        self.effect(Effect::Publish(message));
    }

    /// What may be said of a job before its end.
    pub(super) fn progress(&self, key: RunKey, now: Timestamp) -> Option<Message> {
        let job = self.runs.jobs.get(&key)?;
        let word = (job.phase()?, job.said.sealed());
        Some(job.answer.progress(word, now, &self.key, &self.subjects))
    }

    /// Takes what a change says of itself, and says that it runs. What cannot be read leaves what
    /// was said last.
    pub(super) fn on_said(&mut self, key: RunKey, text: Option<&str>, now: Timestamp) {
        let Some(job) = self.runs.jobs.get_mut(&key) else { return };
        let asked = std::mem::take(&mut job.listens);
        if asked && job.stage == Stage::Running {
            if let Some(text) = text {
                job.said.take(text, &job.answer, &mut self.random);
            }
            self.say_progress(key, now);
        }
    }

    /// Says of everything that runs that it does, answers for what is late, ends what waited too
    /// long.
    pub(super) fn look_after_runs(&mut self, now: Timestamp) {
        let late = |job: &Job| {
            job.stage == Stage::Running && job.late_at.is_some_and(|late_at| late_at <= now)
        };
        // A clock that was set back must not silence a job.
        let due = |at: Timestamp| at <= now || at > now + PROGRESS_EVERY;
        let keys: Vec<RunKey> = self.runs.jobs.keys().copied().collect();
        for key in keys {
            let Some(job) = self.runs.jobs.get_mut(&key) else { continue };
            if late(job) {
                job.stage = Stage::Late;
                let (about, answer, limit) = (job.about.clone(), job.answer.clone(), job.limit);
                let text = format!("it did not end within {} ms", limit.as_ms());
                let mut end = End::rejected(Reason::RunLimit, &text);
                end.state = EndState::TimedOut;
                self.finish((about, &answer), end, None, now);
            } else if job.is_expired(now, self.steady) {
                self.expire(key, now);
            } else if due(job.progress_at) && job.phase().is_some() {
                // A disk that does not answer until then silences nothing.
                if job.change && job.stage == Stage::Running && !job.listens {
                    (job.listens, job.progress_at) = (true, now + PROGRESS_EVERY);
                    self.effect(Effect::Listen(key));
                } else {
                    self.say_progress(key, now);
                }
            }
        }
    }
}
