//! What is as long as a limit is taken, what is longer is refused or cut.

use marcato_core::limits::protocol::{
    BODY_BYTES_MAX, HEADER_BYTES_MAX, JSON_DEPTH_MAX, REGISTRATION_BYTES_MAX, REPLY_BYTES_MAX,
};
use marcato_core::limits::timing::{RUN_LIMIT_MAX, START_WINDOW_MAX};
use marcato_core::{Reason, Span, Timestamp};
use marcato_protocol::allowed_signers::AllowedSigners;
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::order::{Order, OrderError, Received};
use marcato_protocol::question::{Answer, Question};
use marcato_protocol::receipt::{Inner, ReceivedReceipt, SignedReceipt};
use marcato_protocol::registration::Registration;
use marcato_protocol::verify::{OrderRules, verify_order};
use marcato_protocol::version::Spoken;
use serde_json::{Map, Value, json};

use crate::world::{self, authority, changed, node, node_key, operator, random, reader, set};
use crate::{expected, now, order, outer, sent, step};

/// An order whose body is exactly so long.
fn of_length(length: usize) -> Message {
    let with = |filler: usize| {
        let mut step = step();
        step.inputs.insert("filler".into(), "x".repeat(filler).into());
        sent(&Order { step: Some(step), ..order() })
    };
    let rest = with(0).body.len();
    let message = with(length - rest);
    assert_eq!(message.body.len(), length);
    message
}

#[test]
fn an_order_s_body() {
    assert!(Received::parse(&of_length(BODY_BYTES_MAX)).is_ok());
    let longer = Received::parse(&of_length(BODY_BYTES_MAX + 1));
    let what = OrderError::TooLarge { what: "the body", limit: BODY_BYTES_MAX };
    assert_eq!(longer, Err(what));
}

#[test]
fn an_order_s_headers() {
    let filled = |weight: usize| {
        let message = sent(&order());
        let room = weight - message.headers.weight() - "Other".len() - 4;
        changed(&message, |headers, _| set(headers, "Other", "x".repeat(room)))
    };
    assert_eq!(filled(HEADER_BYTES_MAX).headers.weight(), HEADER_BYTES_MAX);
    assert!(Received::parse(&filled(HEADER_BYTES_MAX)).is_ok());
    let longer = Received::parse(&filled(HEADER_BYTES_MAX + 1));
    assert_eq!(longer, Err(OrderError::TooLarge { what: "the headers", limit: HEADER_BYTES_MAX }));
}

/// Lists within lists, as deep as told.
fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| json!([inner]))
}

#[test]
fn an_order_s_depth() {
    let deep = |levels: usize| {
        let mut step = step();
        step.inputs.insert("deep".into(), nested(levels));
        Received::parse(&sent(&Order { step: Some(step), ..order() })).is_ok()
    };
    // The order, the step and its inputs are three levels.
    assert!(deep(JSON_DEPTH_MAX - 3));
    assert!(!deep(JSON_DEPTH_MAX - 2));
}

/// What the node says of an order at its own time.
fn judged(order: &Order, now: Timestamp) -> Result<(), Reason> {
    let (collective, identity, key) = (world::fleet(), node(), node_key());
    let signers = format!("{} {}", world::CALLER, operator().public());
    let rules = OrderRules {
        spoken: Spoken { oldest: 1, newest: 1 },
        collective: &collective,
        identity: &identity,
        key: key.public(),
        signers: &AllowedSigners::parse(&signers, "test").unwrap(),
    };
    let received = Received::parse(&sent(order)).map_err(|_| Reason::Malformed)?;
    verify_order(received, &rules, now).map(|_| ()).map_err(|refused| refused.reason)
}

#[test]
fn an_order_s_times() {
    let issued = world::time(world::ISSUED);
    let within = |window: Span, run_limit_ms: Span| {
        judged(&Order { start_by: issued + window, run_limit_ms, ..order() }, now())
    };
    let ms = Span::from_ms(1);
    assert_eq!(within(START_WINDOW_MAX, RUN_LIMIT_MAX), Ok(()));
    assert_eq!(within(START_WINDOW_MAX + ms, ms), Err(Reason::Malformed));
    assert_eq!(within(ms, RUN_LIMIT_MAX + ms), Err(Reason::Malformed));
    // At the ends of time nothing overflows.
    let end = Timestamp::from_ms(u64::MAX);
    let last = Order { issued: end, start_by: end, ..order() };
    assert_eq!(judged(&last, end), Ok(()));
    assert_eq!(judged(&last, Timestamp::default()), Err(Reason::Clock));
    let first = Order { issued: Timestamp::default(), start_by: Timestamp::default(), ..order() };
    assert_eq!(judged(&first, Timestamp::default()), Ok(()));
    assert_eq!(judged(&first, end), Err(Reason::Expired));
}

/// What a reader gets of an inner part.
fn told(inner: &Inner) -> Inner {
    let received = Received::parse(&sent(&order())).unwrap();
    let (key, secret) = (node_key(), reader(41).0);
    let receipt =
        SignedReceipt::issue(outer(&received), inner, &[*secret.public()], &key, &mut random(1));
    let message = receipt.message("mco.lab.reply.x.y.z".into(), None);
    let received_receipt = ReceivedReceipt::parse(&message).unwrap();
    let node = node();
    let receipt = received_receipt.verify(&expected(&received, &node, key.public())).unwrap();
    receipt.open(&secret).unwrap()
}

#[test]
fn a_reply_is_cut_and_marked() {
    let with = |value: Value| {
        let data: Map<String, Value> = [("out".to_owned(), value)].into_iter().collect();
        Inner { data, message: "it ran".into(), truncated: false }
    };
    let cut = Inner { truncated: true, ..with(Value::Null) };
    let cut = Inner { data: Map::new(), ..cut };
    let check = |inner: &Inner, whole: bool| {
        assert_eq!(told(inner), if whole { inner.clone() } else { cut.clone() });
    };
    let room = REPLY_BYTES_MAX - serde_json::to_vec(&with("".into())).unwrap().len();
    check(&with("x".repeat(room).into()), true);
    check(&with("x".repeat(room + 1).into()), false);
    // Two levels are the inner part and its data.
    check(&with(nested(JSON_DEPTH_MAX - 2)), true);
    check(&with(nested(JSON_DEPTH_MAX - 1)), false);
    check(&with(json!(1_u64 << 53)), true);
    check(&with(json!((1_u64 << 53) + 1)), false);
    check(&with(json!(u64::MAX)), false);
    check(&with(json!(i64::MIN)), false);
    check(&with(json!(1e300)), false);
}

#[test]
fn a_long_message_is_cut_however_it_is_written() {
    for character in ["x", "\u{1}", "\"", "ü", "🦀"] {
        let inner = Inner { message: character.repeat(REPLY_BYTES_MAX), ..Inner::default() };
        let told = told(&inner);
        assert!(told.truncated && inner.message.starts_with(&told.message), "{character:?}");
        assert!(!told.message.is_empty());
    }
}

#[test]
fn other_messages() {
    let longest = |kind: Kind, length: usize| {
        let message = sent(&order());
        changed(&message, |headers, body| {
            set(headers, "Mco-Kind", kind.as_str());
            *body = vec![b' '; length];
        })
    };
    let too_long = |error: String| error.contains("long");
    let registration = |length| {
        let message = longest(Kind::Registration, length);
        too_long(
            Registration::verify(&message, authority().public(), &world::fleet())
                .unwrap_err()
                .to_string(),
        )
    };
    assert!(!registration(REGISTRATION_BYTES_MAX) && registration(REGISTRATION_BYTES_MAX + 1));
    let question = |length| {
        too_long(Question::parse(&longest(Kind::Question, length)).unwrap_err().to_string())
    };
    assert!(!question(BODY_BYTES_MAX) && question(BODY_BYTES_MAX + 1));
    let answer =
        |length| too_long(Answer::parse(&longest(Kind::Answer, length)).unwrap_err().to_string());
    assert!(!answer(1024 * 1024) && answer(1024 * 1024 + 1));
}
