//! The thin shell around one session: a socket, a timer, a mailbox.
//!
//! One task for each connection. What is read lands in a buffer that all connections of a thread
//! share, so an idle one holds none; what is to be written is gathered until everything that was
//! ready has had its turn, then goes out in one write.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use marcato_core::limits::broker as limits;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::connect::ConnectOptions;
use crate::exchange::Exchange;
use crate::mailbox::{End, Mailbox};
use crate::outbound::Outbound;
use crate::refusal::Refusal;
use crate::session::{Effects, Publish, Session};

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; limits::READ_BYTES_MAX].into_boxed_slice());
}

/// One connection, from INFO to its end.
pub struct Connection {
    stream: TcpStream,
    session: Session,
    client: Client,
    writing: Outbound,
    /// Whether others had their turn since something to write came up.
    gathered: bool,
    /// When the socket, full since then, must have taken something.
    write_by: Option<Instant>,
    write_deadline: Duration,
    /// Since the end is decided: why, and until when last words may be written.
    ending: Option<(End, Instant)>,
    /// Whether the last words are written and the rest of the input is being thrown away.
    lingering: bool,
}

/// The session's way to the rest of the broker.
struct Client {
    exchange: Arc<Exchange>,
    mailbox: Arc<Mailbox>,
    random: u64,
}

impl Drop for Client {
    /// Whatever ends the connection, a panic included, leaves nothing behind.
    fn drop(&mut self) {
        self.exchange.leave(self.mailbox.id);
    }
}

impl Effects for Client {
    fn say(&mut self, bytes: &[u8]) {
        self.mailbox.post(bytes.len(), |out| out.copy(bytes));
    }

    fn subscribe(&mut self, sid: &str, pattern: &str, queue: Option<&str>) -> Result<(), Refusal> {
        self.exchange.subscribe(&self.mailbox, sid, pattern, queue)
    }

    fn unsubscribe(&mut self, sid: &str, max: Option<u64>) {
        self.exchange.unsubscribe(self.mailbox.id, sid, max);
    }

    fn publish(&mut self, message: Publish<'_>) {
        // SplitMix64: queue groups need an even choice, not a secret one.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.exchange.publish(&self.mailbox, message, mixed ^ (mixed >> 31));
    }

    fn connected(&mut self, options: &ConnectOptions) {
        self.mailbox.set_headers(options.headers());
        tracing::debug!(
            client = self.mailbox.id,
            peer = %self.mailbox.peer,
            name = options.name.as_deref().unwrap_or_default(),
            lang = options.lang.as_deref().unwrap_or_default(),
            version = options.version.as_deref().unwrap_or_default(),
            "client connected"
        );
    }

    fn refused(&mut self, refusal: Refusal, subject: &str) {
        if let Some(unlogged) = self.exchange.refusals.admit(refusal, Instant::now()) {
            let (client, peer) = (self.mailbox.id, self.mailbox.peer);
            tracing::warn!(client, %peer, reason = %refusal, subject, unlogged, "refused");
        }
    }
}

impl Connection {
    /// A connection that has been entered into `exchange` with `mailbox`.
    pub fn new(
        stream: TcpStream,
        session: Session,
        exchange: Arc<Exchange>,
        mailbox: Arc<Mailbox>,
        write_deadline: Duration,
        seed: u64,
    ) -> Self {
        let client = Client { exchange, mailbox, random: seed };
        Self {
            stream,
            session,
            client,
            writing: Outbound::default(),
            gathered: false,
            write_by: None,
            write_deadline,
            ending: None,
            lingering: false,
        }
    }

    /// Serves the client until one side ends it; says why it ended.
    pub async fn run(mut self) -> End {
        let mut timer = Box::pin(tokio::time::sleep_until(self.deadline().into()));
        poll_fn(|cx| self.poll(cx, timer.as_mut())).await
    }

    fn poll(&mut self, cx: &mut Context<'_>, timer: Pin<&mut Sleep>) -> Poll<End> {
        if self.ending.is_none() {
            self.poll_input(cx);
        }
        if let (None, Some(end)) = (self.ending, self.client.mailbox.ended()) {
            self.begin_end(end);
        }
        if self.poll_time(cx, timer).is_ready() {
            return Poll::Ready(self.why());
        }
        loop {
            if self.lingering {
                ready!(self.poll_drain(cx));
                return Poll::Ready(self.why());
            }
            match self.poll_output(cx) {
                Poll::Ready(Ok(())) if self.ending.is_some() => self.lingering = true,
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => {
                    self.begin_end(End::Gone);
                    return Poll::Ready(self.why());
                }
            }
        }
    }

    fn why(&self) -> End {
        self.ending.map_or(End::Gone, |(end, _)| end)
    }

    fn begin_end(&mut self, end: End) {
        if self.ending.is_none() {
            // An evicted client may still take what is half written, and the words that say why.
            let slow = end == End::Refused(Refusal::SlowConsumer);
            let grace = if slow { self.write_deadline } else { limits::LINGER };
            self.ending = Some((end, Instant::now() + grace));
            self.client.mailbox.end(end);
        }
    }

    fn deadline(&self) -> Instant {
        match (self.ending, self.write_by) {
            (Some((_, until)), _) => until,
            (None, Some(write_by)) => write_by.min(self.session.deadline()),
            (None, None) => self.session.deadline(),
        }
    }

    /// Ready when the connection must end without another word.
    fn poll_time(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        loop {
            // A deadline that moved away is found out when the timer fires, which is far cheaper
            // than moving the timer with every message.
            let due = self.deadline().into();
            if due < timer.deadline() {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if self.ending.is_some_and(|(_, until)| now >= until) {
                return Poll::Ready(());
            }
            if self.ending.is_none() {
                if self.write_by.is_some_and(|by| now >= by) {
                    self.begin_end(End::Refused(Refusal::SlowConsumer));
                    return Poll::Ready(());
                }
                if let Err(refusal) = self.session.tick(now, &mut self.client) {
                    self.begin_end(End::Refused(refusal));
                }
            }
            timer.as_mut().reset(self.deadline().into());
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) {
        for _ in 0..limits::READS_PER_TURN {
            match self.poll_read(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(end)) => return self.begin_end(end),
            }
        }
        cx.waker().wake_by_ref();
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).is_err() {
                return Poll::Ready(Err(End::Gone));
            }
            let input = buffer.filled();
            if input.is_empty() {
                return Poll::Ready(Err(End::Gone));
            }
            let step = self.session.step(input, Instant::now(), &mut self.client);
            Poll::Ready(step.map_err(End::Refused))
        })
    }

    /// Reads and forgets, so that closing does not reset the connection before the client has
    /// read the last words.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.why() == End::Gone || self.why() == End::Shutdown {
            return Poll::Ready(());
        }
        // A client that is gone already needs no farewell.
        let _gone = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        READ_BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..limits::READS_PER_TURN {
                let mut buffer = ReadBuf::new(buffer);
                let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
                if read.is_err() || buffer.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Ready when everything is written.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                if self.client.mailbox.poll_ready(cx).is_pending() {
                    self.gathered = false;
                    return Poll::Ready(Ok(()));
                }
                if !self.gathered {
                    // To the end of the queue: the tasks before it may have more for this client.
                    self.gathered = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.gathered = false;
                self.writing = self.client.mailbox.take();
            }
            let (pieces, count) = self.writing.pieces();
            let stream = Pin::new(&mut self.stream);
            match stream.poll_write_vectored(cx, &pieces[..count]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.writing.advance(written);
                    self.write_by = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.client.mailbox.left(self.writing.len());
                    if self.write_by.is_none() {
                        self.write_by = Some(Instant::now() + self.write_deadline);
                        // The timer was set before this deadline was known.
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
