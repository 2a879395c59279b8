//! Any bytes of any clients, in turn: what the session lets pass keeps its promises, and the router
//! delivers to exactly those whose pattern covers the subject.
#![no_main]

use std::collections::BTreeMap;
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

/// Every subscription's pattern, beside the router.
type Patterns = BTreeMap<(ClientId, String), (String, bool)>;

struct World {
    router: Router<()>,
    patterns: Patterns,
    client: ClientId,
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
        let entry = (pattern.to_owned(), queue.is_some());
        self.patterns.entry((self.client, sid.to_owned())).or_insert(entry);
        Ok(())
    }

    fn unsubscribe(&mut self, sid: &str, _: Option<u64>) {
        self.router.unsubscribe(self.client, sid, None);
        self.patterns.remove(&(self.client, sid.to_owned()));
    }

    fn publish(&mut self, message: Publish<'_>) {
        assert!(is_literal(message.subject, TOKENS_MAX));
        assert!(message.reply.is_none_or(|reply| is_literal(reply, TOKENS_MAX)));
        assert!(message.body.len() <= PAYLOAD_MAX);
        assert!(message.headers.is_none_or(|length| length <= message.body.len()));
        let but_not = (!message.echo).then_some(self.client);
        let mut got = Vec::new();
        self.router.deliver(message.subject, but_not, 1, &mut Finished::new(), |sub| {
            got.push((sub.client, sub.sid.to_string()));
            true
        });
        for (key, (pattern, queued)) in &self.patterns {
            let times = got.iter().filter(|one| *one == key).count();
            let may = covers(pattern, message.subject) && but_not != Some(key.0);
            assert!(times == usize::from(may) || (*queued && may && times == 0));
        }
        assert!(got.iter().all(|key| self.patterns.contains_key(key)));
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
    let mut world = World { router, patterns: Patterns::new(), client: 0 };
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
            world.patterns.retain(|(client, _), _| *client != gone);
        }
        assert_eq!(world.router.len(), world.patterns.len());
    }
});
