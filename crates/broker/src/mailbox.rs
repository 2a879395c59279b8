//! Where other clients' tasks leave what is to be written to this one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::outbound::Outbound;
use crate::refusal::Refusal;
use crate::router::ClientId;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The broker refused something; the client has been told.
    Refused(Refusal),
    /// The client closed the connection, or it broke.
    Gone,
    /// The broker itself ends.
    Shutdown,
}

#[derive(Default)]
struct State {
    out: Outbound,
    /// How many bytes the connection has taken out of `out` and not yet written.
    in_flight: usize,
    waker: Option<Waker>,
    end: Option<End>,
}

/// One client's mailbox.
pub struct Mailbox {
    /// The number of the connection.
    pub id: ClientId,
    /// Where the client comes from.
    pub peer: SocketAddr,
    pending_max: usize,
    /// Whether the client understands headers.
    headers: AtomicBool,
    state: Mutex<State>,
}

impl Mailbox {
    /// An empty mailbox that holds up to `pending_max` bytes.
    pub fn new(id: ClientId, peer: SocketAddr, pending_max: usize) -> Self {
        Self { id, peer, pending_max, headers: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Whether the client understands headers.
    pub fn headers(&self) -> bool {
        self.headers.load(Ordering::Relaxed)
    }

    /// Notes what the client said of that.
    pub fn set_headers(&self, headers: bool) {
        self.headers.store(headers, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every section below leaves the state whole, so a panic elsewhere says nothing about it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `write` append `len` bytes, and wakes the connection. False if the client is, or by
    /// this becomes, one that gets nothing more.
    pub fn post(&self, len: usize, write: impl FnOnce(&mut Outbound)) -> bool {
        let mut state = self.lock();
        if state.end.is_some() {
            return false;
        }
        let fits = state.out.len() + state.in_flight + len <= self.pending_max;
        if fits {
            write(&mut state.out);
        } else {
            // What is being written ends with a whole message, so these words can follow it.
            state.out = Outbound::default();
            let mut line = Vec::new();
            Refusal::SlowConsumer.write_line(None, &mut line);
            state.out.copy(&line);
            state.end = Some(End::Refused(Refusal::SlowConsumer));
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        fits
    }

    /// Ends the connection once what waits is written.
    pub fn end(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Whether, and why, the connection is to end.
    pub fn ended(&self) -> Option<End> {
        self.lock().end
    }

    /// Whether something waits, for a connection that has written all it took; if not, the task of
    /// `cx` is woken once something does or the connection is to end. Where it was to end before
    /// this, when nobody could be woken, it is woken at once.
    pub fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.in_flight = 0;
        if !state.out.is_empty() {
            return Poll::Ready(());
        }
        if state.end.is_some() {
            cx.waker().wake_by_ref();
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Hands out all that waits.
    pub fn take(&self) -> Outbound {
        let mut state = self.lock();
        let out = std::mem::take(&mut state.out);
        state.in_flight = out.len();
        out
    }

    /// Notes that of what was taken `left` bytes are not yet written.
    pub fn left(&self, left: usize) {
        self.lock().in_flight = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn mailbox() -> Mailbox {
        Mailbox::new(1, SocketAddr::from(([127, 0, 0, 1], 1)), 100)
    }

    #[test]
    fn no_end_is_slept_through() {
        let check = |before: fn(&Mailbox), after: fn(&Mailbox)| {
            let (mailbox, woken) = (mailbox(), Arc::new(Woken::default()));
            let waker = Waker::from(woken.clone());
            before(&mailbox);
            assert!(mailbox.poll_ready(&Context::from_waker(&waker)).is_pending());
            after(&mailbox);
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        };
        check(|_| {}, |mailbox| mailbox.end(End::Shutdown));
        check(|mailbox| mailbox.end(End::Shutdown), |_| {});
        // Too much, and what was said of it has been taken already.
        let overflow = |mailbox: &Mailbox| {
            assert!(!mailbox.post(101, |out| out.copy(&[0; 101])));
            assert!(!mailbox.take().is_empty());
        };
        check(overflow, |_| {});
    }

    #[test]
    fn what_is_written_counts_no_more() {
        let mailbox = mailbox();
        let post = |len| mailbox.post(len, |out| out.copy(&vec![0; len]));
        assert!(post(100));
        assert_eq!(mailbox.take().len(), 100);
        mailbox.left(60);
        assert!(post(40), "what is left and what waits fit together");
        assert!(mailbox.poll_ready(&Context::from_waker(Waker::noop())).is_ready());
        assert!(post(60), "of the first nothing is left");
        assert!(!post(1));
    }
}
