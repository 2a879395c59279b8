//! Who and what the vectors are about: a small fleet with fixed keys.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marcato_core::{Collective, Identity, OrderId, Timestamp};
use marcato_protocol::certificate::{Certificate, SignedText, machine_digest};
use marcato_protocol::keys::{KeyFile, NodeSignKey, OpenKey, OperatorKey};
use marcato_protocol::message::{Headers, Message};
use marcato_protocol::sshsig::Namespace;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::{Map, Value, json};

/// When everything was issued.
pub const ISSUED: &str = "2026-11-23T03:46:15.123Z";
/// When everything is checked.
pub const NOW: &str = "2026-11-23T03:46:16.000Z";
/// The fleet.
pub const FLEET: &str = "lab";
/// The node that most of it is about.
pub const NODE: &str = "web1.example.com";
/// The operator.
pub const CALLER: &str = "ops@example.com";

/// An Ed25519 key of a number: 1 the operator, 2 somebody else, 3 the authority, from 11 on nodes.
pub fn key(seed: u64) -> NodeSignKey {
    NodeSignKey::generate(&mut random(seed))
}

pub fn operator() -> NodeSignKey {
    key(1)
}

pub fn stranger() -> NodeSignKey {
    key(2)
}

pub fn authority() -> NodeSignKey {
    key(3)
}

/// The nodes, sorted by name, and their keys.
pub fn nodes() -> [(Identity, NodeSignKey); 3] {
    let node = |name: &str, seed| (name.parse().unwrap(), key(seed));
    [node("app1.example.com", 13), node("db1.example.com", 12), node(NODE, 11)]
}

pub fn node_key() -> NodeSignKey {
    key(11)
}

/// A key that opens, and its secret half as bytes.
pub fn reader(seed: u8) -> (OpenKey, [u8; 32]) {
    let secret = [seed; 32];
    let text = format!("marcato-open-key-v1 {}", STANDARD.encode(secret));
    (OpenKey::from_text(&text).unwrap(), secret)
}

/// A key of another kind than Ed25519.
pub fn other_kind(name: &str) -> OperatorKey {
    let pem = match name {
        "ecdsa256" => include_str!("../../vectors/keys/ecdsa256"),
        "ecdsa384" => include_str!("../../vectors/keys/ecdsa384"),
        "ecdsa521" => include_str!("../../vectors/keys/ecdsa521"),
        _ => include_str!("../../vectors/keys/rsa3072"),
    };
    match OperatorKey::parse(pem).unwrap() {
        KeyFile::Plain(key) => key,
        KeyFile::Encrypted(_) => panic!("{name} has a passphrase"),
    }
}

pub fn random(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Gives out exactly these bytes.
pub struct Given<'a>(pub &'a [u8]);

impl TryRng for Given<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("bytes alone are given")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("bytes alone are given")
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        let (now, later) = self.0.split_at(into.len());
        into.copy_from_slice(now);
        self.0 = later;
        Ok(())
    }
}

impl TryCryptoRng for Given<'_> {}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn fleet() -> Collective {
    FLEET.parse().unwrap()
}

pub fn node() -> Identity {
    NODE.parse().unwrap()
}

pub fn order_id(number: u8) -> OrderId {
    OrderId::from_bytes([number; 16])
}

/// The node's certificate before it is signed.
pub fn certificate() -> Certificate {
    Certificate {
        v: 1,
        collective: fleet(),
        identity: node(),
        sign: node_key().public().clone(),
        open: *reader(40).0.public(),
        machine: machine_digest("8a1f4b2c9d3e4f5061728394a5b6c7d8\n"),
        issued: time(ISSUED),
        ext: Map::new(),
    }
}

/// Bytes signed as a certificate.
pub fn certified(body: Vec<u8>, by: &NodeSignKey, namespace: Namespace) -> String {
    let signature = by.sign(namespace, &body);
    SignedText::new(body, signature).to_string()
}

pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// A message as it stands in a file.
pub fn shown(message: &Message) -> Value {
    let headers: Vec<_> =
        message.headers.iter().map(|(name, value)| json!([name, value])).collect();
    let body = match std::str::from_utf8(&message.body) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": base64(&message.body) }),
    };
    json!({ "subject": message.subject, "headers": headers, "body": body })
}

/// A message of which something was changed on its way.
pub fn changed(
    message: &Message,
    change: impl FnOnce(&mut Vec<(String, String)>, &mut Vec<u8>),
) -> Message {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut headers: Vec<_> = message.headers.iter().map(own).collect();
    let mut body = message.body.clone();
    change(&mut headers, &mut body);
    let headers: Headers = headers.into_iter().collect();
    Message { subject: message.subject.clone(), reply: None, headers, body }
}

/// Takes all headers of a name away.
pub fn without(headers: &mut Vec<(String, String)>, name: &str) {
    headers.retain(|(key, _)| key != name);
}

/// Gives a header another value.
pub fn set(headers: &mut Vec<(String, String)>, name: &str, value: impl Into<String>) {
    without(headers, name);
    headers.push((name.to_owned(), value.into()));
}

/// Puts a second header of a name behind the first.
pub fn twice(headers: &mut Vec<(String, String)>, name: &str) {
    let same = headers.iter().find(|(key, _)| key == name).cloned();
    headers.extend(same);
}

/// Changes a body that is text.
pub fn replace(body: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(body)).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    *body = text.replacen(from, to, 1).into_bytes();
}
