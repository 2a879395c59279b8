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
        /// Which nodes had to make room.
        forgot: Vec<Identity>,
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

/// What is to be freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    bytes: usize,
    nodes: usize,
}

impl Room {
    const fn is_none(self) -> bool {
        self.bytes == 0 && self.nodes == 0
    }

    /// As few as possible of those that have been down longest; nothing where all are not enough.
    fn made_by<'a>(
        mut self,
        down: impl Iterator<Item = (Timestamp, &'a Identity, usize)>,
    ) -> Option<Vec<Identity>> {
        let mut down: Vec<_> = down.collect();
        down.sort_unstable();
        let mut victims = Vec::new();
        for (_, node, bytes) in down {
            if self.is_none() {
                break;
            }
            self.bytes = self.bytes.saturating_sub(bytes);
            self.nodes = self.nodes.saturating_sub(1);
            victims.push(node.clone());
        }
        self.is_none().then_some(victims)
    }
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
        let Some(forgot) = self.victims(&node, self.bytes - before + bytes) else {
            return Taken::Full;
        };
        for victim in &forgot {
            self.remove(victim);
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

    /// Who has to make room for a node; nothing where nobody can. `bytes` is what all would weigh with
    /// it.
    fn victims(&self, node: &Identity, bytes: usize) -> Option<Vec<Identity>> {
        let count = self.nodes.len() + usize::from(!self.nodes.contains_key(node));
        let surplus = Room {
            bytes: bytes.saturating_sub(REGISTRY_BYTES_MAX),
            nodes: count.saturating_sub(REGISTRY_NODES_MAX),
        };
        if surplus.is_none() {
            return Some(Vec::new());
        }
        let others = self.nodes.iter().filter(|(other, _)| *other != node);
        surplus.made_by(others.filter_map(|(other, entry)| Some((entry.down?, other, entry.bytes))))
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn who_has_to_make_room() {
        let names: Vec<Identity> =
            ["a", "b", "c"].iter().map(|name| name.parse().unwrap()).collect();
        let check = |bytes: usize, nodes: usize, want: Option<&str>| {
            // The first has been down for the shortest time.
            let down = names
                .iter()
                .zip([30, 20, 10])
                .map(|(name, at)| (Timestamp::from_ms(at), name, 100));
            let victims = Room { bytes, nodes }.made_by(down);
            let victims = victims.map(|all| all.iter().map(Identity::as_str).collect::<String>());
            assert_eq!(victims.as_deref(), want, "{bytes} bytes, {nodes} nodes");
        };
        check(0, 0, Some(""));
        check(1, 0, Some("c"));
        check(100, 1, Some("c"));
        check(101, 1, Some("cb"));
        check(0, 3, Some("cba"));
        check(301, 0, None);
        check(0, 4, None);
    }
}
