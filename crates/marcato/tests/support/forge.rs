//! Orders made by hand: kept back from a real client, or signed by whoever likes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use marcato_core::{Identity, OrderId, Span, Timestamp};
use marcato_node::shell::now;
use marcato_protocol::keys::{NodeSignKey, OpenKey};
use marcato_protocol::merkle::{self, MerkleSet};
use marcato_protocol::message::{Kind, Message};
use marcato_protocol::order::{Audience, Order, Set, SignedOrder, Step};
use marcato_protocol::sshsig::{Namespace, PublicKey};
use marcato_protocol::subject::Subjects;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::Map;

use super::{Fleet, OPERATOR, key, secs, terms};

static ORDERS: AtomicU64 = AtomicU64::new(1);

/// An order under construction.
#[derive(Clone)]
pub struct Forge {
    pub order: Order,
    /// Whose key signs it.
    pub signer: u8,
    pub namespace: Namespace,
    /// The set, with the keys that the nodes are chosen with.
    pub leaves: Vec<(Identity, PublicKey)>,
}

/// The key to which answers to such orders are sealed.
pub fn reader() -> OpenKey {
    OpenKey::generate(&mut ChaCha20Rng::from_seed([5; 32]))
}

impl Forge {
    /// What the operator would sign for these nodes: `service restart service=nginx`.
    pub fn new(fleet: &Fleet, words: &str, nodes: &[&str]) -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&ORDERS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut words = words.split_whitespace();
        let (agent, action) = (words.next().unwrap(), words.next().unwrap());
        let pairs = words.map(|word| word.split_once('=').unwrap());
        let step = Step {
            agent: agent.parse().unwrap(),
            action: action.parse().unwrap(),
            inputs: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
            audience: Audience::Matching,
            filter: terms(""),
            ext: Map::new(),
        };
        let order = Order {
            v: 1,
            id: OrderId::from_bytes(id),
            caller: "ops".parse().unwrap(),
            collective: "lab".parse().unwrap(),
            issued: now(),
            start_by: now() + secs(20),
            run_limit_ms: secs(20),
            readers: vec![*reader().public()],
            certificates: false,
            reason: None,
            step: Some(step),
            steps: None,
            ext: Map::new(),
        };
        let leaf = |name: &&str| (name.parse().unwrap(), fleet.sign_key(name));
        let leaves = nodes.iter().map(leaf).collect();
        Self { order, signer: OPERATOR, namespace: Namespace::Order, leaves }
    }

    /// Issued so long ago (or, negative, ahead), to be started within a minute of that.
    pub fn issued_ago(mut self, seconds: i64) -> Self {
        let ms = i64::try_from(now().as_ms()).unwrap() - seconds * 1000;
        self.order.issued = Timestamp::from_ms(ms.unsigned_abs());
        self.order.start_by = self.order.issued + Span::from_secs(60);
        self
    }

    fn tree(&self) -> MerkleSet {
        let id = self.order.id;
        let leaf =
            |(node, key): &(Identity, PublicKey)| merkle::leaf(id.as_bytes(), node.as_str(), key);
        MerkleSet::build(self.leaves.iter().map(leaf).collect())
    }

    fn signed(&self, key: &NodeSignKey, audience: Audience) -> SignedOrder {
        let mut order = self.order.clone();
        order.step.as_mut().unwrap().audience = audience;
        let bytes = order.to_bytes();
        let signature = key.sign(self.namespace, &bytes);
        SignedOrder::new(bytes, signature)
    }

    /// The message to one node of the set.
    pub fn to(&self, node: &str) -> Message {
        self.to_signed_with(node, &key(self.signer))
    }

    /// The same, signed with this key.
    pub fn to_signed_with(&self, node: &str, key: &NodeSignKey) -> Message {
        let tree = self.tree();
        let audience = Audience::Set(Set { root: tree.root(), count: tree.count() });
        let place = self.leaves.iter().position(|(name, _)| name.as_str() == node);
        let proof = place.and_then(|place| tree.proof(place as u64));
        let node: Identity = node.parse().unwrap();
        let (subjects, order) = (subjects(), &self.order);
        let reply = subjects.reply(&order.caller, order.id, &node);
        self.signed(key, audience).message(subjects.node(&node), reply, proof.as_ref())
    }

    /// The message to whoever matches.
    pub fn to_all(&self) -> Message {
        let order = &self.order;
        let reply = subjects().answer(&order.caller, order.id);
        self.signed(&key(self.signer), Audience::Matching).message(subjects().orders(), reply, None)
    }
}

pub fn subjects() -> Subjects {
    Subjects::of(&"lab".parse().unwrap())
}

/// Lets the operator's client send a change, and keeps its messages back: the nodes have seen
/// nothing, and somebody holds a true order in his hands.
pub async fn kept_back(fleet: &Fleet, words: &str, with: &str) -> Vec<Message> {
    let held: Arc<Mutex<Vec<Message>>> = Arc::default();
    let holding = held.clone();
    fleet.middle.rule(move |message| {
        if message.headers.kind() != Some(Kind::Order) {
            return vec![message];
        }
        let mut held = holding.lock().unwrap();
        // The client sends each a second time.
        if !held.contains(&message) {
            held.push(message);
        }
        Vec::new()
    });
    let mut client = fleet.client().await;
    let mut task = client.task(words, with);
    task.wait = Span::from_ms(200);
    let report = client.run(task).await;
    client.close().await;
    assert!(report.nodes.iter().all(|node| !node.signed), "{report:?}");
    fleet.middle.pass();
    let held = held.lock().unwrap();
    held.clone()
}
