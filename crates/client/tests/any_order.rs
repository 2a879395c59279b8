//! Whatever happens in whatever order: a job ends, each expected node has exactly one line, and a
//! line that its node signed is never another.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use kit::{Bench, Node, nodes};
use marcato_client::core::{Directory, Event, Stopped};
use marcato_core::{EndState, Identity, Reason, Span};
use marcato_protocol::message::Message;
use marcato_protocol::progress::Phase;
use proptest::prelude::*;

/// Four known nodes, of which the last is not expected.
static FLEET: LazyLock<Vec<Node>> = LazyLock::new(|| nodes(&["web1", "web2", "web3", "web4"]));
static KNOWN: LazyLock<Arc<Directory>> = LazyLock::new(|| kit::directory(&FLEET));

/// One thing that happens.
#[derive(Debug, Clone)]
enum Act {
    Receipt {
        node: usize,
        end: (EndState, Option<Reason>),
        first_order: bool,
    },
    Progress {
        node: usize,
        phase: Phase,
    },
    Nobody(usize),
    NobodyAtAll,
    NotPublished(usize),
    Forged(usize),
    Again(usize),
    Connected,
    Interrupted,
    After(u64),
    /// Where the order goes to one node after another: whose turn it is, or that nobody else has one.
    Release(usize),
    Stop,
}

fn acts() -> impl Strategy<Value = Act> {
    let ends = prop_oneof![
        Just((EndState::Ok, None)),
        Just((EndState::Failed, Some(Reason::Action))),
        Just((EndState::Rejected, Some(Reason::Restarted))),
        Just((EndState::Rejected, Some(Reason::Expired))),
        Just((EndState::TimedOut, Some(Reason::RunLimit))),
    ];
    let phases = prop_oneof![Just(Phase::Accepted), Just(Phase::Running)];
    let receipts = (0..4usize, ends, any::<bool>())
        .prop_map(|(node, end, first_order)| Act::Receipt { node, end, first_order });
    prop_oneof![
        6 => receipts,
        4 => (0..4usize, phases).prop_map(|(node, phase)| Act::Progress { node, phase }),
        3 => (0..4usize).prop_map(Act::Nobody),
        1 => Just(Act::NobodyAtAll),
        2 => (0..4usize).prop_map(Act::NotPublished),
        1 => (0..4usize).prop_map(Act::Forged),
        2 => (0..20usize).prop_map(Act::Again),
        1 => Just(Act::Connected),
        1 => Just(Act::Interrupted),
        6 => (0..8000u64).prop_map(Act::After),
        4 => (0..3usize).prop_map(Act::Release),
        1 => Just(Act::Stop),
    ]
}

/// A bench, all that was told it, and all signed lines that it ever showed.
struct Play {
    bench: Bench,
    told: Vec<Message>,
    signed: BTreeMap<Identity, (EndState, Option<Reason>)>,
}

impl Play {
    fn order(&self, node: &Node, first: bool) -> Option<Message> {
        if first { self.bench.sent.first().cloned() } else { Some(self.bench.order(node)) }
    }

    fn tell(&mut self, message: Message) {
        self.told.push(message.clone());
        self.bench.message(message);
    }

    fn act(&mut self, act: Act) {
        if self.bench.sent.is_empty() && !matches!(act, Act::Release(_) | Act::Stop) {
            return;
        }
        match act {
            Act::Release(node) => {
                self.bench.step(Event::Release(vec![FLEET[node].identity.clone()]));
            }
            Act::Stop => self.bench.step(Event::Stop(Stopped::Time)),
            Act::Receipt { node, end, first_order } => {
                let node = &FLEET[node];
                let Some(order) = self.order(node, first_order) else { return };
                let outer = node.outer(&order, end.0, end.1);
                self.tell(node.send(&order, outer, true));
            }
            Act::Progress { node, phase } => {
                let order = self.bench.order(&FLEET[node]);
                self.tell(FLEET[node].progress(&order, phase));
            }
            Act::Nobody(node) => self.bench.nobody(&FLEET[node]),
            Act::NobodyAtAll => {
                let reply = self.bench.sent[0].reply.clone().unwrap();
                self.bench.step(Event::NoResponders(reply));
            }
            Act::NotPublished(node) => {
                let subjects = kit::subjects();
                let subject = match node {
                    3 => subjects.orders(),
                    node => subjects.node(&FLEET[node].identity),
                };
                self.bench.step(Event::NotPublished(subject));
            }
            Act::Forged(node) => {
                let order = self.bench.order(&FLEET[node]);
                self.tell(Node::rebuilt(FLEET[node].identity.as_str()).ok(&order));
            }
            Act::Again(at) => {
                if let Some(message) = self.told.get(at) {
                    self.bench.message(message.clone());
                }
            }
            Act::Connected => self.bench.step(Event::Connected),
            Act::Interrupted => self.bench.step(Event::Interrupted),
            Act::After(ms) => self.bench.after(ms),
        }
    }

    /// A line that was signed once is the same ever after.
    fn look(&mut self) {
        for line in self.bench.report().nodes.iter().filter(|line| line.signed) {
            let end = (line.state, line.reason);
            let before = self.signed.entry(line.node.clone()).or_insert(end);
            assert_eq!(*before, end, "{} was signed otherwise before", line.node);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends(kind in 0..5u8, acts in prop::collection::vec(acts(), 0..40)) {
        let bench = match kind {
            0 => Bench::unknown(Arc::clone(&KNOWN)),
            // A job that nobody stops waits for ever for those who have no turn.
            3 | 4 => Bench::paced(&FLEET[..3], kind == 4, Span::from_secs(60)),
            kind => {
                let listed = FLEET[..3].iter().map(Node::listed).collect();
                let selection = kit::select(listed, &KNOWN, kind == 2);
                Bench::new(kit::task(kind == 2), selection, Arc::clone(&KNOWN))
            }
        };
        let mut play = Play { bench, told: Vec::new(), signed: BTreeMap::new() };
        for act in acts {
            play.act(act);
            play.look();
        }
        play.act(Act::Stop);
        play.bench.after(250_000);
        play.look();
        play.bench.assert_done();
        let counts = play.bench.job.counts();
        prop_assert_eq!((counts.waiting, counts.running, counts.held), (0, 0, 0));
        prop_assert_eq!(counts.nodes, play.bench.report().nodes.len());
    }
}
