//! One order as the operator sees it: signed, sent, and one account for each expected node until
//! each has exactly one end.
//!
//! A node ends an account by a signed receipt, once. The client closes the others by its own word
//! (`no response`, `lost`, `down`, `skipped`, and `timed out` because it still runs), which a receipt
//! that comes later replaces. What does not verify ends nothing and is counted.

mod account;
mod clock;
mod collate;
mod round;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use marcato_core::{CallerId, Collective, EndState, Identity, OrderId, Reason, Span, Timestamp};
use marcato_protocol::keys::OpenKey;
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

pub(super) use self::account::signed as line_of;
use self::account::{Account, Running, Stage, Words};
use self::round::{Outbox, Round};
use super::{
    Checker, Counts, Directory, Effect, Event, KnownNode, NodeReport, Refusal, RefusedWhy, Report,
    Selection, Stopped, Task, TaskError, UnknownName, coverage,
};

/// What a job is told once.
#[derive(Debug, Clone)]
pub struct JobSetup {
    /// The order's id; that of the question before it.
    pub id: OrderId,
    /// Where further ids come from; must not be used a second time.
    pub seed: [u8; 32],
    /// The key to which what nodes say is sealed: a fresh one.
    pub reader: Arc<OpenKey>,
    /// The fleet.
    pub collective: Collective,
    /// The fleet's authority.
    pub authority: PublicKey,
    /// Who signs.
    pub caller: CallerId,
    /// The versions that the client speaks.
    pub spoken: Spoken,
    /// The nodes that are known.
    pub directory: Arc<Directory>,
    /// What is to be done.
    pub task: Task,
    /// For whom.
    pub selection: Selection,
    /// Where an order for chosen nodes is sent to those alone whom [`Event::Release`] names: for how
    /// long it is valid. Otherwise it is sent to all at once, and valid for the wait.
    pub paced: Option<Span>,
}

/// What is known of a node that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// Nothing was heard of it yet.
    Silent,
    /// It has accepted, and has not said that it runs; with what it says of that in its own words,
    /// which may be none.
    Accepted(String),
    /// It runs; with what it says that it does or waits for, likewise.
    Running(String),
}

/// One order and its accounts. See the module.
#[derive(Debug)]
pub struct Job {
    setup_id: OrderId,
    collective: Collective,
    caller: CallerId,
    version: u32,
    task: Task,
    selection: Selection,
    paced: Option<Span>,
    /// Why it is sent to no further node.
    stopped: Option<Stopped>,
    subjects: Subjects,
    rng: ChaCha20Rng,
    reader: Arc<OpenKey>,
    checker: Arc<Checker>,
    learned: BTreeMap<Identity, KnownNode>,
    rounds: Vec<Round>,
    accounts: BTreeMap<Identity, Account>,
    /// How many accounts are open.
    open: usize,
    unexpected: BTreeMap<Identity, NodeReport>,
    /// Nodes that say they run it and whose certificate has not come yet.
    unproved: BTreeSet<Identity>,
    outbox: Outbox,
    /// When to look at which running node again.
    due: BTreeSet<(Timestamp, Identity)>,
    /// Nodes that refused because they had just started, with what they said.
    restarted: BTreeMap<Identity, NodeReport>,
    resign_at: Option<Timestamp>,
    refused: BTreeMap<(Option<Identity>, RefusedWhy), (String, u64)>,
    last_reply: Timestamp,
    answered: bool,
    issued: Timestamp,
    ended: Option<Timestamp>,
    finished: bool,
    interrupted: bool,
    failure: Option<String>,
}

impl Job {
    /// Makes the order and asks for its signature; where there is nobody to send it to, the job is
    /// done at once.
    ///
    /// # Errors
    /// Where nodes would refuse the task as it is.
    pub fn new(setup: JobSetup, now: Timestamp) -> Result<(Self, Vec<Effect>), TaskError> {
        let reader = setup.reader;
        let key = |node: &super::Chosen| (node.identity.clone(), node.key.clone());
        let keys: BTreeMap<_, _> = setup.selection.chosen.iter().map(key).collect();
        let checker = Checker {
            collective: setup.collective.clone(),
            authority: setup.authority,
            directory: setup.directory,
            chosen: Arc::new(keys.clone()),
            reader: Arc::clone(&reader),
            orders: Vec::new(),
        };
        let mut job = Self {
            setup_id: setup.id,
            subjects: Subjects::of(&setup.collective),
            collective: setup.collective,
            caller: setup.caller,
            version: setup.selection.version,
            paced: setup.paced.filter(|_| !setup.task.is_matching()),
            stopped: None,
            task: setup.task,
            selection: setup.selection,
            rng: ChaCha20Rng::from_seed(setup.seed),
            reader,
            checker: Arc::new(checker),
            learned: BTreeMap::new(),
            rounds: Vec::new(),
            accounts: BTreeMap::new(),
            open: 0,
            unexpected: BTreeMap::new(),
            unproved: BTreeSet::new(),
            outbox: Outbox::new(),
            due: BTreeSet::new(),
            restarted: BTreeMap::new(),
            resign_at: None,
            refused: BTreeMap::new(),
            last_reply: now,
            answered: false,
            issued: now,
            ended: None,
            finished: false,
            interrupted: false,
            failure: None,
        };
        let mut effects = Vec::new();
        job.open_accounts();
        let matching = job.task.is_matching();
        if job.is_adaptive() || !keys.is_empty() {
            let set = (!matching).then(|| keys.into_iter().collect());
            job.open_round(set, now, &mut effects)?;
        }
        job.settle(now, &mut effects);
        Ok((job, effects))
    }

    fn open_accounts(&mut self) {
        for node in &self.selection.chosen {
            let released = !self.is_paced();
            let account =
                Account { released, read_only: node.read_only, ..Account::new(node.down) };
            self.accounts.insert(node.identity.clone(), account);
        }
        self.open = self.accounts.len();
        let start_by = self.issued + self.task.wait;
        let words = Words { changes: self.task.changes, start_by };
        for node in &self.selection.left_out {
            let mut report = words.say(&node.identity, EndState::Skipped, node.reason);
            report.message.clone_from(&node.text);
            report.down_since = node.down;
            let stage = Stage::Ended(Box::new(report));
            let account = Account { stage, ..Account::new(node.down) };
            self.accounts.insert(node.identity.clone(), account);
        }
    }

    /// Takes what happened.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Message(message) => {
                let checked = self.checker.check(&message);
                self.take(checked, now, &mut effects);
            }
            Event::Checked(checked) => self.take(checked, now, &mut effects),
            Event::NoResponders(subject) => self.nobody(&subject, &mut effects),
            Event::NotPublished(subject) => self.not_published(&subject),
            Event::Signed(signature) => self.signed(signature, now, &mut effects),
            Event::NotSigned(why) => self.not_signed(why, now, &mut effects),
            Event::Release(nodes) => self.release(nodes),
            Event::Stop(why) => self.stop(why, &mut effects),
            Event::Connected => self.connected_again(now),
            Event::Interrupted if self.ended.is_none() => {
                self.interrupted = true;
                self.close_all(now, &mut effects);
            }
            Event::Interrupted | Event::Tick => {}
        }
        if !self.finished {
            self.look(now, &mut effects);
            self.send(now, &mut effects);
        }
        self.settle(now, &mut effects);
        effects
    }

    /// Whether nobody knows which nodes to expect.
    const fn is_adaptive(&self) -> bool {
        !self.selection.complete && self.task.is_matching()
    }

    /// Whether nodes are sent the order one after another, each with a wait of its own.
    const fn is_paced(&self) -> bool {
        self.paced.is_some()
    }

    /// Until when nodes may start the order; none where there is nobody to send it to.
    #[must_use]
    pub fn start_by(&self) -> Option<Timestamp> {
        self.rounds.first().map(|round| round.order.start_by)
    }

    /// What incoming messages are to be held against now, for a shell that checks them elsewhere.
    #[must_use]
    pub fn checker(&self) -> Arc<Checker> {
        Arc::clone(&self.checker)
    }

    /// Whether every account is closed. What comes late is still taken.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.ended.is_some()
    }

    /// The orders' ids.
    pub fn orders(&self) -> impl Iterator<Item = OrderId> {
        self.rounds.iter().filter(|round| !round.is_signing()).map(|round| round.order.id)
    }

    /// How many nodes are how far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { nodes: self.accounts.len(), ..Counts::default() };
        for account in self.accounts.values() {
            counts.sent += usize::from(account.copies > 0);
            *match &account.stage {
                Stage::Waiting if account.is_held() => &mut counts.held,
                Stage::Waiting => &mut counts.waiting,
                Stage::Running(_) => &mut counts.running,
                Stage::Ended(report) if report.state == EndState::Ok => &mut counts.ok,
                Stage::Ended(report) if report.state.is_silent() => &mut counts.silent,
                Stage::Ended(_) => &mut counts.failed,
            } += 1;
        }
        counts
    }

    /// Whom the job waits for, at most `most` of them.
    #[must_use]
    pub fn waiting(&self, most: usize) -> Vec<(&Identity, Waiting)> {
        let open = self.accounts.iter();
        let open = open.filter_map(|(node, account)| Some((node, self.waiting_for(account)?)));
        open.take(most).collect()
    }

    /// What is known of one node, while the job waits for it.
    #[must_use]
    pub fn waits(&self, node: &Identity) -> Option<Waiting> {
        self.waiting_for(self.accounts.get(node)?)
    }

    fn waiting_for(&self, account: &Account) -> Option<Waiting> {
        match account.stage {
            Stage::Waiting if account.is_held() => None,
            Stage::Waiting => Some(Waiting::Silent),
            Stage::Running(Running { began, .. }) => {
                let said = account.said.as_ref().and_then(|said| said.open(&self.reader).ok());
                let said = said.unwrap_or_default();
                Some(if began.is_some() { Waiting::Running(said) } else { Waiting::Accepted(said) })
            }
            Stage::Ended(_) => None,
        }
    }

    /// The line of one node, once its account is closed.
    #[must_use]
    pub fn node(&self, node: &Identity) -> Option<&NodeReport> {
        match &self.accounts.get(node)?.stage {
            Stage::Ended(report) => Some(report),
            Stage::Waiting | Stage::Running(_) => None,
        }
    }

    /// What became of the order so far; whole once the job is done.
    #[must_use]
    pub fn report(&self) -> Report {
        let nodes = self.accounts.values().filter_map(|account| match &account.stage {
            Stage::Ended(report) => Some((**report).clone()),
            Stage::Waiting | Stage::Running(_) => None,
        });
        let refused = self.refused.iter().map(|((node, why), (text, count))| Refusal {
            node: node.clone(),
            why: *why,
            text: text.clone(),
            count: *count,
        });
        let coverage = &self.selection.coverage;
        Report {
            collective: self.collective.clone(),
            caller: self.caller.clone(),
            agent: self.task.agent.clone(),
            action: self.task.action.clone(),
            orders: self.orders().collect(),
            issued: self.issued,
            ended: self.ended,
            expected: self.selection.complete.then(|| self.selection.expected()),
            complete: self.selection.complete && coverage.gathering.is_none(),
            hub_since: coverage.since,
            nodes: nodes.collect(),
            unexpected: self.unexpected.values().cloned().collect(),
            agents: self.task.terms().agents,
            not_capable: self.selection.not_capable.clone(),
            read_only: self.selection.read_only.clone(),
            gone: self.selection.gone.clone(),
            vanished: coverage.vanished.clone(),
            unknown_names: self.unknown_names(),
            refused: refused.collect(),
            interrupted: self.interrupted,
            stopped: self.stopped.clone(),
            not_signed: self.failure.clone(),
        }
    }

    /// Without a hub nobody knows all names: a name that was typed and did not answer is unknown. Of a
    /// set it is settled before who did not.
    fn unknown_names(&self) -> Vec<UnknownName> {
        let mut unknown = self.selection.coverage.unknown_names.clone();
        if self.selection.complete || !self.task.is_matching() {
            return unknown;
        }
        let mut silent = coverage::names(&self.task.filter);
        for name in &unknown {
            silent.remove(&name.name);
        }
        unknown.extend(silent.into_iter().map(UnknownName::of));
        let has_line = |name: &Identity| self.accounts.contains_key(name);
        unknown.retain(|unknown| !unknown.name.parse().is_ok_and(|name| has_line(&name)));
        unknown
    }

    fn new_id(&mut self) -> OrderId {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        OrderId::from_bytes(bytes)
    }

    fn words(&self, account: &Account) -> Words {
        let round = self.rounds.get(account.round).or_else(|| self.rounds.last());
        let start_by = round.map_or(self.issued + self.task.wait, |round| round.order.start_by);
        Words { changes: self.task.changes, start_by }
    }

    /// Closes an account, or replaces the client's own word.
    fn end(&mut self, mut report: NodeReport, effects: &mut Vec<Effect>) {
        self.unplan(&report.node);
        let Some(account) = self.accounts.get_mut(&report.node) else { return };
        self.open -= usize::from(account.is_open());
        if report.state == EndState::Down || report.reason == Some(Reason::KeyChanged) {
            report.down_since = account.down;
        }
        report.read_only = account.read_only;
        effects.push(Effect::Moved(report.node.clone()));
        account.stage = Stage::Ended(Box::new(report));
        account.said = None;
    }
}
