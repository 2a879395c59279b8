//! Vectors of orders that a node refuses, with the reason.

use marcato_core::Span;
use marcato_protocol::merkle::{MerkleSet, leaf};
use marcato_protocol::message::{KIND, Message, PROOF, SIGNATURE, STEP};
use marcato_protocol::order::{Audience, Order, Set};
use marcato_protocol::sshsig::{Namespace, PublicKey};
use serde_json::{Value, json};

use super::orders::{
    chosen, good, of_three, order, ping, restart, sent, signed_by, subject, three, written,
};
use super::world::{
    NOW, changed, fleet, key, node, node_key, nodes, operator, order_id, replace, set, shown,
    stranger, time, twice, without,
};

type Case = (&'static str, &'static str, Message);

pub fn orders() -> Vec<Value> {
    let mut all = attacks();
    all.extend(versions());
    all.extend(places());
    all.extend(forms());
    all.extend(texts());
    all.extend(steps());
    all.extend(headers());
    let mut cases: Vec<_> =
        all.iter().map(|(name, reason, message)| case(name, reason, message, NOW)).collect();
    cases.push(case("a millisecond too late", "expired", &good(1), "2026-11-23T03:46:55.124Z"));
    cases.push(case("a millisecond too early", "clock", &good(1), "2026-11-23T03:45:45.122Z"));
    cases
}

fn case(name: &str, reason: &str, message: &Message, now: &str) -> Value {
    json!({ "name": name, "reason": reason, "now": now, "message": shown(message) })
}

fn body(number: u8, from: &str, to: &str) -> Message {
    changed(&good(number), |_, body| replace(body, from, to))
}

/// Orders of somebody who may not give them, or who changed one.
fn attacks() -> Vec<Case> {
    let proof = chosen(1).1;
    let change = order(1, restart(1));
    let bytes = change.to_bytes();
    let named = |caller: &str| {
        let order = Order { caller: caller.parse().unwrap(), ..change.clone() };
        signed_by(&operator(), &order, Some(&proof))
    };
    let moved = operator().sign(Namespace::Order, b"another order");
    let receipt = operator().sign(Namespace::Receipt, &bytes);
    vec![
        (
            "signed by somebody else",
            "key-not-allowed",
            signed_by(&stranger(), &change, Some(&proof)),
        ),
        (
            "signed by the node itself",
            "key-not-allowed",
            signed_by(&node_key(), &change, Some(&proof)),
        ),
        ("a caller whom nobody knows", "unknown-caller", named("eve@example.com")),
        ("a key whose time is over", "key-not-allowed", named("late")),
        ("a key that may not sign orders", "key-not-allowed", named("files")),
        ("the signature of another order", "signature", sent(bytes.clone(), moved, Some(&proof))),
        ("a signature of another kind", "signature", sent(bytes, receipt, Some(&proof))),
        ("a changed byte", "signature", body(1, "nginx", "nginy")),
        ("an added space", "signature", body(1, "{\"v\":1,", "{\"v\":1, ")),
        ("more time", "signature", body(1, "03:46:25.123Z", "03:46:26.123Z")),
        (
            "another fleet's",
            "collective",
            written(1, restart(1), "\"collective\":\"lab\"", "\"collective\":\"prod\""),
        ),
        ("a version of tomorrow", "version", written(1, restart(1), "{\"v\":1,", "{\"v\":2,")),
        ("a version of before", "version", written(1, restart(1), "{\"v\":1,", "{\"v\":0,")),
    ]
}

/// Orders of a version whose form is another.
fn versions() -> Vec<Case> {
    let later = |from: &str, to: &str| {
        changed(&written(1, restart(1), "{\"v\":1,", "{\"v\":2,\"later\":[{}],"), |_, body| {
            replace(body, from, to);
        })
    };
    let with = |change: fn(&mut Vec<(String, String)>)| {
        changed(&later("[{}]", "0"), |headers, _| change(headers))
    };
    vec![
        ("of tomorrow, with a field of its own", "version", later("[{}]", "0")),
        (
            "of tomorrow, with readers of its own",
            "version",
            later("\"readers\":[", "\"readers\":[[],"),
        ),
        (
            "of tomorrow, with another step",
            "version",
            later("\"step\":{", "\"step\":[],\"todo\":{"),
        ),
        (
            "of tomorrow, with a signature of its own",
            "version",
            with(|headers| set(headers, SIGNATURE, "AAAA")),
        ),
        ("of tomorrow, by nobody", "malformed", later("\"caller\":", "\"callers\":")),
        ("of tomorrow, of no order", "malformed", later("\"id\":", "\"ids\":")),
        ("of tomorrow, with a key twice", "malformed", later("[{}]", "0,\"later\":0")),
        ("a version beyond 32 bits", "malformed", later("\"v\":2", "\"v\":4294967296")),
    ]
}

/// Orders that are not for this node.
fn places() -> Vec<Case> {
    let (id, nodes) = (order_id(1), nodes());
    let leaf_of = |name: &str, key: &PublicKey| leaf(id.as_bytes(), name, key);
    let leaves: Vec<_> = nodes.iter().map(|(n, k)| leaf_of(n.as_str(), k.public())).collect();
    let tree = MerkleSet::build(leaves.clone());
    let extra = leaf_of("zz.example.com", stranger().public());
    let wider = MerkleSet::build([leaves.as_slice(), &[extra]].concat());
    let others = MerkleSet::build(leaves[..2].to_vec());
    let rebuilt = {
        let mut leaves = leaves;
        leaves[2] = leaf_of(node().as_str(), key(99).public());
        MerkleSet::build(leaves)
    };
    let for_set = |tree: &MerkleSet| {
        let set = Set { root: tree.root(), count: tree.count() };
        let mut step = restart(1);
        step.audience = Audience::Set(set);
        order(1, step)
    };
    let with = |proof: &str| {
        let proof = proof.to_owned();
        changed(&good(1), |headers, _| set(headers, PROOF, proof))
    };
    let widened = {
        let message = with(&wider.proof(2).unwrap().to_base64());
        let root = |tree: &MerkleSet| tree.root().to_string();
        changed(&message, |_, body| {
            replace(body, &root(&tree), &root(&wider));
            replace(body, "\"count\":3", "\"count\":4");
        })
    };
    let copied = signed_by(&operator(), &order(8, restart(1)), Some(&chosen(1).1));
    vec![
        ("the set was widened, with a proof for the wider one", "signature", widened),
        ("the count was changed", "outside-set", body(1, "\"count\":3", "\"count\":4")),
        (
            "a set without this node",
            "outside-set",
            signed_by(&operator(), &for_set(&others), others.proof(1).as_ref()),
        ),
        (
            "a host of this name before it was rebuilt",
            "outside-set",
            signed_by(&operator(), &for_set(&rebuilt), rebuilt.proof(2).as_ref()),
        ),
        ("a set copied from another order", "outside-set", copied),
        ("the neighbour's proof", "outside-set", with(&tree.proof(1).unwrap().to_base64())),
        ("no proof", "outside-set", changed(&good(1), |headers, _| without(headers, PROOF))),
        ("two proofs", "outside-set", changed(&good(1), |headers, _| twice(headers, PROOF))),
        ("a damaged proof", "malformed", with("AAAA")),
    ]
}

/// Orders that are none.
fn forms() -> Vec<Case> {
    let written = |from: &str, to: &str| written(1, restart(1), from, to);
    let limit = |seconds| Order { run_limit_ms: Span::from_secs(seconds), ..order(1, restart(1)) };
    let long =
        Order { start_by: time(NOW) + Span::from_secs(31 * 24 * 3600), ..order(1, restart(1)) };
    let both = Order { steps: three().0.steps, ..order(1, restart(1)) };
    let neither = Order { step: None, ..order(1, restart(1)) };
    let reason = Order { reason: Some("x".repeat(1025)), ..order(1, restart(1)) };
    let many = Order { readers: vec![order(1, ping()).readers[0]; 5], ..order(1, restart(1)) };
    let none = Order { readers: Vec::new(), ..order(1, restart(1)) };
    let proof = chosen(1).1;
    let signed = |order: &Order| signed_by(&operator(), order, Some(&proof));
    vec![
        ("to run longer than a day", "malformed", signed(&limit(24 * 3600 + 1))),
        ("to start within more than 30 days", "malformed", signed(&long)),
        ("to start before it was issued", "malformed", written("03:46:25.123Z", "03:46:15.122Z")),
        ("one step and several", "malformed", signed(&both)),
        ("no step", "malformed", signed(&neither)),
        ("a reason too long", "too-large", signed(&reason)),
        ("five readers", "malformed", signed(&many)),
        ("no reader", "malformed", signed(&none)),
    ]
}

/// Orders whose text is not what it should be, signed as it is.
fn texts() -> Vec<Case> {
    let written = |from: &str, to: &str| written(1, restart(1), from, to);
    vec![
        ("a set of nobody", "malformed", written("\"count\":3", "\"count\":0")),
        ("a set of more than may be", "malformed", written("\"count\":3", "\"count\":1000001")),
        ("a count with a fraction", "malformed", written("\"count\":3", "\"count\":3.0")),
        ("a field that is not known", "malformed", written("{\"v\":1,", "{\"w\":1,\"v\":1,")),
        ("such a field deep inside", "malformed", written("\"facts\":", "\"wild\":[],\"facts\":")),
        ("a key twice", "malformed", written("{\"v\":1,", "{\"v\":1,\"v\":1,")),
        (
            "a key twice deep inside",
            "malformed",
            written("\"service\":\"nginx\"", "\"service\":\"nginx\",\"service\":\"sshd\""),
        ),
        (
            "keys twice in a text that a library reads as JSON",
            "malformed",
            written(
                "\"service\":\"nginx\"",
                r#""service":{"$serde_json::private::RawValue":"{\"a\":1,\"a\":2}"}"#,
            ),
        ),
        (
            "null for a field that is left out",
            "malformed",
            written("{\"v\":1,", "{\"reason\":null,\"v\":1,"),
        ),
        ("null for an object", "malformed", written("{\"service\":\"nginx\"}", "null")),
        (
            "a list for an object",
            "malformed",
            written("{\"facts\":[\"hagroup=c\"]}", "[[\"hagroup=c\"],[],[],[]]"),
        ),
        (
            "an object for a word",
            "malformed",
            super::orders::written(1, ping(), "\"matching\"", "{\"matching\":null}"),
        ),
        (
            "a word for an audience that is none",
            "malformed",
            super::orders::written(1, ping(), "\"matching\"", "\"all\""),
        ),
        (
            "a name that is none",
            "malformed",
            written("\"agent\":\"service\"", "\"agent\":\"../service\""),
        ),
        ("a time in another form", "malformed", written("03:46:15.123Z", "03:46:15Z")),
        ("a digest in capitals", "malformed", capitals()),
        (
            "a second reader with whom no secret can be agreed",
            "malformed",
            written("\"readers\":[", &format!("\"readers\":[\"{}=\",", "A".repeat(43))),
        ),
        (
            "a number too large",
            "malformed",
            written("\"service\":\"nginx\"", "\"service\":9007199254740993"),
        ),
        (
            "nested too deeply",
            "malformed",
            written("\"nginx\"", &format!("{}{}", "[".repeat(14), "]".repeat(14))),
        ),
        ("something behind it", "malformed", written("}}}", "}}} {}")),
        ("nothing", "malformed", changed(&good(1), |_, body| body.clear())),
        ("half of it", "malformed", changed(&good(1), |_, body| body.truncate(200))),
    ]
}

fn capitals() -> Message {
    let root = chosen(1).0.root.to_string();
    written(1, restart(1), &root, &root.to_uppercase())
}

/// Orders of several steps with something wrong about the step.
fn steps() -> Vec<Case> {
    let place = |message: &Message| message.headers.get(STEP).unwrap().to_owned();
    let step =
        |from: &Message, value: String| changed(from, |headers, _| set(headers, STEP, value));
    let (first, second) = (of_three(0), of_three(1));
    let (length, first_proof) = {
        let place = place(&first);
        let (length, proof) = place.split_once(' ').unwrap();
        (length.parse::<usize>().unwrap(), proof.to_owned())
    };
    let at = |length: usize| step(&first, format!("{length} {first_proof}"));
    let with_sign = step(&first, format!("+{length} {first_proof}"));
    let with_zero = step(&first, format!("0{length} {first_proof}"));
    let to_one = changed(&good(1), |headers, body| {
        set(headers, STEP, format!("{} {first_proof}", body.len()));
    });
    vec![
        (
            "a step's bytes were changed",
            "malformed",
            changed(&first, |_, body| replace(body, "nginx", "nginy")),
        ),
        ("a step at another place", "malformed", step(&first, place(&second))),
        (
            "a step of another order",
            "malformed",
            changed(&first, |_, body| {
                body.truncate(length);
                body.extend(serde_json::to_vec(&restart(1)).unwrap());
            }),
        ),
        ("no step's header", "malformed", changed(&first, |headers, _| without(headers, STEP))),
        ("two steps' headers", "malformed", changed(&first, |headers, _| twice(headers, STEP))),
        ("a step's header with an order of one", "malformed", to_one),
        ("a length too short", "malformed", at(length - 1)),
        ("a length too long", "malformed", at(length + 1)),
        ("a length behind the end", "malformed", at(100_000)),
        ("a length with a sign", "malformed", with_sign),
        ("a length with a needless zero", "malformed", with_zero),
        ("a length without a proof", "malformed", step(&first, length.to_string())),
        ("bytes behind the step", "malformed", changed(&first, |_, body| body.push(b'x'))),
        (
            "two steps",
            "malformed",
            changed(&first, |_, body| {
                let step = body[length..].to_vec();
                body.extend(step);
            }),
        ),
        (
            "the proof of the step for that of the node",
            "outside-set",
            changed(&first, |headers, _| {
                set(headers, PROOF, first_proof.clone());
            }),
        ),
    ]
}

/// Orders with something wrong about their headers.
fn headers() -> Vec<Case> {
    let with =
        |change: fn(&mut Vec<(String, String)>)| changed(&good(1), |headers, _| change(headers));
    assert_eq!(subject(), format!("mco.{}.node.web1=2eexample=2ecom", fleet()));
    vec![
        ("no signature", "malformed", with(|headers| without(headers, SIGNATURE))),
        ("two signatures", "malformed", with(|headers| twice(headers, SIGNATURE))),
        ("a damaged signature", "malformed", with(|headers| set(headers, SIGNATURE, "AAAA"))),
        ("no kind", "malformed", with(|headers| without(headers, KIND))),
        ("two kinds", "malformed", with(|headers| twice(headers, KIND))),
        ("another kind", "malformed", with(|headers| set(headers, KIND, "receipt"))),
    ]
}
