//! What a node's files tell whoever looks after it, beside what is wrong with them. Nothing is changed,
//! and a daemon may run meanwhile.

use marcato_core::Timestamp;
use marcato_protocol::receipt::Outer;

use super::config::{NodeConfig, Places};
use super::rules::{read_policy, resume};
use super::{journal, state};
use crate::core::{About, JournalRecord};

/// What there is to tell.
#[derive(Debug)]
pub struct Glance {
    /// How many rules the policy has.
    pub rules: usize,
    /// How many facts the node finds.
    pub facts: usize,
    /// The highest time that it has verified.
    pub clock_high: Timestamp,
    /// The last change that it took.
    pub last: Option<LastChange>,
}

/// A change that a node took.
#[derive(Debug)]
pub struct LastChange {
    /// Which.
    pub about: About,
    /// How it ended, where it has.
    pub end: Option<Outer>,
}

/// Looks at a node's files; what cannot be read tells nothing here, and is named by
/// [`super::check()`].
#[must_use]
pub fn glance(config: &NodeConfig, places: &Places) -> Glance {
    let records = journal::look(&places.state.join("journal")).unwrap_or_default();
    let last = records.into_iter().rev().find_map(|record| match record {
        JournalRecord::Accepted { about, .. } => Some(LastChange { about, end: None }),
        JournalRecord::Ended { about, receipt, .. } => {
            Some(LastChange { about, end: receipt.outer() })
        }
        JournalRecord::Barred { .. } | JournalRecord::Damaged { .. } => None,
    });
    Glance {
        rules: read_policy(&places.policy).map_or(0, |policy| policy.len()),
        facts: resume(Some(config), places).measured().len(),
        clock_high: state::clock_high(&places.state).unwrap_or_default(),
        last,
    }
}
