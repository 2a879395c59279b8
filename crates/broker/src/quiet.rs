//! Keeps whoever causes refusals from filling the log with them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use marcato_core::limits::broker::REFUSAL_LOG_EVERY;

use crate::refusal::Refusal;

/// Admits one line in a while for each reason and counts the others. For all clients together,
/// because a stranger may come as many; each reason apart, so that whoever provokes one hides no
/// other.
#[derive(Debug, Default)]
pub struct Quiet {
    reasons: Mutex<HashMap<Refusal, Reason>>,
}

#[derive(Debug, Default)]
struct Reason {
    next: Option<Instant>,
    unlogged: u64,
}

impl Quiet {
    /// `Some` if a line may be logged now, with the number of those that were not since the last.
    pub fn admit(&self, reason: Refusal, now: Instant) -> Option<u64> {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let Reason { next, unlogged } = reasons.entry(reason).or_default();
        if next.is_some_and(|next| now < next) {
            *unlogged += 1;
            return None;
        }
        *next = Some(now + REFUSAL_LOG_EVERY);
        Some(std::mem::take(unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_holds_back() {
        let quiet = Quiet::default();
        let now = Instant::now();
        assert_eq!(quiet.admit(Refusal::Subject, now), Some(0));
        assert_eq!(quiet.admit(Refusal::Subject, now), None);
        assert_eq!(quiet.admit(Refusal::SlowConsumer, now), Some(0));
        assert_eq!(quiet.admit(Refusal::Subject, now), None);
        assert_eq!(quiet.admit(Refusal::Subject, now + REFUSAL_LOG_EVERY), Some(2));
    }
}
