//! Heartbeats, registrations, and the end of a daemon.

use marcato_core::limits::node::{HEALTH_LINE_BYTES_MAX, HEALTH_LINES_MAX};
use marcato_core::limits::protocol::REGISTRATION_BYTES_MAX;
use marcato_core::limits::timing::HEARTBEAT_EVERY;
use marcato_protocol::message::Headers;
use marcato_protocol::registration::{Heartbeat, Registration};
use serde_json::json;

use super::*;

fn wanted() -> Event {
    let subject = Subjects::of(&"lab".parse().unwrap()).node(&NODE.parse().unwrap());
    let headers = Headers::of(Kind::Wanted);
    Event::Message(Message { subject, reply: None, headers, body: Vec::new() })
}

fn heartbeats(got: &Got) -> Vec<Heartbeat> {
    let all = got.sent.iter().filter(|m| m.headers.kind() == Some(Kind::Heartbeat));
    let read = |message: &Message| {
        let heartbeat = Heartbeat::parse(message).unwrap().verify(node_key().public()).unwrap();
        Heartbeat::clone(&heartbeat)
    };
    all.map(read).collect()
}

fn registration_message(got: &Got) -> &Message {
    let is_one = |message: &&Message| message.headers.kind() == Some(Kind::Registration);
    got.sent.iter().find(is_one).unwrap()
}

fn registration(got: &Got) -> Registration {
    serde_json::from_slice(&registration_message(got).body).unwrap()
}

#[test]
fn heartbeats_name_the_registration_that_is_sent_when_wanted() {
    let mut bench = Bench::new();
    let got = bench.pass(seconds(1));
    let heartbeat = heartbeats(&got).pop().unwrap();
    let got = bench.step(wanted());
    let digest = Digest::of(&registration_message(&got).body);
    let registration = registration(&got);
    assert_eq!(digest, heartbeat.registration);
    assert_eq!(registration.facts["role"], json!("web"));
    let service = registration.agents.iter().find(|agent| agent.name.as_str() == "service");
    assert_eq!(service.unwrap().version, "1.2.0");
    assert_eq!((registration.spoken, registration.at), (Spoken::RELEASE, START));
    // A second wish within the second is answered after it.
    assert!(bench.step(wanted()).sent.is_empty());
    let later = bench.pass(seconds(1));
    assert_eq!(Digest::of(&registration_message(&later).body), digest);
}

/// A hub of the release before has not heard of the newest version's form.
#[test]
fn a_node_registers_in_the_oldest_version_that_it_speaks() {
    let spoken = Spoken { oldest: 1, newest: 2 };
    let (node, _) = Node::new(Bench::setup(rules(), spoken, START), START);
    let mut bench = Bench::new();
    bench.node = node;
    let got = bench.step(Event::Connected);
    let heartbeat = heartbeats(&got).pop().unwrap();
    let registration = registration(&bench.step(wanted()));
    assert_eq!((heartbeat.v, registration.v, registration.spoken), (1, 1, spoken));
}

#[test]
fn heartbeats_come_in_time_and_not_in_step() {
    let mut bench = Bench::new();
    let _ = bench.pass(seconds(30));
    let times: Vec<Timestamp> = {
        let got = bench.pass(seconds(600));
        heartbeats(&got).iter().map(|heartbeat| heartbeat.at).collect()
    };
    assert!(times.len() >= 40, "{}", times.len());
    let gaps: Vec<Span> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(gaps.iter().all(|gap| *gap <= HEARTBEAT_EVERY && *gap > seconds(13)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap != gaps[0]));
}

#[test]
fn a_reload_is_told_at_once_if_it_changes_anything() {
    let mut bench = Bench::new();
    let same = bench.step(Event::Reloaded(Box::new(rules())));
    assert!(same.sent.is_empty());
    let mut changed = rules();
    changed.health = vec!["facts.yaml:3: broken; the old one holds".into()];
    let got = bench.step(Event::Reloaded(Box::new(changed.clone())));
    let [heartbeat] = &heartbeats(&got)[..] else { panic!("{:?}", got.order) };
    let got = bench.step(wanted());
    assert_eq!(Digest::of(&registration_message(&got).body), heartbeat.registration);
    let registration = registration(&got);
    assert_eq!((registration.health, registration.at), (changed.health, bench.now));
    // And it decides from now on.
    let nobody = Rules { policy: Arc::default(), ..rules() };
    let _ = bench.step(Event::Reloaded(Box::new(nobody)));
    assert_eq!(bench.ask("rpcutil ping").end(), (EndState::Denied, Some(Reason::Policy)));
}

#[test]
fn facts_that_do_not_fit_are_left_out_by_name() {
    let mut large = rules();
    let mut facts = large.facts.as_ref().clone();
    facts.insert("huge".into(), json!("x".repeat(300 * 1024)));
    large.facts = Arc::new(facts);
    let mut bench = Bench::with(large.clone());
    let got = bench.step(wanted());
    let registration = registration(&got);
    assert_eq!(registration.facts.len(), 2);
    let note = "1 of 3 facts are left out, too large to be registered: huge";
    assert_eq!(registration.health, [note]);
    assert!(bench.step(Event::Reloaded(Box::new(large))).sent.is_empty(), "it is as it was");
}

/// However much there is, the registration is taken and holds what fits.
#[test]
fn many_facts_and_much_to_complain_of_leave_a_registration() {
    let mut large = rules();
    let facts = (0..30_000).map(|number| (format!("fact{number:05}"), json!("\u{e9}\"")));
    large.facts = Arc::new(facts.collect());
    large.health = vec!["\u{1}".repeat(100_000); 1000];
    let mut bench = Bench::with(large);
    let got = bench.step(wanted());
    let size = registration_message(&got).body.len();
    let least = REGISTRATION_BYTES_MAX - 8 * HEALTH_LINE_BYTES_MAX;
    assert!((least..=REGISTRATION_BYTES_MAX).contains(&size), "{size}");
    let registration = registration(&got);
    let note = "facts are left out, too large to be registered: fact29999, ";
    assert!(registration.health[0].contains(note), "{}", registration.health[0]);
    assert_eq!(registration.health[HEALTH_LINES_MAX], "and 969 more; see the node's log");
    assert!(!registration.facts.is_empty());
}

#[test]
fn other_messages_are_nothing_to_a_node() {
    let mut bench = Bench::new();
    let subject = Subjects::of(&"lab".parse().unwrap()).node(&NODE.parse().unwrap());
    let mut check = |subject: &str, headers: Headers, body: &[u8]| {
        let (subject, body) = (subject.to_owned(), body.to_vec());
        let message = Message { subject, reply: Some("mco.lab.x".into()), headers, body };
        let got = bench.step(Event::Message(message));
        assert!(got.sent.is_empty() && got.logs.is_empty() && got.runs.is_empty());
    };
    check(&subject, Headers::default(), b"");
    check(&subject, Headers::default(), b"{}");
    check(&subject, Headers::of(Kind::Receipt), b"{}");
    check(&subject, Headers::of(Kind::Heartbeat), b"");
    check("mco.lab.order", Headers::of(Kind::Wanted), b"");
}

#[test]
fn a_node_that_stops_says_so_and_lets_reads_finish() {
    let mut bench = Bench::new();
    let got = bench.step(Event::Stopping);
    assert!(heartbeats(&got)[0].leaving && got.stop);

    let mut bench = Bench::new();
    let read = bench.ask("rpcutil ping").run();
    let change = bench.ask("service restart service=a").run();
    let waiting = bench.ask("service restart service=b");
    assert!(waiting.runs.is_empty());
    let got = bench.step(Event::Stopping);
    assert!(heartbeats(&got)[0].leaving && !got.stop);
    assert!(bench.ask("rpcutil ping").is_silent());
    let got = bench.ended(read);
    assert!(got.stop);
    assert_eq!(got.end(), (EndState::Ok, None));
    // What waits is the next daemon's.
    assert!(bench.ended(change).runs.is_empty());
    assert_eq!(bench.restart(Vec::new()).runs.len(), 1);

    let mut bench = Bench::new();
    let _ = bench.ask("rpcutil ping");
    assert!(!bench.step(Event::Stopping).stop);
    assert!(bench.pass(seconds(2)).stop, "not for ever");
}
