//! A host's disk: what was synced stays, what was not may be gone after a loss of power.

use std::collections::{BTreeMap, BTreeSet};

use marcato_agent::Outcome;
use marcato_core::Timestamp;
use marcato_node::core::{JournalRecord, RunKey, retain};

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
    /// What changes left: their folders, and in them how they ended.
    pub runs: BTreeMap<RunKey, Option<Outcome>>,
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
                JournalRecord::Damaged { .. } => {}
            }
        }
        open
    }
}

#[cfg(test)]
mod tests {
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
}
