//! What a node says of itself: heartbeats by the clock, its registration to whoever wants it.

use std::sync::Arc;

use marcato_core::limits::cut_to;
use marcato_core::limits::node::{
    HEALTH_LINE_BYTES_MAX, HEALTH_LINES_MAX, REGISTRATION_AT_MOST_EVERY,
};
use marcato_core::limits::protocol::REGISTRATION_BYTES_MAX;
use marcato_core::limits::timing::HEARTBEAT_EVERY;
use marcato_core::{Facts, Span, Timestamp};
use marcato_protocol::digest::Digest;
use marcato_protocol::registration::{AgentInfo, Heartbeat, Registration};
use rand_core::Rng as _;
use serde_json::{Map, Value, json};

use super::effect::{Effect, Level, What};
use super::node::Node;

/// What is kept between heartbeats; the registration itself is made when it is wanted.
#[derive(Debug)]
pub(super) struct Presence {
    /// Since when the node is as it says.
    at: Timestamp,
    digest: Digest,
    /// The facts that fit.
    facts: Arc<Facts>,
    /// What is to be said of those that do not.
    left_out: Option<String>,
    heartbeat_at: Timestamp,
    registered_at: Option<Timestamp>,
    wanted: bool,
}

impl Presence {
    pub(super) fn new(facts: Arc<Facts>, now: Timestamp) -> Self {
        let digest = Digest::of(b"");
        Self {
            at: now,
            digest,
            facts,
            left_out: None,
            heartbeat_at: now,
            registered_at: None,
            wanted: false,
        }
    }

    /// When something is to be sent next.
    pub(super) fn wake_at(&self) -> Timestamp {
        match self.registered_at.filter(|_| self.wanted) {
            Some(last) => self.heartbeat_at.min(last + REGISTRATION_AT_MOST_EVERY),
            None => self.heartbeat_at,
        }
    }
}

impl Node {
    fn registration(&self) -> Registration {
        let agents = self.rules.agents.iter().map(|(name, ddl)| AgentInfo {
            name: name.clone(),
            version: ddl.metadata.version.clone(),
        });
        Registration {
            v: self.spoken.oldest,
            node: self.identity.clone(),
            certificate: self.certificate.to_string(),
            at: self.presence.at,
            spoken: self.spoken,
            facts: self.presence.facts.as_ref().clone(),
            classes: self.rules.classes.clone(),
            agents: agents.collect(),
            read_only: self.rules.read_only,
            health: self.health(),
            ext: Map::new(),
        }
    }

    /// What is wrong with the node, what weighs most first; bounded, for it must not crowd out what
    /// the node is.
    #[must_use]
    pub fn health(&self) -> Vec<String> {
        let own = self.journal_fault.iter().chain(&self.presence.left_out);
        let all = own.chain(&self.rules.health);
        let said = all.clone().take(HEALTH_LINES_MAX);
        let mut health: Vec<String> =
            said.map(|line| cut_to(line, HEALTH_LINE_BYTES_MAX).to_owned()).collect();
        let more = all.count() - health.len();
        if more > 0 {
            health.push(format!("and {more} more; see the node's log"));
        }
        health
    }

    /// Takes the rules into the registration. When that changes it, hubs hear of it at once.
    pub(super) fn describe(&mut self, now: Timestamp) {
        self.presence.facts = self.rules.facts.clone();
        self.presence.left_out = None;
        let mut registration = self.registration();
        let left_out = fit(&mut registration);
        if left_out.is_some() {
            self.presence.facts = Arc::new(std::mem::take(&mut registration.facts));
            self.presence.left_out = left_out;
            registration = self.registration();
        }
        if Digest::of(&registration.to_bytes()) == self.presence.digest {
            return;
        }
        registration.at = now;
        self.presence.at = now;
        self.presence.digest = Digest::of(&registration.to_bytes());
        if let Some(text) = self.presence.left_out.clone() {
            self.log(Level::Warn, What::Registration, None, None, text);
        }
        if self.connected {
            self.heartbeat(now, false);
        }
    }

    /// The connection stands: the hub shall know at once, and the others' heartbeats are met by
    /// chance alone.
    pub(super) fn appear(&mut self, now: Timestamp) {
        self.heartbeat(now, false);
        self.presence.heartbeat_at = now + self.random_below(HEARTBEAT_EVERY);
    }

    /// Sends a heartbeat.
    pub(super) fn heartbeat(&mut self, now: Timestamp, leaving: bool) {
        let heartbeat = Heartbeat {
            v: self.spoken.oldest,
            node: self.identity.clone(),
            at: now,
            registration: self.presence.digest,
            leaving,
            ext: Map::new(),
        };
        let subject = self.subjects.registry(&self.identity);
        self.effect(Effect::Publish(heartbeat.message(subject, &self.key)));
        // Never later than promised, and never in step with the whole fleet.
        let jitter = self.random_below(Span::from_ms(HEARTBEAT_EVERY.as_ms() / 10));
        self.presence.heartbeat_at = now + HEARTBEAT_EVERY - jitter;
    }

    /// The hub wants the registration.
    pub(super) fn wanted(&mut self, now: Timestamp) {
        self.presence.wanted = true;
        self.present(now);
    }

    /// Sends what is due.
    pub(super) fn present(&mut self, now: Timestamp) {
        if !self.connected {
            return;
        }
        let presence = &self.presence;
        // A clock that was set back must not silence the node.
        let too_far = presence.heartbeat_at > now + HEARTBEAT_EVERY;
        if presence.heartbeat_at <= now || too_far {
            self.heartbeat(now, false);
        }
        let last = self.presence.registered_at;
        let free = |last: Timestamp| last > now || now.since(last) >= REGISTRATION_AT_MOST_EVERY;
        if self.presence.wanted && last.is_none_or(free) {
            self.presence.wanted = false;
            self.presence.registered_at = Some(now);
            let message =
                self.registration().message(self.subjects.registry(&self.identity), &self.key);
            self.effect(Effect::Publish(message));
        }
    }

    fn random_below(&mut self, span: Span) -> Span {
        Span::from_ms(self.random.next_u64() % span.as_ms().max(1))
    }
}

/// Leaves the largest facts out until the registration is not too long, and says which.
fn fit(registration: &mut Registration) -> Option<String> {
    let size = registration.to_bytes().len();
    if size <= REGISTRATION_BYTES_MAX {
        return None;
    }
    // The note will be part of it, at worst with each of its bytes escaped.
    let mut excess = size + 2 * HEALTH_LINE_BYTES_MAX - REGISTRATION_BYTES_MAX;
    let weigh =
        |(name, value): (&String, &Value)| (json!({ name: value }).to_string().len(), name.clone());
    let mut by_weight: Vec<(usize, String)> = registration.facts.iter().map(weigh).collect();
    by_weight.sort_unstable();
    let mut names = Vec::new();
    while excess > 0
        && let Some((weight, name)) = by_weight.pop()
    {
        registration.facts.remove(&name);
        // Its braces weigh more than a comma.
        excess = excess.saturating_sub(weight - 1);
        names.push(cut_to(&name, 80).to_owned());
    }
    let (count, all) = (names.len(), names.len() + registration.facts.len());
    let names = names.join(", ");
    Some(format!("{count} of {all} facts are left out, too large to be registered: {names}"))
}
