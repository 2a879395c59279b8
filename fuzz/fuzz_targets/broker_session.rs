//! Any bytes of any clients, in turn: what the session lets pass keeps its promises, and the router
//! delivers to exactly those whose pattern covers the subject.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use marcato_broker::auth::Anyone;
use marcato_broker::connect::ConnectOptions;
use marcato_broker::parser::ParserLimits;
use marcato_broker::refusal::Refusal;
use marcato_broker::router::{ClientId, Finished, Router};
use marcato_broker::session::{Effects, Publish, Session, SessionLimits};
use marcato_broker::subject::{covers, is_literal, is_pattern};

const TOKENS_MAX: usize = 8;
const SUBSCRIPTIONS_MAX: usize = 16;
const PAYLOAD_MAX: usize = 256;
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Every subscription, beside the router.
type Subscriptions = BTreeMap<(ClientId, String), Subscription>;

struct Subscription {
    pattern: String,
    queue: Option<String>,
    delivered: u64,
    max: u64,
}

struct World {
    router: Router<()>,
    subscriptions: Subscriptions,
    /// What had its last message; as between two clients' turns it stays in the router for a while.
    finished: Finished,
    client: ClientId,
}

impl World {
    fn settle(&mut self) {
        self.router.remove_finished(std::mem::take(&mut self.finished));
        assert_eq!(self.router.len(), self.subscriptions.len());
    }
}

impl Effects for World {
    fn say(&mut self, bytes: &[u8]) {
        assert!(bytes.is_empty() || bytes.ends_with(b"\r\n"));
        assert_eq!(
            bytes.iter().filter(|byte| **byte == b'\n').count(),
            usize::from(!bytes.is_empty())
        );
    }

    fn subscribe(&mut self, sid: &str, pattern: &str, queue: Option<&str>) -> Result<(), Refusal> {
        assert!(is_pattern(pattern, TOKENS_MAX));
        self.router.subscribe((), self.client, sid, pattern, queue)?;
        let (pattern, queue) = (pattern.to_owned(), queue.map(str::to_owned));
        let entry = Subscription { pattern, queue, delivered: 0, max: u64::MAX };
        self.subscriptions.entry((self.client, sid.to_owned())).or_insert(entry);
        Ok(())
    }

    fn unsubscribe(&mut self, sid: &str, max: Option<u64>) {
        self.router.unsubscribe(self.client, sid, max);
        if let Some(entry) = self.subscriptions.get_mut(&(self.client, sid.to_owned())) {
            entry.max = max.unwrap_or(0);
        }
        self.subscriptions.retain(|_, entry| entry.delivered < entry.max);
    }

    fn publish(&mut self, message: Publish<'_>) {
        assert!(is_literal(message.subject, TOKENS_MAX));
        assert!(message.reply.is_none_or(|reply| is_literal(reply, TOKENS_MAX)));
        assert!(message.body.len() <= PAYLOAD_MAX);
        assert!(message.headers.is_none_or(|length| length <= message.body.len()));
        let but_not = (!message.echo).then_some(self.client);
        let mut got = BTreeSet::new();
        let random = message.body.len() as u64;
        self.router.deliver(message.subject, but_not, random, &mut self.finished, |sub| {
            assert!(got.insert((sub.client, sub.sid.to_string())), "twice");
            true
        });
        // Each of its own, and of each queue group on a pattern exactly one.
        let mut takers = BTreeMap::new();
        let mut taken = 0;
        for (key, entry) in &mut self.subscriptions {
            let took = usize::from(got.contains(key));
            taken += took;
            entry.delivered += took as u64;
            if !covers(&entry.pattern, message.subject) || but_not == Some(key.0) {
                assert_eq!(took, 0);
                continue;
            }
            let alone = entry.queue.is_none().then_some(key);
            *takers.entry((&entry.pattern, &entry.queue, alone)).or_insert(0) += took;
        }
        assert!(takers.values().all(|times| *times == 1));
        assert_eq!(taken, got.len(), "somebody who does not listen");
        self.subscriptions.retain(|_, entry| entry.delivered < entry.max);
        if message.reply.is_some() {
            self.settle();
        }
    }

    fn connected(&mut self, _: &ConnectOptions) {}

    fn refused(&mut self, refusal: Refusal, _: &str) {
        assert!(!refusal.closes());
    }
}

fuzz_target!(|input: &[u8]| {
    let limits = SessionLimits {
        parser: ParserLimits { control_line: 128, payload: PAYLOAD_MAX },
        subject_tokens: TOKENS_MAX,
        ..SessionLimits::default()
    };
    let now = Instant::now();
    let mut sessions: BTreeMap<ClientId, Session> = BTreeMap::new();
    let router = Router::new(SUBSCRIPTIONS_MAX);
    let subscriptions = Subscriptions::new();
    let mut world = World { router, subscriptions, finished: Finished::new(), client: 0 };
    // Pieces end with a zero byte; the first byte of each says which client sends the rest.
    for piece in input.split(|byte| *byte == 0) {
        let Some((client, bytes)) = piece.split_first() else { continue };
        world.client = ClientId::from(client % 3);
        let session = sessions
            .entry(world.client)
            .or_insert_with(|| Session::new(limits, Arc::new(Anyone), String::new(), PEER, now));
        let step = session.step(bytes, now, &mut world);
        assert!(session.kept() <= 128 + PAYLOAD_MAX + 16);
        if step.is_err() {
            sessions.remove(&world.client);
            world.router.remove_client(world.client);
            let gone = world.client;
            world.subscriptions.retain(|(client, _), _| *client != gone);
        }
        world.settle();
    }
});
