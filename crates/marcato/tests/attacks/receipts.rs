//! Answers that nobody may give: in another's name, unsigned, of other orders, too many.

use marcato_client::core::RefusedWhy;
use marcato_core::{EndState, Exit, Identity, OrderId, Reason, Span};
use marcato_node::shell::now;
use marcato_protocol::keys::{NodeSignKey, OpenKey};
use marcato_protocol::message::{Headers, Kind, Message, SIGNATURE};
use marcato_protocol::order::Received;
use marcato_protocol::receipt::{Expected, Inner, Outer, ReceivedReceipt, SignedReceipt};
use marcato_protocol::subject::Subjects;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::support::forge::{Forge, reader, subjects};
use crate::support::wire::Wire;
use crate::support::*;

const STATUS: &str = "package status package=openssl";

fn is_receipt(message: &Message) -> bool {
    message.headers.kind() == Some(Kind::Receipt)
}

fn node_of(message: &Message) -> Identity {
    Subjects::last_identity(&message.subject).unwrap()
}

/// The same message, as if this node had sent it.
fn as_from(message: &Message, node: &str) -> Message {
    let (start, _) = message.subject.rsplit_once('.').unwrap();
    Message { subject: format!("{start}.{node}"), ..message.clone() }
}

fn unsigned(message: &Message) -> Message {
    let pairs = message.headers.iter().filter(|(name, _)| *name != SIGNATURE);
    let headers: Headers = pairs.map(|(name, value)| (name.into(), value.into())).collect();
    Message { headers, ..message.clone() }
}

/// An answer to an order in a node's name, changed as one likes and signed with any key.
fn forged(
    order: &Message,
    node: &str,
    key: &NodeSignKey,
    change: impl FnOnce(&mut Outer),
) -> Message {
    let received = Received::parse(order).unwrap();
    let node: Identity = node.parse().unwrap();
    let subject = subjects().reply(&received.order.caller, received.order.id, &node);
    let mut outer = Outer::answering(&received, node, EndState::Ok, now());
    change(&mut outer);
    let mut random = ChaCha20Rng::from_seed([9; 32]);
    let readers = &received.order.readers;
    SignedReceipt::issue(outer, &Inner::default(), readers, key, &mut random).message(subject, None)
}

/// A read of both nodes with a short wait, after the rule was set.
async fn read(fleet: &Fleet) -> marcato_client::core::Report {
    let mut client = fleet.client().await;
    let mut task = client.task(STATUS, "");
    task.wait = Span::from_ms(1500);
    let report = client.run(task).await;
    client.close().await;
    report
}

fn why(node: &str, why: RefusedWhy) -> (String, RefusedWhy) {
    (node.to_owned(), why)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_anothers_name() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    // The broker moves a true receipt to another's subject.
    fleet.middle.rule(|message| match node_of_receipt(&message).as_deref() {
        Some("web1") => vec![as_from(&message, "web2")],
        Some("web2") => vec![],
        _ => vec![message],
    });
    let report = read(&fleet).await;
    assert_eq!(line(&report), "web1 NoResponse silent, web2 NoResponse silent");
    assert_eq!(refused(&report), [why("web2", RefusedWhy::OtherNode)]);
    // The two are swapped.
    fleet.middle.rule(|message| match node_of_receipt(&message).as_deref() {
        Some("web1") => vec![as_from(&message, "web2")],
        Some("web2") => vec![as_from(&message, "web1")],
        _ => vec![message],
    });
    let report = read(&fleet).await;
    assert_eq!(report.exit(), Exit::NoAnswer);
    let both = ["web1", "web2"].map(|node| why(node, RefusedWhy::OtherNode));
    assert_eq!(refused(&report), both);
    // A host that was taken over signs in its neighbour's name.
    let taken = fleet.secret_key("web1");
    fleet.middle.rule(move |message| {
        if message.headers.kind() != Some(Kind::Order) {
            return vec![message];
        }
        vec![forged(&message, "web2", &taken, |_| ()), message]
    });
    let report = read(&fleet).await;
    assert_eq!(line(&report), "web1 Ok, web2 Ok");
    assert_eq!(of(&report, "web2").data["version"], OPENSSL, "its own");
    assert_eq!(refused(&report), [why("web2", RefusedWhy::Signature)]);
}

fn node_of_receipt(message: &Message) -> Option<String> {
    is_receipt(message).then(|| node_of(message).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsigned_or_damaged() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    type How = fn(&Message) -> Message;
    let check = async |how: How, expected: RefusedWhy| {
        fleet.middle.rule(move |message| match node_of_receipt(&message).as_deref() {
            Some("web1") => vec![how(&message)],
            _ => vec![message],
        });
        let report = read(&fleet).await;
        assert_eq!(line(&report), "web1 NoResponse silent, web2 Ok");
        assert_eq!(report.exit(), Exit::Silent);
        assert_eq!(refused(&report), [why("web1", expected)]);
    };
    check(unsigned, RefusedWhy::Unsigned).await;
    check(|m| bit(m, m.body.len() - 1), RefusedWhy::Sealed).await;
    check(|m| text(m, "\"changed\":\"false\"", "\"changed\":\"true\" "), RefusedWhy::Signature)
        .await;
    check(|m| text(m, "\"state\":\"ok\"", "\"state\":\"oK\""), RefusedWhy::Malformed).await;
    check(|m| text(m, "\"state\":\"ok\"", "\"state\":\"lost\""), RefusedWhy::Malformed).await;
}

fn bit(message: &Message, place: usize) -> Message {
    let mut message = message.clone();
    message.body[place] ^= 1;
    message
}

/// Another text in the outer part, and the length that belongs to it.
fn text(message: &Message, from: &str, to: &str) -> Message {
    let place = message.body.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    let mut body = message.body.clone();
    body.splice(place..place + from.len(), to.bytes());
    let grown = body.len() as i64 - message.body.len() as i64;
    let headers = message.headers.iter().map(|(name, value)| {
        let length = || (value.parse::<i64>().unwrap() + grown).to_string();
        (name.to_owned(), if name == "Mco-Outer" { length() } else { value.to_owned() })
    });
    Message { headers: headers.collect(), body, ..message.clone() }
}

/// A true receipt for another order, and for another step of this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_another_order_or_step() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    assert_eq!(line(&read(&fleet).await), "web1 Ok, web2 Ok");
    let old = fleet.middle.seen(|m| node_of_receipt(m).as_deref() == Some("web1")).remove(0);
    fleet.middle.rule(move |message| match node_of_receipt(&message).as_deref() {
        Some("web1") => vec![Message { subject: message.subject, ..old.clone() }],
        _ => vec![message],
    });
    let report = read(&fleet).await;
    assert_eq!(line(&report), "web1 NoResponse silent, web2 Ok");
    assert_eq!(refused(&report), [why("web1", RefusedWhy::OtherOrder)]);
    let key = fleet.secret_key("web1");
    fleet.middle.rule(move |message| match message.headers.kind() {
        Some(Kind::Order) => {
            let other_step = forged(&message, "web1", &key, |outer| outer.step = 1);
            let other_id =
                forged(&message, "web1", &key, |outer| outer.order = OrderId::from_bytes([7; 16]));
            vec![other_step, other_id, message]
        }
        _ => vec![message],
    });
    let report = read(&fleet).await;
    assert_eq!(line(&report), "web1 Ok, web2 Ok");
    let both = [RefusedWhy::OtherOrder, RefusedWhy::OtherStep].map(|w| why("web1", w));
    assert_eq!(refused(&report), both);
}

/// A node says one thing and then another: what it signed first stays. One that was not asked is
/// named, and counts for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twice_or_unasked() {
    let fleet = Fleet::of(&["db1", "web1", "web2"]).await;
    fleet.introduce("operator");
    assert_eq!(read(&fleet).await.exit(), Exit::Ok);
    let (web1, db1) = (fleet.secret_key("web1"), fleet.secret_key("db1"));
    fleet.middle.rule(move |message| {
        if message.headers.kind() != Some(Kind::Order) {
            return vec![message];
        }
        let failed = |outer: &mut Outer| {
            (outer.state, outer.reason) = (EndState::Failed, Some(Reason::Action));
        };
        let first = forged(&message, "web1", &web1, |_| ());
        let second = forged(&message, "web1", &web1, failed);
        let unasked = forged(&message, "db1", &db1, |_| ());
        vec![first, second, unasked, message]
    });
    let mut client = fleet.client().await;
    let report = client.run(client.task(STATUS, "role=web")).await;
    assert_eq!(line(&report), "web1 Ok, web2 Ok");
    let unexpected: Vec<&str> = report.unexpected.iter().map(|n| n.node.as_str()).collect();
    assert_eq!((unexpected, report.expected), (vec!["db1"], Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_one_node() {
    const FLOOD: usize = 3000;
    let fleet = Fleet::of(&["web1", "web2", "web3"]).await;
    fleet.middle.rule(|message| match node_of_receipt(&message).as_deref() {
        Some("web1") => {
            let bad = std::iter::repeat_n(unsigned(&message), FLOOD);
            let again = std::iter::repeat_n(message.clone(), FLOOD);
            bad.chain([message.clone()]).chain(again).collect()
        }
        _ => vec![message],
    });
    let report = read(&fleet).await;
    assert_eq!(line(&report), "web1 Ok, web2 Ok, web3 Ok");
    assert_eq!(refused(&report), [why("web1", RefusedWhy::Unsigned)]);
    assert_eq!(report.refused[0].count, FLOOD as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sealed_is_not_read_on_the_way() {
    let fleet = Fleet::of(&["web1"]).await;
    let report = fleet.run(STATUS, "").await;
    assert_eq!(of(&report, "web1").data["version"], OPENSSL);
    assert!(fleet.middle.carried(b"openssl"), "orders can be read on purpose");
    assert!(!fleet.middle.carried(OPENSSL.as_bytes()), "answers cannot");
    // Nor by another reader's key.
    let mut wire = Wire::tap(&fleet).await;
    let order = Forge::new(&fleet, STATUS, &["web1"]).to("web1");
    wire.send(&order).await;
    let node: Identity = "web1".parse().unwrap();
    let (message, _) = wire.receipt_of(&order, &node).await;
    let received = Received::parse(&order).unwrap();
    let expected = Expected {
        v: received.order.v,
        order: received.order.id,
        order_digest: received.order_digest,
        step: 0,
        step_digest: received.step_digest,
        node: &node,
        key: &fleet.sign_key("web1"),
    };
    let receipt = ReceivedReceipt::parse(&message).unwrap().verify(&expected).unwrap();
    assert_eq!(receipt.open(&reader()).unwrap().data["version"], OPENSSL);
    let other = OpenKey::generate(&mut ChaCha20Rng::from_seed([6; 32]));
    assert!(receipt.open(&other).is_err());
}
