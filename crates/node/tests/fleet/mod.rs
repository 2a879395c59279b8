//! A small fleet for tests: broker, authority, operator, folders, and an agent that waits.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use marcato_agent::runner::Launch;
use marcato_agent::{Agent, BoxFuture, Call, Catalog, Outcome};
use marcato_broker::{Broker, Config};
use marcato_core::ddl::Ddl;
use marcato_core::{CallerId, Changed, EndState, Identity, OrderId, Reason, Span, Terms};
use marcato_link::{Event, Link, LinkConfig, LinkError};
use marcato_node::shell::{
    Agents, Disk, Handle, NodeConfig, NodeShell, Places, Start, StateError, install_certificate,
    now, request_certificate,
};
use marcato_protocol::certificate::{Certificate, SignedText};
use marcato_protocol::keys::{KeyFile, NodeSignKey, OpenKey, OperatorKey};
use marcato_protocol::merkle::{self, MerkleSet};
use marcato_protocol::message::{Headers, Kind, Message};
use marcato_protocol::order::{Audience, Order, Set, SignedOrder, Step};
use marcato_protocol::progress::Progress;
use marcato_protocol::receipt::{Expected, Inner, ReceivedReceipt};
use marcato_protocol::registration::{Heartbeat, Registration};
use marcato_protocol::sshsig::{Namespace, PublicKey};
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::Map;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{launch, soon};

const DDL: &str = r#"{"metadata":{"name":"demo","description":"d","author":"a","license":"Apache-2.0",
    "version":"1.0.0","url":"https://example.com","timeout":20},"actions":[
    {"action":"look","description":"d","effect":"read"},
    {"action":"panic","description":"d","effect":"read"},
    {"action":"change","description":"d","effect":"change","input":{
        "gate":{"prompt":"p","description":"d","type":"string","validation":".","maxlength":200,"optional":false},
        "done":{"prompt":"p","description":"d","type":"string","validation":".","maxlength":200,"optional":false}}}]}"#;

/// Looks, panics, or changes a file once it may.
pub struct Demo(Arc<Ddl>);

impl Demo {
    pub fn agents() -> Agents {
        Agents { catalog: demo_agents(), left_out: Vec::new() }
    }
}

pub fn demo_agents() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.insert(Arc::new(Demo(Arc::new(Ddl::parse(DDL.as_bytes()).unwrap()))));
    catalog
}

impl Agent for Demo {
    fn ddl(&self) -> &Arc<Ddl> {
        &self.0
    }

    fn call<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match call.action.as_str() {
                "look" => {
                    let given = ["role", "hagroup", "number"];
                    let known = given.iter().filter(|name| call.facts.contains_key(**name)).count();
                    let data = Map::from_iter([("node_facts".into(), known.to_string().into())]);
                    Outcome::ok(data)
                }
                "panic" => panic!("as it was told to"),
                _ => {
                    let path = |name: &str| PathBuf::from(call.inputs[name].as_str().unwrap());
                    call.voice.say("waiting at the gate");
                    // Opening waits until somebody writes.
                    std::fs::read(path("gate")).unwrap();
                    let mut options = std::fs::OpenOptions::new();
                    let mut done = options.create(true).append(true).open(path("done")).unwrap();
                    done.write_all(b"changed\n").unwrap();
                    Outcome::ok(Map::new()).changing(Changed::True).saying("changed")
                }
            }
        })
    }
}

fn operator(seed: u8) -> OperatorKey {
    let key = NodeSignKey::generate(&mut ChaCha20Rng::from_seed([seed; 32]));
    match OperatorKey::parse(&key.to_openssh("x").unwrap()).unwrap() {
        KeyFile::Plain(key) => key,
        KeyFile::Encrypted(_) => panic!("it has no passphrase"),
    }
}

fn line(key: &OperatorKey) -> String {
    serde_json::to_value(key.public()).unwrap().as_str().unwrap().to_owned()
}

pub struct Fleet {
    dir: TempDir,
    broker: SocketAddr,
    authority: OperatorKey,
    disk: Disk,
}

/// A node that may start.
pub struct Ready {
    node: NodeShell,
    handle: Handle,
}

impl Ready {
    /// Lets it work on this runtime.
    pub fn run(self) -> (Handle, JoinHandle<Result<(), LinkError>>) {
        (self.handle, tokio::spawn(self.node.run()))
    }
}

/// A node that has a certificate.
pub struct Joined<'a> {
    fleet: &'a Fleet,
    name: String,
    pub launch: Arc<Launch>,
}

impl Joined<'_> {
    pub fn run(self) -> (Handle, JoinHandle<Result<(), LinkError>>) {
        self.fleet.open(&self.name, demo_agents(), self.launch).unwrap().run()
    }
}

impl Fleet {
    pub async fn start() -> Self {
        let broker = Broker::bind(Config::new("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = broker.local_addr();
        tokio::spawn(broker.run(std::future::pending()));
        let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::start(1).unwrap());
        Self { dir, broker: address, authority: operator(1), disk }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.dir().join(name);
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        path
    }

    /// The places of a node; its configuration is written at the first time.
    pub fn places(&self, name: &str) -> Places {
        let etc = self.dir().join(name).join("etc");
        let mut places =
            Places::beside(&etc.join("node.toml"), &self.dir().join(name).join("state"));
        places.machine_id = etc.join("machine-id");
        places.root = etc.clone();
        if !etc.exists() {
            std::fs::create_dir_all(&places.policy).unwrap();
            let config = format!(
                "collective = 'lab'\nbroker = 'nats://{}'\nauthority = '{}'\nidentity = '{name}'\n",
                self.broker,
                line(&self.authority)
            );
            std::fs::write(places.config.as_ref().unwrap(), config).unwrap();
            std::fs::write(&places.signers, format!("ops {}\n", line(&operator(2)))).unwrap();
            std::fs::write(&places.facts, "role: web\nhagroup: c\nnumber: 7\n").unwrap();
            let rule = "allow callers=ops agents=demo actions=*\n";
            std::fs::write(places.policy.join("a.policy"), rule).unwrap();
            self.write_machine_id(name);
        }
        places
    }

    pub fn write_machine_id(&self, name: &str) {
        let path = self.dir().join(name).join("etc/machine-id");
        std::fs::write(path, format!("{:032x}\n", name.len())).unwrap();
    }

    pub fn config(&self, name: &str) -> NodeConfig {
        let text = std::fs::read_to_string(self.places(name).config.unwrap()).unwrap();
        NodeConfig::parse("node.toml", &text).unwrap()
    }

    pub fn claimed(&self, request: &str) -> Certificate {
        let request = SignedText::parse(request).unwrap().verify_request().unwrap();
        request.wanted().clone()
    }

    /// The authority signs what a node asks for.
    pub fn sign(&self, request: &str) -> String {
        let bytes = self.claimed(request).to_bytes();
        let signature = self.authority.sign(Namespace::Join, &bytes).unwrap();
        SignedText::new(bytes, signature).to_string()
    }

    pub fn joined(&self, name: &str) -> Joined<'_> {
        let (config, places) = (self.config(name), self.places(name));
        let request = request_certificate(&config, &places).unwrap();
        install_certificate(&config, &places, &self.sign(&request)).unwrap();
        Joined { fleet: self, name: name.to_owned(), launch: launch() }
    }

    pub fn start_node(&self, name: &str, catalog: Catalog) -> Result<Ready, StateError> {
        self.open(name, catalog, launch())
    }

    fn open(&self, name: &str, catalog: Catalog, launch: Arc<Launch>) -> Result<Ready, StateError> {
        let places = self.places(name);
        let agents = Agents { catalog, left_out: Vec::new() };
        let start = Start { agents, launch, ..start_with(places) };
        let (node, handle) = NodeShell::open(start, &self.disk)?;
        Ok(Ready { node, handle })
    }

    fn key(&self, name: &str) -> PublicKey {
        let path = self.places(name).state.join("sign.key");
        let text = std::fs::read_to_string(path).unwrap();
        NodeSignKey::from_openssh(&text).unwrap().public().clone()
    }
}

/// What a daemon of this configuration starts with.
pub fn start_at(node_toml: &Path, state: &Path) -> Start {
    let mut places = Places::beside(node_toml, state);
    let etc = node_toml.parent().unwrap();
    (places.machine_id, places.root) = (etc.join("machine-id"), etc.to_owned());
    start_with(places)
}

fn start_with(places: Places) -> Start {
    let text = std::fs::read_to_string(places.config.as_ref().unwrap()).unwrap();
    let config = NodeConfig::parse("node.toml", &text).unwrap();
    Start {
        config,
        places,
        agents: Demo::agents(),
        classes: Arc::default(),
        health: Arc::default(),
        launch: launch(),
        spoken: Spoken::RELEASE,
    }
}

/// What a node answered.
#[derive(Debug)]
pub struct Answer {
    pub node: String,
    pub state: EndState,
    pub reason: Option<Reason>,
    pub changed: Changed,
    pub inner: Inner,
    pub message: Message,
}

impl Answer {
    /// The bytes that the node answered with; the broker's clients keep headers in no order.
    pub fn bytes(&self) -> (Vec<(&str, &str)>, &[u8]) {
        let mut headers: Vec<_> = self.message.headers.iter().collect();
        headers.sort_unstable();
        (headers, &self.message.body)
    }
}

pub struct Client {
    link: Link,
    subjects: Subjects,
    reader: OpenKey,
    sent: Vec<(OrderId, SignedOrder)>,
}

static ORDERS: AtomicU64 = AtomicU64::new(1);

impl Client {
    pub async fn connect(fleet: &Fleet) -> Self {
        let server = format!("nats://{}", fleet.broker).parse().unwrap();
        let config = LinkConfig::client(vec![server], "test".into(), Span::from_secs(10));
        let mut link = Link::connect(&config).await.unwrap();
        let subjects = Subjects::of(&"lab".parse().unwrap());
        link.subscribe("mco.lab.reply.>".into()).await.unwrap();
        link.subscribe(subjects.registries()).await.unwrap();
        let reader = OpenKey::generate(&mut ChaCha20Rng::from_seed([5; 32]));
        Self { link, subjects, reader, sent: Vec::new() }
    }

    async fn message(&mut self) -> Message {
        loop {
            if let Event::Message(message) = self.link.recv().await {
                return message;
            }
        }
    }

    /// Waits for the next heartbeat of a node.
    pub async fn until_heartbeat(&mut self, name: &str, leaving: bool) -> Heartbeat {
        self.until_heartbeats(&[name], leaving).await.remove(0)
    }

    /// Waits for a heartbeat of another registration: one that came by the clock meanwhile says
    /// nothing about what the node was told.
    pub async fn until_changed(&mut self, name: &str, before: &Heartbeat) -> Heartbeat {
        loop {
            let heartbeat = self.until_heartbeat(name, false).await;
            if heartbeat.registration != before.registration {
                return heartbeat;
            }
        }
    }

    /// Waits for the next heartbeats of all these nodes.
    pub async fn until_heartbeats(&mut self, names: &[&str], leaving: bool) -> Vec<Heartbeat> {
        let mut missing = names.to_vec();
        let mut heard = Vec::new();
        let all = async {
            while !missing.is_empty() {
                let Some(heartbeat) = heartbeat_of(&self.message().await) else { continue };
                if heartbeat.leaving == leaving {
                    missing.retain(|name| *name != heartbeat.node.as_str());
                    heard.push(heartbeat);
                }
            }
        };
        soon(all).await;
        heard
    }

    pub async fn registration(&mut self, name: &str) -> Registration {
        let node: Identity = name.parse().unwrap();
        let (subject, headers) = (self.subjects.node(&node), Headers::of(Kind::Wanted));
        let message = Message { subject, reply: None, headers, body: Vec::new() };
        self.link.publish(message).await.unwrap();
        soon(async {
            loop {
                if let Some(registration) = registration_of(&self.message().await) {
                    return registration;
                }
            }
        })
        .await
    }

    pub async fn progress(&mut self) {
        soon(async { while self.message().await.headers.kind() != Some(Kind::Progress) {} }).await;
    }

    /// The next text in a node's progress.
    pub async fn said(&mut self, fleet: &Fleet) -> String {
        soon(async {
            loop {
                let message = self.message().await;
                if message.headers.kind() != Some(Kind::Progress) {
                    continue;
                }
                let (node, key) = who(&message, fleet);
                let heard = Progress::verify(&message, &self.expected(&message, &node, &key));
                let said = heard.unwrap().open(&self.reader).unwrap();
                if !said.is_empty() {
                    break said;
                }
            }
        })
        .await
    }

    /// What an answer of this node must answer.
    fn expected<'a>(
        &self,
        message: &Message,
        node: &'a Identity,
        key: &'a PublicKey,
    ) -> Expected<'a> {
        let named = |sent: &&(OrderId, SignedOrder)| message_names(message, &sent.1);
        let (order, signed) = self.sent.iter().find(named).unwrap();
        let (order, digest) = (*order, signed.digest());
        let (order_digest, step_digest) = (digest, digest);
        Expected { v: 1, order, order_digest, step: 0, step_digest, node, key }
    }

    /// The next receipt that is not for an order of somebody else, checked.
    pub async fn receipt(&mut self, fleet: &Fleet) -> Answer {
        let message = soon(async {
            loop {
                let message = self.message().await;
                if message.headers.kind() == Some(Kind::Receipt) {
                    break message;
                }
            }
        })
        .await;
        let (node, key) = who(&message, fleet);
        let receipt = ReceivedReceipt::parse(&message).unwrap();
        let receipt = receipt.verify(&self.expected(&message, &node, &key)).unwrap();
        let inner = receipt.open(&self.reader).unwrap();
        let outer = receipt.outer.clone();
        let node = node.to_string();
        let (state, reason, changed) = (outer.state, outer.reason, outer.changed);
        Answer { node, state, reason, changed, inner, message }
    }

    pub fn order(&self, agent: &str, action: &str, inputs: &[(&str, &str)]) -> Order {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&ORDERS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let inputs = inputs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let step = Step {
            agent: agent.parse().unwrap(),
            action: action.parse().unwrap(),
            inputs: inputs.collect(),
            audience: Audience::Matching,
            filter: Terms::default(),
            ext: Map::new(),
        };
        Order {
            v: 1,
            id: OrderId::from_bytes(id),
            caller: "ops".parse::<CallerId>().unwrap(),
            collective: "lab".parse().unwrap(),
            issued: now(),
            start_by: now() + Span::from_secs(20),
            run_limit_ms: Span::from_secs(20),
            readers: vec![*self.reader.public()],
            certificates: false,
            reason: None,
            step: Some(step),
            steps: None,
            ext: Map::new(),
        }
    }

    fn signed(&mut self, order: &Order) -> SignedOrder {
        let bytes = order.to_bytes();
        let signature = operator(2).sign(Namespace::Order, &bytes).unwrap();
        let signed = SignedOrder::new(bytes, signature);
        self.sent.push((order.id, signed.clone()));
        signed
    }

    pub async fn send_matching(&mut self, order: &Order) {
        let signed = self.signed(order);
        let reply = self.subjects.answer(&order.caller, order.id);
        let message = signed.message(self.subjects.orders(), reply, None);
        self.link.publish(message).await.unwrap();
    }

    pub async fn send_set(&mut self, order: &Order, fleet: &Fleet, name: &str) {
        let node: Identity = name.parse().unwrap();
        let leaf = merkle::leaf(order.id.as_bytes(), name, &fleet.key(name));
        let set = MerkleSet::build(vec![leaf]);
        let mut order = order.clone();
        if let Some(step) = &mut order.step {
            step.audience = Audience::Set(Set { root: set.root(), count: 1 });
        }
        let signed = self.signed(&order);
        let reply = self.subjects.reply(&order.caller, order.id, &node);
        let message = signed.message(self.subjects.node(&node), reply, set.proof(0).as_ref());
        self.link.publish(message).await.unwrap();
    }
}

/// Who says it, and the key that signs what he says.
fn who(message: &Message, fleet: &Fleet) -> (Identity, PublicKey) {
    let node = Subjects::last_identity(&message.subject).unwrap();
    let key = fleet.key(node.as_str());
    (node, key)
}

fn message_names(message: &Message, signed: &SignedOrder) -> bool {
    String::from_utf8_lossy(&message.body).contains(&signed.digest().to_string())
}

fn heartbeat_of(message: &Message) -> Option<Heartbeat> {
    let is_one = message.headers.kind() == Some(Kind::Heartbeat);
    is_one.then(|| serde_json::from_slice(&message.body).unwrap())
}

fn registration_of(message: &Message) -> Option<Registration> {
    let is_one = message.headers.kind() == Some(Kind::Registration);
    is_one.then(|| serde_json::from_slice(&message.body).unwrap())
}
