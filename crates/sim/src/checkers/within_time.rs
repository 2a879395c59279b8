//! Nothing begins after its time, nor before it.

use marcato_core::Span;
use marcato_core::limits::timing::SKEW;

use crate::truth::Truth;

/// What passes at most between a node's decision and the first instruction of a process.
const SPAWNED_WITHIN: Span = Span::from_ms(10);

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let late = truth.runs.iter().filter(|run| {
        let in_time = |signed: &crate::truth::Signed| {
            let order = &signed.order;
            // It was not issued in the future when it came in; the clock may be set back since.
            let back = Span::from_ms(truth.hosts[run.host].set_back);
            run.clock <= order.start_by + SKEW + SPAWNED_WITHIN
                && run.clock + SKEW + back >= order.issued
        };
        !truth.of_id(run.key.0).any(in_time)
    });
    late.map(|run| {
        let host = &truth.hosts[run.host].identity;
        format!("{host} began {} when its clock read {}", run.key.0, run.clock)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::bench::{ORDER, truth};

    #[test]
    fn a_late_start_is_found() {
        let mut truth = truth();
        truth.begin(ORDER);
        assert_eq!(check(&truth), Vec::<String>::new());
        let last = truth.orders[0].order.start_by + SKEW + SPAWNED_WITHIN;
        truth.runs[0].clock = last;
        assert_eq!(check(&truth), Vec::<String>::new());
        truth.runs[0].clock = last + Span::from_ms(1);
        assert_eq!(check(&truth).len(), 1);
        truth.runs[0].clock = truth.orders[0].order.issued - SKEW - Span::from_ms(1);
        assert_eq!(check(&truth).len(), 1);
    }
}
