//! The question to the hub: which nodes match, and the certificates of those not known yet.
//!
//! The hub is not believed, only used: it says which nodes there may be, and a certificate of the
//! authority's proves each. An answer may come in parts, late, twice and out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use marcato_core::limits::client::{
    ASK_AGAIN_AFTER, ASKED_AGAIN_MAX, ASKED_FOR_MAX, ASKED_NAMES_BYTES_MAX,
};
use marcato_core::limits::protocol::SET_NODES_MAX;
use marcato_core::limits::timing::HUB_WAIT;
use marcato_core::{CallerId, Collective, FactName, Identity, OrderId, Span, Terms, Timestamp};
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::question::{Answer, Ask, Beginning, Found, Listed, Question, Values};
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::check::prove;
use super::coverage::{self, Census};
use super::selection::Wish;
use super::{Coverage, Directory, Effect, Event, KnownNode, Selection};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The names alone.
    Find(Terms),
    /// The nodes for an order, with what proves their keys.
    Order {
        /// Which nodes; with the order's agent among the terms.
        terms: Terms,
        /// Whether the order may change hosts.
        changes: bool,
    },
    /// The values of a fact over the fleet.
    Values(FactName),
    /// Names that begin with some letters.
    Names(Beginning),
}

impl Purpose {
    const fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Find(terms) | Self::Order { terms, .. } => Some(terms),
            Self::Values(_) | Self::Names(_) => None,
        }
    }
}

/// What an inquiry is told once.
#[derive(Debug, Clone)]
pub struct InquirySetup {
    /// The id of the first question; that of the order which follows.
    pub id: OrderId,
    /// Where the ids of further questions come from; must not be used a second time.
    pub seed: [u8; 32],
    /// The fleet.
    pub collective: Collective,
    /// The fleet's authority.
    pub authority: PublicKey,
    /// Who asks.
    pub caller: CallerId,
    /// The versions that the client speaks.
    pub spoken: Spoken,
    /// The nodes that are known.
    pub directory: Arc<Directory>,
    /// What is asked for.
    pub purpose: Purpose,
}

/// How an inquiry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The hub answered: see [`Inquiry::found`] and [`Inquiry::selection`].
    Found,
    /// The values that were asked for.
    Values(Values),
    /// The names that were asked for.
    Names(Vec<String>),
    /// No hub is connected to this broker.
    NoHub,
    /// A hub is there, and no whole answer came in time.
    NoAnswer,
    /// The hub refused the question, in its own words.
    Refused(String),
    /// The operator went.
    Interrupted,
}

/// One question and what of its answer has come.
#[derive(Debug, Default)]
struct Gather {
    parts: Option<u32>,
    got: BTreeSet<u32>,
    nodes: Vec<Listed>,
}

/// What is asked for at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The nodes that match, or what else was wanted.
    Names,
    /// All nodes, to see whether one is missing from those.
    Census,
    /// Certificates.
    Certificates,
}

/// The question to the hub. See the module.
#[derive(Debug)]
pub struct Inquiry {
    setup: InquirySetup,
    subjects: Subjects,
    rng: ChaCha20Rng,
    /// The version that is asked in.
    version: u32,
    asked: BTreeMap<OrderId, Gather>,
    phase: Phase,
    lacking: BTreeSet<Identity>,
    /// Names typed in full.
    names: BTreeSet<String>,
    listed: Vec<Listed>,
    /// All nodes, where they were asked for apart.
    all: Option<Vec<Listed>>,
    since: Option<Timestamp>,
    /// The hub's age where it may not have heard of every node.
    young: Option<Span>,
    learned: BTreeMap<Identity, KnownNode>,
    began: Timestamp,
    again_at: Timestamp,
    heard: Timestamp,
    tries: u32,
    outcome: Option<Outcome>,
}

impl Inquiry {
    /// Asks.
    #[must_use]
    pub fn new(setup: InquirySetup, now: Timestamp) -> (Self, Vec<Effect>) {
        let mut inquiry = Self {
            subjects: Subjects::of(&setup.collective),
            rng: ChaCha20Rng::from_seed(setup.seed),
            version: setup.spoken.oldest,
            asked: BTreeMap::new(),
            phase: Phase::Names,
            lacking: BTreeSet::new(),
            names: setup.purpose.terms().map(coverage::names).unwrap_or_default(),
            listed: Vec::new(),
            all: None,
            since: None,
            young: None,
            learned: BTreeMap::new(),
            began: now,
            again_at: now + ASK_AGAIN_AFTER,
            heard: now,
            tries: 0,
            outcome: None,
            setup,
        };
        let mut effects = Vec::new();
        inquiry.ask(inquiry.setup.id, inquiry.first_ask(), &mut effects);
        effects.push(Effect::WakeAt(inquiry.again_at));
        (inquiry, effects)
    }

    /// How it ended, once it has.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The names that match, each with the time since which it is not connected.
    #[must_use]
    pub fn found(&self) -> BTreeMap<&Identity, Option<Timestamp>> {
        let mut found = BTreeMap::new();
        for line in self.listed.iter().filter(|line| !line.not_capable) {
            // Of a name that is listed twice, the line that says more for it counts.
            found
                .entry(&line.node)
                .and_modify(|down| *down = line.down.and(*down))
                .or_insert(line.down);
        }
        found
    }

    /// The nodes that were proved and not known before.
    pub fn learned(&self) -> impl Iterator<Item = &KnownNode> {
        self.learned.values()
    }

    /// Which nodes the order is for; that of an unknown fleet where no hub answered.
    #[must_use]
    pub fn selection(&self, now: Timestamp) -> Selection {
        let spoken = self.setup.spoken;
        let (Some(Outcome::Found), Purpose::Order { changes, .. }) =
            (&self.outcome, &self.setup.purpose)
        else {
            return Selection::unknown(spoken);
        };
        let wish = Wish { changes: *changes, spoken, now };
        let mut selection =
            Selection::choose(self.listed.iter().cloned(), |node| self.key_of(node), wish);
        selection.coverage = self.coverage();
        selection
    }

    /// What there is to say of the hub's list as a whole; nothing where no hub answered.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let Some(since) = self.since else { return Coverage::default() };
        let registered = self.all.as_ref().unwrap_or(&self.listed);
        let census = Census {
            since,
            young: self.young,
            whole: self.is_whole(),
            names: &self.names,
            registered: registered.iter().map(|line| &line.node).collect(),
            known: &self.setup.directory,
        };
        census.coverage()
    }

    /// Whether every node is asked for.
    fn is_whole(&self) -> bool {
        // Those that lack an agent are listed too.
        self.setup.purpose.terms().is_some_and(|terms| terms.len() == terms.agents.len())
    }

    /// Whether a list of all nodes would tell of one that is missing from those that match.
    fn needs_census(&self) -> bool {
        let listed: BTreeSet<&str> = self.listed.iter().map(|line| line.node.as_str()).collect();
        let is_listed = |name: &String| listed.contains(name.as_str());
        !self.is_whole() && (self.young.is_some() || !self.names.iter().all(is_listed))
    }

    fn key_of(&self, node: &Identity) -> Option<&PublicKey> {
        let known = self.setup.directory.get(node).or_else(|| self.learned.get(node));
        known.map(KnownNode::sign)
    }

    /// Takes what happened.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.outcome.is_some() {
            return effects;
        }
        match event {
            Event::Message(message) => self.take(&message, now, &mut effects),
            Event::NoResponders(subject) => self.nobody(&subject, &mut effects),
            Event::Interrupted => self.end(Outcome::Interrupted, &mut effects),
            Event::Tick | Event::Connected | Event::NotPublished(_) => {
                self.look(now, &mut effects);
            }
            Event::Checked(_)
            | Event::Signed(_)
            | Event::NotSigned(_)
            | Event::Release(_)
            | Event::Stop(_) => {}
        }
        if self.outcome.is_none() {
            effects.push(Effect::WakeAt(self.again_at.min(self.ends_at())));
        }
        effects
    }

    fn first_ask(&self) -> Ask {
        match &self.setup.purpose {
            Purpose::Find(terms) | Purpose::Order { terms, .. } => Ask::Find(terms.clone()),
            Purpose::Values(fact) => Ask::Values(fact.clone()),
            Purpose::Names(beginning) => Ask::Names(beginning.clone()),
        }
    }

    fn ask(&mut self, id: OrderId, ask: Ask, effects: &mut Vec<Effect>) {
        let caller = self.setup.caller.clone();
        effects.push(Effect::Subscribe(self.subjects.replies(&caller, id)));
        let answer = self.subjects.answer(&caller, id);
        let question = Question { v: self.version, id, caller, ask };
        effects.push(Effect::Publish(question.message(self.subjects.questions(), answer)));
        self.asked.insert(id, Gather::default());
    }

    fn new_id(&mut self) -> OrderId {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        OrderId::from_bytes(bytes)
    }

    /// Asks for the certificates that are lacking, in questions of a bounded size.
    fn ask_certificates(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        // What comes late of earlier questions is asked for anew.
        self.asked.clear();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for node in self.lacking.clone() {
            bytes += node.as_str().len() + 3;
            if bytes > ASKED_NAMES_BYTES_MAX {
                let id = self.new_id();
                self.ask(id, Ask::Certificates(std::mem::take(&mut batch)), effects);
                bytes = node.as_str().len() + 3;
            }
            batch.push(node);
        }
        let id = self.new_id();
        self.ask(id, Ask::Certificates(batch), effects);
        self.again_at = now + ASK_AGAIN_AFTER;
    }

    /// When it ends without a whole answer.
    fn ends_at(&self) -> Timestamp {
        (self.heard + HUB_WAIT).min(self.began + ASKED_FOR_MAX)
    }

    /// Asks again, or gives up, when it is time for it.
    fn look(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if now >= self.ends_at() || self.tries > ASKED_AGAIN_MAX {
            let end = match self.phase {
                // Nodes without a certificate are left out by name; they are not forgotten.
                Phase::Certificates => Outcome::Found,
                Phase::Names | Phase::Census => Outcome::NoAnswer,
            };
            return self.end(end, effects);
        }
        if now < self.again_at {
            return;
        }
        self.tries += 1;
        match self.phase {
            Phase::Names => self.ask_anew(self.first_ask(), now, effects),
            Phase::Census => self.ask_anew(Ask::Find(Terms::default()), now, effects),
            Phase::Certificates => self.ask_certificates(now, effects),
        }
    }

    fn ask_anew(&mut self, ask: Ask, now: Timestamp, effects: &mut Vec<Effect>) {
        let id = self.new_id();
        self.ask(id, ask, effects);
        self.again_at = now + ASK_AGAIN_AFTER;
    }

    fn nobody(&mut self, subject: &str, effects: &mut Vec<Effect>) {
        let caller = &self.setup.caller;
        if !self.asked.keys().any(|id| self.subjects.answer(caller, *id) == subject) {
            return;
        }
        let end = match self.phase {
            Phase::Names => Outcome::NoHub,
            // A hub that left meanwhile did not answer whole.
            Phase::Census | Phase::Certificates => Outcome::NoAnswer,
        };
        self.end(end, effects);
    }

    fn take(&mut self, message: &Message, now: Timestamp, effects: &mut Vec<Effect>) {
        if message.headers.kind() != Some(Kind::Answer) {
            return;
        }
        let Ok(answer) = Answer::parse(message) else { return };
        let expected = self.subjects.answer(&self.setup.caller, answer.id);
        let Some(gather) = self.asked.get_mut(&answer.id) else { return };
        let parts = *gather.parts.get_or_insert(answer.parts);
        if message.subject != expected || parts != answer.parts || !gather.got.insert(answer.part) {
            return;
        }
        let whole = gather.got.len() == parts as usize;
        self.heard = now;
        self.again_at = now + ASK_AGAIN_AFTER;
        match answer.found {
            // A hub of the release after this one has forgotten the oldest version by now.
            Found::Refused(_)
                if self.phase == Phase::Names && self.version < self.setup.spoken.newest =>
            {
                self.version += 1;
                self.asked.clear();
                self.ask_anew(self.first_ask(), now, effects);
            }
            Found::Refused(why) => self.end(Outcome::Refused(why), effects),
            Found::Values(values) if matches!(self.setup.purpose, Purpose::Values(_)) => {
                self.end(Outcome::Values(values), effects);
            }
            Found::Names(names) if matches!(self.setup.purpose, Purpose::Names(_)) => {
                self.end(Outcome::Names(names), effects);
            }
            Found::Nodes(nodes) if self.phase != Phase::Certificates => {
                gather.nodes.extend(nodes);
                if gather.nodes.len() as u64 > SET_NODES_MAX {
                    let why = format!("it lists more than {SET_NODES_MAX} nodes");
                    return self.end(Outcome::Refused(why), effects);
                }
                if whole {
                    let nodes = std::mem::take(&mut gather.nodes);
                    self.take_names(nodes, answer.since, now, effects);
                }
            }
            Found::Certificates(texts) if self.phase == Phase::Certificates => {
                self.learn(&texts, effects);
                if whole {
                    self.asked.remove(&answer.id);
                }
                if self.lacking.is_empty() || self.asked.is_empty() {
                    self.end(Outcome::Found, effects);
                }
            }
            Found::Nodes(_) | Found::Values(_) | Found::Names(_) | Found::Certificates(_) => {}
        }
    }

    /// A list is whole: that of the nodes that match, or that of all.
    fn take_names(
        &mut self,
        nodes: Vec<Listed>,
        since: Timestamp,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.asked.clear();
        if self.phase == Phase::Census {
            self.all = Some(nodes);
            return self.certify(now, effects);
        }
        self.listed = nodes;
        self.listed.sort_by(|a, b| a.node.cmp(&b.node));
        self.since = Some(since);
        self.young = coverage::young(since, now);
        if self.needs_census() {
            self.phase = Phase::Census;
            return self.ask_anew(Ask::Find(Terms::default()), now, effects);
        }
        self.certify(now, effects);
    }

    /// The names are there: ask for what proves those that are not known.
    fn certify(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Purpose::Order { changes, .. } = self.setup.purpose {
            let asked = self.listed.iter().filter(|line| {
                let aside = line.not_capable || (changes && line.read_only);
                !aside && self.setup.directory.get(&line.node).is_none()
            });
            self.lacking = asked.map(|line| line.node.clone()).collect();
        }
        if self.lacking.is_empty() {
            return self.end(Outcome::Found, effects);
        }
        self.phase = Phase::Certificates;
        self.ask_certificates(now, effects);
    }

    /// Takes the certificates that prove what the hub listed; all else is passed over.
    fn learn(&mut self, texts: &[String], effects: &mut Vec<Effect>) {
        for text in texts {
            let Ok(node) = prove(text, &self.setup.authority, &self.setup.collective) else {
                continue;
            };
            let first = self.listed.partition_point(|line| line.node < *node.identity());
            let mut lines =
                self.listed[first..].iter().take_while(|line| line.node == *node.identity());
            // A certificate of another key than the one listed may be of one that was taken back.
            let digest = node.sign().digest();
            if lines.any(|line| line.key == digest) && self.lacking.remove(node.identity()) {
                effects.push(Effect::Learned(node.clone()));
                self.learned.insert(node.identity().clone(), node);
            }
        }
    }

    fn end(&mut self, outcome: Outcome, effects: &mut Vec<Effect>) {
        self.outcome = Some(outcome);
        self.asked.clear();
        effects.push(Effect::Done);
    }
}
