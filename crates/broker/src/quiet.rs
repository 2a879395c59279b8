//! Keeps whoever causes refusals from filling the log with them.

use std::time::Instant;

use marcato_core::limits::broker::REFUSAL_LOG_EVERY;

/// Admits one line in a while and counts the others.
#[derive(Debug, Default)]
pub struct Quiet {
    next: Option<Instant>,
    unlogged: u64,
}

impl Quiet {
    /// `Some` if a line may be logged now, with the number of those that were not since the last.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.unlogged += 1;
            return None;
        }
        self.next = Some(now + REFUSAL_LOG_EVERY);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_holds_back() {
        let mut quiet = Quiet::default();
        let now = Instant::now();
        assert_eq!(quiet.admit(now), Some(0));
        assert_eq!(quiet.admit(now), None);
        assert_eq!(quiet.admit(now), None);
        assert_eq!(quiet.admit(now + REFUSAL_LOG_EVERY), Some(2));
    }
}
