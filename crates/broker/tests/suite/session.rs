//! The session alone: what it does with the wire suite's bytes does not depend on how they are cut,
//! and time alone makes it speak and end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use marcato_broker::auth::Anyone;
use marcato_broker::connect::ConnectOptions;
use marcato_broker::refusal::Refusal;
use marcato_broker::session::{Effects, Publish, Session, SessionLimits};
use proptest::prelude::*;

use crate::case::{self, Act};

/// Writes down what the session wants done.
#[derive(Debug, Default, PartialEq)]
struct Record {
    lines: Vec<String>,
}

impl Effects for Record {
    fn say(&mut self, bytes: &[u8]) {
        self.lines.push(format!("say {}", bytes.escape_ascii()));
    }

    fn subscribe(&mut self, sid: &str, pattern: &str, queue: Option<&str>) -> Result<(), Refusal> {
        self.lines.push(format!("subscribe {sid} {pattern} {queue:?}"));
        if pattern == "full" { Err(Refusal::Subscriptions) } else { Ok(()) }
    }

    fn unsubscribe(&mut self, sid: &str, max: Option<u64>) {
        self.lines.push(format!("unsubscribe {sid} {max:?}"));
    }

    fn publish(&mut self, message: Publish<'_>) {
        self.lines.push(format!("{message:?}"));
    }

    fn connected(&mut self, options: &ConnectOptions) {
        self.lines.push(format!("connected {}", options.verbose()));
    }

    fn refused(&mut self, refusal: Refusal, subject: &str) {
        self.lines.push(format!("refused {refusal} {subject}"));
    }
}

const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

fn session(now: Instant) -> Session {
    Session::new(SessionLimits::default(), Arc::new(Anyone), String::new(), PEER, now)
}

/// What a session does with `pieces`, and how it ends.
fn play<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Record, Result<(), Refusal>) {
    let now = Instant::now();
    let mut session = session(now);
    let mut record = Record::default();
    for piece in pieces {
        if let Err(refusal) = session.step(piece, now, &mut record) {
            return (record, Err(refusal));
        }
    }
    (record, Ok(()))
}

/// What each client of the wire suite sends, without the few that send very much.
fn inputs() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut inputs = Vec::new();
    for case in case::load(&folder) {
        let mut clients: Vec<(&str, Vec<u8>)> = Vec::new();
        for step in &case.steps {
            let Act::Send(pieces) = &step.act else { continue };
            let place = clients.iter().position(|(name, _)| *name == step.client);
            let place = place.unwrap_or_else(|| {
                clients.push((&step.client, Vec::new()));
                clients.len() - 1
            });
            clients[place].1.extend(case::flat(pieces));
        }
        let sent = clients.into_iter().map(|(_, bytes)| (case.name.clone(), bytes));
        inputs.extend(sent.filter(|(_, bytes)| bytes.len() < 20_000));
    }
    inputs
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let inputs = inputs();
    assert!(inputs.len() >= 80, "{}", inputs.len());
    for (name, bytes) in inputs {
        let whole = play([&bytes[..]]);
        assert_eq!(play(bytes.chunks(1)), whole, "{name}, byte by byte");
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(play([first, second]), whole, "{name}, cut at {at}");
        }
    }
}

/// Operations good and bad, as a client might send them one after the other.
fn operation() -> impl Strategy<Value = Vec<u8>> {
    let subject = prop_oneof!["[ab*>.]{1,6}", "[a-c]", "[a-c]\\.[a-c]", "[ -~]{0,4}"];
    let body = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        Just(b"PING\r\n".to_vec()),
        Just(b"pong\n".to_vec()),
        Just(b"CONNECT {\"headers\":true,\"no_responders\":true}\r\n".to_vec()),
        subject.clone().prop_map(|s| format!("SUB {s} 1\r\n").into_bytes()),
        (subject.clone(), 0..4u8).prop_map(|(s, n)| format!("UNSUB {s} {n}\r\n").into_bytes()),
        (subject.clone(), body.clone()).prop_map(|(s, body)| {
            let head = format!("PUB {s} {}\r\n", body.len());
            [head.as_bytes(), &body, b"\r\n"].concat()
        }),
        (subject, body).prop_map(|(s, body)| {
            let head = format!("HPUB {s} r 12 {}\r\nNATS/1.0\r\n\r\n", body.len() + 12);
            [head.as_bytes(), &body, b"\r\n"].concat()
        }),
        "[ -~]{0,12}\r\n".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn any_cuts_of_any_input_change_nothing(
        operations in prop::collection::vec(operation(), 0..12),
        sizes in prop::collection::vec(1usize..30, 1..20),
    ) {
        let bytes = operations.concat();
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(play(pieces), play([&bytes[..]]));
    }
}

#[test]
fn an_unfinished_operation_is_all_that_is_kept() {
    let check = |bytes: &[u8], want: usize| {
        let now = Instant::now();
        let mut session = session(now);
        session.step(bytes, now, &mut Record::default()).unwrap();
        assert_eq!(session.kept(), want, "{}", bytes.escape_ascii());
    };
    check(b"PING\r\n", 0);
    check(b"PING\r\nPI", 2);
    check(b"PUB a 3\r\nabc\r\n", 0);
    check(b"PUB a 3\r\nabc\r\nPUB b 3\r\nab", 11);
}

#[test]
fn silence_brings_two_pings_and_then_the_end() {
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let mut session = session(start);
    let mut record = Record::default();
    session.step(b"CONNECT {\"verbose\":false}\r\n", start, &mut record).unwrap();
    record.lines.clear();
    assert_eq!(session.deadline(), at(20));
    session.tick(at(19), &mut record).unwrap();
    assert!(record.lines.is_empty());
    session.tick(at(20), &mut record).unwrap();
    session.tick(at(20), &mut record).unwrap();
    assert_eq!(record.lines, ["say PING\\r\\n"]);
    assert_eq!(session.deadline(), at(40));
    session.tick(at(40), &mut record).unwrap();
    assert_eq!(record.lines.len(), 2);
    assert_eq!(session.deadline(), at(50));
    // A word at the last moment, and it all begins anew.
    session.step(b"PONG\r\n", at(49), &mut record).unwrap();
    assert_eq!(session.deadline(), at(69));
    session.tick(at(69), &mut record).unwrap();
    session.tick(at(89), &mut record).unwrap();
    assert_eq!(session.tick(at(99), &mut record), Err(Refusal::Stale));
    assert_eq!(record.lines.last().unwrap(), "say -ERR \\'Stale Connection\\'\\r\\n");
}

#[test]
fn who_says_nothing_at_first_must_go() {
    let start = Instant::now();
    let mut record = Record::default();
    let mut silent = session(start);
    let late = start + SessionLimits::default().connect_timeout;
    assert_eq!(silent.deadline(), late);
    // Half a line is no greeting.
    silent.step(b"CONNE", start, &mut record).unwrap();
    assert_eq!(silent.tick(late, &mut record), Err(Refusal::ConnectTimeout));
    let mut speaking = session(start);
    speaking.step(b"PING\r\n", start, &mut record).unwrap();
    assert_eq!(speaking.tick(late, &mut record), Ok(()));
}

#[test]
fn a_subscription_over_the_limit_is_no_ok() {
    let (record, end) = play([&b"CONNECT {}\r\nSUB full 1\r\nSUB free 2\r\n"[..]]);
    assert_eq!(end, Ok(()));
    let said: Vec<_> = record.lines.iter().filter(|line| line.starts_with("say")).collect();
    assert_eq!(
        said,
        ["say +OK\\r\\n", "say -ERR \\'maximum subscriptions exceeded\\'\\r\\n", "say +OK\\r\\n"]
    );
}
