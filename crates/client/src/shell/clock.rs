//! The client's clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use marcato_core::{Span, Timestamp};

/// The client's clock: the system's time at the start, and from then on one that no correction
/// moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    wall: Timestamp,
    start: Instant,
}

impl Clock {
    /// Begins now.
    pub(super) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Self { wall: Timestamp::from_ms(ms), start: Instant::now() }
    }

    /// What it reads.
    pub(super) fn now(&self) -> Timestamp {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.wall + Span::from_ms(ms)
    }

    /// When the runtime's clock will show that time.
    pub(super) fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        (self.start + at.since(self.wall).as_duration()).into()
    }
}
