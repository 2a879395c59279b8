//! Orders by an operator's own program, of kinds that no client of ours would send, and messages by
//! nobody in particular.

use marcato_core::limits::node::CHANGES_WAITING_MAX;
use marcato_core::limits::protocol::BODY_BYTES_MAX;
use marcato_core::limits::timing::START_WINDOW_MAX;
use marcato_core::{OrderId, Span, Terms};
use marcato_protocol::keys::OpenKey;
use marcato_protocol::merkle::{self, MerkleSet};
use marcato_protocol::message::{Headers, Kind as MessageKind, Message};
use marcato_protocol::order::{Audience, Order, Set, SignedOrder, Step};
use marcato_protocol::sshsig::Namespace;
use marcato_protocol::subject::Subjects;
use serde_json::{Map, json};

use super::World;
use crate::fault::Kind;
use crate::keys::name;

/// What is odd about an order. The number is the node that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// It changes hosts, and is for whoever matches.
    MatchingChange,
    /// It is for another fleet.
    OtherCollective(usize),
    /// It is signed by a key that is not the caller's.
    WrongKey(usize),
    /// Two that differ have one id.
    SameId(usize),
    /// It might start for longer than is allowed.
    LongWindow(usize),
    /// It is longer than is allowed.
    TooLong(usize),
    /// Its proof is missing.
    NoProof(usize),
    /// It is no order at all.
    Garbage(usize),
    /// Many changes at once.
    Burst(usize),
}

/// What of an order is as it should be unless told otherwise.
struct Draft {
    id: OrderId,
    order: Order,
    operator: Option<usize>,
    proper: bool,
    proof: bool,
}

impl World {
    pub(super) fn odd_order(&mut self, odd: Odd) {
        let kind = if matches!(odd, Odd::Burst(_)) { Kind::Burst } else { Kind::OddOrders };
        self.hit(kind);
        match odd {
            Odd::MatchingChange => {
                let mut draft = self.draft(0, Audience::Matching);
                draft.proper = false;
                let subject = Subjects::of(&self.keys.collective).orders();
                self.send_odd(draft, None, subject);
            }
            Odd::OtherCollective(node) => self.send_draft(node, |draft| {
                draft.order.collective = name("other");
                draft.proper = false;
            }),
            Odd::WrongKey(node) => self.send_draft(node, |draft| {
                draft.operator = None;
                draft.proper = false;
            }),
            Odd::LongWindow(node) => self.send_draft(node, |draft| {
                draft.order.start_by = draft.order.issued + START_WINDOW_MAX + Span::from_secs(1);
                draft.proper = false;
            }),
            Odd::NoProof(node) => self.send_draft(node, |draft| {
                draft.proof = false;
                draft.proper = false;
            }),
            Odd::SameId(node) => {
                let id = match self.some_order() {
                    Some(id) if self.random.chance(300) => id,
                    _ => OrderId::from_bytes(self.random.bytes()),
                };
                for _ in 0..2 {
                    self.send_draft(node, |draft| draft.id = id);
                }
            }
            Odd::TooLong(node) => self.send_garbage(node, BODY_BYTES_MAX + 1),
            Odd::Garbage(node) => self.send_garbage(node, 100),
            Odd::Burst(node) => {
                for _ in 0..CHANGES_WAITING_MAX + 4 {
                    self.send_draft(node, |_| {});
                }
            }
        }
    }

    fn send_garbage(&mut self, node: usize, length: usize) {
        let subject = Subjects::of(&self.keys.collective).node(&self.truth.hosts[node].identity);
        let headers = Headers::of(MessageKind::Order);
        let body = vec![b'['; length];
        self.publish(self.odd_end(), Message { subject, reply: None, headers, body });
    }

    /// An order for one node, altered by `alter`, signed and sent.
    fn send_draft(&mut self, node: usize, alter: impl Fn(&mut Draft)) {
        let audience = Audience::Set(Set { root: merkle_root(&[]), count: 1 });
        let mut draft = self.draft(node, audience);
        alter(&mut draft);
        let subject = Subjects::of(&self.keys.collective).node(&self.truth.hosts[node].identity);
        self.send_odd(draft, Some(node), subject);
    }

    fn draft(&mut self, node: usize, audience: Audience) -> Draft {
        let id = OrderId::from_bytes(self.random.bytes());
        let now = self.clock(0);
        let package = self.random.pick(&["openssl", "curl"]);
        // No two have the same: of two orders with one id the truth knows which one ran.
        let version = 10 + self.truth.orders.len();
        let inputs = Map::from_iter([
            ("package".to_owned(), json!(package)),
            ("version".to_owned(), json!(version)),
        ]);
        let step = Step {
            agent: name("package"),
            action: name("install"),
            inputs,
            audience,
            filter: Terms::default(),
            ext: Map::new(),
        };
        let order = Order {
            v: self.nodes[node].spoken.oldest,
            id,
            caller: self.keys.operators[0].0.clone(),
            collective: self.keys.collective.clone(),
            issued: now,
            start_by: now + Span::from_secs(10),
            run_limit_ms: Span::from_secs(8),
            readers: vec![*OpenKey::generate(self.random.generator()).public()],
            certificates: self.random.chance(200),
            reason: None,
            step: Some(step),
            steps: None,
            ext: Map::new(),
        };
        Draft { id, order, operator: Some(0), proper: true, proof: true }
    }

    fn send_odd(&mut self, draft: Draft, node: Option<usize>, subject: String) {
        let Draft { id, mut order, operator, proper, proof: with_proof } = draft;
        order.id = id;
        let mut proof = None;
        if let (Some(node), Some(step)) = (node, &mut order.step) {
            let birth = self.nodes[node].birth;
            let key = self.keys.hosts[self.nodes[node].files.index].births[birth].key.public();
            let identity = self.truth.hosts[node].identity.as_str();
            let leaves = [merkle::leaf(id.as_bytes(), identity, key)];
            let tree = MerkleSet::build(leaves.to_vec());
            step.audience = Audience::Set(Set { root: tree.root(), count: 1 });
            proof = tree.proof(0).filter(|_| with_proof);
        }
        let bytes = order.to_bytes();
        self.know_order(&bytes, operator, proper);
        if let (Some(node), Some(signed)) = (node, self.truth.orders.last_mut()) {
            signed.addressed.insert(node);
        }
        let key = operator.map_or(&self.keys.stranger, |operator| self.operator_key(operator));
        let signed = SignedOrder::new(bytes.clone(), key.sign(Namespace::Order, &bytes));
        let reply = Subjects::of(&self.keys.collective).answer(&order.caller, id);
        let message = signed.message(subject, reply, proof.as_ref());
        self.publish(self.odd_end(), message);
    }
}

fn merkle_root(leaves: &[marcato_protocol::digest::Digest]) -> marcato_protocol::digest::Digest {
    MerkleSet::build(leaves.to_vec()).root()
}
