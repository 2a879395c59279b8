//! Threads that check signatures while the connection is read: thousands of receipts come at once.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use marcato_core::limits::client::{CHECK_QUEUE_MAX, CHECK_THREADS_FROM, CHECK_THREADS_MAX};
use marcato_protocol::message::Message;
use tokio::sync::mpsc;

use crate::core::{Checked, Checker};

type Work = (Arc<Checker>, Message);

/// The threads, and what comes out of them. Without threads each message is checked where it is
/// given.
#[derive(Debug)]
pub(super) struct Pool {
    threads: Vec<SyncSender<Work>>,
    next: usize,
    checked: mpsc::Receiver<Checked>,
    /// How many messages are with the threads.
    pending: usize,
}

impl Pool {
    /// A pool for about so many messages; for a few, starting threads costs more than it saves.
    pub fn new(messages: usize) -> Self {
        let (sender, checked) = mpsc::channel(CHECK_QUEUE_MAX);
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = if messages < CHECK_THREADS_FROM { 0 } else { cores.min(CHECK_THREADS_MAX) };
        let threads = (0..count).filter_map(|_| spawn(sender.clone())).collect();
        Self { threads, next: 0, checked, pending: 0 }
    }

    /// Has a message checked: gives it back checked where no thread takes it.
    pub fn check(&mut self, checker: Arc<Checker>, message: Message) -> Option<Checked> {
        let mut work = (checker, message);
        for _ in 0..self.threads.len() {
            self.next = (self.next + 1) % self.threads.len();
            match self.threads[self.next].try_send(work) {
                Ok(()) => {
                    self.pending += 1;
                    return None;
                }
                Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => work = back,
            }
        }
        Some(work.0.check(&work.1))
    }

    /// The next checked message. Cancelling the wait loses nothing.
    pub async fn recv(&mut self) -> Option<Checked> {
        if self.pending == 0 {
            return std::future::pending().await;
        }
        let checked = self.checked.recv().await;
        self.pending -= 1;
        checked
    }
}

fn spawn(results: mpsc::Sender<Checked>) -> Option<SyncSender<Work>> {
    let (sender, work) = sync_channel::<Work>(CHECK_QUEUE_MAX);
    let run = move || {
        for (checker, message) in work {
            if results.blocking_send(checker.check(&message)).is_err() {
                return;
            }
        }
    };
    // Without a thread the messages are checked by the one that reads.
    thread::Builder::new().name("check".into()).spawn(run).ok().map(|_| sender)
}
