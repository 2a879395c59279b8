//! One client's conversation, as a state machine: bytes and times in, effects out.
//!
//! It knows the protocol's rules and nothing of sockets, clocks or other clients. What it wants
//! done it says through [`Effects`], in the order in which the client must see it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use marcato_core::limits::broker as limits;

use crate::auth::{Anyone, Authorizer, Grant};
use crate::connect::ConnectOptions;
use crate::parser::{Op, Parser, ParserLimits};
use crate::refusal::Refusal;
use crate::{headers, subject};

/// What one session may do and for how long it may be silent.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Lengths of lines and messages.
    pub parser: ParserLimits,
    /// How many tokens a subject may have.
    pub subject_tokens: usize,
    /// How long a client may take to say CONNECT.
    pub connect_timeout: Duration,
    /// After what silence a PING is sent, and the next one.
    pub ping_interval: Duration,
    /// After what silence the connection is stale.
    pub stale_after: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            parser: ParserLimits {
                control_line: limits::CONTROL_LINE_BYTES_MAX,
                payload: limits::PAYLOAD_BYTES_MAX,
            },
            subject_tokens: limits::SUBJECT_TOKENS_MAX,
            connect_timeout: limits::CONNECT_TIMEOUT,
            ping_interval: limits::PING_INTERVAL,
            stale_after: limits::STALE_AFTER,
        }
    }
}

/// A message that a client published and the session let pass.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// Where to: a literal subject.
    pub subject: &'a str,
    /// Where answers go: a literal subject.
    pub reply: Option<&'a str>,
    /// How many bytes of `body` are headers; `None` without any.
    pub headers: Option<usize>,
    /// Headers and payload.
    pub body: &'a [u8],
    /// Whether the publisher itself may receive it.
    pub echo: bool,
    /// Whether the publisher wants a 503 if nobody does.
    pub no_responders: bool,
}

impl Publish<'_> {
    /// The same message for a client that does not understand headers.
    pub fn bare(&self) -> Self {
        let payload = &self.body[self.headers.unwrap_or(0)..];
        Self { headers: None, body: payload, ..*self }
    }
}

/// What a session wants done.
pub trait Effects {
    /// Sends `bytes` to this client.
    fn say(&mut self, bytes: &[u8]);

    /// Enters a subscription; a `sid` that is taken stays as it is.
    fn subscribe(&mut self, sid: &str, pattern: &str, queue: Option<&str>) -> Result<(), Refusal>;

    /// Ends a subscription, at once or after `max` messages since its start.
    fn unsubscribe(&mut self, sid: &str, max: Option<u64>);

    /// Delivers a message.
    fn publish(&mut self, message: Publish<'_>);

    /// Takes note of a CONNECT that was admitted.
    fn connected(&mut self, options: &ConnectOptions);

    /// Takes note of a refusal after which the connection goes on.
    fn refused(&mut self, refusal: Refusal, subject: &str);
}

/// How many PINGs go out before silence makes a connection stale.
const PINGS_MAX: u32 = 2;

/// One client's conversation.
pub struct Session {
    parser: Parser,
    rules: Rules,
    /// Whether the client has said anything that stands for a greeting.
    greeted: bool,
    started: Instant,
    heard: Instant,
    pings: u32,
}

/// What the operations of one client mean; apart from the parser, which lends them.
struct Rules {
    limits: SessionLimits,
    authorizer: Arc<dyn Authorizer>,
    grant: Option<Arc<dyn Grant>>,
    nonce: String,
    peer: SocketAddr,
    verbose: bool,
    echo: bool,
    headers: bool,
    no_responders: bool,
}

impl Session {
    /// A session that begins `now`; `nonce` is the one that INFO announced.
    pub fn new(
        limits: SessionLimits,
        authorizer: Arc<dyn Authorizer>,
        nonce: String,
        peer: SocketAddr,
        now: Instant,
    ) -> Self {
        let closed = authorizer.login_required();
        let grant: Option<Arc<dyn Grant>> = if closed { None } else { Some(Arc::new(Anyone)) };
        let rules = Rules {
            limits,
            authorizer,
            grant,
            nonce,
            peer,
            // nats-server's defaults for a client that never says CONNECT.
            verbose: true,
            echo: true,
            headers: false,
            no_responders: false,
        };
        let parser = Parser::new(limits.parser, closed);
        Self { parser, rules, greeted: false, started: now, heard: now, pings: 0 }
    }

    /// Takes what the client sent, however it was cut. With an error the session is over: the
    /// client has been told, and nothing else of its input counts.
    pub fn step(
        &mut self,
        mut input: &[u8],
        now: Instant,
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        self.heard = now;
        self.pings = 0;
        let rules = &mut self.rules;
        loop {
            let outcome =
                self.parser.next(&mut input, |parser, op| rules.apply(op, parser, effects));
            match outcome {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(()))) => self.greeted = true,
                Ok(Some(Err(refusal))) | Err(refusal) => {
                    say_refusal(refusal, None, effects);
                    return Err(refusal);
                }
            }
        }
    }

    /// Does what time alone demands: PINGs, and the end of a silent connection.
    pub fn tick(&mut self, now: Instant, effects: &mut impl Effects) -> Result<(), Refusal> {
        if now < self.deadline() {
            return Ok(());
        }
        if !self.greeted {
            say_refusal(Refusal::ConnectTimeout, None, effects);
            return Err(Refusal::ConnectTimeout);
        }
        if now >= self.heard + self.rules.limits.stale_after {
            say_refusal(Refusal::Stale, None, effects);
            return Err(Refusal::Stale);
        }
        effects.say(b"PING\r\n");
        self.pings += 1;
        Ok(())
    }

    /// When [`Session::tick`] is due next.
    pub fn deadline(&self) -> Instant {
        let limits = &self.rules.limits;
        if !self.greeted {
            return self.started + limits.connect_timeout;
        }
        let stale = self.heard + limits.stale_after;
        if self.pings >= PINGS_MAX {
            return stale;
        }
        stale.min(self.heard + limits.ping_interval * (self.pings + 1))
    }

    /// How many bytes of an unfinished operation are kept.
    pub fn kept(&self) -> usize {
        self.parser.kept()
    }
}

impl Rules {
    /// Does one operation. An error ends the session; other refusals have been dealt with.
    fn apply(
        &mut self,
        op: Op<'_>,
        parser: &mut Parser,
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        let outcome = match op {
            Op::Connect(json) => self.connect(json, parser, effects),
            Op::Ping => {
                effects.say(b"PONG\r\n");
                Ok(())
            }
            Op::Pong => Ok(()),
            Op::Publish { subject, reply, headers, body } => {
                self.publish(subject, reply, headers, body, effects)
            }
            Op::Subscribe { subject, queue, sid } => self.subscribe(subject, queue, sid, effects),
            Op::Unsubscribe { sid, max } => {
                // A sid that is not text was never taken by SUB.
                if let Some(sid) = subject::printable(sid) {
                    effects.unsubscribe(sid, max);
                }
                self.ok(effects);
                Ok(())
            }
        };
        outcome.or_else(|refusal| if refusal.closes() { Err(refusal) } else { Ok(()) })
    }

    fn ok(&self, effects: &mut impl Effects) {
        if self.verbose {
            effects.say(b"+OK\r\n");
        }
    }

    fn connect(
        &mut self,
        json: &[u8],
        parser: &mut Parser,
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        let options: ConnectOptions =
            serde_json::from_slice(json).map_err(|_| Refusal::BadConnect)?;
        if !options.protocol_exists() {
            return Err(Refusal::BadProtocol);
        }
        if options.no_responders() && !options.headers() {
            return Err(Refusal::NoRespondersWithoutHeaders);
        }
        let grant = self.authorizer.admit(&options, &self.nonce, self.peer);
        self.grant = Some(grant.ok_or(Refusal::Authorization)?);
        self.verbose = options.verbose();
        self.echo = options.echo();
        self.headers = options.headers();
        self.no_responders = options.no_responders();
        parser.open();
        effects.connected(&options);
        self.ok(effects);
        Ok(())
    }

    fn publish(
        &self,
        subject: &[u8],
        reply: Option<&[u8]>,
        headers: Option<usize>,
        body: &[u8],
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        if headers.is_some() && !self.headers {
            return Err(Refusal::HeadersNotAnnounced);
        }
        let Some(subject) = self.literal(subject) else {
            return Err(refuse(Refusal::PublishSubject, None, effects));
        };
        let reply = match reply.map(|reply| self.literal(reply)) {
            Some(None) => return Err(refuse(Refusal::PublishSubject, None, effects)),
            Some(reply) => reply,
            None => None,
        };
        if headers.is_some_and(|length| !headers::is_readable(&body[..length])) {
            return Err(refuse(Refusal::Headers, None, effects));
        }
        let grant = self.grant.as_ref().ok_or(Refusal::Authorization)?;
        if !grant.may_publish(subject) {
            return Err(refuse(Refusal::PublishPermission, Some(subject), effects));
        }
        self.ok(effects);
        let no_responders = self.no_responders;
        effects.publish(Publish { subject, reply, headers, body, echo: self.echo, no_responders });
        Ok(())
    }

    fn literal<'a>(&self, text: &'a [u8]) -> Option<&'a str> {
        subject::printable(text).filter(|s| subject::is_literal(s, self.limits.subject_tokens))
    }

    fn subscribe(
        &self,
        pattern: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        let pattern = subject::printable(pattern)
            .filter(|s| subject::is_pattern(s, self.limits.subject_tokens));
        let queue = queue.map(subject::printable);
        let (Some(pattern), Some(sid), None | Some(Some(_))) =
            (pattern, subject::printable(sid), queue)
        else {
            return Err(refuse(Refusal::Subject, None, effects));
        };
        let queue = queue.flatten();
        let grant = self.grant.as_ref().ok_or(Refusal::Authorization)?;
        if !grant.may_subscribe(pattern, queue) {
            return Err(refuse(Refusal::SubscribePermission, Some(pattern), effects));
        }
        match effects.subscribe(sid, pattern, queue) {
            Ok(()) => self.ok(effects),
            Err(refusal) => return Err(refuse(refusal, None, effects)),
        }
        Ok(())
    }
}

/// Tells the client of a refusal after which the connection goes on.
fn refuse(refusal: Refusal, subject: Option<&str>, effects: &mut impl Effects) -> Refusal {
    say_refusal(refusal, subject, effects);
    effects.refused(refusal, subject.unwrap_or_default());
    refusal
}

fn say_refusal(refusal: Refusal, subject: Option<&str>, effects: &mut impl Effects) {
    let mut line = Vec::new();
    refusal.write_line(subject, &mut line);
    effects.say(&line);
}
