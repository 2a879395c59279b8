//! Ctrl-C: the first one stops sending and has the accounts closed, the second one leaves at once.
//! Before anything is sent, the first one leaves. A terminal that is gone and a TERM count as one.

use std::cell::OnceCell;
use std::task::Poll;

use marcato_client::shell::Interrupter;
use marcato_core::{Exit, JobId};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::words::Failure;

/// What there is to interrupt.
#[derive(Debug, Default)]
pub struct Interrupt {
    job: OnceCell<(Interrupter, Option<JobId>)>,
}

impl Interrupt {
    /// From now on a job runs whose accounts are to be closed first; under this id it is kept.
    pub fn job(&self, interrupter: Interrupter, id: Option<JobId>) {
        // There is one job in a command; a second one would be interrupted with the first.
        let _ = self.job.set((interrupter, id));
    }

    /// Runs a command until it ends or the operator goes.
    ///
    /// # Errors
    /// The command's own, or that the operator went.
    pub async fn guard<T>(
        &self,
        command: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            // Of both at once the operator counts.
            biased;
            failure = self.wait(Leave::watch()) => Err(failure),
            result = command => result,
        }
    }

    async fn wait(&self, mut leave: Leave) -> Failure {
        leave.wait().await;
        let Some((job, id)) = self.job.get() else {
            return Failure::new(Exit::Interrupted, "interrupted. Nothing was sent.");
        };
        job.interrupt();
        leave.wait().await;
        let text = "interrupted twice; what was sent runs on its nodes.";
        let failure = Failure::new(Exit::Interrupted, text);
        match id {
            Some(id) => failure.hint(format!("mco job follow {id}")),
            None => failure,
        }
    }
}

/// The signals by which an operator leaves: Ctrl-C, the end of the terminal, TERM.
#[derive(Debug)]
pub struct Leave(Vec<Signal>);

impl Leave {
    /// Takes them from now on; needs the runtime. What was ignored from the start stays ignored, as
    /// `nohup` and a shell's `&` want it.
    #[must_use]
    pub fn watch() -> Self {
        let ignored = ignored();
        let kinds = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::terminate()];
        let kinds = kinds.into_iter().filter(|kind| ignored >> (kind.as_raw_value() - 1) & 1 == 0);
        // A system that does not tell of a signal ends the program by it.
        Self(kinds.filter_map(|kind| signal(kind).ok()).collect())
    }

    /// Waits for one of them; for ever where there is none.
    pub async fn wait(&mut self) {
        std::future::poll_fn(|cx| {
            let came = |signal: &mut Signal| matches!(signal.poll_recv(cx), Poll::Ready(Some(())));
            if self.0.iter_mut().any(came) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The signals that this process ignores, a bit each (proc(5), `SigIgn` of `status`).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default()
}
