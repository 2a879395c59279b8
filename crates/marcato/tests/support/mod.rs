//! A small fleet in a test: a broker, a broker in the middle, the hub, nodes over simulated hosts,
//! and an operator; real keys, files, connections and processes.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod brokers;
pub mod forge;
pub mod middle;
pub mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use marcato_agent::external::{DEFAULT_PATH, Host};
use marcato_agent::runner::Launch;
use marcato_agents::lab::{self, Lab, LabPackage, LabService};
use marcato_agents::{About, Platform};
use marcato_client::core::{Aim, KnownNode, NodeReport, Report, Task};
use marcato_client::shell::signer::KeySigner;
use marcato_client::shell::{self, Choice, ClientSetup, Found};
use marcato_core::ddl::Ddl;
use marcato_core::{Reason, Span, Terms};
use marcato_hub::core::Setup;
use marcato_link::{LinkError, ServerUrl};
use marcato_node::shell::{
    Agents, Disk, Handle, NodeConfig, NodeShell, Places, Start, install_certificate,
    request_certificate,
};
use marcato_protocol::certificate::SignedText;
use marcato_protocol::keys::{KeyFile, NodeSignKey, OperatorKey};
use marcato_protocol::message::{Kind as MessageKind, Message};
use marcato_protocol::sshsig::{Namespace, PublicKey};
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use brokers::{Kind, Server};
use middle::Middle;

/// Nothing that is waited for takes so long.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it hangs")
}

pub fn secs(seconds: u64) -> Span {
    Span::from_secs(seconds)
}

/// Waits until something is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let looking = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let looked = tokio::time::timeout(Duration::from_secs(60), looking).await;
    looked.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Key number so many of this test; 1 is the authority's, 2 the operator's.
pub fn key(number: u8) -> NodeSignKey {
    NodeSignKey::generate(&mut ChaCha20Rng::from_seed([number; 32]))
}

pub const AUTHORITY: u8 = 1;
pub const OPERATOR: u8 = 2;
pub const ANN: u8 = 3;

/// Process ids of the simulated services before anything is restarted.
pub const NGINX_PID: u32 = 500;
pub const SSH_PID: u32 = 400;
/// The version of openssl on every host; it stands nowhere else.
pub const OPENSSL: &str = "3.0.16-canary7f3a";

/// What a fleet is made of.
pub struct Plan<'a> {
    pub broker: Kind,
    pub hub: bool,
    pub nodes: &'a [&'a str],
}

/// A fleet.
pub struct Fleet {
    dir: TempDir,
    kind: Kind,
    server: Option<Server>,
    pub middle: Middle,
    disk: Disk,
    hub: Option<(oneshot::Sender<()>, Work)>,
    nodes: BTreeMap<String, Option<Node>>,
    /// Agents beside those that ship with the program.
    external: Option<PathBuf>,
}

/// A task of the hub's or a node's.
type Work = JoinHandle<Result<(), LinkError>>;

struct Node {
    handle: Handle,
    work: Work,
}

impl Fleet {
    /// Our broker, a hub and these nodes, all registered.
    pub async fn of(nodes: &[&str]) -> Self {
        Self::start(Plan { broker: Kind::Ours, hub: true, nodes }).await
    }

    pub async fn start(plan: Plan<'_>) -> Self {
        let mut fleet = Self::bare(&plan.broker).await;
        if plan.hub {
            fleet.start_hub();
        }
        for name in plan.nodes {
            fleet.join(name, AUTHORITY);
            fleet.start_node(name).await;
        }
        if plan.hub {
            fleet.until_registered().await;
        }
        fleet
    }

    /// A broker and nothing else.
    pub async fn bare(kind: &Kind) -> Self {
        let server = Server::start(kind);
        let middle = Middle::before(server.address()).await;
        let dir = tempfile::tempdir().unwrap();
        Self {
            dir,
            kind: kind.clone(),
            server: Some(server),
            middle,
            disk: Disk::start(1).unwrap(),
            hub: None,
            nodes: BTreeMap::new(),
            external: None,
        }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    pub fn broker_address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    pub fn broker_url(&self) -> ServerUrl {
        url(self.broker_address())
    }

    /// Ends the broker.
    pub async fn stop_broker(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// Starts a broker of the same kind; everybody is led to it.
    pub fn start_broker(&mut self) {
        let server = Server::start(&self.kind);
        self.middle.lead_to(server.address());
        self.server = Some(server);
    }

    pub fn start_hub(&mut self) {
        let setup = Setup {
            collective: "lab".parse().unwrap(),
            authority: key(AUTHORITY).public().clone(),
        };
        let (stop, stopped) = oneshot::channel();
        let servers = vec![url(self.middle.address())];
        let work = tokio::spawn(marcato_hub::shell::run(setup, servers, async {
            // An error is a sender that is gone, which is the end too.
            let _ = stopped.await;
        }));
        self.hub = Some((stop, work));
    }

    pub async fn stop_hub(&mut self) {
        let (stop, work) = self.hub.take().unwrap();
        drop(stop);
        soon(work).await.unwrap().unwrap();
    }

    /// Nodes that start from now on have these agents of a folder too.
    pub fn with_agents(&mut self, dir: PathBuf) {
        self.external = Some(dir);
    }

    fn node_dir(&self, name: &str) -> PathBuf {
        self.dir().join("nodes").join(name)
    }

    pub fn places(&self, name: &str) -> Places {
        let dir = self.node_dir(name);
        let mut places = Places::beside(&dir.join("etc/node.toml"), &dir.join("state"));
        places.machine_id = dir.join("etc/machine-id");
        places.root = dir.join("etc");
        places
    }

    fn config(&self, name: &str) -> NodeConfig {
        let text = std::fs::read_to_string(self.places(name).config.unwrap()).unwrap();
        NodeConfig::parse("node.toml", &text).unwrap()
    }

    /// Makes a node's files and keys, and has its certificate signed by an authority.
    pub fn join(&mut self, name: &str, authority: u8) {
        let places = self.places(name);
        let (dir, authority) = (self.node_dir(name), key(authority));
        std::fs::create_dir_all(&places.policy).unwrap();
        let write = |path: &Path, text: String| std::fs::write(path, text).unwrap();
        let config = format!(
            "collective = 'lab'\nbroker = '{}'\nauthority = '{}'\nidentity = '{name}'\n",
            url(self.middle.address()).as_str(),
            authority.public(),
        );
        write(places.config.as_ref().unwrap(), config);
        let signers = format!("ops {}\nann {}\n", key(OPERATOR).public(), key(ANN).public());
        write(&places.signers, signers);
        write(&places.policy.join("a.policy"), "allow callers=ops agents=* actions=*\n".into());
        let role = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let group = name.strip_prefix(role).unwrap();
        write(&places.facts, format!("role: {role}\nhagroup: g{group}\n"));
        write(&places.machine_id, format!("{:0>32}\n", hex(name)));
        let _ = Lab::create(&made(dir.join("host")), &host(role)).unwrap();
        let config = self.config(name);
        let request = request_certificate(&config, &places).unwrap();
        let body =
            SignedText::parse(&request).unwrap().verify_request().unwrap().wanted().to_bytes();
        let signature = authority.sign(Namespace::Join, &body);
        let certificate = SignedText::new(body, signature).to_string();
        install_certificate(&config, &places, &certificate).unwrap();
        self.nodes.insert(name.to_owned(), None);
    }

    pub async fn start_node(&mut self, name: &str) {
        self.start_speaking(name, Spoken::RELEASE).await;
    }

    /// Starts a node that speaks these versions.
    pub async fn start_speaking(&mut self, name: &str, spoken: Spoken) {
        let host_dir = self.node_dir(name).join("host");
        let about = About { version: "0".into(), ..About::default() };
        let platform = Platform::Lab(host_dir.clone());
        let mut catalog = marcato_agents::catalog(&platform, about.clone()).unwrap();
        let mut arguments = vec!["run".into(), "--lab".into(), host_dir.into_os_string()];
        if let Some(dir) = &self.external {
            arguments.extend(["--agents".into(), dir.clone().into()]);
        }
        let launch = Launch { program: env!("CARGO_BIN_EXE_mcod").into(), arguments };
        if let Some(agents) = self.external.clone() {
            let scratch = made(self.dir().join("scratch"));
            let host =
                Host { agents, settings: scratch.clone(), scratch, path: DEFAULT_PATH.into() };
            let left_out = host.load(Some(&launch), &mut catalog).await;
            assert!(left_out.is_empty(), "{left_out:?}");
            marcato_agents::introduce(&mut catalog, about.clone()).unwrap();
        }
        let start = Start {
            config: self.config(name),
            places: self.places(name),
            agents: Agents { catalog, left_out: Vec::new() },
            classes: about.classes,
            health: about.health,
            launch: Arc::new(launch),
            spoken,
        };
        let (node, handle) = NodeShell::open(start, &self.disk).unwrap();
        let work = tokio::spawn(node.run());
        self.nodes.insert(name.to_owned(), Some(Node { handle, work }));
    }

    pub async fn stop_node(&mut self, name: &str) {
        let Node { handle, work } = self.nodes.get_mut(name).unwrap().take().unwrap();
        handle.stop();
        soon(work).await.unwrap().unwrap();
    }

    /// Ends a node without a word, as a killed process does.
    pub async fn kill_node(&mut self, name: &str) {
        let Node { work, .. } = self.nodes.get_mut(name).unwrap().take().unwrap();
        work.abort();
        assert!(soon(work).await.unwrap_err().is_cancelled());
    }

    /// Waits until every node that runs answers such a read.
    pub async fn until_answered(&self, words: &str) {
        let running = self.nodes.values().filter(|node| node.is_some()).count();
        soon(async {
            loop {
                let mut client = self.client_with_state("look").await;
                let mut task = client.task(words, "");
                task.wait = secs(1);
                let report = client.run(task).await;
                client.close().await;
                if report.nodes.iter().filter(|node| node.signed).count() == running {
                    return;
                }
            }
        })
        .await;
    }

    /// Waits until every node that runs has said that it is there.
    pub async fn until_connected(&self) {
        for (name, _) in self.nodes.iter().filter(|(_, node)| node.is_some()) {
            let is_beat = |message: &Message| {
                message.headers.kind() == Some(MessageKind::Heartbeat)
                    && message.subject.ends_with(&format!(".{name}"))
            };
            self.middle.until_seen(1, is_beat).await;
        }
    }

    /// Takes a node's keys and certificate away, as a new installation of its host does.
    pub async fn rebuild(&mut self, name: &str) {
        self.stop_node(name).await;
        std::fs::remove_dir_all(self.places(name).state).unwrap();
        self.join(name, AUTHORITY);
        self.start_node(name).await;
    }

    /// Makes every node known to an operator, as of old: he then sees that a hub which has only just
    /// started names them all. A name that he knows keeps its key.
    pub fn introduce(&self, state: &str) {
        let known = self.nodes.keys().filter_map(|name| {
            let text = std::fs::read_to_string(self.places(name).state.join("certificate")).ok()?;
            let text = SignedText::parse(text.trim()).unwrap();
            Some(KnownNode::of(
                &text.verify(key(AUTHORITY).public(), &"lab".parse().unwrap()).ok()?,
            ))
        });
        shell::save(&self.dir().join(state).join("known_nodes"), known).unwrap();
    }

    /// Waits until the registry knows every node that runs.
    pub async fn until_registered(&self) {
        let running = self.nodes.iter().filter(|(_, node)| node.is_some());
        let want: Vec<&str> = running.map(|(name, _)| name.as_str()).collect();
        let mut client = self.client_with_state("look").await;
        soon(async {
            loop {
                let found = client.find("").await;
                let up = found.nodes.iter().filter(|(_, down)| down.is_none());
                let up: Vec<&str> = up.map(|(name, _)| name.as_str()).collect();
                if found.complete && up == want {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// Waits until the registry lists every node with the key that it has now: whoever knows no node
    /// learns them all.
    pub async fn until_registered_with_keys(&self) {
        soon(async {
            for number in 0.. {
                let mut client = self.client_with_state(&format!("new{number}")).await;
                let mut task = client.task("rpcutil ping", "");
                task.wait = secs(5);
                let report = client.run(task).await;
                client.close().await;
                if report.nodes.iter().all(|node| node.signed) {
                    return;
                }
            }
        })
        .await;
    }

    /// The node's public sign key.
    pub fn sign_key(&self, name: &str) -> PublicKey {
        self.secret_key(name).public().clone()
    }

    /// The node's sign key itself: of a host that was taken over.
    pub fn secret_key(&self, name: &str) -> NodeSignKey {
        let text = std::fs::read_to_string(self.places(name).state.join("sign.key")).unwrap();
        NodeSignKey::from_openssh(&text).unwrap()
    }

    /// The main process of a host's service: the truth about what was done there.
    pub fn pid(&self, name: &str, service: &str) -> u32 {
        self.host(name).services[service].main_pid
    }

    fn host(&self, name: &str) -> lab::Host {
        Lab::open(self.node_dir(name).join("host")).read().unwrap()
    }

    /// Nothing was restarted on these hosts.
    pub fn assert_untouched(&self, names: &[&str]) {
        for name in names {
            let now = self.host(name);
            let role = name.trim_end_matches(|c: char| c.is_ascii_digit());
            assert_eq!(now, host(role), "{name}");
        }
    }

    /// The operator's client, with the nodes that he knows.
    pub async fn client(&self) -> Client {
        self.client_with_state("operator").await
    }

    pub async fn client_with_state(&self, state: &str) -> Client {
        self.client_speaking(state, Spoken::RELEASE).await
    }

    pub async fn client_speaking(&self, state: &str, spoken: Spoken) -> Client {
        let setup = ClientSetup {
            collective: "lab".parse().unwrap(),
            authority: key(AUTHORITY).public().clone(),
            caller: "ops".parse().unwrap(),
            servers: vec![url(self.middle.address())],
            known_nodes: self.dir().join(state).join("known_nodes"),
            spoken,
        };
        let fleet = shell::Fleet::connect(setup).await.unwrap();
        let ddls = marcato_agents::ddls().unwrap();
        Client { fleet, key: KeySigner::new(operator_key(OPERATOR)), ddls }
    }

    /// One command of the operator's: `service restart service=nginx`, and `-W`.
    pub async fn run(&self, words: &str, with: &str) -> Report {
        let mut client = self.client().await;
        let task = client.task(words, with);
        let report = client.run(task).await;
        client.close().await;
        report
    }
}

/// The operator's client.
pub struct Client {
    pub fleet: shell::Fleet,
    key: KeySigner,
    ddls: Vec<Arc<Ddl>>,
}

impl Client {
    /// Knows one more agent, from its declaration.
    pub fn learn(&mut self, ddl: &[u8]) {
        self.ddls.push(Arc::new(Ddl::parse(ddl).unwrap()));
    }

    /// What is typed as `AGENT ACTION name=value …` and `-W`.
    pub fn task(&self, words: &str, with: &str) -> Task {
        let mut words = words.split_whitespace();
        let (agent, action) = (words.next().unwrap(), words.next().unwrap());
        let ddl = self.ddls.iter().find(|ddl| ddl.metadata.name.as_str() == agent).unwrap();
        let (agent, action) = (ddl.metadata.name.clone(), action.parse().unwrap());
        let declared = &ddl.actions[&action];
        let pairs = words.map(|word| word.split_once('=').unwrap());
        let pairs: Vec<_> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let changes = declared.changes();
        Task {
            agent,
            inputs: declared.inputs_from_words(&pairs).unwrap(),
            action,
            changes,
            to_read_only: false,
            filter: terms(with),
            aim: if changes { Aim::Set } else { Aim::Matching },
            reason: None,
            wait: secs(20),
            run_limit: ddl.metadata.timeout,
        }
    }

    pub async fn run(&mut self, task: Task) -> Report {
        let choice = self.choose(&task).await;
        self.send(task, choice).await
    }

    /// What [`Client::run`] begins with.
    pub async fn choose(&mut self, task: &Task) -> Choice {
        soon(self.fleet.choose(task, &self.key)).await.unwrap()
    }

    /// What it ends with.
    pub async fn send(&mut self, task: Task, choice: Choice) -> Report {
        soon(self.fleet.run(task, choice, &self.key, &mut |_, _| ())).await.unwrap()
    }

    pub async fn find(&mut self, with: &str) -> Found {
        soon(self.fleet.find(terms(with), &self.key)).await.unwrap()
    }

    pub async fn close(self) {
        self.fleet.close().await.unwrap();
    }
}

/// What a report says of a node.
pub fn of<'a>(report: &'a Report, name: &str) -> &'a NodeReport {
    let mut found = report.nodes.iter().filter(|node| node.node.as_str() == name);
    let node = found.next().unwrap_or_else(|| panic!("{name} is not in {report:?}"));
    assert!(found.next().is_none(), "{name} stands there twice");
    node
}

/// Each node with its state and reason, in one line.
pub fn line(report: &Report) -> String {
    let nodes = report.nodes.iter().map(|node| {
        let reason = node.reason.map(Reason::code).unwrap_or_default();
        format!("{} {:?} {reason}", node.node, node.state).trim_end().to_owned()
    });
    nodes.collect::<Vec<_>>().join(", ")
}

/// Why messages did not count, by node.
pub fn refused(report: &Report) -> Vec<(String, marcato_client::core::RefusedWhy)> {
    let name = |node: &Option<marcato_core::Identity>| {
        node.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    report.refused.iter().map(|refusal| (name(&refusal.node), refusal.why)).collect()
}

fn terms(with: &str) -> Terms {
    let with: Vec<String> = with.split_whitespace().map(str::to_owned).collect();
    marcato_filter::from_flags(&with, Terms::default()).unwrap()
}

pub fn url(address: SocketAddr) -> ServerUrl {
    format!("nats://{address}").parse().unwrap()
}

pub fn operator_key(number: u8) -> OperatorKey {
    match OperatorKey::parse(&key(number).to_openssh("x").unwrap()).unwrap() {
        KeyFile::Plain(key) => key,
        KeyFile::Encrypted(_) => panic!("it has no passphrase"),
    }
}

fn made(dir: PathBuf) -> PathBuf {
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn hex(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A simulated host: `web` has nginx, others have not.
fn host(role: &str) -> lab::Host {
    let openssl = LabPackage::installed(OPENSSL);
    let mut services = BTreeMap::from([("ssh".to_owned(), LabService::up(SSH_PID))]);
    if role == "web" {
        services.insert("nginx".to_owned(), LabService::up(NGINX_PID));
    }
    lab::Host {
        packages: BTreeMap::from([("openssl".to_owned(), openssl)]),
        services,
        ..lab::Host::default()
    }
}
