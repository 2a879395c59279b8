//! Our code against the files.

mod answers;
mod crypto;
mod orders;
mod plain;
mod talk;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marcato_protocol::keys::OpenKey;
use marcato_protocol::message::{Headers, Message};
use marcato_protocol::sshsig::PublicKey;
use serde_json::Value;

/// The text of a field.
fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {case}"))
}

/// The list of a field, which is never empty.
fn list<'a>(case: &'a Value, field: &str) -> &'a [Value] {
    let list = case[field].as_array().unwrap_or_else(|| panic!("{field} is no list in {case}"));
    assert!(!list.is_empty(), "{field}");
    list
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    STANDARD.decode(text(case, field)).unwrap()
}

/// Bytes that stand there as text or as base64.
fn content(case: &Value) -> Vec<u8> {
    match case["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => bytes(case, "base64"),
    }
}

/// Any value that is a text.
fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(case: &Value, field: &str) -> T {
    text(case, field).parse().unwrap()
}

fn public_key(case: &Value, field: &str) -> PublicKey {
    serde_json::from_value(case[field].clone()).unwrap()
}

fn open_key(case: &Value) -> OpenKey {
    OpenKey::from_text(&format!("marcato-open-key-v1 {}", text(case, "secret"))).unwrap()
}

fn message(case: &Value) -> Message {
    let message = &case["message"];
    let pair = |pair: &Value| {
        let own = |at: usize| pair[at].as_str().unwrap().to_owned();
        (own(0), own(1))
    };
    let headers: Headers = list(message, "headers").iter().map(pair).collect();
    let subject = text(message, "subject").to_owned();
    Message { subject, reply: None, headers, body: content(&message["body"]) }
}
