//! The nodes, as they described themselves.

use std::collections::BTreeMap;

use marcato_core::limits::hub::{REGISTRY_BYTES_MAX, REGISTRY_NODES_MAX};
use marcato_core::limits::timing::SKEW;
use marcato_core::{AgentName, Facts, Identity, Timestamp};
use marcato_filter::Host;
use marcato_protocol::Verified;
use marcato_protocol::digest::Digest;
use marcato_protocol::question::Listed;
use marcato_protocol::registration::{Heartbeat, Registered};
use marcato_protocol::sshsig::PublicKey;
use marcato_protocol::version::Spoken;

use super::event::Said;

/// A node of the registry.
#[derive(Debug)]
pub(super) struct Entry {
    pub certificate: String,
    issued: Timestamp,
    key: PublicKey,
    key_digest: Digest,
    spoken: Spoken,
    pub facts: Facts,
    pub classes: Vec<String>,
    pub agents: Vec<AgentName>,
    read_only: bool,
    /// SHA-256 of the registration.
    digest: Digest,
    /// What the registration weighs, in bytes.
    bytes: usize,
    /// Since when it is as the registration says, by the node's clock.
    at: Timestamp,
    /// The latest time that the node itself named; what names an earlier one is a late copy.
    latest: Timestamp,
    /// When it was heard last, by the hub's clock.
    heard: Timestamp,
    /// Since when it is not connected.
    down: Option<Timestamp>,
    /// Whether it was asked if it is connected, and not heard since.
    asked: bool,
    /// When the hub looks at it again.
    due: Option<Timestamp>,
}

/// What became of a registration.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is in the registry.
    In {
        /// What there is to tell of it.
        said: Option<Said>,
        /// Which node had to make room.
        forgot: Option<Identity>,
        /// Whether the node is known to have left since it wrote that.
        is_down: bool,
    },
    /// It is a late copy, or of a key whose certificate is older than the one known.
    Old,
    /// There is no room.
    Full,
}

/// What became of a heartbeat.
#[derive(Debug)]
pub(super) struct Beat {
    /// What there is to tell.
    pub said: Option<Said>,
    /// Whether the node is leaving.
    pub is_down: bool,
    /// Whether the registration that it names is the one known.
    pub is_current: bool,
}

/// The nodes. Sorted, so that answers are.
#[derive(Debug, Default)]
pub(super) struct Registry {
    nodes: BTreeMap<Identity, Entry>,
    bytes: usize,
}

impl Entry {
    pub fn host<'a>(&'a self, identity: &'a Identity) -> Host<'a> {
        let Self { facts, classes, agents, .. } = self;
        Host { identity, facts, classes, agents }
    }

    pub fn listed(&self, node: &Identity, not_capable: bool) -> Listed {
        Listed {
            node: node.clone(),
            key: self.key_digest,
            spoken: self.spoken,
            down: self.down,
            read_only: self.read_only,
            not_capable,
        }
    }

    /// Whether a word of this time is news of the node's being there.
    fn is_news(&self, at: Timestamp, now: Timestamp) -> bool {
        at > self.latest || is_ahead(self.latest, now)
    }
}

/// Whether a time lies in the hub's future. A node whose clock once ran ahead must not be locked out
/// until that time has come.
fn is_ahead(at: Timestamp, now: Timestamp) -> bool {
    at > now + SKEW
}

impl Registry {
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Identity, &Entry)> {
        self.nodes.iter()
    }

    pub fn get(&self, node: &Identity) -> Option<&Entry> {
        self.nodes.get(node)
    }

    pub fn key(&self, node: &Identity) -> Option<&PublicKey> {
        self.nodes.get(node).map(|entry| &entry.key)
    }

    /// The nodes that are not known to be down.
    pub fn up(&self) -> impl Iterator<Item = &Identity> {
        self.nodes.iter().filter(|(_, entry)| entry.down.is_none()).map(|(node, _)| node)
    }

    /// Takes a registration that weighs so many bytes.
    pub fn register(
        &mut self,
        registered: &Verified<Registered>,
        bytes: usize,
        now: Timestamp,
    ) -> Taken {
        let node = registered.registration.node.clone();
        let said = match self.nodes.get(&node) {
            None => Some(Said::Joined(node.clone())),
            Some(known) if known.key == registered.certificate.sign => {
                let at = registered.registration.at;
                let is_later = at >= known.at || is_ahead(known.at, now);
                if known.digest == registered.digest || !is_later {
                    return Taken::Old;
                }
                (known.down.is_some() && known.is_news(at, now)).then(|| Said::Back(node.clone()))
            }
            Some(known) if known.issued < registered.certificate.issued => {
                let kept = registered.certificate.sign.fingerprint();
                let other = known.key.fingerprint();
                Some(Said::KeyChanged { node: node.clone(), kept, other })
            }
            Some(_) => return Taken::Old,
        };
        let before = self.nodes.get(&node).map_or(0, |entry| entry.bytes);
        let mut forgot = None;
        let known = self.nodes.contains_key(&node);
        while self.bytes - before + bytes > REGISTRY_BYTES_MAX
            || (!known && self.nodes.len() >= REGISTRY_NODES_MAX)
        {
            let Some(victim) = self.longest_down(&node) else { return Taken::Full };
            self.remove(&victim);
            forgot = Some(victim);
        }
        let mut entry = entry(registered, bytes, now);
        if let Some(before) = self.remove(&node) {
            entry.due = before.due;
            // What it says of itself is older than its last heartbeat where that one named it.
            if before.key == entry.key && !before.is_news(entry.at, now) {
                (entry.latest, entry.heard) = (before.latest, before.heard);
                (entry.down, entry.asked) = (before.down, before.asked);
            }
        }
        self.bytes += bytes;
        let is_down = entry.down.is_some();
        self.nodes.insert(node, entry);
        Taken::In { said, forgot, is_down }
    }

    fn remove(&mut self, node: &Identity) -> Option<Entry> {
        let entry = self.nodes.remove(node)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }

    fn longest_down(&self, but: &Identity) -> Option<Identity> {
        let down = self.nodes.iter().filter(|(node, _)| *node != but);
        let down = down.filter_map(|(node, entry)| Some((entry.down?, node)));
        down.min().map(|(_, node)| node.clone())
    }

    /// Takes a heartbeat of a node that is known; nothing where it is a late copy.
    pub fn beat(&mut self, heartbeat: &Verified<Heartbeat>, now: Timestamp) -> Option<Beat> {
        let entry = self.nodes.get_mut(&heartbeat.node)?;
        if !entry.is_news(heartbeat.at, now) {
            return None;
        }
        entry.latest = heartbeat.at;
        entry.heard = now;
        entry.asked = false;
        let was_down = entry.down.is_some();
        entry.down = heartbeat.leaving.then_some(now);
        let said = match (was_down, heartbeat.leaving) {
            (false, true) => Some(Said::Left(heartbeat.node.clone())),
            (true, false) => Some(Said::Back(heartbeat.node.clone())),
            _ => None,
        };
        let is_current = entry.digest == heartbeat.registration;
        Some(Beat { said, is_down: heartbeat.leaving, is_current })
    }

    /// Notes when the hub looks at the node again, and gives the time noted before.
    pub fn plan(&mut self, node: &Identity, at: Option<Timestamp>) -> Option<Timestamp> {
        let entry = self.nodes.get_mut(node)?;
        std::mem::replace(&mut entry.due, at)
    }

    /// Notes that the node is asked whether it is connected; not where that is known.
    pub fn ask(&mut self, node: &Identity) -> bool {
        match self.nodes.get_mut(node) {
            Some(entry) if entry.down.is_none() => {
                entry.asked = true;
                entry.due = None;
                true
            }
            _ => false,
        }
    }

    /// Notes that a node which was asked is not connected, and gives the time since when. A word
    /// that came before the node was heard again is void.
    pub fn down(&mut self, node: &Identity) -> Option<Timestamp> {
        let entry = self.nodes.get_mut(node)?;
        if entry.down.is_some() || !entry.asked {
            return None;
        }
        entry.down = Some(entry.heard);
        entry.down
    }
}

fn entry(registered: &Verified<Registered>, bytes: usize, now: Timestamp) -> Entry {
    let Registered { registration, certificate, digest } = &**registered;
    let mut agents: Vec<AgentName> =
        registration.agents.iter().map(|agent| agent.name.clone()).collect();
    agents.sort();
    Entry {
        certificate: registration.certificate.clone(),
        issued: certificate.issued,
        key: certificate.sign.clone(),
        key_digest: certificate.sign.digest(),
        spoken: registration.spoken,
        facts: registration.facts.clone(),
        classes: registration.classes.clone(),
        agents,
        read_only: registration.read_only,
        digest: *digest,
        bytes,
        at: registration.at,
        latest: registration.at,
        heard: now,
        down: None,
        asked: false,
        due: None,
    }
}
