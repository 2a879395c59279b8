//! A model of a NATS broker: who listens to what, over which connection.

use std::collections::{BTreeMap, BTreeSet};

/// The broker.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) up: bool,
    /// The connection of each end that the broker knows of.
    pub(super) sessions: Vec<Option<u64>>,
    listeners: BTreeMap<String, BTreeSet<usize>>,
}

impl Broker {
    pub(super) fn new(ends: usize) -> Self {
        Self { up: true, sessions: vec![None; ends], listeners: BTreeMap::new() }
    }

    pub(super) fn subscribe(&mut self, end: usize, subject: &str) {
        self.listeners.entry(subject.to_owned()).or_default().insert(end);
    }

    /// Forgets a connection and what it listened to.
    pub(super) fn forget(&mut self, end: usize) {
        self.sessions[end] = None;
        self.listeners.retain(|_, ends| {
            ends.remove(&end);
            !ends.is_empty()
        });
    }

    /// The ends that get a message for this subject. A wildcard stands for the last token alone.
    pub(super) fn listeners(&self, subject: &str) -> BTreeSet<usize> {
        let wildcard = subject.rsplit_once('.').map(|(rest, _)| format!("{rest}.*"));
        let patterns = [Some(subject.to_owned()), wildcard];
        let ends = patterns.iter().flatten().filter_map(|pattern| self.listeners.get(pattern));
        ends.flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_finds_its_listeners() {
        let mut broker = Broker::new(3);
        broker.subscribe(0, "a.b");
        broker.subscribe(1, "a.*");
        broker.subscribe(2, "*.b");
        let check = |broker: &Broker, subject: &str, want: &[usize]| {
            assert_eq!(broker.listeners(subject).into_iter().collect::<Vec<_>>(), want);
        };
        check(&broker, "a.b", &[0, 1]);
        check(&broker, "a.c", &[1]);
        check(&broker, "a.b.c", &[]);
        broker.forget(1);
        check(&broker, "a.c", &[]);
    }
}
