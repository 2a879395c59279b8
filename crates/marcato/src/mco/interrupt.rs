//! Ctrl-C: the first one stops sending and has the accounts closed, the second one leaves at once.
//! Before anything is sent, the first one leaves.

use std::cell::OnceCell;

use marcato_client::shell::Interrupter;
use marcato_core::Exit;

use crate::words::Failure;

/// What there is to interrupt.
#[derive(Debug, Default)]
pub struct Interrupt {
    job: OnceCell<Interrupter>,
}

impl Interrupt {
    /// From now on a job runs whose accounts are to be closed first.
    pub fn job(&self, interrupter: Interrupter) {
        // There is one job in a command; a second one would be interrupted with the first.
        let _ = self.job.set(interrupter);
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
            failure = self.wait() => Err(failure),
            result = command => result,
        }
    }

    async fn wait(&self) -> Failure {
        pressed().await;
        let Some(job) = self.job.get() else {
            return Failure::new(Exit::Interrupted, "interrupted. Nothing was sent.");
        };
        job.interrupt();
        pressed().await;
        Failure::new(Exit::Interrupted, "interrupted twice; what was sent runs on its nodes.")
    }
}

/// Waits for a Ctrl-C; for ever where the system does not tell of them.
async fn pressed() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
