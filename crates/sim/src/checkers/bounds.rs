//! No node ever holds more than its limits say.

use marcato_core::limits::node::{
    BARS_PER_CALLER_MAX, CHANGES_WAITING_MAX, LAST_CHANGES_MAX, READS_RUNNING_MAX,
    READS_WAITING_MAX, REFUSALS_KEPT_MAX, SEEN_PER_CALLER_MAX, UNSENT_RECEIPTS_MAX,
};

use crate::keys::OPERATORS;
use crate::truth::Truth;

/// How many agents a simulated host has, each of which runs one change while others wait.
const AGENTS: usize = 3;

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let held = truth.held;
    // A read that waits is counted in the queue too.
    let jobs = READS_RUNNING_MAX + 2 * READS_WAITING_MAX + AGENTS * (CHANGES_WAITING_MAX + 1);
    let table = [
        ("orders", held.orders, OPERATORS * SEEN_PER_CALLER_MAX),
        ("refusals", held.refusals, REFUSALS_KEPT_MAX),
        ("jobs", held.jobs, jobs),
        ("items", held.items, LAST_CHANGES_MAX),
        ("bars", held.bars, OPERATORS * BARS_PER_CALLER_MAX),
        ("unsent receipts", held.unsent, UNSENT_RECEIPTS_MAX),
    ];
    let over = table.into_iter().filter(|(_, held, limit)| held > limit);
    over.map(|(what, held, limit)| format!("a node held {held} {what}, of {limit} at most"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_found() {
        let mut truth = Truth::default();
        truth.held.refusals = REFUSALS_KEPT_MAX;
        assert_eq!(check(&truth), Vec::<String>::new());
        truth.held.refusals += 1;
        truth.held.jobs = usize::MAX;
        assert_eq!(check(&truth).len(), 2);
    }
}
