//! A host's disk: what was synced stays, what was not may be gone after a loss of power.

use std::collections::{BTreeMap, BTreeSet};

use marcato_agent::Outcome;
use marcato_core::Timestamp;
use marcato_node::core::{JournalRecord, Recovered, RunKey, retain};

use crate::random::Random;

/// What lies on a host's disk.
#[derive(Debug, Default)]
pub struct Disk {
    /// The journal, with whether each record was synced.
    journal: Vec<(JournalRecord, bool)>,
    /// Whether a record is damaged.
    damaged: bool,
    /// The highest verified time.
    pub clock: Timestamp,
    /// The folders of changes.
    pub runs: BTreeMap<RunKey, Folder>,
}

/// The folder of a change, in which the daemon and the process agree on who does it.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Folder {
    /// It says what to do; whoever comes first says who does it.
    #[default]
    Prepared,
    /// A process has claimed it: it begins.
    Claimed,
    /// That process ended, and left how.
    Ended(Outcome),
}

impl Disk {
    /// Appends a record, not synced yet.
    pub fn append(&mut self, record: JournalRecord) {
        self.journal.push((record, false));
    }

    /// Syncs the oldest record that is not.
    pub fn sync(&mut self) {
        if let Some((_, synced)) = self.journal.iter_mut().find(|(_, synced)| !synced) {
            *synced = true;
        }
    }

    /// Takes the oldest record back that is not synced: the disk is full.
    pub fn take_back(&mut self) {
        if let Some(at) = self.journal.iter().position(|(_, synced)| !synced) {
            self.journal.remove(at);
        }
    }

    /// The writer died: of what was not synced some may stand there, in its order, and the last of
    /// it half. Whether anything was lost.
    pub fn lose(&mut self, random: &mut Random, all: bool) -> bool {
        let synced = self.journal.iter().take_while(|(_, synced)| *synced).count();
        let open = self.journal.len() - synced;
        let kept = if all { 0 } else { random.below(open as u64 + 1) };
        self.journal.truncate(synced + usize::try_from(kept).unwrap_or(0));
        (kept as usize) < open
    }

    /// Damages a record; whether there was one.
    pub fn damage(&mut self, random: &mut Random) -> bool {
        if self.journal.is_empty() {
            return false;
        }
        let at = random.index(self.journal.len());
        self.journal.remove(at);
        self.damaged = true;
        true
    }

    /// Reads the journal as a daemon does that starts, and writes it anew without what is not
    /// needed any more.
    pub fn open(&mut self, now: Timestamp) -> Vec<JournalRecord> {
        let damaged = std::mem::take(&mut self.damaged);
        let damage = damaged.then_some(JournalRecord::Damaged { at: now });
        let records = self.journal.drain(..).map(|(record, _)| record);
        let records = records.chain(damage).collect();
        let records = retain(records, now);
        self.journal = records.iter().map(|record| (record.clone(), true)).collect();
        records
    }

    /// How a change stands that the journal names and of which it has no end, as the daemon finds it
    /// that starts now: one that no process has claimed is given up by this look, and its folder is
    /// removed.
    pub fn recover(&mut self, key: RunKey, lives: bool) -> Option<Recovered> {
        Some(match self.runs.get(&key)? {
            Folder::Ended(outcome) => Recovered::Finished(outcome.clone()),
            Folder::Claimed if lives => Recovered::Running,
            Folder::Claimed => Recovered::Gone,
            Folder::Prepared => {
                self.runs.remove(&key);
                Recovered::NeverStarted
            }
        })
    }

    /// A process that was started for a change claims it; whether it is the one that does it.
    pub fn claim(&mut self, key: RunKey) -> bool {
        match self.runs.get_mut(&key) {
            Some(folder) if *folder == Folder::Prepared => {
                *folder = Folder::Claimed;
                true
            }
            _ => false,
        }
    }

    /// The changes that a journal names and of which it has no end.
    #[must_use]
    pub fn open_runs(records: &[JournalRecord]) -> BTreeSet<RunKey> {
        let mut open = BTreeSet::new();
        for record in records {
            match record {
                JournalRecord::Accepted { about, .. } => {
                    open.insert(about.key);
                }
                JournalRecord::Ended { about, .. } => {
                    open.remove(&about.key);
                }
                JournalRecord::Barred { .. } | JournalRecord::Damaged { .. } => {}
            }
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use marcato_core::OrderId;

    use super::*;

    #[test]
    fn only_what_was_synced_survives_a_loss_of_power() {
        let at = |ms| JournalRecord::Damaged { at: Timestamp::from_ms(ms) };
        let mut disk = Disk::default();
        for ms in 1..=3 {
            disk.append(at(ms));
        }
        disk.sync();
        assert!(disk.lose(&mut Random::new(0, 0), true));
        disk.append(at(4));
        disk.take_back();
        assert_eq!(disk.open(Timestamp::from_ms(5)), [at(1)]);
    }

    #[test]
    fn a_change_is_done_by_whoever_comes_first() {
        let key = RunKey { order: OrderId::from_bytes([7; 16]), step: 0 };
        let mut disk = Disk::default();
        assert!(!disk.claim(key) && disk.recover(key, false).is_none());
        disk.runs.insert(key, Folder::Prepared);
        assert_eq!(disk.recover(key, false), Some(Recovered::NeverStarted));
        assert!(!disk.claim(key), "the daemon gave it up");
        disk.runs.insert(key, Folder::Prepared);
        assert!(disk.claim(key) && !disk.claim(key));
        assert_eq!(disk.recover(key, true), Some(Recovered::Running));
        assert_eq!(disk.recover(key, false), Some(Recovered::Gone));
    }
}
