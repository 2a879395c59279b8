//! A few threads that write to the disk, and read there what changes say of themselves, so that no
//! node's loop waits for it.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use marcato_core::limits::node::DISK_QUEUE_MAX;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. All nodes of a process share them; they end when it is dropped.
#[derive(Debug)]
pub struct Disk {
    threads: Vec<Sender<Job>>,
    next: AtomicUsize,
}

/// A node's way to one of the threads: what is given to it is done in order. Only so much of a node
/// waits there, however many nodes share the thread.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    thread: Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// A write that waits or is being done.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |waiting| (waiting < DISK_QUEUE_MAX).then_some(waiting + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(waiting)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Disk {
    /// Starts so many threads. Each waits for the disk alone, so more of them than processors do
    /// no harm where many nodes share a process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(threads: usize) -> io::Result<Self> {
        let start = |number: usize| {
            #[expect(clippy::disallowed_methods, reason = "each writer has a bound of its own")]
            let (sender, jobs) = channel::<Job>();
            let thread = std::thread::Builder::new().name(format!("disk-{number}"));
            thread.stack_size(256 * 1024).spawn(move || work(&jobs)).map(|_| sender)
        };
        let threads = (0..threads.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self { threads, next: AtomicUsize::new(0) })
    }

    /// A node's way to one of the threads, each in turn.
    pub(super) fn writer(&self) -> Writer {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        Writer { thread: self.threads[turn % self.threads.len()].clone(), waiting: Arc::default() }
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
        let place = Place::take(&self.waiting).ok_or_else(|| {
            io::Error::other(format!("{DISK_QUEUE_MAX} writes wait for the disk already"))
        })?;
        let job = move || {
            let _place = place;
            job();
        };
        self.thread.send(Box::new(job)).map_err(|_| io::Error::other("the disk's thread has ended"))
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn only_so_much_of_each_node_waits() {
        let disk = Disk::start(1).unwrap();
        let (one, other) = (disk.writer(), disk.writer());
        let (hold, held) = sync_channel::<()>(1);
        one.post(move || {
            let _ = held.recv();
        })
        .unwrap();
        for _ in 1..DISK_QUEUE_MAX {
            one.post(|| {}).unwrap();
        }
        let error = one.post(|| {}).unwrap_err().to_string();
        assert_eq!(error, "1024 writes wait for the disk already");
        // One that panics gives its place back as well.
        other.post(|| panic!("on the disk")).unwrap();
        let (done, end) = sync_channel(1);
        other
            .post(move || {
                let _ = done.send(());
            })
            .unwrap();
        hold.send(()).unwrap();
        end.recv().unwrap();
        one.post(|| {}).unwrap();
        assert!(other.waiting.load(Ordering::Relaxed) <= 1, "the last may be about to end");
    }
}
