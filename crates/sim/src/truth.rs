//! What truly happened in a run, written down where it happens: by the simulated hosts, the wire and
//! the operators' screens. The checkers read this and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use marcato_agent::{Outcome, job};
use marcato_client::core::{NodeReport, Outcome as Inquired, Report};
use marcato_core::{ActionName, AgentName, Identity, OrderId, Span, Terms, Timestamp};
use marcato_node::core::Held;
use marcato_protocol::digest::Digest;
use marcato_protocol::message::Message;
use marcato_protocol::order::Order;
use marcato_protocol::question::{Answer, Listed};
use marcato_protocol::receipt::Outer;
use serde_json::{Map, Value};

use crate::host::{Deed, Files};

/// Everything that happened. Times are milliseconds of the run unless they are [`Timestamp`]s,
/// which are by the clock of whoever wrote them.
#[derive(Debug, Default)]
pub struct Truth {
    /// The hosts.
    pub hosts: Vec<HostTruth>,
    /// Every order that somebody signed.
    pub orders: Vec<Signed>,
    /// Every time that an agent's action was begun.
    pub runs: Vec<Run>,
    /// Every receipt that a node sent.
    pub receipts: Vec<Said>,
    /// Every time that a registration reached the hub as its node sent it.
    pub registered: Vec<Registered>,
    /// Every answer of the hub to the question which nodes match.
    pub answers: Vec<Answered>,
    /// Every answer of the hub that is whole in one message, by what was asked.
    pub whole_answers: BTreeSet<(OrderId, Digest)>,
    /// Every command of an operator.
    pub jobs: Vec<JobTruth>,
    /// Every time that a signed order reached a node as it was sent.
    pub taken: Vec<Taken>,
    /// Messages that somebody hostile, or a broker that delivers twice, made arrive: the orders
    /// and nodes that they are about.
    pub doubtful: BTreeSet<(OrderId, usize)>,
    /// The most that any node held at once.
    pub held: Held,
    /// Until when the run went.
    pub until: u64,
}

/// A host over the run.
#[derive(Debug)]
pub struct HostTruth {
    /// Its name.
    pub identity: Identity,
    /// Its files, each with the moment from which they held.
    pub files: Vec<(u64, Files)>,
    /// By how much its clock was set back in all, in milliseconds.
    pub set_back: u64,
    /// When its clock was set.
    pub clock_set: Vec<u64>,
    /// When its journal was found damaged: what it knew of earlier orders may be lost.
    pub damaged: Vec<u64>,
    /// When it was built anew, if it was.
    pub rebuilt: Option<u64>,
    /// When its daemons were started, and when each was gone.
    pub lives: Vec<(u64, Option<u64>)>,
}

/// An order that somebody signed.
#[derive(Debug)]
pub struct Signed {
    /// The order.
    pub order: Order,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Whose key signed it; nobody's that a host knows, or the caller's.
    pub operator: Option<usize>,
    /// Whether it is of this fleet and as a client would sign it.
    pub proper: bool,
    /// Whether its action may change a host.
    pub changes: bool,
    /// The nodes that its signer addressed one by one.
    pub addressed: BTreeSet<usize>,
}

impl Signed {
    /// How long after its issue nodes may start it.
    #[must_use]
    pub fn valid(&self) -> Span {
        self.order.start_by.since(self.order.issued)
    }
}

/// An action that was begun.
#[derive(Debug)]
pub struct Run {
    /// On which host.
    pub host: usize,
    /// How often that host had been rebuilt.
    pub birth: usize,
    /// Under which life of the daemon.
    pub life: u64,
    /// For which order and step.
    pub key: (OrderId, u64),
    /// Which agent.
    pub agent: AgentName,
    /// Which of its actions.
    pub action: ActionName,
    /// With what.
    pub inputs: Map<String, Value>,
    /// Whether it may change the host.
    pub change: bool,
    /// When.
    pub at: u64,
    /// What the host's clock read when its process was started.
    pub clock: Timestamp,
    /// When it did what it does, and what that was.
    pub deed: Option<(u64, Deed)>,
    /// When it ended, and how.
    pub outcome: Option<(u64, Outcome)>,
    /// When it was killed, or died with its daemon or host.
    pub killed: Option<u64>,
}

/// A receipt that a node sent.
#[derive(Debug, Clone)]
pub struct Said {
    /// Which host.
    pub host: usize,
    /// How often it had been rebuilt.
    pub birth: usize,
    /// Under which life of the daemon.
    pub life: u64,
    /// When.
    pub at: u64,
    /// What it says to everybody.
    pub outer: Outer,
    /// Stands for the whole message's body.
    pub digest: Digest,
    /// Stands for the message, with its subject and headers.
    pub message: Digest,
}

/// An order that reached a node as it was sent.
#[derive(Debug)]
pub struct Taken {
    /// Which host.
    pub host: usize,
    /// SHA-256 of the order's bytes.
    pub order: Digest,
    /// When.
    pub at: u64,
}

/// A registration that reached the hub.
#[derive(Debug)]
pub struct Registered {
    /// Which life of the hub.
    pub hub: u64,
    /// Which host's.
    pub host: usize,
    /// The digest of the key that signed it.
    pub key: Digest,
    /// When its node sent it.
    pub sent: u64,
    /// When it came.
    pub at: u64,
}

/// What the hub answered.
#[derive(Debug)]
pub struct Answered {
    /// Which life of the hub.
    pub hub: u64,
    /// When.
    pub at: u64,
    /// What was asked, as it came to the hub.
    pub terms: Terms,
    /// The nodes.
    pub listed: Vec<Listed>,
    /// Stands for the whole message.
    pub message: Digest,
}

/// A command of an operator.
#[derive(Debug, Default)]
pub struct JobTruth {
    /// Whether it may change hosts.
    pub changes: bool,
    /// The orders that it signed.
    pub orders: Vec<OrderId>,
    /// The digests of those that it sent.
    pub digests: BTreeSet<Digest>,
    /// The last question that it asked.
    pub asked: Option<OrderId>,
    /// Which answers of the hub came to it.
    pub answers: Vec<Answer>,
    /// The messages that came to it, by [`Said::message`], in their order.
    pub heard: Vec<Digest>,
    /// How many of them had come when it told its operator.
    pub heard_by_report: usize,
    /// How often it sent an order to a node.
    pub sent: BTreeMap<(OrderId, Identity), u64>,
    /// Whether it sent an order to whoever matches.
    pub broadcast: BTreeSet<OrderId>,
    /// How the order goes from node to node, where it does.
    pub pace: Option<Paced>,
    /// What it sent and heard since it began its order, each with the moment.
    pub course: Vec<(u64, Course)>,
    /// The nodes of which a broker told it that nobody is there, by their last token.
    pub nobody: BTreeSet<Identity>,
    /// Whether a broker told it that nobody at all listens to orders.
    pub nobody_at_all: bool,
    /// What it showed of what nodes say that they do.
    pub shown: BTreeSet<(Identity, String)>,
    /// Each change of a node's line, as it came.
    pub lines: Vec<NodeReport>,
    /// What it told its operator when it was done.
    pub report: Option<Report>,
    /// The same after everything that came late.
    pub late: Option<Report>,
    /// Whether the command was killed.
    pub died: bool,
    /// Whether its operator interrupted it.
    pub interrupted: bool,
    /// Why it ended before there was an order, if it did.
    pub gave_up: Option<Inquired>,
    /// When it began, if it did: it was typed, and its connection stood.
    pub started: u64,
}

/// How an order goes from node to node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paced {
    /// How many nodes may have it at a time.
    pub width: usize,
    /// How long a silent node is waited for, in milliseconds.
    pub wait: u64,
    /// Whether it goes to no further node once it went wrong on one.
    pub stops: bool,
}

/// What happens to a command on its way, as far as the pace of its order is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// It sent the order to a node, or tried to.
    Sent(Identity),
    /// A message came to it, by [`Said::message`].
    Heard(Digest),
    /// A broker told it that a node is not there.
    Nobody(Identity),
    /// Its operator went.
    Interrupted,
}

impl JobTruth {
    /// It begins its order; what was before that was another's.
    pub fn begin(&mut self, pace: Option<Paced>) {
        self.pace = pace;
        self.course.clear();
    }
}

/// Stands for a whole message: any other has another.
#[must_use]
pub fn digest_of(message: &Message) -> Digest {
    let headers: Vec<String> =
        message.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let head = format!("{}\n{}\n", message.subject, headers.concat());
    Digest::of_parts(&[head.as_bytes(), &message.body])
}

impl Signed {
    /// The order that this one cancels, if it does that.
    #[must_use]
    pub fn cancels(&self) -> Option<OrderId> {
        let step = self.order.step.as_ref();
        let step = step.filter(|step| (step.agent.as_str(), step.action.as_str()) == CANCEL)?;
        step.inputs.get(job::ORDER)?.as_str()?.parse().ok()
    }
}

/// The agent and action that cancel.
const CANCEL: (&str, &str) = (job::NAME, job::CANCEL);

impl HostTruth {
    /// Since when the daemon has been there that is there at the end.
    #[must_use]
    pub fn last_life(&self) -> Option<u64> {
        self.lives.last().filter(|(_, until)| until.is_none()).map(|(from, _)| *from)
    }

    /// Its files at a moment; both where they changed in it.
    pub fn files_at(&self, at: u64) -> impl Iterator<Item = &Files> {
        let next = self.files.iter().skip(1).map(|(from, _)| *from).chain([u64::MAX]);
        let spans = self.files.iter().zip(next);
        spans.filter(move |((from, _), until)| *from <= at && at <= *until).map(|((_, f), _)| f)
    }
}

impl Truth {
    /// The host of this name.
    #[must_use]
    pub fn host(&self, identity: &Identity) -> Option<usize> {
        self.hosts.iter().position(|host| host.identity == *identity)
    }

    /// The signed order that these bytes are.
    #[must_use]
    pub fn signed(&self, digest: Digest) -> Option<&Signed> {
        self.orders.iter().find(|signed| signed.digest == digest)
    }

    /// All signed orders of this id.
    pub fn of_id(&self, id: OrderId) -> impl Iterator<Item = &Signed> {
        self.orders.iter().filter(move |signed| signed.order.id == id)
    }

    /// Every time that a host began the order which a receipt of it is about.
    pub fn runs_of(&self, said: &Said) -> impl Iterator<Item = &Run> {
        let (host, birth, key) = (said.host, said.birth, (said.outer.order, said.outer.step));
        // Two orders may have one id; in their inputs they differ.
        let step = self.signed(said.outer.order_digest).and_then(|s| s.order.step.as_ref());
        let inputs = step.map(|step| &step.inputs);
        self.runs.iter().filter(move |run| {
            run.host == host && run.birth == birth && run.key == key && inputs == Some(&run.inputs)
        })
    }
}
