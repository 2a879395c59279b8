//! Vectors of orders that a node takes.

use marcato_core::{Span, Terms};
use marcato_protocol::keys::NodeSignKey;
use marcato_protocol::merkle::{MerkleSet, Proof, leaf};
use marcato_protocol::message::Message;
use marcato_protocol::order::{Audience, Order, Received, Set, SignedOrder, Step, StepTree};
use marcato_protocol::sshsig::{Namespace, Signature};
use marcato_protocol::subject::Subjects;
use serde_json::{Map, Value, json};

use super::refused;
use super::world::{
    CALLER, FLEET, ISSUED, NODE, NOW, changed, fleet, node, node_key, nodes, operator, order_id,
    other_kind, reader, replace, set, shown, time,
};

pub fn orders() -> Value {
    let mut signers = format!("{CALLER} namespaces=\"order.v1@marcato\" {}\n", operator().public());
    for name in ["ecdsa256", "ecdsa384", "ecdsa521", "rsa3072"] {
        signers += &format!("{name} {}\n", other_kind(name).public());
    }
    signers += &format!(
        "late valid-before=\"20200101Z\" {0}\nfiles namespaces=\"file\" {0}\n",
        operator().public()
    );
    json!({
        "about": "Orders as they come to one node, and what it makes of them (section 6). `skew` is in milliseconds.",
        "node": {
            "identity": NODE, "key": node_key().public(), "collective": FLEET,
            "spoken": { "oldest": 1, "newest": 1 }, "skew": 30_000,
        },
        "allowed_signers": signers,
        "accepted": accepted(),
        "refused": refused::orders(),
    })
}

/// The nodes' set for an order of this number, and the node's proof.
pub fn chosen(number: u8) -> (Set, Proof) {
    let nodes = nodes();
    let id = order_id(number);
    let place = nodes.iter().position(|(name, _)| name.as_str() == NODE).unwrap();
    let leaves = nodes.iter().map(|(name, key)| leaf(id.as_bytes(), name.as_str(), key.public()));
    let tree = MerkleSet::build(leaves.collect());
    let set = Set { root: tree.root(), count: tree.count() };
    (set, tree.proof(u64::try_from(place).unwrap()).unwrap())
}

/// A change for the set of the order of this number.
pub fn restart(number: u8) -> Step {
    let inputs = json!({ "service": "nginx" });
    Step {
        agent: "service".parse().unwrap(),
        action: "restart".parse().unwrap(),
        inputs: inputs.as_object().unwrap().clone(),
        audience: Audience::Set(chosen(number).0),
        filter: Terms { facts: vec!["hagroup=c".into()], ..Terms::default() },
        ext: Map::new(),
    }
}

/// A read for whoever matches.
pub fn ping() -> Step {
    Step {
        agent: "rpcutil".parse().unwrap(),
        action: "ping".parse().unwrap(),
        inputs: Map::new(),
        audience: Audience::Matching,
        filter: Terms::default(),
        ext: Map::new(),
    }
}

/// A read for whoever an expression holds for.
fn expressed() -> Order {
    let expressions = vec!["(hagroup=c or /^role::/) and not os.release.major<8".into()];
    order(2, Step { filter: Terms { expressions, ..Terms::default() }, ..ping() })
}

/// An order of one step.
pub fn order(number: u8, step: Step) -> Order {
    Order {
        v: 1,
        id: order_id(number),
        caller: CALLER.parse().unwrap(),
        collective: fleet(),
        issued: time(ISSUED),
        start_by: time(ISSUED) + Span::from_secs(10),
        run_limit_ms: Span::from_secs(60),
        readers: vec![*reader(41).0.public()],
        certificates: false,
        reason: None,
        step: Some(step),
        steps: None,
        ext: Map::new(),
    }
}

/// The bytes as a message to the node.
pub fn sent(bytes: Vec<u8>, signature: Signature, proof: Option<&Proof>) -> Message {
    SignedOrder::new(bytes, signature).message(subject(), String::new(), proof)
}

pub fn subject() -> String {
    Subjects::of(&fleet()).node(&node())
}

pub fn signed_by(key: &NodeSignKey, order: &Order, proof: Option<&Proof>) -> Message {
    let bytes = order.to_bytes();
    let signature = key.sign(Namespace::Order, &bytes);
    sent(bytes, signature, proof)
}

/// The restart as it is.
pub fn good(number: u8) -> Message {
    signed_by(&operator(), &order(number, restart(number)), Some(&chosen(number).1))
}

/// An order whose text was changed before it was signed.
pub fn written(number: u8, step: Step, from: &str, to: &str) -> Message {
    let mut bytes = order(number, step).to_bytes();
    replace(&mut bytes, from, to);
    let signature = operator().sign(Namespace::Order, &bytes);
    sent(bytes, signature, Some(&chosen(number).1))
}

/// The message of one step of three: a restart, a ping, the restart again.
pub fn of_three(index: u64) -> Message {
    let (order, steps) = three();
    let bytes = order.to_bytes();
    let signature = operator().sign(Namespace::Order, &bytes);
    let proof = chosen(5).1;
    let proof = (index != 1).then_some(&proof);
    let signed = SignedOrder::new(bytes, signature);
    signed.step_message(subject(), String::new(), (&steps, index), proof).unwrap()
}

pub fn three() -> (Order, StepTree) {
    let steps = StepTree::build(order_id(5), &[restart(5), ping(), restart(5)]);
    let order = Order { step: None, steps: Some(steps.set()), ..order(5, ping()) };
    (order, steps)
}

fn accepted() -> Vec<Value> {
    let spaced = changed(
        &written(6, ping(), "{\"v\":1,", "{ \"ext\": {\"later\":[1]}, \"v\" :1,\n"),
        |_, _| {},
    );
    let reasoned = Order {
        reason: Some("to see ünïcode".into()),
        certificates: true,
        readers: (41..45).map(|seed| *reader(seed).0.public()).collect(),
        ..order(2, ping())
    };
    let mut cases = vec![
        case("a change for a set", &good(1), NOW),
        case("a read for whoever matches", &signed_by(&operator(), &order(2, ping()), None), NOW),
        case("with an expression in its filter", &signed_by(&operator(), &expressed(), None), NOW),
        case("four readers, a reason", &signed_by(&operator(), &reasoned, None), NOW),
        case("the first of three steps", &of_three(0), NOW),
        case("the second, for whoever matches", &of_three(1), NOW),
        case("the third, of the same bytes as the first", &of_three(2), NOW),
        case("written with blanks, and with a later field under ext", &spaced, NOW),
        case("as late as the clocks may differ", &good(1), "2026-11-23T03:46:55.123Z"),
        case("as early as the clocks may differ", &good(1), "2026-11-23T03:45:45.123Z"),
        case(
            "headers that nobody knows, and a header's name in other letters",
            &changed(&good(1), |headers, _| {
                set(headers, "Nats-Msg-Id", "x");
                set(headers, "mco-proof", "x");
            }),
            NOW,
        ),
    ];
    for name in ["ecdsa256", "ecdsa384", "ecdsa521", "rsa3072"] {
        let order = Order { caller: name.parse().unwrap(), ..order(3, ping()) };
        let signature = other_kind(name).sign(Namespace::Order, &order.to_bytes()).unwrap();
        cases.push(case(
            &format!("signed with {name}"),
            &sent(order.to_bytes(), signature, None),
            NOW,
        ));
    }
    cases
}

fn case(name: &str, message: &Message, now: &str) -> Value {
    let received = Received::parse(message).unwrap();
    json!({
        "name": name, "now": now, "message": shown(message),
        "order": received.order.id, "order_digest": received.order_digest,
        "step": received.step_index, "step_digest": received.step_digest,
        "caller": received.order.caller,
        "agent": received.step.agent, "action": received.step.action,
    })
}
