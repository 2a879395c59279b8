//! Vectors of what nodes answer: receipts and progress.

use marcato_core::{Changed, EndState, OrderId, Reason};
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::message::{CERTIFICATE, KIND, Message, OUTER, SEAL, SIGNATURE};
use marcato_protocol::order::Received;
use marcato_protocol::progress::{Phase, Progress};
use marcato_protocol::receipt::{Inner, Outer, SignedReceipt};
use marcato_protocol::seal::OpenPublicKey;
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::subject::Subjects;
use serde_json::{Map, Value, json};

use super::orders::{good, of_three};
use super::world::{
    CALLER, NOW, authority, base64, certificate, certified, changed, fleet, node, node_key, random,
    reader, replace, set, shown, stranger, time, twice, without,
};

/// A case's name, why it is refused, and the message.
type Case = (&'static str, &'static str, Message);

fn order() -> Received {
    Received::parse(&good(1)).unwrap()
}

fn reply(order: OrderId) -> String {
    Subjects::of(&fleet()).reply(&CALLER.parse().unwrap(), order, &node())
}

fn outer(order: &Received) -> Outer {
    let mut outer = Outer::answering(order, node(), EndState::Ok, time(NOW));
    outer.changed = Changed::True;
    outer.started = Some(time(NOW));
    outer
}

fn inner() -> Inner {
    let data = json!({ "state": "active", "pids": [1, 2] });
    Inner { data: data.as_object().unwrap().clone(), message: "restarted".into(), truncated: false }
}

fn signed(outer: Outer, key: &NodeSignKey) -> Message {
    let readers = [*reader(41).0.public(), *reader(42).0.public()];
    sealed(outer, &inner(), &readers, key)
}

fn sealed(outer: Outer, inner: &Inner, readers: &[OpenPublicKey], key: &NodeSignKey) -> Message {
    let subject = reply(outer.order);
    SignedReceipt::issue(outer, inner, readers, key, &mut random(77)).message(subject, None)
}

/// What the receipt must be about.
fn expected(order: &Received) -> Value {
    json!({
        "v": order.order.v, "order": order.order.id, "order_digest": order.order_digest,
        "step": order.step_index, "step_digest": order.step_digest,
        "node": node(), "key": node_key().public(),
    })
}

pub fn receipts() -> Value {
    let ours = order();
    let first = Received::parse(&of_three(0)).unwrap();
    let mut rejected = outer(&ours);
    (rejected.state, rejected.reason) = (EndState::Rejected, Some(Reason::Expired));
    (rejected.changed, rejected.started) = (Changed::False, None);
    let text = certified(certificate().to_bytes(), &authority(), Namespace::Join);
    let with_certificate =
        changed(&signed(outer(&ours), &node_key()), |headers, _| set(headers, CERTIFICATE, text));
    let empty = sealed(outer(&ours), &Inner::default(), &[*reader(41).0.public()], &node_key());
    let case = |name: &str, order: &Received, message: &Message, state, inner: Option<&Inner>| {
        json!({
            "name": name, "message": shown(message), "expected": expected(order), "state": state,
            "inner": inner,
        })
    };
    json!({
        "about": "Receipts as they come to a client (section 7).",
        "reader": { "secret": base64(reader(41).1), "public": reader(41).0.public() },
        "stranger": { "secret": base64(reader(43).1) },
        "accepted": [
            case("done", &ours, &signed(outer(&ours), &node_key()), "ok", Some(&inner())),
            case("of one step of several", &first, &signed(outer(&first), &node_key()), "ok", Some(&inner())),
            case("with the node's certificate", &ours, &with_certificate, "ok", Some(&inner())),
            case("nothing inside", &ours, &empty, "ok", Some(&Inner::default())),
            case("refused without an inner part", &ours, &sealed(rejected, &inner(), &[], &node_key()), "rejected", None),
        ],
        "refused": refused(&ours),
    })
}

fn refused(ours: &Received) -> Vec<Value> {
    let good = signed(outer(ours), &node_key());
    let with = |change: fn(&mut Outer)| {
        let mut outer = outer(ours);
        change(&mut outer);
        let mut message = signed(outer, &node_key());
        message.subject = reply(ours.order.id);
        message
    };
    let edit = |change: fn(&mut Vec<(String, String)>, &mut Vec<u8>)| changed(&good, change);
    let text = |from: &str, to: &str| {
        changed(&good, |_, body| {
            let at = body.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            body.splice(at..at + from.len(), to.bytes());
        })
    };
    let bare = sealed(outer(ours), &inner(), &[], &node_key());
    let longer = changed(&bare, |headers, body| {
        body.push(b' ');
        set(headers, OUTER, body.len().to_string());
    });
    let named = |kind: Namespace| {
        let length = good.headers.get(OUTER).unwrap().parse().unwrap();
        let signature = node_key().sign(kind, &good.body[..length]).to_base64();
        changed(&good, |headers, _| set(headers, SIGNATURE, signature))
    };
    let cases = [
        ("signed by somebody else", "signature", signed(outer(ours), &stranger())),
        ("signed as progress", "signature", named(Namespace::Progress)),
        ("another time than was signed", "signature", text("03:46:16.000Z", "03:46:17.000Z")),
        ("a blank more than was signed", "signature", longer),
        (
            "another node's name",
            "other-node",
            with(|outer| outer.node = "db1.example.com".parse().unwrap()),
        ),
        (
            "another order's id",
            "other-order",
            with(|outer| outer.order = OrderId::from_bytes([9; 16])),
        ),
        (
            "other bytes of an order of this id",
            "other-order",
            with(|outer| outer.order_digest = Digest::of(b"another")),
        ),
        ("another step", "other-step", with(|outer| outer.step_digest = Digest::of(b"another"))),
        ("a step of the same bytes at another place", "other-step", with(|outer| outer.step = 2)),
        ("a state that no node can state", "malformed", with(|outer| outer.state = EndState::Lost)),
        ("not signed", "malformed", edit(|headers, _| without(headers, SIGNATURE))),
        ("two signatures", "malformed", edit(|headers, _| twice(headers, SIGNATURE))),
        ("another kind", "malformed", edit(|headers, _| set(headers, KIND, "progress"))),
        ("no length", "malformed", edit(|headers, _| without(headers, OUTER))),
        ("two lengths", "malformed", edit(|headers, _| twice(headers, OUTER))),
        (
            "a length with a sign",
            "malformed",
            edit(|headers, _| {
                let value = headers.iter().find(|(name, _)| name == OUTER).unwrap().1.clone();
                set(headers, OUTER, format!("+{value}"));
            }),
        ),
        ("a length behind the end", "malformed", edit(|headers, _| set(headers, OUTER, "8000"))),
        ("too long a length", "malformed", edit(|headers, _| set(headers, OUTER, "8193"))),
    ];
    let cases = cases.into_iter().chain(refused_seals(&good, &bare));
    let shown = |(name, why, message): Case| json!({ "name": name, "why": why, "message": shown(&message), "expected": expected(ours) });
    cases.map(shown).collect()
}

/// Receipts with something wrong about what is sealed, and outer parts that are none.
fn refused_seals(good: &Message, bare: &Message) -> Vec<Case> {
    let edit = |change: fn(&mut Vec<(String, String)>, &mut Vec<u8>)| changed(good, change);
    vec![
        ("no stanzas", "malformed", edit(|headers, _| without(headers, SEAL))),
        (
            "no stanzas and no sealed bytes",
            "sealed",
            edit(|headers, body| {
                let length =
                    headers.iter().find(|(name, _)| name == OUTER).unwrap().1.parse().unwrap();
                without(headers, SEAL);
                body.truncate(length);
            }),
        ),
        (
            "a reader's stanza taken away",
            "sealed",
            edit(|headers, _| {
                let value = headers.iter().find(|(name, _)| name == SEAL).unwrap().1.clone();
                set(headers, SEAL, base64(&decode(&value)[..80]));
            }),
        ),
        ("damaged stanzas", "malformed", edit(|headers, _| set(headers, SEAL, "AAAA"))),
        ("a sealed byte changed", "sealed", edit(|_, body| *body.last_mut().unwrap() ^= 1)),
        ("bytes behind the sealed ones", "sealed", edit(|_, body| body.push(0))),
        ("bytes behind it without stanzas", "malformed", changed(bare, |_, body| body.push(b' '))),
        (
            "another version than the order's",
            "malformed",
            with_text(bare, "{\"v\":1,", "{\"v\":2,"),
        ),
        (
            "failed without a reason",
            "malformed",
            with_text(bare, "\"state\":\"ok\"", "\"state\":\"failed\""),
        ),
        ("an unknown field", "malformed", with_text(bare, "{\"v\":1,", "{\"w\":1,\"v\":1,")),
        (
            "an unknown reason",
            "malformed",
            with_text(bare, "\"changed\":", "\"reason\":\"mood\",\"changed\":"),
        ),
        ("a truth value for the word", "malformed", with_text(bare, "\"true\"", "true")),
    ]
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// The outer part with other text, signed by the node.
fn with_text(bare: &Message, from: &str, to: &str) -> Message {
    changed(bare, |headers, body| {
        replace(body, from, to);
        set(headers, OUTER, body.len().to_string());
        set(headers, SIGNATURE, node_key().sign(Namespace::Receipt, body).to_base64());
    })
}

/// What is said of the order by the node.
fn said(ours: &Received, phase: Phase) -> Progress {
    Progress {
        v: 1,
        order: ours.order.id,
        order_digest: ours.order_digest,
        step: ours.step_index,
        step_digest: ours.step_digest,
        node: node(),
        phase,
        at: time(NOW),
        sealed: None,
        ext: Map::new(),
    }
}

fn signed_word(word: Progress, text: &str, key: &NodeSignKey) -> Message {
    let readers = [*reader(41).0.public(), *reader(42).0.public()];
    let sealed = word.seal(text, &readers, &mut random(78));
    let subject = reply(word.order);
    word.message(sealed.as_ref(), subject, key)
}

const WAITS: &str = "dpkg lock, pid 812 unattended-upgr";

pub fn progress() -> Value {
    let ours = order();
    let said = |phase, text| signed_word(said(&ours, phase), text, &node_key());
    let accepted = [
        ("accepted", "", said(Phase::Accepted, "")),
        ("running", "", said(Phase::Running, "")),
        ("running", WAITS, said(Phase::Running, WAITS)),
        ("accepted", "\u{1b}[2J \u{e9}\n", said(Phase::Accepted, "\u{1b}[2J \u{e9}\n")),
    ]
    .map(|(phase, text, message)| {
        json!({
            "phase": phase, "said": text, "message": shown(&message), "expected": expected(&ours),
        })
    });
    let refused = refused_progress(&ours).into_iter().chain(refused_said(&ours));
    let refused = refused.map(|(name, why, message)| {
        json!({ "name": name, "why": why, "message": shown(&message), "expected": expected(&ours) })
    });
    json!({
        "about": "Progress as it comes to a client (section 8).",
        "reader": { "secret": base64(reader(41).1), "public": reader(41).0.public() },
        "stranger": { "secret": base64(reader(43).1) },
        "accepted": accepted, "refused": refused.collect::<Vec<_>>(),
    })
}

fn refused_progress(ours: &Received) -> Vec<Case> {
    let running = || said(ours, Phase::Running);
    let good = signed_word(running(), "", &node_key());
    let with = |change: fn(&mut Progress)| {
        let mut progress = running();
        change(&mut progress);
        let mut message = signed_word(progress, "", &node_key());
        message.subject = reply(ours.order.id);
        message
    };
    let as_receipt = node_key().sign(Namespace::Receipt, &good.body).to_base64();
    vec![
        ("signed by somebody else", "signature", signed_word(running(), "", &stranger())),
        (
            "signed as a receipt",
            "signature",
            changed(&good, |headers, _| set(headers, SIGNATURE, as_receipt)),
        ),
        (
            "another phase than was signed",
            "signature",
            changed(&good, |_, body| replace(body, "running", "accepted")),
        ),
        (
            "another node's",
            "other-node",
            with(|said| said.node = "db1.example.com".parse().unwrap()),
        ),
        ("another order's", "other-order", with(|said| said.order_digest = Digest::of(b"another"))),
        ("another step's", "other-step", with(|said| said.step = 1)),
        ("another version than the order's", "malformed", with(|said| said.v = 2)),
        ("not signed", "malformed", changed(&good, |headers, _| without(headers, SIGNATURE))),
        ("another kind", "malformed", changed(&good, |headers, _| set(headers, KIND, "receipt"))),
        ("bytes behind it", "malformed", changed(&good, |_, body| body.push(b'x'))),
    ]
}

/// Progress with something wrong about what is sealed.
fn refused_said(ours: &Received) -> Vec<Case> {
    let good = signed_word(said(ours, Phase::Running), WAITS, &node_key());
    let edit = |change: fn(&mut Vec<(String, String)>, &mut Vec<u8>)| changed(&good, change);
    let other = signed_word(said(ours, Phase::Running), "unpacking", &node_key());
    let moved = changed(&good, |headers, body| {
        let length =
            |message: &Message| -> usize { message.headers.get(OUTER).unwrap().parse().unwrap() };
        body.truncate(length(&good));
        body.extend_from_slice(&other.body[length(&other)..]);
        set(headers, SEAL, other.headers.get(SEAL).unwrap().to_owned());
    });
    vec![
        ("no length", "malformed", edit(|headers, _| without(headers, OUTER))),
        ("two lengths", "malformed", edit(|headers, _| twice(headers, OUTER))),
        ("a length behind the end", "malformed", edit(|headers, _| set(headers, OUTER, "8000"))),
        ("no stanzas", "malformed", edit(|headers, _| without(headers, SEAL))),
        ("a sealed byte changed", "sealed", edit(|_, body| *body.last_mut().unwrap() ^= 1)),
        ("what was sealed for another word", "sealed", moved),
        ("too long a sealed part", "malformed", edit(|_, body| body.resize(body.len() + 2048, 0))),
    ]
}
