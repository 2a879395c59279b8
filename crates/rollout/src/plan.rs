//! What an operator asks for, and what follows from it for one order.

use marcato_client::core::{Limit, Task};
use marcato_core::Span;
use marcato_core::limits::client::SIGN_WAIT;
use marcato_core::limits::rollout::{BATCH_SLEEP, PACED_VALID_MAX, TURN_SLACK};
use marcato_core::limits::timing::LOST_AFTER;

/// How an order goes over its nodes, as the operator asks for it.
///
/// Both widths say how many nodes may have the order without having ended, and the smaller one counts.
/// Nobody waits for others than those: the next node is sent it as soon as there is a place. A batch is
/// the careful one of the two. Each of its places rests after a node, and a change is sent to no
/// further node once it went wrong on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// To so many nodes at a time, or such a part of them, rounded up.
    pub batch: Option<Limit>,
    /// How long a place of a batch rests.
    pub rest: Span,
    /// Whether a change goes on in batches after it went wrong on a node.
    pub keep_going: bool,
    /// To so many nodes at a time.
    pub parallel: Option<usize>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: None, rest: BATCH_SLEEP, keep_going: false, parallel: None }
    }
}

/// How one order goes over its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How many nodes may have it at a time.
    pub width: usize,
    /// How long each place rests after a node.
    pub rest: Span,
    /// Whether it is sent to no further node once it went wrong on one.
    pub stops: bool,
    /// The longest that one node may have it.
    pub turn: Span,
    /// For how long the order is valid: until the last nodes have had their wait, however long the
    /// others took.
    pub valid: Span,
}

impl Plan {
    /// What a pace is for this task on so many nodes; `None` where all of them are sent it at once.
    #[must_use]
    pub fn new(pace: &Pace, task: &Task, nodes: usize) -> Option<Self> {
        let batch = pace.batch.map(|batch| batch.rounded_up(nodes));
        let width = batch.into_iter().chain(pace.parallel).min()?.max(1);
        if width >= nodes {
            return None;
        }
        let is_batch = pace.batch.is_some();
        let rest = if is_batch { pace.rest } else { Span::default() };
        let run = if task.changes { task.run_limit + LOST_AFTER } else { Span::default() };
        let turn = task.wait + run;
        // The key may have to be touched first; the last nodes need not have ended in time, only begun.
        let turns_before = nodes.div_ceil(width) as u64 - 1;
        let before = SIGN_WAIT + times(turn + rest + TURN_SLACK, turns_before);
        let valid = (before + task.wait).min(PACED_VALID_MAX).max(task.wait);
        let stops = is_batch && task.changes && !pace.keep_going;
        Some(Self { width, rest, stops, turn, valid })
    }
}

fn times(span: Span, number: u64) -> Span {
    Span::from_ms(span.as_ms().saturating_mul(number))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use marcato_client::core::Aim;
    use marcato_core::Terms;

    use super::*;

    fn task(changes: bool) -> Task {
        Task {
            agent: "service".parse().unwrap(),
            action: "restart".parse().unwrap(),
            inputs: Default::default(),
            changes,
            to_read_only: false,
            filter: Terms::default(),
            aim: Aim::Set,
            reason: None,
            wait: Span::from_secs(if changes { 10 } else { 5 }),
            run_limit: Span::from_secs(60),
        }
    }

    fn pace(batch: &str, parallel: usize) -> Pace {
        let batch = (!batch.is_empty()).then(|| batch.parse().unwrap());
        Pace { batch, parallel: (parallel > 0).then_some(parallel), ..Pace::default() }
    }

    #[test]
    fn the_smaller_width_counts_and_one_that_is_wide_enough_is_none() {
        let check = |batch: &str, parallel: usize, nodes: usize, want: Option<usize>| {
            let plan = Plan::new(&pace(batch, parallel), &task(true), nodes);
            assert_eq!(plan.map(|plan| plan.width), want, "{batch} {parallel} of {nodes}");
        };
        check("", 0, 1000, None);
        check("2", 0, 6, Some(2));
        check("2", 0, 2, None);
        check("50%", 0, 5, Some(3));
        check("1%", 0, 500, Some(5));
        check("100%", 0, 500, None);
        check("", 200, 500, Some(200));
        check("", 200, 200, None);
        check("10", 3, 500, Some(3));
        check("3", 10, 500, Some(3));
        check("2", 0, 0, None);
    }

    #[test]
    fn an_order_is_valid_until_the_last_node_has_had_its_wait() {
        let check = |pace: Pace, changes: bool, nodes: usize, seconds: u64| {
            let plan = Plan::new(&pace, &task(changes), nodes).unwrap();
            assert_eq!(plan.valid, Span::from_secs(seconds), "{pace:?}");
        };
        // A key may take 60 s; a change waits 10 s, runs 60 s, and is lost 5 s after; a place of a
        // batch rests 1 s; each turn has 1 s to spare.
        check(pace("", 2), true, 4, 60 + 76 + 10);
        check(pace("", 2), true, 5, 60 + 2 * 76 + 10);
        check(pace("2", 0), true, 5, 60 + 2 * 77 + 10);
        check(Pace { rest: Span::from_secs(30), ..pace("1", 0) }, true, 2, 60 + 106 + 10);
        check(pace("2", 0), false, 6, 60 + 2 * 7 + 5);
        check(pace("1", 0), true, 10_000, 24 * 3600);
    }

    #[test]
    fn a_change_in_batches_stops_at_a_fault_unless_told_otherwise() {
        let check = |pace: Pace, changes: bool, want: bool| {
            assert_eq!(Plan::new(&pace, &task(changes), 9).unwrap().stops, want, "{pace:?}");
        };
        check(pace("2", 0), true, true);
        check(pace("2", 0), false, false);
        check(pace("", 2), true, false);
        check(Pace { keep_going: true, ..pace("2", 0) }, true, false);
    }
}
