//! A few threads that write to the disk, so that no node's loop waits for it.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use marcato_core::limits::node::DISK_QUEUE_MAX;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. All nodes of a process share them; they end when it is dropped.
#[derive(Debug)]
pub struct Disk {
    threads: Vec<SyncSender<Job>>,
    next: AtomicUsize,
}

/// One of the threads: what is given to it is done in order.
#[derive(Debug, Clone)]
pub(super) struct Writer(SyncSender<Job>);

impl Disk {
    /// Starts so many threads. Each waits for the disk alone, so more of them than processors do
    /// no harm where many nodes share a process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(threads: usize) -> io::Result<Self> {
        let start = |number: usize| {
            let (sender, jobs) = sync_channel::<Job>(DISK_QUEUE_MAX);
            let thread = std::thread::Builder::new().name(format!("disk-{number}"));
            thread.stack_size(256 * 1024).spawn(move || work(&jobs)).map(|_| sender)
        };
        let threads = (0..threads.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self { threads, next: AtomicUsize::new(0) })
    }

    /// One of the threads, each in turn.
    pub(super) fn writer(&self) -> Writer {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        Writer(self.threads[turn % self.threads.len()].clone())
    }
}

fn work(jobs: &Receiver<Job>) {
    for job in jobs {
        // Whoever waits for it learns of a panic by the channel that was dropped.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
    }
}

impl Writer {
    /// Does something there, without waiting for it.
    ///
    /// # Errors
    /// Too much waits already; it will not be done.
    pub(super) fn post(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.0.try_send(Box::new(job)).map_err(|_| {
            io::Error::other(format!("{DISK_QUEUE_MAX} writes wait for the disk already"))
        })
    }

    /// Does something there and waits for it.
    ///
    /// # Errors
    /// Its own, or too much waits already.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (sender, done) = oneshot::channel();
        self.post(move || {
            // Nobody needs the result when nobody waits any more.
            let _ = sender.send(job());
        })?;
        done.await.map_err(|_| io::Error::other("the disk's thread failed"))?
    }
}
