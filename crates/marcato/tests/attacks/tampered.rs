//! A byte of a true order is changed on its way.

use std::collections::BTreeMap;

use marcato_core::{EndState, Reason, Span};
use marcato_protocol::message::{Headers, KIND, Kind, Message, PROOF, SIGNATURE};
use marcato_protocol::order::Received;

use super::{assert_nginx_untouched, refusal};
use crate::support::forge::{Forge, kept_back};
use crate::support::middle::{header_bytes, raw_publication};
use crate::support::wire::Wire;
use crate::support::*;

const RESTART: &str = "service restart service=nginx";

fn with_header(message: &Message, name: &str, how: impl Fn(&str) -> String) -> Message {
    let change = |(own, value): (&str, &str)| {
        let value = if own == name { how(value) } else { value.to_owned() };
        (own.to_owned(), value)
    };
    Message { headers: message.headers.iter().map(change).collect(), ..message.clone() }
}

fn replaced(message: &Message, from: &str, to: &str) -> Message {
    let body = String::from_utf8(message.body.clone()).unwrap();
    assert!(body.contains(from), "{from} in {body}");
    Message { body: body.replacen(from, to, 1).into_bytes(), ..message.clone() }
}

/// Changes a character of base64 to another.
fn other_character(text: &str, place: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

/// In the raw signature: the key stands before it.
fn near_its_end(text: &str) -> String {
    other_character(text, text.len() - 20)
}

/// What a person would change, in each region, and the reason that is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_region_is_refused_for_its_own_reason() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let held = kept_back(&fleet, RESTART, "role=web").await.remove(0);
    let new = || Forge::new(&fleet, RESTART, &["web1", "web2"]).to("web1");
    let order = Received::parse(&held).unwrap().order;
    let id = order.id.to_string();
    let other_id = format!("{}{}", &id[..31], if id.ends_with('0') { '1' } else { '0' });
    let start_by = order.start_by.to_string();
    let later = (order.start_by + secs(60)).to_string();
    let table = [
        (replaced(&held, "nginx", "nginy"), Reason::Signature),
        (replaced(&held, "restart", "rostart"), Reason::Signature),
        (replaced(&held, "role=web", "role=wob"), Reason::Signature),
        (replaced(&held, &start_by, &later), Reason::Signature),
        (replaced(&held, "\"readers\":[\"", "\"reason\":\"x\",\"readers\":[\""), Reason::Signature),
        (replaced(&held, "\"v\":1", "\"v\":3"), Reason::Version),
        (replaced(&held, "\"lab\"", "\"lob\""), Reason::Collective),
        (replaced(&held, "\"ops\"", "\"opt\""), Reason::UnknownCaller),
        (replaced(&held, "\"ops\"", "\"ann\""), Reason::KeyNotAllowed),
        (replaced(&held, &id, &other_id), Reason::OutsideSet),
        (replaced(&held, "\"count\":2", "\"count\":3"), Reason::OutsideSet),
        // A refusal is kept for the bytes of the body, so these are orders of their own.
        (with_header(&new(), PROOF, |text| other_character(text, 20)), Reason::OutsideSet),
        (with_header(&new(), SIGNATURE, near_its_end), Reason::Signature),
        (with_header(&new(), SIGNATURE, |text| other_character(text, 60)), Reason::KeyNotAllowed),
    ];
    for (message, reason) in table {
        let got = refusal(&mut wire, &message).await;
        assert_eq!(got, (EndState::Rejected, reason), "{}", String::from_utf8_lossy(&message.body));
    }
    assert_nginx_untouched(&fleet, &mut wire, "web1").await;
    // The order as it was signed still is good.
    wire.send(&held).await;
    assert_eq!(wire.receipt(&held).await.state, EndState::Ok);
    assert_eq!(fleet.pid("web1", "nginx"), NGINX_PID + 2);
}

/// Every bit of the message at every place that is looked at, body and headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bit_can_be_flipped() {
    // A prime, so that all eight bits and all regions are met.
    const EACH: usize = 7;
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let order = Forge::new(&fleet, RESTART, &["web1"]).to("web1");
    let (head, body) = (header_bytes(&order.headers), order.body);
    let whole = [head.as_slice(), &body].concat();
    let mut sent = 0;
    // The transport's own first line is not the message's.
    for bit in ("NATS/1.0\r\n".len() * 8..whole.len() * 8).step_by(EACH) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (head, body) = flipped.split_at(head.len());
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        wire.send_bytes(&raw_publication(&order.subject, Some("x"), head, body)).await;
        sent += 1;
    }
    assert!(sent > 700, "{sent}");
    assert_nginx_untouched(&fleet, &mut wire, "web1").await;
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    for message in fleet.middle.seen(|m| m.headers.kind() == Some(Kind::Receipt)) {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let reason = text.split("\"reason\":\"").nth(1).and_then(|rest| rest.split('"').next());
        *reasons.entry(reason.unwrap_or("ok").to_owned()).or_default() += 1;
    }
    assert_eq!(reasons.get("ok"), Some(&1), "only the restart that was true: {reasons:?}");
}

/// Headers taken away, twice, or of another kind: nothing of it is an order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_are_not_an_orders() {
    let fleet = Fleet::of(&["web1"]).await;
    let mut wire = Wire::tap(&fleet).await;
    let new = || Forge::new(&fleet, RESTART, &["web1"]).to("web1");
    for name in [KIND, SIGNATURE] {
        let mut without = new();
        without.headers =
            pairs(&without.headers).into_iter().filter(|(own, _)| own != name).collect();
        wire.send(&without).await;
        let mut twice = new();
        let value = twice.headers.get(name).unwrap().to_owned();
        twice.headers.push(name, value);
        wire.send(&twice).await;
    }
    for kind in ["receipt", "heartbeat", "Order", "orders", ""] {
        wire.send(&with_header(&new(), KIND, |_| kind.to_owned())).await;
    }
    let mut without_proof = new();
    without_proof.headers =
        pairs(&without_proof.headers).into_iter().filter(|(own, _)| own != PROOF).collect();
    assert_eq!(refusal(&mut wire, &without_proof).await, (EndState::Rejected, Reason::OutsideSet));
    assert_nginx_untouched(&fleet, &mut wire, "web1").await;
}

fn pairs(headers: &Headers) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The operator's own command while every order is damaged on its way: no host is done, and none is
/// called done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_orders_are_damaged() {
    let fleet = Fleet::of(&["web1", "web2"]).await;
    fleet.middle.rule(|message| {
        if message.headers.kind() != Some(Kind::Order) {
            return vec![message];
        }
        vec![replaced(&message, "nginx", "ssh")]
    });
    let mut client = fleet.client().await;
    let mut task = client.task(RESTART, "");
    task.wait = Span::from_ms(1500);
    let report = client.run(task).await;
    assert_eq!(line(&report), "web1 NoResponse silent, web2 NoResponse silent");
    assert_eq!(report.exit(), marcato_core::Exit::NoAnswer);
    // The nodes' refusals are of other bytes than those that were signed.
    let why = marcato_client::core::RefusedWhy::OtherOrder;
    assert_eq!(refused(&report), [("web1".to_owned(), why), ("web2".to_owned(), why)]);
    fleet.assert_untouched(&["web1", "web2"]);
}
