//! The whole client over real connections: the embedded broker, the hub, and nodes that answer with
//! real keys from the other end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kit::{Node, caller, collective, name, operator};
use marcato_broker::{Broker, Config};
use marcato_client::core::{Limit, Pick, Task, UnknownName};
use marcato_client::shell::signer::{Signer, Signing};
use marcato_client::shell::{ClientSetup, Fleet, FleetError, KnownNodesError, Live, load, save};
use marcato_core::limits::broker::SUBSCRIPTIONS_MAX;
use marcato_core::{EndState, Exit, Facts, Reason, Span, Terms};
use marcato_hub::core::Setup;
use marcato_link::{Event, Link, LinkConfig, ServerUrl};
use marcato_protocol::message::Kind;
use marcato_protocol::order::{Audience, Received};
use marcato_protocol::progress::Phase;
use marcato_protocol::registration::{AgentInfo, Registration};
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::version::Spoken;
use serde_json::Map;

/// A key in memory; what a file or an agent adds is tested with them.
struct Key(marcato_protocol::keys::NodeSignKey);

impl Signer for Key {
    fn sign<'a>(&'a self, order: &'a [u8]) -> Signing<'a> {
        Box::pin(async move { Ok(self.0.sign(Namespace::Order, order)) })
    }
}

fn key() -> Key {
    Key(operator())
}

/// A broker on a free port.
fn broker() -> ServerUrl {
    let broker = Broker::bind(Config::new("127.0.0.1:0".parse().unwrap())).unwrap();
    let server = format!("nats://{}", broker.local_addr()).parse().unwrap();
    tokio::spawn(broker.run(std::future::pending()));
    server
}

/// A hub that listens.
async fn hub(server: &ServerUrl, folder: &Path) {
    let setup = Setup { collective: collective(), authority: kit::authority().public().clone() };
    tokio::spawn(marcato_hub::shell::run(setup, vec![server.clone()], std::future::pending()));
    until_registered(&mut connect(server, folder).await, 0).await;
}

fn registration(node: &Node) -> Registration {
    let agent = |name: &str| AgentInfo { name: name.parse().unwrap(), version: "1".into() };
    Registration {
        v: 1,
        node: node.identity.clone(),
        certificate: node.certificate.clone(),
        at: kit::START,
        spoken: Spoken::RELEASE,
        facts: Facts::from([("role".into(), "web".into())]),
        classes: vec![],
        agents: vec![agent("rpcutil"), agent("service")],
        read_only: false,
        health: vec![],
        ext: Map::new(),
    }
}

/// How a node of these tests behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Answers at once.
    Prompt,
    /// Says that it runs, and no more.
    Busy,
    /// Registers, and then is not connected.
    Away,
    /// Finds that its clock is wrong.
    Late,
}

/// Nodes of one connection, registered with the hub if there is one.
async fn fleet_of(server: &ServerUrl, nodes: Vec<(Node, Manner)>) {
    let config = LinkConfig::client(vec![server.clone()], "nodes".into(), Span::from_secs(5));
    let mut link = Link::connect(&config).await.unwrap();
    let subjects = kit::subjects();
    link.subscribe(subjects.orders()).await.unwrap();
    for (node, manner) in &nodes {
        if *manner != Manner::Away {
            link.subscribe(subjects.node(&node.identity)).await.unwrap();
        }
        let subject = subjects.registry(&node.identity);
        link.publish(registration(node).message(subject, &node.sign)).await.unwrap();
    }
    tokio::spawn(async move {
        loop {
            let Event::Message(message) = link.recv().await else { continue };
            if message.headers.kind() != Some(Kind::Order) {
                continue;
            }
            let received = Received::parse(&message).unwrap();
            for (node, manner) in &nodes {
                let meant = matches!(received.step.audience, Audience::Matching)
                    || message.subject == subjects.node(&node.identity);
                let answer = match manner {
                    Manner::Prompt if meant => {
                        let outer = node.outer(&message, EndState::Ok, None);
                        node.send(&message, outer, received.order.certificates)
                    }
                    Manner::Late if meant => {
                        let clock = Some(Reason::Clock);
                        let outer = node.outer(&message, EndState::Rejected, clock);
                        node.send(&message, outer, received.order.certificates)
                    }
                    Manner::Busy if meant => node.progress(&message, Phase::Running),
                    _ => continue,
                };
                link.publish(answer).await.unwrap();
            }
        }
    });
}

fn prompt(names: &[String]) -> Vec<(Node, Manner)> {
    names.iter().map(|name| (Node::new(name), Manner::Prompt)).collect()
}

async fn connect(server: &ServerUrl, folder: &Path) -> Fleet {
    Fleet::connect(setup(server, folder)).await.unwrap()
}

fn setup(server: &ServerUrl, folder: &Path) -> ClientSetup {
    ClientSetup {
        collective: collective(),
        authority: kit::authority().public().clone(),
        caller: caller(),
        servers: vec![server.clone()],
        known_nodes: known_nodes(folder),
        spoken: Spoken::RELEASE,
    }
}

fn known_nodes(folder: &Path) -> PathBuf {
    folder.join("lab").join("known_nodes")
}

/// Asks until the hub has heard of so many nodes.
async fn until_registered(fleet: &mut Fleet, count: usize) {
    for _ in 0..10_000 {
        let found = fleet.find(Terms::default(), &key()).await.unwrap();
        if found.complete && found.nodes.len() == count {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the nodes did not register");
}

async fn run(fleet: &mut Fleet, task: Task) -> marcato_client::core::Report {
    let choice = fleet.choose(&task, &key()).await.unwrap();
    fleet.run(task, choice, &key(), &mut |_, _| ()).await.unwrap()
}

#[tokio::test]
async fn a_read_and_a_change_through_broker_and_hub() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    hub(&server, folder.path()).await;
    let names: Vec<String> = (1..=50).map(|i| format!("web{i}.example.com")).collect();
    fleet_of(&server, prompt(&names)).await;
    let mut fleet = connect(&server, folder.path()).await;
    until_registered(&mut fleet, 50).await;
    for changes in [false, true] {
        let task = kit::task(changes);
        let choice = fleet.choose(&task, &key()).await.unwrap();
        let mut moved = 0;
        let mut signed = 0;
        let watch = &mut |_: &_, live: Live<'_>| match live {
            Live::Moved(_) => moved += 1,
            Live::Signed => signed += 1,
            Live::Signing | Live::Beat | Live::Away | Live::Back => {}
        };
        let report = fleet.run(task, choice, &key(), watch).await.unwrap();
        assert_eq!((report.expected, report.nodes.len()), (Some(50), 50));
        // At first nobody is known, and nothing bears a hub out that has only just started.
        assert_eq!(
            (report.complete, report.exit()),
            [(false, Exit::Silent), (true, Exit::Ok)][usize::from(changes)]
        );
        assert!(report.nodes.iter().all(|node| node.message == format!("I am {}", node.node)));
        assert_eq!((moved, signed), (50, 1));
    }
    fleet.close().await.unwrap();
    let path = known_nodes(folder.path());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(load(&path).unwrap().len(), 50);
    let again = connect(&server, folder.path()).await;
    assert_eq!(again.directory().len(), 50);
}

#[tokio::test]
async fn whoever_is_not_connected_is_down_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    hub(&server, folder.path()).await;
    let nodes = [("web1", Manner::Prompt), ("web2", Manner::Away)];
    fleet_of(&server, nodes.map(|(name, manner)| (Node::new(name), manner)).into()).await;
    let mut fleet = connect(&server, folder.path()).await;
    until_registered(&mut fleet, 2).await;
    for changes in [false, true] {
        // Far below the wait: if the 503 did not count, the test would take that long.
        let task = Task { wait: Span::from_secs(3600), ..kit::task(changes) };
        let report = tokio::time::timeout(Duration::from_secs(60), run(&mut fleet, task)).await;
        let report = report.unwrap();
        assert_eq!(report.exit(), Exit::Silent);
        assert_eq!(report.nodes[1].reason, Some(Reason::NotConnected));
    }
}

/// A hub that starts anew on a broker that stays has not heard of every node: those that it does not
/// name are missed, in a list as in an order for some of them.
#[tokio::test]
async fn a_young_hub_lists_a_part_of_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    hub(&server, folder.path()).await;
    let known = ["web1", "web2"].map(|name| Node::new(name).known());
    save(&known_nodes(folder.path()), known).unwrap();
    fleet_of(&server, prompt(&["web1".into()])).await;
    let mut fleet = connect(&server, folder.path()).await;
    until_registered(&mut fleet, 1).await;
    let group = || Terms { facts: vec!["role=web".into()], ..Terms::default() };
    let found = fleet.find(group(), &key()).await.unwrap();
    assert!(found.complete && found.coverage.gathering.is_some());
    assert_eq!(found.coverage.vanished, [name("web2")]);
    let report = run(&mut fleet, Task { filter: group(), ..kit::task(true) }).await;
    assert_eq!((report.expected, report.nodes[0].state), (Some(1), EndState::Ok));
    assert_eq!((report.complete, report.exit()), (false, Exit::Silent));
    assert_eq!(report.vanished, [name("web2")]);

    fleet_of(&server, prompt(&["web2".into()])).await;
    until_registered(&mut fleet, 2).await;
    let report = run(&mut fleet, Task { filter: group(), ..kit::task(true) }).await;
    assert_eq!((report.expected, report.complete), (Some(2), true));
    assert_eq!(report.exit(), Exit::Ok);
}

/// A name that is nobody's goes with no order in silence, with a hub and without.
#[tokio::test]
async fn a_name_that_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    fleet_of(&server, prompt(&["web1".into(), "web2".into()])).await;
    let mut fleet = connect(&server, folder.path()).await;
    let named = || Terms { identities: vec!["web1".into(), "wbe2".into()], ..Terms::default() };
    for with_hub in [false, true] {
        if with_hub {
            hub(&server, folder.path()).await;
            fleet_of(&server, prompt(&["web1".into(), "web2".into()])).await;
            until_registered(&mut fleet, 2).await;
        }
        let near = with_hub.then(|| name("web2"));
        let want = [UnknownName { name: "wbe2".into(), nearest: near }];
        let found = fleet.find(named(), &key()).await.unwrap();
        assert_eq!(found.coverage.unknown_names, want);
        for changes in [false, true] {
            let task = Task { filter: named(), ..kit::task(changes) };
            let report = run(&mut fleet, task).await;
            let web1 = report.nodes.iter().find(|node| node.node == name("web1")).unwrap();
            assert_eq!(web1.state, EndState::Ok);
            assert_eq!((report.unknown_names.as_slice(), report.exit()), (&want[..], Exit::Silent));
        }
    }
}

#[tokio::test]
async fn without_a_hub_nodes_are_found_by_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    fleet_of(&server, prompt(&["web1".into(), "web2".into()])).await;
    let mut fleet = connect(&server, folder.path()).await;
    let found = fleet.find(Terms::default(), &key()).await.unwrap();
    assert!(!found.complete);
    assert_eq!(found.nodes, [(name("web1"), None), (name("web2"), None)]);
    let report = run(&mut fleet, kit::task(true)).await;
    assert_eq!((report.expected, report.nodes.len(), report.exit()), (None, 2, Exit::Ok));
    let error = fleet.values("role".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Unavailable);
    fleet.close().await.unwrap();
    assert_eq!(load(&known_nodes(folder.path())).unwrap().len(), 2);
}

/// Who answered the question before it, and is left out by a limit, is none of those that did not.
#[tokio::test]
async fn without_a_hub_a_limit_accuses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    fleet_of(&server, prompt(&["web1".into(), "web2".into()])).await;
    let mut fleet = connect(&server, folder.path()).await;
    let identities = ["web1", "web2", "web9"].map(str::to_owned).to_vec();
    let filter = Terms { identities, ..Terms::default() };
    let task = Task { filter, ..kit::task(true) };
    let mut choice = fleet.choose(&task, &key()).await.unwrap();
    choice.selection.limit(Pick { limit: Limit::Nodes(1), seed: None });
    let report = fleet.run(task, choice, &key(), &mut |_, _| ()).await.unwrap();
    let unknown: Vec<_> = report.unknown_names.iter().map(|name| name.name.as_str()).collect();
    assert_eq!((report.nodes.len(), unknown), (1, vec!["web9"]));
}

/// Without a hub a change is for whoever answers the question before it; who refused that is left out
/// by name, as in the answer to a question alone.
#[tokio::test]
async fn without_a_hub_who_refused_the_question_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    save(&known_nodes(folder.path()), [Node::new("web3").known()]).unwrap();
    let manners = [("web1", Manner::Prompt), ("web2", Manner::Late)];
    let mut nodes: Vec<_> = manners.map(|(name, manner)| (Node::new(name), manner)).into();
    nodes.push((Node::rebuilt("web3"), Manner::Prompt));
    fleet_of(&server, nodes).await;
    let mut fleet = connect(&server, folder.path()).await;
    let found = fleet.find(Terms::default(), &key()).await.unwrap();
    assert_eq!(found.nodes, [(name("web1"), None)]);
    let left_out: Vec<_> =
        found.left_out.iter().map(|node| (node.identity.as_str(), node.reason)).collect();
    let refused = [("web2", Reason::Clock), ("web3", Reason::KeyChanged)];
    assert_eq!(left_out, refused);
    let report = run(&mut fleet, kit::task(true)).await;
    let lines: Vec<_> =
        report.nodes.iter().map(|node| (node.node.as_str(), node.state, node.reason)).collect();
    let skipped = refused.map(|(name, reason)| (name, EndState::Skipped, Some(reason)));
    assert_eq!(lines, [("web1", EndState::Ok, None), skipped[0], skipped[1]]);
    assert_eq!(report.nodes[1].message, "I am web2", "in its own words");
    assert_eq!((report.expected, report.exit()), (None, Exit::Silent));
}

#[tokio::test]
async fn one_connection_may_ask_as_often_as_it_likes() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    hub(&server, folder.path()).await;
    let mut fleet = connect(&server, folder.path()).await;
    for _ in 0..SUBSCRIPTIONS_MAX + 10 {
        assert!(fleet.find(Terms::default(), &key()).await.unwrap().complete);
    }
}

#[tokio::test]
async fn interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    hub(&server, folder.path()).await;
    fleet_of(&server, vec![(Node::new("web1"), Manner::Busy)]).await;
    let mut fleet = connect(&server, folder.path()).await;
    until_registered(&mut fleet, 1).await;
    let task = kit::task(true);
    let choice = fleet.choose(&task, &key()).await.unwrap();
    let interrupter = fleet.interrupter();
    let watch = &mut |_: &_, live: Live<'_>| {
        if let Live::Moved(_) = live {
            interrupter.interrupt();
        }
    };
    let report = fleet.run(task, choice, &key(), watch).await.unwrap();
    assert_eq!(report.exit(), Exit::Interrupted);
    assert_eq!(report.nodes[0].reason, Some(Reason::StillRunning));
}

/// A way to a broker that can be cut: it goes with the task.
async fn way_to(server: &ServerUrl) -> (ServerUrl, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = format!("nats://{}", listener.local_addr().unwrap()).parse().unwrap();
    let broker = server.host_port().to_owned();
    let forward = async move {
        let (mut from, _) = listener.accept().await.unwrap();
        let mut to = tokio::net::TcpStream::connect(broker).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    };
    (way, tokio::spawn(forward))
}

#[tokio::test]
async fn a_connection_that_is_lost_in_the_middle_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    hub(&server, folder.path()).await;
    fleet_of(&server, vec![(Node::new("web1"), Manner::Busy)]).await;
    let (way, forward) = way_to(&server).await;
    let mut fleet = connect(&way, folder.path()).await;
    until_registered(&mut fleet, 1).await;
    let task = kit::task(true);
    let choice = fleet.choose(&task, &key()).await.unwrap();
    let interrupter = fleet.interrupter();
    assert!(!fleet.is_away());
    let watch = &mut |_: &_, live: Live<'_>| match live {
        Live::Moved(_) => forward.abort(),
        Live::Away => interrupter.interrupt(),
        _ => {}
    };
    let report = fleet.run(task, choice, &key(), watch).await.unwrap();
    assert!(fleet.is_away() && report.interrupted);
}

#[tokio::test]
async fn a_dead_broker() {
    let folder = tempfile::tempdir().unwrap();
    let server: ServerUrl = "nats://127.0.0.1:9".parse().unwrap();
    let error = Fleet::connect(setup(&server, folder.path())).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(text, "hub 127.0.0.1:9: connection refused (tried 5 s). Nothing was sent.");
    assert_eq!(error.exit(), Exit::Unavailable);
}

#[tokio::test]
async fn a_key_that_declines() {
    struct Declines;

    impl Signer for Declines {
        fn sign<'a>(&'a self, _: &'a [u8]) -> Signing<'a> {
            Box::pin(async { Err(marcato_protocol::ssh_agent::AgentError::Refused.into()) })
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let server = broker();
    hub(&server, folder.path()).await;
    fleet_of(&server, prompt(&["web1".into()])).await;
    let mut fleet = connect(&server, folder.path()).await;
    until_registered(&mut fleet, 1).await;
    let task = kit::task(false);
    let choice = fleet.choose(&task, &key()).await.unwrap();
    let error = fleet.run(task, choice, &Declines, &mut |_, _| ()).await.unwrap_err();
    assert_eq!(error.exit(), Exit::NoPermission);
    assert!(error.to_string().ends_with("Nothing was sent."), "{error}");
}

#[tokio::test]
async fn a_damaged_file_of_known_nodes_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = known_nodes(folder.path());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "# mine\nweb1 yesterday\n").unwrap();
    let server = broker();
    let error = Fleet::connect(setup(&server, folder.path())).await.unwrap_err();
    assert!(matches!(error, FleetError::KnownNodes(KnownNodesError::Line { .. })));
    let start = format!("{}:2: \"yesterday\" is not a time", path.display());
    assert!(error.to_string().starts_with(&start), "{error}");
    assert_eq!(error.exit(), Exit::Config);
}

/// What several commands learn at the same time is all kept.
#[test]
fn what_is_saved_at_once_is_all_there() {
    const AT_ONCE: usize = 4;
    const EACH: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let path = known_nodes(folder.path());
    let start = std::sync::Barrier::new(AT_ONCE);
    std::thread::scope(|scope| {
        for thread in 0..AT_ONCE {
            let (path, start) = (&path, &start);
            scope.spawn(move || {
                for number in 0..EACH {
                    let node = Node::new(&format!("web{thread}-{number}")).known();
                    start.wait();
                    save(path, [node]).unwrap();
                }
            });
        }
    });
    assert_eq!(load(&path).unwrap().len(), AT_ONCE * EACH);
}

/// What is learnt is added to what is known; a name that is known by now keeps its key.
#[test]
fn what_is_saved_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let path = known_nodes(folder.path());
    save(&path, [Node::new("web1").known()]).unwrap();
    save(&path, [Node::new("web2").known(), Node::rebuilt("web1").known()]).unwrap();
    let directory = load(&path).unwrap();
    assert_eq!(directory.len(), 2);
    let kept = directory.get(&name("web1")).unwrap().sign();
    assert_eq!(kept, Node::new("web1").sign.public());
    let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 2, "the file and its lock: nothing half written is left");
    let whole = Arc::new(directory);
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    let error = save(&folder.path().join("taken"), [Node::new("web3").known()]).unwrap_err();
    assert!(matches!(error, KnownNodesError::Io { .. }), "{error}");
    assert_eq!(*whole, load(&path).unwrap());
}
