//! What the tests share: a fleet with real keys, and a bench that runs a job on it by hand.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part; a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use marcato_client::core::{
    Aim, Directory, Effect, Event, Inquiry, InquirySetup, Job, JobSetup, KnownNode, NodeReport,
    Purpose, Report, Selection, Task, Wish,
};
use marcato_core::{
    CallerId, Changed, Collective, EndState, Identity, OrderId, Reason, Span, Terms, Timestamp,
};
use marcato_protocol::certificate::{Certificate, SignedText, machine_digest};
use marcato_protocol::keys::{NodeSignKey, OpenKey};
use marcato_protocol::message::{Headers, Kind, Message};
use marcato_protocol::order::Received;
use marcato_protocol::progress::{Phase, Progress};
use marcato_protocol::question::Listed;
use marcato_protocol::receipt::{Inner, Outer, SignedReceipt};
use marcato_protocol::seal::OpenPublicKey;
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::Map;

pub const START: Timestamp = Timestamp::from_ms(1_795_000_000_000);
pub const ONE: Spoken = Spoken { oldest: 1, newest: 1 };

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn name(text: &str) -> Identity {
    text.parse().unwrap()
}

pub fn collective() -> Collective {
    "lab".parse().unwrap()
}

pub fn caller() -> CallerId {
    "ops@example.com".parse().unwrap()
}

pub fn subjects() -> Subjects {
    Subjects::of(&collective())
}

/// The authority of the fleet: an Ed25519 key as any other.
pub fn authority() -> NodeSignKey {
    NodeSignKey::generate(&mut rng(1))
}

pub fn operator() -> NodeSignKey {
    NodeSignKey::generate(&mut rng(2))
}

/// A managed host as far as a client can see: its keys and its certificate.
pub struct Node {
    pub identity: Identity,
    pub sign: NodeSignKey,
    pub open: OpenKey,
    pub certificate: String,
}

impl Node {
    pub fn new(text: &str) -> Self {
        Self::certified(text, 0, &authority(), &collective())
    }

    /// The same name on another machine, with other keys.
    pub fn rebuilt(text: &str) -> Self {
        Self::certified(text, 1, &authority(), &collective())
    }

    pub fn certified(
        text: &str,
        machine: u64,
        authority: &NodeSignKey,
        collective: &Collective,
    ) -> Self {
        let mut random = rng(1000 + machine + text.bytes().map(u64::from).sum::<u64>() * 10);
        let identity = name(text);
        let sign = NodeSignKey::generate(&mut random);
        let open = OpenKey::generate(&mut random);
        let certificate = Certificate {
            v: 1,
            collective: collective.clone(),
            identity: identity.clone(),
            sign: sign.public().clone(),
            open: *open.public(),
            machine: machine_digest("0123456789abcdef0123456789abcdef"),
            issued: START,
            ext: Map::new(),
        };
        let body = certificate.to_bytes();
        let signature = authority.sign(Namespace::Join, &body);
        let certificate = SignedText::new(body, signature).to_string();
        Self { identity, sign, open, certificate }
    }

    pub fn known(&self) -> KnownNode {
        let text = SignedText::parse(&self.certificate).unwrap();
        KnownNode::of(&text.verify(authority().public(), &collective()).unwrap())
    }

    pub fn listed(&self) -> Listed {
        Listed {
            node: self.identity.clone(),
            key: self.sign.public().digest(),
            spoken: ONE,
            down: None,
            read_only: false,
            not_capable: false,
        }
    }

    pub fn outer(&self, order: &Message, state: EndState, reason: Option<Reason>) -> Outer {
        let received = Received::parse(order).unwrap();
        let now = received.order.issued;
        let mut outer = Outer::answering(&received, self.identity.clone(), state, now);
        outer.reason = reason;
        outer
    }

    /// Signs an outer part and sends it where this node's answers go.
    pub fn send(&self, order: &Message, outer: Outer, certificate: bool) -> Message {
        let received = Received::parse(order).unwrap();
        let inner = Inner { message: format!("I am {}", self.identity), ..Inner::default() };
        let readers = &received.order.readers;
        let receipt = SignedReceipt::issue(outer, &inner, readers, &self.sign, &mut rng(3));
        let subject = subjects().reply(&caller(), received.order.id, &self.identity);
        receipt.message(subject, certificate.then(|| self.certificate.clone()))
    }

    pub fn receipt(&self, order: &Message, state: EndState, reason: Option<Reason>) -> Message {
        self.send(order, self.outer(order, state, reason), false)
    }

    pub fn ok(&self, order: &Message) -> Message {
        self.receipt(order, EndState::Ok, None)
    }

    /// A word before the end, each said later than all before it.
    pub fn progress(&self, order: &Message, phase: Phase) -> Message {
        self.says(order, phase, "")
    }

    /// The same with what the node does or waits for.
    pub fn says(&self, order: &Message, phase: Phase, text: &str) -> Message {
        let readers = Received::parse(order).unwrap().order.readers;
        self.says_to(order, phase, text, &readers)
    }

    pub fn says_to(
        &self,
        order: &Message,
        phase: Phase,
        text: &str,
        readers: &[OpenPublicKey],
    ) -> Message {
        static SAID: AtomicU64 = AtomicU64::new(0);
        let received = Received::parse(order).unwrap();
        let progress = Progress {
            v: received.order.v,
            order: received.order.id,
            order_digest: received.order_digest,
            step: 0,
            step_digest: received.step_digest,
            node: self.identity.clone(),
            phase,
            at: START + Span::from_ms(SAID.fetch_add(1, Ordering::Relaxed)),
            sealed: None,
            ext: Map::new(),
        };
        let subject = subjects().reply(&caller(), received.order.id, &self.identity);
        let sealed = progress.seal(text, readers, &mut rng(4));
        progress.message(sealed.as_ref(), subject, &self.sign)
    }
}

pub fn nodes(names: &[&str]) -> Vec<Node> {
    names.iter().map(|name| Node::new(name)).collect()
}

pub fn directory(nodes: &[Node]) -> Arc<Directory> {
    let mut directory = Directory::default();
    for node in nodes {
        directory.keep(node.known()).unwrap();
    }
    Arc::new(directory)
}

pub fn task(changes: bool) -> Task {
    Task {
        agent: "service".parse().unwrap(),
        action: "restart".parse().unwrap(),
        inputs: Map::new(),
        changes,
        to_read_only: false,
        filter: Terms::default(),
        aim: if changes { Aim::Set } else { Aim::Matching },
        reason: None,
        wait: Span::from_secs(if changes { 10 } else { 5 }),
        run_limit: Span::from_secs(60),
    }
}

pub fn select(listed: Vec<Listed>, directory: &Directory, changes: bool) -> Selection {
    let wish = Wish { changes, spoken: ONE, now: START };
    Selection::choose(listed, |node| directory.get(node).map(KnownNode::sign), wish)
}

/// A job on a bench: what it wants published lies in `sent`, and time passes only when told.
pub struct Bench {
    pub job: Job,
    pub now: Timestamp,
    pub sent: Vec<Message>,
    pub probes: Vec<Message>,
    pub learned: Vec<KnownNode>,
    pub to_sign: Vec<Vec<u8>>,
    pub signs: bool,
    pub done: bool,
    wake: Option<Timestamp>,
}

/// The key to which what nodes say is sealed.
pub fn reader() -> Arc<OpenKey> {
    Arc::new(OpenKey::generate(&mut rng(6)))
}

impl Bench {
    pub fn new(task: Task, selection: Selection, directory: Arc<Directory>) -> Self {
        Self::start(task, selection, directory, true)
    }

    pub fn start(task: Task, selection: Selection, directory: Arc<Directory>, signs: bool) -> Self {
        Self::begin(task, selection, directory, signs, None)
    }

    /// An order for these nodes, known and listed, that is sent to whom the test releases.
    pub fn paced(nodes: &[Node], changes: bool, valid: Span) -> Self {
        let directory = directory(nodes);
        let selection = select(nodes.iter().map(Node::listed).collect(), &directory, changes);
        let task = Task { aim: Aim::Set, ..task(changes) };
        Self::begin(task, selection, directory, true, Some(valid))
    }

    /// The same change while the key has not signed it.
    pub fn paced_unsigned(nodes: &[Node], valid: Span) -> Self {
        let directory = directory(nodes);
        let selection = select(nodes.iter().map(Node::listed).collect(), &directory, true);
        Self::begin(task(true), selection, directory, false, Some(valid))
    }

    /// The key signs what it was asked to.
    pub fn sign(&mut self) {
        for bytes in std::mem::take(&mut self.to_sign) {
            self.step(Event::Signed(operator().sign(Namespace::Order, &bytes)));
        }
    }

    fn begin(
        task: Task,
        selection: Selection,
        directory: Arc<Directory>,
        signs: bool,
        paced: Option<Span>,
    ) -> Self {
        let setup = JobSetup {
            id: OrderId::from_bytes([7; 16]),
            seed: [8; 32],
            reader: reader(),
            collective: collective(),
            authority: authority().public().clone(),
            caller: caller(),
            spoken: ONE,
            directory,
            task,
            selection,
            paced,
        };
        let (job, effects) = Job::new(setup, START).unwrap();
        let mut bench = Self {
            job,
            now: START,
            sent: Vec::new(),
            probes: Vec::new(),
            learned: Vec::new(),
            to_sign: Vec::new(),
            signs,
            done: false,
            wake: None,
        };
        bench.perform(effects);
        bench.after(0);
        bench
    }

    /// A change for these nodes, all known and listed.
    pub fn change(nodes: &[Node]) -> Self {
        let directory = directory(nodes);
        let selection = select(nodes.iter().map(Node::listed).collect(), &directory, true);
        Self::new(task(true), selection, directory)
    }

    /// A read for whoever matches, these nodes expected.
    pub fn read(nodes: &[Node]) -> Self {
        let directory = directory(nodes);
        let selection = select(nodes.iter().map(Node::listed).collect(), &directory, false);
        Self::new(task(false), selection, directory)
    }

    /// A read where no hub says whom to expect.
    pub fn unknown(directory: Arc<Directory>) -> Self {
        Self::new(task(false), Selection::unknown(ONE), directory)
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Publish(message) => self.sent.push(message),
                Effect::Probe(message) => self.probes.push(message),
                Effect::Sign(bytes) if self.signs => {
                    let signature = operator().sign(Namespace::Order, &bytes);
                    self.step(Event::Signed(signature));
                }
                Effect::Sign(bytes) => self.to_sign.push(bytes),
                Effect::WakeAt(at) => self.wake = Some(at),
                Effect::Learned(node) => self.learned.push(node),
                Effect::Done => self.done = true,
                Effect::Subscribe(_) | Effect::Moved(_) => {}
            }
        }
    }

    pub fn step(&mut self, event: Event) {
        let effects = self.job.step(event, self.now);
        self.perform(effects);
    }

    pub fn message(&mut self, message: Message) {
        self.step(Event::Message(message));
    }

    /// Lets so many milliseconds pass, with a tick whenever the job wanted one.
    pub fn after(&mut self, ms: u64) {
        let end = self.now + Span::from_ms(ms);
        for _ in 0..100_000 {
            match self.wake.filter(|at| *at <= end) {
                Some(at) => {
                    self.wake = None;
                    self.now = self.now.max(at);
                    self.step(Event::Tick);
                }
                None => break,
            }
        }
        assert!(self.wake.is_none_or(|at| at > end), "the job never rests");
        self.now = end;
        self.step(Event::Tick);
    }

    /// The copies of the order that were sent to this node alone.
    pub fn copies(&self, node: &Node) -> Vec<&Message> {
        let subject = subjects().node(&node.identity);
        self.sent.iter().filter(|message| message.subject == subject).collect()
    }

    /// The order as this node gets it.
    pub fn order(&self, node: &Node) -> Message {
        let subject = subjects().node(&node.identity);
        let own = self.sent.iter().rfind(|message| message.subject == subject);
        own.unwrap_or_else(|| self.sent.last().unwrap()).clone()
    }

    /// A broker's word that nobody is connected there.
    pub fn nobody(&mut self, node: &Node) {
        let order = Received::parse(&self.order(node)).unwrap().order.id;
        let subject = subjects().reply(&caller(), order, &node.identity);
        self.step(Event::NoResponders(subject));
    }

    pub fn report(&self) -> Report {
        self.job.report()
    }

    pub fn node(&self, node: &Node) -> NodeReport {
        self.job.node(&node.identity).cloned().unwrap()
    }

    /// State, reason and changed of a node that has ended.
    pub fn end(&self, node: &Node) -> (EndState, Option<Reason>, Changed) {
        let report = self.node(node);
        (report.state, report.reason, report.changed)
    }

    /// The job has ended, and each expected node has exactly one line.
    pub fn assert_done(&self) {
        assert!(self.done, "open: {:?}", self.job.waiting(10));
        let report = self.report();
        let names: std::collections::BTreeSet<_> =
            report.nodes.iter().map(|node| &node.node).collect();
        assert_eq!(names.len(), report.nodes.len(), "a node has two lines");
        if let Some(expected) = report.expected {
            assert_eq!(expected, report.nodes.len());
        }
    }
}

/// An inquiry on a bench.
pub struct Asking {
    pub inquiry: Inquiry,
    pub now: Timestamp,
    pub sent: Vec<Message>,
    pub learned: Vec<KnownNode>,
    pub done: bool,
}

impl Asking {
    pub fn new(purpose: Purpose, directory: Arc<Directory>) -> Self {
        let setup = InquirySetup {
            id: OrderId::from_bytes([7; 16]),
            seed: [9; 32],
            collective: collective(),
            authority: authority().public().clone(),
            caller: caller(),
            spoken: ONE,
            directory,
            purpose,
        };
        let (inquiry, effects) = Inquiry::new(setup, START);
        let mut asking =
            Self { inquiry, now: START, sent: Vec::new(), learned: Vec::new(), done: false };
        asking.perform(effects);
        asking
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Publish(message) => self.sent.push(message),
                Effect::Learned(node) => self.learned.push(node),
                Effect::Done => self.done = true,
                _ => {}
            }
        }
    }

    pub fn step(&mut self, event: Event) {
        let effects = self.inquiry.step(event, self.now);
        self.perform(effects);
    }

    pub fn after(&mut self, ms: u64) {
        self.now = self.now + Span::from_ms(ms);
        self.step(Event::Tick);
    }
}

/// A message that carries nothing of ours.
pub fn garbage(subject: String) -> Message {
    Message { subject, reply: None, headers: Headers::of(Kind::Receipt), body: b"garbage".to_vec() }
}
