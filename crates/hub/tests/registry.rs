//! What the registry believes, when it calls a node down, and what it answers; with real keys.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use marcato_core::limits::hub::{ASK_LATE_EVERY, WANTED_EVERY};
use marcato_core::limits::protocol::ANSWER_PART_BYTES_MAX;
use marcato_core::limits::timing::HEARTBEAT_LATE;
use marcato_core::{CallerId, Collective, Facts, Identity, OrderId, Span, Terms, Timestamp};
use marcato_hub::core::{Effect, Event, Hub, Said, Setup};
use marcato_protocol::certificate::{Certificate, SignedText, machine_digest};
use marcato_protocol::keys::{NodeSignKey, OpenKey};
use marcato_protocol::message::{Headers, Kind, Message};
use marcato_protocol::question::{Answer, Ask, Beginning, Found, Listed, Named, Question, Values};
use marcato_protocol::registration::{AgentInfo, Heartbeat, Registration};
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::subject::Subjects;
use marcato_protocol::version::Spoken;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::Map;

const START: Timestamp = Timestamp::from_ms(1_795_000_000_000);

fn collective() -> Collective {
    "lab".parse().unwrap()
}

fn subjects() -> Subjects {
    Subjects::of(&collective())
}

fn caller() -> CallerId {
    "ops".parse().unwrap()
}

fn key(seed: u64) -> NodeSignKey {
    NodeSignKey::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

/// A node's keys, certificate and description.
struct Node {
    sign: NodeSignKey,
    registration: Registration,
}

impl Node {
    fn new(name: &str) -> Self {
        Self::with(name, 10, &key(1), START, "lab")
    }

    fn with(
        name: &str,
        seed: u64,
        authority: &NodeSignKey,
        issued: Timestamp,
        fleet: &str,
    ) -> Self {
        let node: Identity = name.parse().unwrap();
        let seed = seed + name.bytes().map(u64::from).sum::<u64>() * 100;
        let sign = key(seed);
        let open = OpenKey::generate(&mut ChaCha20Rng::seed_from_u64(seed));
        let certificate = Certificate {
            v: 1,
            collective: fleet.parse().unwrap(),
            identity: node.clone(),
            sign: sign.public().clone(),
            open: *open.public(),
            machine: machine_digest("0123456789abcdef0123456789abcdef"),
            issued,
            ext: Map::new(),
        };
        let body = certificate.to_bytes();
        let signature = authority.sign(Namespace::Join, &body);
        let registration = Registration {
            v: 1,
            node,
            certificate: SignedText::new(body, signature).to_string(),
            at: START,
            spoken: Spoken::RELEASE,
            facts: Facts::from([("role".into(), "web".into())]),
            classes: vec!["common".into()],
            agents: vec![AgentInfo { name: "rpcutil".parse().unwrap(), version: "1".into() }],
            read_only: false,
            health: vec![],
            ext: Map::new(),
        };
        Self { sign, registration }
    }

    fn agent(mut self, name: &str) -> Self {
        self.registration
            .agents
            .push(AgentInfo { name: name.parse().unwrap(), version: "1".into() });
        self
    }

    fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.registration.facts.insert(name.into(), value.into());
        self
    }

    fn registers(&self) -> Message {
        self.registration.message(subjects().registry(&self.registration.node), &self.sign)
    }

    fn beats(&self, at: Timestamp) -> Message {
        self.heartbeat(at, false)
    }

    fn heartbeat(&self, at: Timestamp, leaving: bool) -> Message {
        let digest = marcato_protocol::digest::Digest::of(&self.registration.to_bytes());
        let node = self.registration.node.clone();
        let beat = Heartbeat { v: 1, node, at, registration: digest, leaving, ext: Map::new() };
        beat.message(subjects().registry(&self.registration.node), &self.sign)
    }
}

/// A hub on a bench.
struct Bench {
    hub: Hub,
    now: Timestamp,
    published: Vec<Message>,
    said: Vec<Said>,
    wake: Option<Timestamp>,
}

impl Bench {
    fn new() -> Self {
        let setup = Setup { collective: collective(), authority: key(1).public().clone() };
        let hub = Hub::new(setup, START);
        let mut bench =
            Self { hub, now: START, published: Vec::new(), said: Vec::new(), wake: None };
        bench.step(Event::Connected);
        bench
    }

    fn of(nodes: &[Node]) -> Self {
        let mut bench = Self::new();
        for node in nodes {
            bench.message(node.registers());
        }
        assert_eq!(bench.hub.nodes(), nodes.len());
        bench.said.clear();
        bench
    }

    fn step(&mut self, event: Event) {
        self.wake = None;
        for effect in self.hub.step(event, self.now) {
            match effect {
                Effect::Publish(message) => self.published.push(message),
                Effect::WakeAt(at) => self.wake = Some(at),
                Effect::Log(said) => self.said.push(said),
            }
        }
    }

    fn message(&mut self, message: Message) {
        self.step(Event::Message(message));
    }

    fn after(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step(Event::Tick);
            assert!(self.wake.is_none_or(|next| next > at), "the hub never rests");
        }
        self.now = end;
    }

    fn nobody(&mut self, node: &str) {
        let subject = subjects().hub_probe(&node.parse().unwrap());
        self.step(Event::NoResponders(subject));
    }

    fn ask(&mut self, ask: Ask) -> Vec<Answer> {
        let id = OrderId::from_bytes([5; 16]);
        let question = Question { v: 1, id, caller: caller(), ask };
        let answer = subjects().answer(&caller(), id);
        self.published.clear();
        self.message(question.message(subjects().questions(), answer.clone()));
        let parts = self.published.drain(..).inspect(|part| assert_eq!(part.subject, answer));
        parts.map(|part| Answer::parse(&part).unwrap()).collect()
    }

    fn find(&mut self, terms: Terms) -> Vec<Listed> {
        let parts = self.ask(Ask::Find(terms));
        let nodes = parts.into_iter().flat_map(|part| match part.found {
            Found::Nodes(nodes) => nodes,
            other => panic!("{other:?}"),
        });
        nodes.collect()
    }

    fn all(&mut self) -> Vec<Listed> {
        self.find(Terms::default())
    }

    fn down(&mut self) -> Vec<(String, Timestamp)> {
        let down = self.all().into_iter().filter_map(|line| Some((line.node, line.down?)));
        down.map(|(node, since)| (node.to_string(), since)).collect()
    }
}

fn ms(ms: u64) -> Span {
    Span::from_ms(ms)
}

#[test]
fn a_late_heartbeat_is_asked_after_and_a_503_means_down() {
    let node = Node::new("web1");
    let mut bench = Bench::of(std::slice::from_ref(&node));
    bench.after(ms(10_000));
    bench.message(node.beats(bench.now));
    let heard = bench.now;
    bench.after(ms(HEARTBEAT_LATE.as_ms() - 1));
    assert!(bench.published.is_empty());
    bench.after(ms(1));
    let probe = bench.published.pop().unwrap();
    assert_eq!(probe.subject, "mco.lab.node.web1");
    assert_eq!(probe.reply.as_deref(), Some("mco.lab.registry.=hub.web1"));
    assert!(probe.body.is_empty());
    bench.nobody("web1");
    assert_eq!(bench.said, [Said::Down { node: "web1".parse().unwrap(), since: heard }]);
    assert_eq!(bench.down(), [("web1".to_owned(), heard)], "it is listed all the same");
    bench.after(Span::from_secs(3600));
    assert!(bench.published.is_empty(), "and it is not asked any more");
    bench.message(node.beats(bench.now));
    assert_eq!(bench.down(), []);
    assert_eq!(bench.said.last(), Some(&Said::Back("web1".parse().unwrap())));
}

/// A node that is connected but does not speak is no node that is down; it is asked now and then.
#[test]
fn silence_alone_is_not_down() {
    let mut bench = Bench::of(&[Node::new("web1")]);
    bench.after(HEARTBEAT_LATE + ASK_LATE_EVERY + ASK_LATE_EVERY);
    assert_eq!(bench.published.len(), 3);
    assert_eq!(bench.down(), []);
}

/// A 503 that was overtaken by a heartbeat, that nobody asked for, or for another node.
#[test]
fn a_503_that_does_not_count() {
    let node = Node::new("web1");
    let mut bench = Bench::of(std::slice::from_ref(&node));
    bench.nobody("web1");
    bench.after(HEARTBEAT_LATE);
    assert_eq!(bench.published.len(), 1);
    bench.message(node.beats(bench.now));
    bench.nobody("web1");
    bench.nobody("web2");
    bench.step(Event::NoResponders("mco.lab.node.web1".into()));
    bench.step(Event::NoResponders(String::new()));
    assert_eq!(bench.down(), []);
}

#[test]
fn whoever_takes_his_leave_is_down_at_once() {
    let node = Node::new("web1");
    let mut bench = Bench::of(std::slice::from_ref(&node));
    bench.after(ms(5000));
    bench.message(node.heartbeat(bench.now, true));
    assert_eq!(bench.down(), [("web1".to_owned(), bench.now)]);
    assert_eq!(bench.said, [Said::Left("web1".parse().unwrap())]);
    // Late copies of what it said before bring it back neither up nor down.
    bench.message(node.beats(START + ms(1)));
    bench.message(node.registers());
    assert_eq!(bench.down().len(), 1);
    bench.after(ms(5000));
    bench.message(node.beats(bench.now));
    bench.message(node.heartbeat(START + ms(5000), true));
    assert_eq!(bench.down(), []);
}

/// While the hub itself is away, the silence of nodes counts against nobody.
#[test]
fn the_hub_was_away() {
    let mut bench = Bench::of(&[Node::new("web1")]);
    bench.step(Event::Disconnected);
    bench.after(Span::from_secs(3600));
    bench.step(Event::Tick);
    assert!(bench.published.is_empty());
    bench.step(Event::Connected);
    bench.after(ms(HEARTBEAT_LATE.as_ms() - 1));
    assert!(bench.published.is_empty());
    bench.after(ms(1));
    assert_eq!(bench.published.len(), 1);
}

/// The body of a registration is asked for when a heartbeat names one that is not known.
#[test]
fn a_registration_is_wanted() {
    let mut bench = Bench::new();
    let mut node = Node::new("web1");
    bench.message(node.beats(START));
    assert_eq!(bench.published.len(), 1);
    assert_eq!(bench.published[0].subject, "mco.lab.node.web1");
    assert_eq!(bench.published[0].headers.kind(), Some(Kind::Wanted));
    bench.message(node.beats(START));
    assert_eq!(bench.published.len(), 1, "not too often");
    bench.after(WANTED_EVERY);
    bench.message(node.beats(bench.now));
    assert_eq!(bench.published.len(), 2);
    bench.message(node.registers());
    bench.message(node.beats(bench.now));
    assert_eq!(bench.published.len(), 2);
    // Its facts change; the registration is older than the heartbeat that named it.
    node.registration.facts.insert("role".into(), "db".into());
    node.registration.at = bench.now;
    bench.after(ms(3000));
    bench.message(node.beats(bench.now));
    assert_eq!(bench.published.len(), 3);
    bench.message(node.registers());
    let db = Terms { facts: vec!["role=db".into()], ..Terms::default() };
    assert_eq!(bench.find(db).len(), 1);
    // A late copy of the first description does not come back.
    bench.message(Node::new("web1").registers());
    assert_eq!(bench.find(Terms { facts: vec!["role=web".into()], ..Terms::default() }).len(), 0);
}

/// A node whose clock once ran ahead is taken at its word again when it is right.
#[test]
fn a_clock_that_was_wrong() {
    let mut node = Node::new("web1");
    node.registration.at = START + Span::from_secs(3600);
    let mut bench = Bench::of(std::slice::from_ref(&node));
    bench.message(node.heartbeat(START + Span::from_secs(3601), true));
    bench.after(ms(1000));
    bench.message(node.beats(bench.now));
    assert_eq!(bench.down(), []);
    node.registration.at = bench.now;
    node.registration.read_only = true;
    bench.message(node.registers());
    assert!(bench.all()[0].read_only);
}

/// What is not proved by the authority does not come in, and is told once for a while.
#[test]
fn what_is_refused() {
    let check = |message: Message, part: &str| {
        let mut bench = Bench::new();
        bench.message(message.clone());
        assert_eq!(bench.hub.nodes(), 0, "{part}");
        let [Said::Refused(refused)] = &bench.said[..] else { panic!("{part}: {:?}", bench.said) };
        assert!(refused.why.to_string().contains(part), "{}", refused.why);
        bench.message(message.clone());
        assert_eq!(bench.said.len(), 1);
        bench.after(Span::from_secs(10));
        bench.message(message);
        let Some(Said::Refused(refused)) = bench.said.get(1) else { panic!("{part}") };
        assert_eq!(refused.untold, 1);
    };
    let node = Node::new("web1");
    let own = node.registers();
    check(Node::with("web1", 10, &key(99), START, "lab").registers(), "not signed by the expected");
    check(Node::with("web1", 10, &key(1), START, "prod").registers(), "for the fleet prod");
    let subject = subjects().registry(&"web2".parse().unwrap());
    check(Message { subject, ..own.clone() }, "it is about web1, and came in for");
    let mut other = Node::new("web1");
    other.registration.certificate = Node::new("web2").registration.certificate;
    check(other.registers(), "it is about web2");
    let stranger = Node { sign: key(77), registration: Node::new("web1").registration };
    check(stranger.registers(), "its signature is not that of the node's key");
    let mut tampered = own.clone();
    let at = tampered.body.iter().position(|byte| *byte == b'w').unwrap();
    tampered.body[at] = b'x';
    check(tampered, "");
    check(Message { body: b"{}".to_vec(), ..own.clone() }, "not valid");
    check(Message { headers: Headers::of(Kind::Registration), ..own.clone() }, "not signed");
    check(Message { headers: Headers::of(Kind::Order), ..own.clone() }, "nothing that a hub takes");
    check(Message { body: vec![b'['; 300_000], ..own }, "too long");
}

#[test]
fn a_forged_heartbeat_changes_nothing() {
    let node = Node::new("web1");
    let mut bench = Bench::of(std::slice::from_ref(&node));
    let forger = Node { sign: key(77), registration: Node::new("web1").registration };
    bench.after(ms(1000));
    bench.message(forger.heartbeat(bench.now, true));
    assert_eq!(bench.down(), []);
    assert!(matches!(bench.said[..], [Said::Refused(_)]));
}

/// Of two keys under one name, the one whose certificate is newer is kept.
#[test]
fn a_rebuilt_host() {
    let old = Node::new("web1");
    let new = Node::with("web1", 11, &key(1), START + ms(1), "lab");
    for order in [[&old, &new], [&new, &old]] {
        let mut bench = Bench::new();
        bench.message(order[0].registers());
        bench.said.clear();
        bench.message(order[1].registers());
        assert_eq!(bench.all()[0].key, new.sign.public().digest());
        let told = matches!(bench.said[..], [Said::KeyChanged { .. }]);
        assert_eq!(told, order[0].sign.public() == old.sign.public());
    }
}

#[test]
fn which_nodes_match() {
    let mut bench = Bench::of(&[
        Node::new("db1").fact("role", "db").agent("package"),
        Node::new("web1").agent("package"),
        Node::new("web2"),
    ]);
    let mut check = |facts: &[&str], agents: &[&str], want: &[(&str, bool)]| {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let terms = Terms { facts: texts(facts), agents: texts(agents), ..Terms::default() };
        let found = bench.find(terms);
        let found: Vec<(&str, bool)> =
            found.iter().map(|line| (line.node.as_str(), line.not_capable)).collect();
        assert_eq!(found, want);
    };
    check(&[], &[], &[("db1", false), ("web1", false), ("web2", false)]);
    check(&["role=web"], &[], &[("web1", false), ("web2", false)]);
    check(&["role=web"], &["package"], &[("web1", false), ("web2", true)]);
    check(&["role=mail"], &["package"], &[]);
    check(&[], &["nosuch"], &[("db1", true), ("web1", true), ("web2", true)]);
    let expressions = vec!["not (role=db or role=mail)".to_owned()];
    let found = bench.find(Terms { expressions, ..Terms::default() });
    let found: Vec<&str> = found.iter().map(|line| line.node.as_str()).collect();
    assert_eq!(found, ["web1", "web2"]);
    let refused = bench.ask(Ask::Find(Terms { facts: vec!["role".into()], ..Terms::default() }));
    let Found::Refused(why) = &refused[0].found else { panic!("{refused:?}") };
    assert!(why.contains("has no operator"), "{why}");
}

#[test]
fn values_of_a_fact() {
    let mut bench = Bench::of(&[
        Node::new("a").fact("hagroup", "c"),
        Node::new("b").fact("hagroup", "c"),
        Node::new("c").fact("hagroup", "a"),
        Node::new("d").fact("hagroup", "$serde_json::private::RawValue"),
    ]);
    let mut check = |fact: &str, want: Values| {
        // What a client could not read would not be given back.
        let answer = bench.ask(Ask::Values(fact.parse().unwrap())).remove(0);
        assert_eq!(answer.found, Found::Values(want));
    };
    let values = [("a".to_owned(), 1), ("c".to_owned(), 2)].into();
    check("hagroup", Values { values, without: 0, nearest: vec![] });
    let nearest = vec!["role".parse().unwrap()];
    check("roel", Values { nearest, without: 4, ..Values::default() });
    check("xxxxxxxx", Values { without: 4, ..Values::default() });
    let os = serde_json::json!({"release": {"major": "12"}});
    let mut bench = Bench::of(&[Node::new("a").fact("os", os), Node::new("b").fact("os", "x")]);
    let inside = bench.ask(Ask::Values("os.release.major".parse().unwrap())).remove(0);
    let values = Values { values: [("12".to_owned(), 1)].into(), without: 1, nearest: vec![] };
    assert_eq!(inside.found, Found::Values(values));
}

#[test]
fn names_that_begin_so() {
    let os = serde_json::json!({"name": "Debian", "release": {"major": "12", "full": "12.5"}});
    let many = (0..300).map(|i| Node::new(&format!("n{i:03}")));
    let others = [
        Node::new("web1").fact("hagroup", "c").fact("hostname", "web1"),
        Node::new("web2").fact("hagroup", "a").fact("os", os),
        Node::new("db1").fact("os", "x").fact(&"o".repeat(257), "y"),
    ];
    let fleet: Vec<Node> = many.chain(others).collect();
    let mut bench = Bench::of(&fleet);
    let mut names = |of, begin: &str| {
        let begin = begin.to_owned();
        match bench.ask(Ask::Names(Beginning { of, begin })).remove(0).found {
            Found::Names(names) => names,
            found => panic!("{found:?}"),
        }
    };
    assert_eq!(names(Named::Nodes, "web"), ["web1", "web2"]);
    assert_eq!(names(Named::Facts, "h"), ["hagroup", "hostname"]);
    assert_eq!(names(Named::Facts, "o"), ["os"], "one that is too long is left out");
    assert_eq!(names(Named::Facts, "os."), ["os.name", "os.release"]);
    assert_eq!(names(Named::Facts, "os.release.f"), ["os.release.full"]);
    assert!(names(Named::Facts, "nosuch.").is_empty() && names(Named::Classes, "x").is_empty());
    let first = names(Named::Nodes, "");
    assert_eq!((first.len(), first[0].as_str(), first[199].as_str()), (200, "db1", "n198"));
}

/// A long answer comes in parts that are each within the limit, and together whole.
#[test]
fn answers_in_parts() {
    let long = "x".repeat(200);
    let fleet: Vec<Node> = (0..2000).map(|i| Node::new(&format!("n{i:04}{long}"))).collect();
    let mut bench = Bench::of(&fleet);
    let parts = bench.ask(Ask::Find(Terms::default()));
    assert!(parts.len() > 1);
    let mut names = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        assert_eq!((part.part as usize, part.parts as usize), (at, parts.len()));
        assert_eq!(part.since, START);
        let bytes = part.message(String::new()).body.len();
        assert!(bytes <= ANSWER_PART_BYTES_MAX + 1024, "{bytes}");
        let Found::Nodes(nodes) = &part.found else { panic!() };
        names.extend(nodes.iter().map(|line| line.node.clone()));
    }
    let want: Vec<Identity> = fleet.iter().map(|node| node.registration.node.clone()).collect();
    assert_eq!(names, want);
    let mut asked = want[..3].to_vec();
    asked.push("nobody".parse().unwrap());
    let parts = bench.ask(Ask::Certificates(asked));
    let Found::Certificates(texts) = &parts[0].found else { panic!() };
    assert_eq!(
        *texts,
        fleet[..3].iter().map(|n| n.registration.certificate.clone()).collect::<Vec<_>>()
    );
}

#[test]
fn questions_that_are_not_understood() {
    let mut bench = Bench::of(&[Node::new("web1")]);
    let id = OrderId::from_bytes([5; 16]);
    let question = Question { v: 9, id, caller: caller(), ask: Ask::Find(Terms::default()) };
    let message = question.message(subjects().questions(), String::new());
    bench.message(message.clone());
    let answer = Answer::parse(&bench.published.remove(0)).unwrap();
    let Found::Refused(why) = answer.found else { panic!() };
    assert!(why.contains("this hub speaks 1 to 1"), "{why}");
    bench.message(Message { body: b"{}".to_vec(), ..message });
    assert!(bench.published.is_empty());
}

/// A rebuilt host has another key under the old name. Its heartbeat proves nothing; its registration
/// is asked for, and does.
#[test]
fn a_rebuilt_host_is_asked_who_it_is() {
    let mut bench = Bench::of(&[Node::new("web1")]);
    let rebuilt = Node::with("web1", 11, &key(1), START + Span::from_secs(60), "lab");
    bench.published.clear();
    bench.message(rebuilt.beats(START + Span::from_secs(61)));
    let wanted = bench.published.pop().unwrap();
    assert_eq!(wanted.headers.kind(), Some(Kind::Wanted));
    assert_eq!(wanted.subject, subjects().node(&"web1".parse().unwrap()));
    bench.message(rebuilt.registers());
    assert!(bench.said.iter().any(|said| matches!(said, Said::KeyChanged { .. })));
    // Whoever goes on with wrong signatures is not asked each time.
    bench.published.clear();
    for _ in 0..10 {
        bench.message(Node::with("web1", 12, &key(1), START, "lab").beats(START));
    }
    assert_eq!(bench.published.len(), 1);
}
