//! A rate limit: so many a second, as many at once.

use marcato_core::Timestamp;

/// What a thousandth of a permit is worth, so that slow rates do not round to nothing.
const WHOLE: u64 = 1000;

/// Permits that fill up with time.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: u32,
    left: u64,
    filled: Timestamp,
}

impl Bucket {
    /// A full bucket.
    pub(super) const fn new(per_second: u32, now: Timestamp) -> Self {
        Self { per_second, left: per_second as u64 * WHOLE, filled: now }
    }

    /// Takes a permit, if there is one.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let most = u64::from(self.per_second) * WHOLE;
        // One permit a second is one thousandth a millisecond. A clock that was set back adds
        // nothing, and fills anew from there.
        let gained = now.since(self.filled).as_ms().saturating_mul(u64::from(self.per_second));
        self.left = self.left.saturating_add(gained).min(most);
        self.filled = now;
        if self.left < WHOLE {
            return false;
        }
        self.left -= WHOLE;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second() {
        let at = |ms| Timestamp::from_ms(1_000_000 + ms);
        let mut bucket = Bucket::new(2, at(0));
        let mut check = |ms: u64, want: bool| assert_eq!(bucket.take(at(ms)), want, "at {ms} ms");
        check(0, true);
        check(0, true);
        check(499, false);
        check(500, true);
        check(500, false);
        // Set back: nothing is gained by it, and nothing is stuck.
        check(0, false);
        check(500, true);
        check(100_000, true);
        check(100_000, true);
        check(100_000, false);
    }
}
