//! What the connection has told and the program has not read yet.
//!
//! The client library tells of every single message that it throws away, and a broker may refuse as
//! often as it likes. Neither may crowd out that the connection stands or is gone, nor take the place
//! of messages: what is kept is how things are, not how often it was told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use marcato_core::limits::link::{COMPLAINT_EVERY, REFUSALS_MAX};
use tokio::sync::Notify;

use crate::Event;

/// Where the library's callback leaves what it is told, for the one that reads.
#[derive(Debug, Default)]
pub(crate) struct News {
    untold: Mutex<Untold>,
    more: Notify,
}

impl News {
    /// Keeps an event of the connection; messages do not come this way.
    pub(crate) fn tell(&self, event: Event) {
        self.lock().keep(event);
        self.more.notify_one();
    }

    /// The next event. Cancelling the wait loses nothing.
    pub(crate) async fn next(&self) -> Event {
        loop {
            // The lock is not held while waiting.
            let next = self.lock().next(Instant::now());
            match next {
                Next::Now(event) => return event,
                Next::Later(at) => {
                    let later = tokio::time::sleep_until(at.into());
                    tokio::select! { () = self.more.notified() => {}, () = later => {} }
                }
                Next::Nothing => self.more.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Now(Event),
    /// A complaint, then; a change of the connection may come before.
    Later(Instant),
    Nothing,
}

#[derive(Debug, Default)]
struct Untold {
    /// The connection broke.
    disconnected: bool,
    /// The connection stands; after the break, where that is untold too.
    connected: bool,
    dropped: bool,
    refusals: VecDeque<String>,
    /// When the next complaint may be told.
    complain_at: Option<Instant>,
}

impl Untold {
    fn keep(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::Disconnected => {
                self.disconnected = true;
                self.connected = false;
            }
            Event::Dropped => self.dropped = true,
            Event::Refused(why) if self.refusals.len() < REFUSALS_MAX => {
                self.refusals.push_back(why);
            }
            Event::Refused(_) => {}
            Event::Message(_) | Event::NoResponders { .. } | Event::Ended => {}
        }
    }

    fn next(&mut self, now: Instant) -> Next {
        if std::mem::take(&mut self.disconnected) {
            return Next::Now(Event::Disconnected);
        }
        if std::mem::take(&mut self.connected) {
            return Next::Now(Event::Connected);
        }
        if !self.dropped && self.refusals.is_empty() {
            return Next::Nothing;
        }
        match self.complain_at {
            Some(at) if now < at => return Next::Later(at),
            _ => self.complain_at = Some(now + COMPLAINT_EVERY),
        }
        if std::mem::take(&mut self.dropped) {
            return Next::Now(Event::Dropped);
        }
        self.refusals.pop_front().map_or(Next::Nothing, |why| Next::Now(Event::Refused(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(why: &str) -> Event {
        Event::Refused(why.to_owned())
    }

    #[test]
    fn the_connection_is_told_as_it_is() {
        use Event::{Connected as C, Disconnected as D};
        let check = |told: &[Event], expect: &[Event]| {
            let mut untold = Untold::default();
            for _ in 0..1000 {
                untold.keep(Event::Dropped);
                untold.keep(refused("no"));
            }
            told.iter().for_each(|event| untold.keep(event.clone()));
            for event in expect {
                assert_eq!(untold.next(Instant::now()), Next::Now(event.clone()), "{told:?}");
            }
            assert_eq!(untold.next(Instant::now()), Next::Now(Event::Dropped), "{told:?}");
        };
        check(&[], &[]);
        check(&[C], &[C]);
        check(&[D], &[D]);
        check(&[D, C], &[D, C]);
        check(&[C, D], &[D]);
        check(&[C, D, C], &[D, C]);
        check(&[D, C, D], &[D]);
        check(&[D, C, D, C], &[D, C]);
    }

    #[test]
    fn complaints_are_counted_and_spaced() {
        let mut untold = Untold::default();
        let start = Instant::now();
        for number in 0..=REFUSALS_MAX {
            untold.keep(Event::Dropped);
            untold.keep(refused(&number.to_string()));
        }
        assert_eq!(untold.next(start), Next::Now(Event::Dropped));
        assert_eq!(untold.next(start), Next::Later(start + COMPLAINT_EVERY));
        untold.keep(Event::Disconnected);
        assert_eq!(untold.next(start), Next::Now(Event::Disconnected));
        let mut now = start;
        for number in 0..REFUSALS_MAX {
            now += COMPLAINT_EVERY;
            assert_eq!(untold.next(now), Next::Now(refused(&number.to_string())));
        }
        assert_eq!(untold.next(now + COMPLAINT_EVERY), Next::Nothing);
    }
}
