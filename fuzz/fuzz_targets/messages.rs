//! Any message of the fleet, read as every kind that a node, a hub or a client reads.
//!
//! The input is `subject`, lines of `Name: value`, an empty line, the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_protocol::certificate::SignedText;
use marcato_protocol::message::{Headers, Message};
use marcato_protocol::order::Received;
use marcato_protocol::question::{Answer, Question};
use marcato_protocol::receipt::ReceivedReceipt;
use marcato_protocol::registration::{Heartbeat, Registration};
use marcato_protocol::sshsig::PublicKey;

fuzz_target!(|bytes: &[u8]| {
    let Some(message) = message(bytes) else { return };
    let _ = Received::parse(&message);
    let _ = ReceivedReceipt::parse(&message);
    let _ = Question::parse(&message);
    let _ = Answer::parse(&message);
    let _ = Heartbeat::parse(&message);
    // Nobody holds the other half of this key.
    let authority = PublicKey::from_ed25519(&[1; 32]);
    assert!(Registration::verify(&message, &authority).is_err());
    if let Ok(certificate) = SignedText::parse(&String::from_utf8_lossy(&message.body)) {
        assert!(certificate.verify(&authority).is_err());
    }
});

fn message(bytes: &[u8]) -> Option<Message> {
    let split = bytes.windows(2).position(|two| two == b"\n\n")?;
    let head = std::str::from_utf8(&bytes[..split]).ok()?;
    let mut lines = head.lines();
    let subject = lines.next()?.to_owned();
    let header = |line: &str| line.split_once(": ").map(|(k, v)| (k.to_owned(), v.to_owned()));
    let headers: Headers = lines.filter_map(header).collect();
    Some(Message { subject, reply: None, headers, body: bytes[split + 2..].to_vec() })
}
