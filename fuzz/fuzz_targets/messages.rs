//! Any message of the fleet, read as every kind that a node, a hub or a client reads.
//!
//! The input is `subject`, lines of `Name: value`, an empty line, the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_core::OrderId;
use marcato_protocol::allowed_signers::AllowedSigners;
use marcato_protocol::certificate::SignedText;
use marcato_protocol::digest::Digest;
use marcato_protocol::message::{Headers, Message};
use marcato_protocol::order::{Order, Received};
use marcato_protocol::progress::Progress;
use marcato_protocol::question::{Answer, Question};
use marcato_protocol::receipt::{Expected, ReceivedReceipt};
use marcato_protocol::registration::{Heartbeat, Registration};
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::verify::{OrderRules, verify_order};
use marcato_protocol::version::Spoken;

fuzz_target!(|bytes: &[u8]| {
    let Some(message) = message(bytes) else { return };
    // Nobody holds the other half of this key.
    let authority = PublicKey::from_ed25519(&[1; 32]);
    order(&message, &authority);
    answers(&message, &authority);
    if let Ok(question) = Question::parse(&message) {
        let again = question.message(String::new(), String::new());
        assert_eq!(Question::parse(&again).ok(), Some(question));
    }
    if let Ok(answer) = Answer::parse(&message) {
        assert_eq!(Answer::parse(&answer.message(String::new())).ok(), Some(answer));
    }
    if let Ok(heartbeat) = Heartbeat::parse(&message) {
        assert!(heartbeat.verify(&authority).is_err());
    }
    let Ok(collective) = "lab".parse() else { return };
    assert!(Registration::verify(&message, &authority, &collective).is_err());
    if let Ok(certificate) = SignedText::parse(&String::from_utf8_lossy(&message.body)) {
        assert!(certificate.verify(&authority, &collective).is_err());
        let _ = certificate.verify_request();
    }
});

/// An order of nobody's: read, written again, and never taken.
fn order(message: &Message, key: &PublicKey) {
    let Ok(received) = Received::parse(message) else { return };
    let again = Order::parse(&received.order.to_bytes());
    assert_eq!(again.as_ref(), Ok(&received.order));
    let (Ok(collective), Ok(identity)) = ("lab".parse(), "web1.example.com".parse()) else {
        return;
    };
    let spoken = Spoken::RELEASE;
    let signers = AllowedSigners::default();
    let rules =
        OrderRules { spoken, collective: &collective, identity: &identity, key, signers: &signers };
    let now = received.order.issued;
    assert!(verify_order(received, &rules, now).is_err());
}

/// Receipts and progress for an order that was never sent.
fn answers(message: &Message, key: &PublicKey) {
    let Ok(node) = "web1.example.com".parse() else { return };
    let (order, digest) = (OrderId::from_bytes([1; 16]), Digest::of(b""));
    let (order_digest, step_digest) = (digest, digest);
    let expected = Expected { v: 1, order, order_digest, step: 0, step_digest, node: &node, key };
    assert!(Progress::verify(message, &expected).is_err());
    if let Ok(receipt) = ReceivedReceipt::parse(message) {
        assert!(receipt.verify(&expected).is_err());
    }
}

fn message(bytes: &[u8]) -> Option<Message> {
    let split = bytes.windows(2).position(|two| two == b"\n\n")?;
    let head = std::str::from_utf8(&bytes[..split]).ok()?;
    let mut lines = head.lines();
    let subject = lines.next()?.to_owned();
    let header = |line: &str| line.split_once(": ").map(|(k, v)| (k.to_owned(), v.to_owned()));
    let headers: Headers = lines.filter_map(header).collect();
    Some(Message { subject, reply: None, headers, body: bytes[split + 2..].to_vec() })
}
