//! A clock that nobody can step: what must be remembered for so long is, whatever the host's clock
//! is set to meanwhile.

use marcato_core::{Span, Timestamp};

/// The most that one event can move the clock. While there is a connection, the node's own
/// heartbeats come more often; what is longer was a step, or a suspended host.
const STEP_MAX: Span = Span::from_secs(60);

/// The host's clock, and one that only goes on with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steady {
    host: Timestamp,
    steady: Timestamp,
}

impl Steady {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { host: now, steady: now }
    }

    /// The host's clock reads `now`.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.steady = self.steady + now.since(self.host).min(STEP_MAX);
        self.host = now;
    }

    /// What it is now.
    pub(super) const fn now(self) -> Timestamp {
        self.steady
    }

    /// When it will be what the host's clock, if nobody steps it, calls `time`; now if that is
    /// over.
    pub(super) fn of(self, time: Timestamp) -> Timestamp {
        self.steady + time.since(self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_do_not_count() {
        let at = |seconds| Timestamp::from_ms(1_000_000) + Span::from_secs(seconds);
        let mut steady = Steady::new(at(1000));
        let end = steady.of(at(1120));
        let mut check = |now: u64, over: bool| {
            steady.advance(at(now));
            assert_eq!(steady.now() >= end, over, "{now}");
        };
        check(1030, false);
        check(1030 + 3600, false);
        check(500, false);
        check(530, true);
    }
}
