//! A truth of one host and one order, which the tests of the checkers bend.

use std::ops::{Deref, DerefMut};

use marcato_client::core::NodeReport;
use marcato_core::{Changed, EndState, OrderId, Reason, Span, Terms, Timestamp};
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::OpenKey;
use marcato_protocol::order::{Audience, Order, Set, Step};
use marcato_protocol::receipt::Outer;
use serde_json::{Map, json};

use crate::EPOCH;
use crate::host::{Deed, Files};
use crate::keys::{Keys, name};
use crate::random::Random;
use crate::truth::{HostTruth, JobTruth, Run, Said, Signed, Truth};

/// The order.
pub const ORDER: OrderId = OrderId::from_bytes([7; 16]);

/// A truth that can be bent.
pub struct Bench(Truth);

impl Deref for Bench {
    type Target = Truth;

    fn deref(&self) -> &Truth {
        &self.0
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Truth {
        &mut self.0
    }
}

/// One host, and one order to restart a service there, which has not begun.
pub fn truth() -> Bench {
    let keys = Keys::shared();
    let audience = Audience::Set(Set { root: Digest::of(b""), count: 1 });
    let step = Step {
        agent: name("service"),
        action: name("restart"),
        inputs: Map::from_iter([("service".to_owned(), json!("ssh"))]),
        audience,
        filter: Terms::default(),
        ext: Map::new(),
    };
    let issued = Timestamp::from_ms(EPOCH);
    let order = Order {
        v: 1,
        id: ORDER,
        caller: keys.operators[0].0.clone(),
        collective: keys.collective.clone(),
        issued,
        start_by: issued + Span::from_secs(10),
        run_limit_ms: Span::from_secs(5),
        readers: vec![*OpenKey::generate(Random::new(0, 0).generator()).public()],
        certificates: false,
        reason: None,
        step: Some(step),
        steps: None,
        ext: Map::new(),
    };
    let digest = Digest::of(&order.to_bytes());
    let signed = Signed {
        order,
        digest,
        operator: Some(0),
        proper: true,
        changes: true,
        addressed: [0].into(),
    };
    let host = HostTruth {
        identity: keys.hosts[0].identity.clone(),
        files: vec![(0, Files::new(0))],
        set_back: 0,
        clock_set: Vec::new(),
        damaged: Vec::new(),
        rebuilt: None,
        lives: vec![(0, None)],
    };
    let (orders, digests) = (vec![ORDER], [digest].into());
    let job = JobTruth { changes: true, orders, digests, ..JobTruth::default() };
    let jobs = vec![job];
    Bench(Truth { hosts: vec![host], orders: vec![signed], jobs, ..Truth::default() })
}

impl Bench {
    /// The host begins the order, does it at once, and does it well.
    pub fn begin(&mut self, order: OrderId) {
        let deed = Deed { changed: true, reason: None, data: Map::new() };
        let at = 100 * (self.runs.len() as u64 + 1);
        let outcome = deed.outcome();
        self.runs.push(Run {
            host: 0,
            birth: 0,
            life: 1,
            key: (order, 0),
            agent: name("service"),
            action: name("restart"),
            inputs: Map::from_iter([("service".to_owned(), json!("ssh"))]),
            change: true,
            at,
            clock: Timestamp::from_ms(EPOCH + at),
            deed: Some((at, deed)),
            outcome: Some((at, outcome)),
            killed: None,
        });
    }

    /// The host sends a receipt for the order.
    pub fn say(&mut self, state: EndState, reason: Option<Reason>, changed: Changed) {
        let digest = self.orders[0].digest;
        let at = 1000 * (self.receipts.len() as u64 + 1);
        let time = Timestamp::from_ms(EPOCH + at);
        let outer = Outer {
            v: 1,
            order: ORDER,
            order_digest: digest,
            step: 0,
            step_digest: digest,
            node: self.hosts[0].identity.clone(),
            state,
            reason,
            changed,
            received: time,
            started: None,
            finished: time,
            sealed: Some(Digest::of(b"")),
            ext: Map::new(),
        };
        self.receipts.push(Said { host: 0, birth: 0, life: 1, at, outer, digest, message: digest });
    }

    /// A line of a report about the host.
    pub fn line(&self, state: EndState, reason: Option<Reason>, changed: Changed) -> NodeReport {
        let node = self.hosts[0].identity.clone();
        NodeReport { signed: state.is_signed(), ..NodeReport::new(node, state, reason, changed) }
    }
}
