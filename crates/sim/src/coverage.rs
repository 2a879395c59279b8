//! How often everything that can occur did, over all runs; and what cannot occur here, and why.

use std::collections::BTreeMap;

use marcato_client::core::RefusedWhy;
use marcato_core::{EndState, Reason};

use crate::fault::Kind;

/// Counts by group and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(Group, &'static str), u64>);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// A fault that really hit something.
    Fault,
    /// How a node ended in a report.
    State,
    /// A reason code in a report, a receipt or a node's log.
    Reason,
    /// Why a client refused what claimed to be an answer.
    Refusal,
    /// What the program under test did of itself.
    Event,
}

/// End states that cannot occur here, each with its reason. It is checked that they do not.
pub const STATES_ABSENT: &[(EndState, &str)] = &[];

/// Agents give these of themselves, and the simulated one has no packages and no services.
const OF_AN_AGENT: &str = "it is said by agents that are not simulated";

/// Reason codes that cannot occur here, each with its reason. It is checked that they do not.
pub const REASONS_ABSENT: &[(Reason, &str)] = &[
    (
        Reason::NotRegistered,
        "a list of names is the command line's; here filters alone choose nodes",
    ),
    (Reason::NotRunning, OF_AN_AGENT),
    (Reason::Held, OF_AN_AGENT),
    (Reason::NoSpace, OF_AN_AGENT),
    (Reason::Locked, OF_AN_AGENT),
    (Reason::Lists, OF_AN_AGENT),
    (Reason::InterruptedDpkg, OF_AN_AGENT),
    (Reason::WouldRemove, OF_AN_AGENT),
    (Reason::NoCandidate, OF_AN_AGENT),
    (Reason::Download, OF_AN_AGENT),
    (Reason::Precheck, OF_AN_AGENT),
    (Reason::Unsettled, OF_AN_AGENT),
    (Reason::Masked, OF_AN_AGENT),
];

/// Why a client refuses what claims to be an answer: the names under [`Group::Refusal`].
pub const REFUSALS: &[(RefusedWhy, &str)] = &[
    (RefusedWhy::Malformed, "malformed"),
    (RefusedWhy::Unsigned, "unsigned"),
    (RefusedWhy::Signature, "signature"),
    (RefusedWhy::OtherOrder, "other order"),
    (RefusedWhy::OtherStep, "other step"),
    (RefusedWhy::OtherNode, "other node"),
    (RefusedWhy::Sealed, "sealed"),
    (RefusedWhy::NoCertificate, "no certificate"),
    (RefusedWhy::KeyChanged, "key changed"),
];

/// What else must occur: the names under [`Group::Event`].
pub const EVENTS: &[&str] = &[
    "a second copy was answered",
    "a read was signed anew",
    "an order went from node to node",
    "an order stopped where it went wrong",
    "a late receipt replaced the client's word",
    "a change outlived its daemon",
    "an end was found by the next daemon",
    "an unstarted change was started by the next daemon",
    "a prepared change was given up and begun anew",
    "a process found its change given up",
    "a change that waited was cancelled",
    "a change came after it was cancelled",
    "a change said what it does",
    "no hub was there",
    "a node was called down by the hub",
];

impl Coverage {
    /// Counts one.
    pub fn count(&mut self, group: Group, name: &'static str) {
        *self.0.entry((group, name)).or_default() += 1;
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.0 {
            *self.0.entry(*key).or_default() += count;
        }
    }

    /// How often this occurred.
    #[must_use]
    pub fn get(&self, group: Group, name: &str) -> u64 {
        let found = self.0.iter().find(|((of, known), _)| *of == group && *known == name);
        found.map_or(0, |(_, count)| *count)
    }

    /// All that there is to count, with its count.
    #[must_use]
    pub fn table(&self) -> Vec<(Group, &'static str, u64)> {
        let faults = Kind::ALL.iter().map(|kind| (Group::Fault, kind.name()));
        let states = EndState::ALL.iter().map(|state| (Group::State, state.words()));
        let reasons = Reason::ALL.iter().map(|reason| (Group::Reason, reason.code()));
        let events = EVENTS.iter().map(|event| (Group::Event, *event));
        let refusals = REFUSALS.iter().map(|(_, name)| (Group::Refusal, *name));
        let all = faults.chain(states).chain(reasons).chain(refusals).chain(events);
        all.map(|(group, name)| (group, name, self.get(group, name))).collect()
    }

    /// What should have occurred and did not, and what occurred though it cannot.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let absent = |group: Group, name: &str| {
            let states = STATES_ABSENT.iter().map(|(state, why)| (state.words(), *why));
            let reasons = REASONS_ABSENT.iter().map(|(reason, why)| (reason.code(), *why));
            let mut list: Vec<(&str, &str)> = match group {
                Group::State => states.collect(),
                Group::Reason => reasons.collect(),
                Group::Fault | Group::Refusal | Group::Event => Vec::new(),
            };
            list.retain(|(known, _)| *known == name);
            list.pop().map(|(_, why)| why)
        };
        let faults = self.table().into_iter().filter_map(|(group, name, count)| {
            match (absent(group, name), count) {
                (None, 0) => Some(format!("{group:?} {name:?} never occurred")),
                (Some(why), 1..) => {
                    Some(format!("{group:?} {name:?} occurred {count} times, though {why}"))
                }
                _ => None,
            }
        });
        faults.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_should_be_is_told() {
        let mut coverage = Coverage::default();
        for (group, name, _) in coverage.table() {
            coverage.count(group, name);
        }
        let faults = coverage.faults();
        assert_eq!(faults.len(), STATES_ABSENT.len() + REASONS_ABSENT.len(), "{faults:?}");
        assert!(Coverage::default().faults().iter().any(|fault| fault.contains("lost")));
    }
}
