//! Any message is refused or read, and never a panic; what was not signed never passes.

use marcato_core::Span;
use marcato_protocol::certificate::SignedText;
use marcato_protocol::message::{Headers, Kind, Message};
use marcato_protocol::order::{Order, Received, Step};
use marcato_protocol::progress::{Phase, Progress};
use marcato_protocol::question::{Answer, Question};
use marcato_protocol::receipt::{Inner, ReceivedReceipt, SignedReceipt};
use marcato_protocol::registration::{Heartbeat, Registration};
use marcato_protocol::subject::{name_of, token};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::world::{self, authority, changed, node, node_key, random, reader, shown};
use crate::{expected, order, outer, sent, step};

/// Reads a message as everything that it could be, and checks what nobody signed.
fn read(message: &Message) {
    let _ = Received::parse(message);
    let _ = Question::parse(message);
    let _ = Answer::parse(message);
    assert!(Registration::verify(message, authority().public(), &world::fleet()).is_err());
    if let Ok(beat) = Heartbeat::parse(message) {
        assert!(beat.verify(node_key().public()).is_err());
    }
    let ours = Received::parse(&sent(&order())).unwrap();
    let (node, key) = (node(), node_key());
    let expected = expected(&ours, &node, key.public());
    assert!(Progress::verify(message, &expected).is_err());
    if let Ok(receipt) = ReceivedReceipt::parse(message) {
        assert!(receipt.verify(&expected).is_err());
    }
    if let Ok(text) = SignedText::parse(&String::from_utf8_lossy(&message.body)) {
        assert!(text.verify(authority().public(), &world::fleet()).is_err());
        let _ = text.verify_request();
    }
}

fn a_kind() -> impl Strategy<Value = String> {
    const KINDS: [&str; 7] =
        ["order", "receipt", "progress", "registration", "heartbeat", "question", "answer"];
    prop::sample::select(&KINDS[..]).prop_map(str::to_owned)
}

fn a_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,6}",
        "[0-9]{1,4} [A-Za-z0-9+/]{0,80}={0,2}",
        "[A-Za-z0-9+/]{0,200}={0,2}",
    ]
}

fn headers() -> impl Strategy<Value = Headers> {
    const NAMES: [&str; 6] =
        ["Mco-Signature", "Mco-Proof", "Mco-Step", "Mco-Outer", "Mco-Seal", "Mco-Certificate"];
    let one = (prop::sample::select(&NAMES[..]).prop_map(str::to_owned), a_value());
    (a_kind(), prop::collection::vec(one, 0..6)).prop_map(|(kind, mut rest)| {
        rest.push(("Mco-Kind".to_owned(), kind));
        rest.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_message(
        subject in any::<String>(),
        headers in headers(),
        body in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        read(&Message { subject, reply: None, headers, body });
    }

    /// One byte of an order's message, wherever it stands, makes it another order or none: what is
    /// read of it is never what was signed, but for its bytes being the same.
    #[test]
    fn a_damaged_order(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = sent(&order());
        let bad = changed(&good, |_, body| { let at = at.index(body.len()); body[at] = byte; });
        if let Ok(received) = Received::parse(&bad) {
            let same = received.order_digest == Received::parse(&good).unwrap().order_digest;
            prop_assert_eq!(same, bad.body == good.body);
        }
    }

    /// Progress of which anything was changed is not one, and of what is sealed in it nothing shows.
    #[test]
    fn damaged_progress(at in any::<prop::sample::Index>(), flip in 1_u8.., text in "[a-z]{8,200}") {
        let ours = Received::parse(&sent(&order())).unwrap();
        let (node, key, (open, _)) = (node(), node_key(), reader(41));
        let word = Progress {
            v: ours.order.v, order: ours.order.id, order_digest: ours.order_digest,
            step: ours.step_index, step_digest: ours.step_digest, node: node.clone(),
            phase: Phase::Running, at: world::time(world::ISSUED), sealed: None, ext: Map::new(),
        };
        let sealed = word.seal(&text, &[*open.public()], &mut random(5));
        let good = word.message(sealed.as_ref(), String::new(), &key);
        let expected = expected(&ours, &node, key.public());
        let heard = Progress::verify(&good, &expected).unwrap();
        prop_assert_eq!(heard.open(&open).unwrap(), text.clone());
        prop_assert!(!String::from_utf8_lossy(&good.body).contains(&text));
        let bad = changed(&good, |_, body| { let at = at.index(body.len()); body[at] ^= flip; });
        prop_assert!(Progress::verify(&bad, &expected).is_err(), "{}", shown(&bad));
    }

    /// A receipt of which anything was changed is not one.
    #[test]
    fn a_damaged_receipt(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let ours = Received::parse(&sent(&order())).unwrap();
        let (node, key, to) = (node(), node_key(), *reader(41).0.public());
        let receipt =
            SignedReceipt::issue(outer(&ours), &Inner::default(), &[to], &key, &mut random(5));
        let good = receipt.message(String::new(), None);
        let expected = expected(&ours, &node, key.public());
        prop_assert!(ReceivedReceipt::parse(&good).unwrap().verify(&expected).is_ok());
        let bad = changed(&good, |_, body| { let at = at.index(body.len()); body[at] ^= flip; });
        let taken = ReceivedReceipt::parse(&bad).is_ok_and(|bad| bad.verify(&expected).is_ok());
        prop_assert!(!taken, "{}", shown(&bad));
    }

    #[test]
    fn an_order_is_read_as_it_was_written(
        reason in prop::option::of("\\PC{0,100}"),
        window in 0_u64..1_000_000,
        run_limit in 0_u64..86_400_000,
        inputs in prop::collection::btree_map("\\PC{0,10}", "\\PC{0,20}", 0..5),
        certificates in any::<bool>(),
        facts in prop::collection::vec("\\PC{0,20}", 0..3),
    ) {
        let inputs: Map<String, Value> =
            inputs.into_iter().map(|(name, value)| (name, value.into())).collect();
        let mut step = Step { inputs, ..step() };
        step.filter.facts = facts;
        let order = Order {
            reason, certificates,
            start_by: world::time(world::ISSUED) + Span::from_ms(window),
            run_limit_ms: Span::from_ms(run_limit),
            step: Some(step),
            ..order()
        };
        let received = Received::parse(&sent(&order)).unwrap();
        prop_assert_eq!(received.order, order);
    }

    #[test]
    fn a_token_has_one_name(text in any::<String>(), token_text in "[a-z0-9=.-]{0,12}") {
        let written = token(&text);
        prop_assert_eq!(name_of(&written), Some(text));
        prop_assert!(written.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-=".contains(&b)));
        if let Some(name) = name_of(&token_text) {
            prop_assert_eq!(token(&name), token_text);
        }
    }
}

#[test]
fn every_kind_is_read_as_itself_alone() {
    let message = sent(&order());
    for kind in ["receipt", "progress", "registration", "heartbeat", "wanted", "question", "answer"]
    {
        let other = changed(&message, |headers, _| world::set(headers, "Mco-Kind", kind));
        assert!(Received::parse(&other).is_err(), "{kind}");
        assert_ne!(other.headers.kind(), Some(Kind::Order));
    }
}
