//! Messages as anybody could send them: nothing panics, what is written is read again, limits hold.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod limits;
mod noise;
mod versions;
#[path = "../vectors/make/world.rs"]
#[expect(dead_code, reason = "the vectors use more of it")]
mod world;

use marcato_core::{EndState, Span, Terms, Timestamp};
use marcato_protocol::merkle::{MerkleSet, Proof, leaf};
use marcato_protocol::message::Message;
use marcato_protocol::order::{Audience, Order, Received, Set, SignedOrder, Step};
use marcato_protocol::receipt::{Expected, Outer};
use marcato_protocol::sshsig::{Namespace, PublicKey};
use serde_json::Map;

/// A step for the node alone.
fn step() -> Step {
    let id = world::order_id(1);
    let tree = MerkleSet::build(vec![leaf(id.as_bytes(), world::NODE, world::node_key().public())]);
    Step {
        agent: "service".parse().unwrap(),
        action: "restart".parse().unwrap(),
        inputs: Map::new(),
        audience: Audience::Set(Set { root: tree.root(), count: 1 }),
        filter: Terms::default(),
        ext: Map::new(),
    }
}

fn order() -> Order {
    Order {
        v: 1,
        id: world::order_id(1),
        caller: world::CALLER.parse().unwrap(),
        collective: world::fleet(),
        issued: world::time(world::ISSUED),
        start_by: world::time(world::ISSUED) + Span::from_secs(10),
        run_limit_ms: Span::from_secs(60),
        readers: vec![*world::reader(41).0.public()],
        certificates: false,
        reason: None,
        step: Some(step()),
        steps: None,
        ext: Map::new(),
    }
}

/// The order signed by the operator.
fn sent(order: &Order) -> Message {
    let bytes = order.to_bytes();
    let signature = world::operator().sign(Namespace::Order, &bytes);
    let proof = Proof { index: 0, path: Vec::new() };
    SignedOrder::new(bytes, signature).message(world::NODE.into(), String::new(), Some(&proof))
}

fn now() -> Timestamp {
    world::time(world::NOW)
}

/// What the node answers to an order.
fn outer(received: &Received) -> Outer {
    Outer::answering(received, world::node(), EndState::Ok, now())
}

/// What the client expects.
fn expected<'a>(
    received: &Received,
    node: &'a marcato_core::Identity,
    key: &'a PublicKey,
) -> Expected<'a> {
    Expected {
        v: received.order.v,
        order: received.order.id,
        order_digest: received.order_digest,
        step: received.step_index,
        step_digest: received.step_digest,
        node,
        key,
    }
}
