//! A node on a bench: real keys, real signatures, a clock and a disk of the test's own.

mod can;
mod intake;
mod job;
mod presence;
mod recovery;
mod runs;

use std::collections::BTreeMap;
use std::sync::Arc;

use marcato_agent::Outcome;
use marcato_core::ddl::Ddl;
use marcato_core::{AgentName, Changed, EndState, Facts, OrderId, Reason, Span, Terms, Timestamp};
use marcato_protocol::allowed_signers::AllowedSigners;
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::{KeyFile, NodeSignKey, OpenKey, OperatorKey};
use marcato_protocol::merkle::{self, MerkleSet};
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::order::{Audience, Order, Set, SignedOrder, Step};
use marcato_protocol::progress::{Phase, Progress};
use marcato_protocol::receipt::{Expected, Inner, Outer, ReceivedReceipt};
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::Map;

use super::policy::Policy;
use super::*;

pub(super) const NODE: &str = "web1.example.com";
pub(super) const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);

pub(super) fn seconds(seconds: u64) -> Span {
    Span::from_secs(seconds)
}

fn ddl(name: &str, actions: &str) -> (AgentName, Arc<Ddl>) {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","description":"d","author":"a","license":"Apache-2.0",
        "version":"1.2.0","url":"https://example.com","timeout":10}},"actions":[{actions}]}}"#
    );
    (name.parse().unwrap(), Arc::new(Ddl::parse(text.as_bytes()).unwrap()))
}

fn agents() -> BTreeMap<AgentName, Arc<Ddl>> {
    let input = r#""input":{"service":{"prompt":"p","description":"d","type":"string",
        "validation":"^[a-z]+$","maxlength":20,"optional":false}}"#;
    let service = format!(
        r#"{{"action":"status","description":"d","effect":"read",{input}}},
           {{"action":"restart","description":"d","effect":"change","item":"service",{input}}},
           {{"action":"wipe","description":"d","effect":"change"}}"#
    );
    let rpcutil = r#"{"action":"ping","description":"d","effect":"read"}"#;
    let job = marcato_agent::job::DDL.ddl().unwrap();
    let job = (job.metadata.name.clone(), job);
    let policy = marcato_agent::policy::DDL.ddl().unwrap();
    let policy = (policy.metadata.name.clone(), policy);
    [ddl("service", &service), ddl("rpcutil", rpcutil), job, policy].into()
}

pub(super) fn operator(seed: u8) -> OperatorKey {
    let key = NodeSignKey::generate(&mut ChaCha20Rng::from_seed([seed; 32]));
    match OperatorKey::parse(&key.to_openssh("x").unwrap()).unwrap() {
        KeyFile::Plain(key) => key,
        KeyFile::Encrypted(_) => panic!("it has no passphrase"),
    }
}

/// `ops` with the first operator's key, `guest` with the second's.
pub(super) fn signers() -> Arc<AllowedSigners> {
    let line = |name: &str, seed: u8| {
        let key = operator(seed).public().clone();
        format!("{name} {}\n", serde_json::to_value(key).unwrap().as_str().unwrap())
    };
    let text = line("ops", 1) + &line("guest", 2);
    Arc::new(AllowedSigners::parse(&text, "allowed_signers").unwrap())
}

pub(super) fn rules() -> Rules {
    let policy = "allow callers=ops agents=service actions=status,restart\n\
                  allow callers=ops agents=rpcutil actions=*\ndeny callers=ops agents=* actions=*\n";
    let facts = Facts::from([("role".into(), "web".into()), ("hagroup".into(), "c".into())]);
    let facts = Arc::new(facts);
    Rules {
        signers: signers(),
        policy: Arc::new(Policy::parse(&[("ops.policy".into(), policy.into())]).unwrap()),
        agents: agents(),
        facts,
        classes: vec!["common".into()],
        health: Vec::new(),
        read_only: false,
    }
}

pub(super) fn node_key() -> Arc<NodeSignKey> {
    Arc::new(NodeSignKey::generate(&mut ChaCha20Rng::from_seed([9; 32])))
}

/// An order before it is signed; tests change what they want wrong.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) order: Order,
    pub(super) step: Step,
    pub(super) signer: u8,
    pub(super) matching: bool,
    /// The node's key as the signer's set has it.
    pub(super) set_key: Arc<NodeSignKey>,
}

impl Draft {
    pub(super) fn message(&self) -> Message {
        let mut order = self.order.clone();
        let mut step = self.step.clone();
        let leaf =
            |name: &str, key: &NodeSignKey| merkle::leaf(order.id.as_bytes(), name, key.public());
        let other = NodeSignKey::generate(&mut ChaCha20Rng::from_seed([8; 32]));
        let set = MerkleSet::build(vec![leaf("db1", &other), leaf(NODE, &self.set_key)]);
        let proof = (!self.matching).then(|| set.proof(1).unwrap());
        if self.matching {
            step.audience = Audience::Matching;
        } else {
            step.audience = Audience::Set(Set { root: set.root(), count: set.count() });
        }
        order.step = Some(step);
        let bytes = order.to_bytes();
        let signature = operator(self.signer).sign(Namespace::Order, &bytes).unwrap();
        let subjects = Subjects::of(&order.collective);
        let node = NODE.parse().unwrap();
        let reply = subjects.reply(&order.caller, order.id, &node);
        let subject = if self.matching { subjects.orders() } else { subjects.node(&node) };
        SignedOrder::new(bytes, signature).message(subject, reply, proof.as_ref())
    }
}

/// What a step brought.
#[derive(Debug, Default)]
pub(super) struct Got {
    pub(super) receipts: Vec<(Outer, Inner)>,
    pub(super) progress: Vec<Phase>,
    /// What stands in the progress for its readers.
    pub(super) said: Vec<String>,
    pub(super) runs: Vec<Approved>,
    pub(super) sent: Vec<Message>,
    pub(super) logs: Vec<Entry>,
    /// The kinds of effects, in their order.
    pub(super) order: Vec<&'static str>,
    pub(super) wake: Option<Timestamp>,
    pub(super) clock: Option<Timestamp>,
    pub(super) unwritten: Vec<JournalKey>,
    pub(super) stop: bool,
}

impl Got {
    /// The one receipt's state and reason.
    pub(super) fn end(&self) -> (EndState, Option<Reason>) {
        let [(outer, _)] = &self.receipts[..] else { panic!("not one receipt: {self:?}") };
        (outer.state, outer.reason)
    }

    /// The messages that are receipts.
    pub(super) fn answers(&self) -> Vec<&Message> {
        let receipt = |message: &&Message| message.headers.kind() == Some(Kind::Receipt);
        self.sent.iter().filter(receipt).collect()
    }

    pub(super) fn text(&self) -> &str {
        &self.receipts[0].1.message
    }

    pub(super) fn run(&self) -> RunKey {
        let [approved] = &self.runs[..] else { panic!("not one run: {self:?}") };
        approved.key()
    }

    pub(super) fn is_silent(&self) -> bool {
        self.sent.is_empty() && self.runs.is_empty()
    }
}

pub(super) struct Bench {
    pub(super) node: Node,
    pub(super) now: Timestamp,
    /// What is on the disk for good.
    pub(super) disk: Vec<JournalRecord>,
    /// Whether records are written at once.
    pub(super) writes: bool,
    pub(super) spoken: Spoken,
    pub(super) rules: Rules,
    pub(super) clock_high: Timestamp,
    /// What every change says of itself.
    pub(super) says: String,
    /// Whether the disk answers who listens to that.
    pub(super) hears: bool,
    orders: u64,
}

impl Bench {
    /// A node that is connected, some time after its start.
    pub(super) fn new() -> Self {
        Self::with(rules())
    }

    pub(super) fn with(rules: Rules) -> Self {
        let setup = Self::setup(rules.clone(), Spoken::RELEASE, START);
        let (node, _) = Node::new(setup, START);
        let (now, spoken) = (START, Spoken::RELEASE);
        let (disk, clock_high) = (Vec::new(), Timestamp::default());
        let (writes, hears, says, orders) = (true, true, String::new(), 0);
        let mut bench =
            Self { node, now, disk, writes, spoken, rules, clock_high, says, hears, orders };
        let _ = bench.step(Event::Connected);
        bench.now = START + seconds(100);
        bench
    }

    pub(super) fn setup(rules: Rules, spoken: Spoken, now: Timestamp) -> Setup {
        Setup {
            seed: [7; 32],
            identity: NODE.parse().unwrap(),
            collective: "lab".parse().unwrap(),
            spoken,
            key: node_key(),
            certificate: "certificate".into(),
            rules,
            started: now,
            clock_high: Timestamp::default(),
            journal: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Another daemon, on the same disk.
    pub(super) fn restart(&mut self, runs: Vec<(RunKey, Recovered)>) -> Got {
        let mut setup = Self::setup(self.rules.clone(), self.spoken, self.now);
        setup.journal = self.disk.clone();
        setup.runs = runs;
        setup.clock_high = self.clock_high;
        let (node, effects) = Node::new(setup, self.now);
        self.node = node;
        self.take(effects)
    }

    /// `AGENT ACTION [INPUT=VALUE …]` by `ops`, to be started within 10 s.
    pub(super) fn draft(&mut self, words: &str) -> Draft {
        self.orders += 1;
        let mut words = words.split(' ');
        let (agent, action) = (words.next().unwrap(), words.next().unwrap());
        let inputs = words.map(|word| word.split_once('=').unwrap());
        let inputs: Map<_, _> = inputs.map(|(name, value)| (name.into(), value.into())).collect();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.orders.to_be_bytes());
        let order = Order {
            v: 1,
            id: OrderId::from_bytes(id),
            caller: "ops".parse().unwrap(),
            collective: "lab".parse().unwrap(),
            issued: self.now,
            start_by: self.now + seconds(10),
            run_limit_ms: seconds(10),
            readers: vec![*reader().public()],
            certificates: false,
            reason: None,
            step: None,
            steps: None,
            ext: Map::new(),
        };
        let step = Step {
            agent: agent.parse().unwrap(),
            action: action.parse().unwrap(),
            inputs,
            audience: Audience::Matching,
            filter: Terms { agents: vec![agent.into()], ..Terms::default() },
            ext: Map::new(),
        };
        Draft { order, step, signer: 1, matching: false, set_key: node_key() }
    }

    pub(super) fn send(&mut self, draft: &Draft) -> Got {
        self.step(Event::Message(draft.message()))
    }

    /// Sends a new order of these words.
    pub(super) fn ask(&mut self, words: &str) -> Got {
        let draft = self.draft(words);
        self.send(&draft)
    }

    pub(super) fn step(&mut self, event: Event) -> Got {
        let effects = self.node.step(event, self.now);
        self.take(effects)
    }

    /// Time passes; the node is woken whenever it wishes.
    pub(super) fn pass(&mut self, span: Span) -> Got {
        let end = self.now + span;
        let mut all = Got::default();
        loop {
            let got = self.step(Event::Tick);
            let wake = got.wake;
            all.order.extend(got.order);
            all.sent.extend(got.sent);
            all.receipts.extend(got.receipts);
            all.progress.extend(got.progress);
            all.said.extend(got.said);
            all.runs.extend(got.runs);
            all.logs.extend(got.logs);
            all.stop |= got.stop;
            match wake.filter(|at| *at <= end && !all.stop) {
                Some(at) => {
                    assert!(at > self.now, "it wishes to be woken at once, again and again");
                    self.now = at;
                }
                None => break,
            }
        }
        self.now = end;
        all
    }

    fn take(&mut self, effects: Vec<Effect>) -> Got {
        let mut got = Got::default();
        let mut queue: Vec<Effect> = effects;
        while !queue.is_empty() {
            let mut later = Vec::new();
            for effect in queue {
                match effect {
                    Effect::Publish(message) => {
                        got.order.push(message.headers.kind().unwrap().as_str());
                        self.read(&message, &mut got);
                        got.sent.push(message);
                    }
                    Effect::Write(record, key) if self.writes => {
                        got.order.push("write");
                        self.disk.push(*record);
                        later.extend(self.node.step(Event::Written(key), self.now));
                    }
                    Effect::Write(_, key) => {
                        got.order.push("write");
                        got.unwritten.push(key);
                    }
                    Effect::Measure(message) => {
                        got.order.push("measure");
                        let mut facts = self.rules.facts.as_ref().clone();
                        facts.insert("uptime_days".into(), 3.into());
                        let event = Event::Measured(message, Arc::new(facts));
                        later.extend(self.node.step(event, self.now));
                    }
                    Effect::Run(approved) => {
                        got.order.push("run");
                        got.runs.push(*approved);
                    }
                    Effect::Listen(key) => {
                        got.order.push("listen");
                        if self.hears {
                            let event = Event::Said(key, Some(self.says.clone()));
                            later.extend(self.node.step(event, self.now));
                        }
                    }
                    Effect::WakeAt(at) => got.wake = Some(at),
                    Effect::KeepClock(at) => got.clock = Some(at),
                    Effect::Log(entry) => got.logs.push(entry),
                    Effect::Stop => got.stop = true,
                }
            }
            queue = later;
        }
        got
    }

    /// Checks what is said of an order as its client would.
    fn read(&self, message: &Message, got: &mut Got) {
        let (node, key) = (NODE.parse().unwrap(), node_key());
        // What it claims to answer is looked up by the test; what it says must be signed.
        let claimed = |body: &[u8]| -> serde_json::Value {
            let mut values = serde_json::Deserializer::from_slice(body).into_iter();
            values.next().unwrap().unwrap()
        };
        let expected = |body: &[u8]| {
            let claimed = claimed(body);
            let text = |field: &str| claimed[field].as_str().unwrap().to_owned();
            Expected {
                v: u32::try_from(claimed["v"].as_u64().unwrap()).unwrap(),
                order: text("order").parse().unwrap(),
                order_digest: text("order_digest").parse().unwrap(),
                step: claimed["step"].as_u64().unwrap(),
                step_digest: text("step_digest").parse().unwrap(),
                node: &node,
                key: key.public(),
            }
        };
        match message.headers.kind() {
            Some(Kind::Receipt) => {
                let receipt = ReceivedReceipt::parse(message).unwrap();
                let receipt = receipt.verify(&expected(&message.body)).unwrap();
                let inner = receipt.open(&reader()).unwrap();
                got.receipts.push((receipt.outer.clone(), inner));
            }
            Some(Kind::Progress) => {
                let heard = Progress::verify(message, &expected(&message.body)).unwrap();
                got.progress.push(heard.outer.phase);
                got.said.push(heard.open(&reader()).unwrap());
            }
            _ => {}
        }
    }

    pub(super) fn ended(&mut self, key: RunKey) -> Got {
        self.step(Event::Ended(key, Outcome::ok(Map::new())))
    }
}

pub(super) fn reader() -> OpenKey {
    OpenKey::generate(&mut ChaCha20Rng::from_seed([5; 32]))
}
