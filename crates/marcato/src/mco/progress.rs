//! How far a running order is, on one line of the terminal.

use std::time::Instant;

use marcato_client::core::{Job, NodeReport, Waiting};
use marcato_client::shell::Live;
use marcato_core::EndState;
use marcato_core::limits::client::PROGRESS_AFTER;

use super::console::Console;
use crate::words::group::escape;

/// So many nodes are named of those that are waited for.
const NAMED_MAX: usize = 4;

/// So many failures are told as they come; the report has them all.
const FAILURES_MAX: usize = 10;

/// What is shown while an order runs.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    signing: bool,
    failures: usize,
}

impl Progress {
    /// Begins now; nothing shows for the first moments.
    pub fn start() -> Self {
        Self { started: Instant::now(), signing: false, failures: 0 }
    }

    /// Takes what happened, and shows it when it is time for it.
    pub fn show(&mut self, console: &mut Console, job: &Job, live: Live<'_>) {
        let is_early = self.started.elapsed() < PROGRESS_AFTER.as_duration();
        match live {
            Live::Signing => self.signing = true,
            Live::Signed => self.signing = false,
            Live::Moved(_) | Live::Beat if is_early => {}
            Live::Moved(node) => {
                let failed = job.node(node).filter(|node| has_failed(node));
                if let Some(node) = failed.filter(|_| console.watched) {
                    self.failed(console, node);
                }
            }
            Live::Beat if self.signing => {
                console.progress("waiting for the key to sign; does it want to be touched?");
            }
            Live::Beat => console.progress(&line(job)),
        }
    }

    /// A failure stands above the line of progress, so that who waits can act on it.
    fn failed(&mut self, console: &mut Console, node: &NodeReport) {
        self.failures += 1;
        if self.failures > FAILURES_MAX {
            return;
        }
        let reason = node.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
        let text = format!("{}  {}{reason}  {}", node.node, node.state, escape(&node.message));
        console.note(text.trim_end());
    }
}

fn has_failed(node: &NodeReport) -> bool {
    node.signed && node.state != EndState::Ok
}

/// `487/500 · 483 ok · 4 failed · waiting for 13: web31 (running) web32 …`, or where it is not the turn
/// of all yet `38/500 · sent 40 of 500 · 38 ok · waiting for 2: web39 (running) web40`
fn line(job: &Job) -> String {
    let counts = job.counts();
    let open = counts.running + counts.waiting;
    let ended = counts.nodes - open - counts.held;
    let mut parts = vec![format!("{ended}/{}", counts.nodes)];
    if counts.held > 0 {
        parts.push(format!("sent {} of {}", counts.sent, counts.sent + counts.held));
    }
    for (count, word) in [(counts.ok, "ok"), (counts.failed, "failed"), (counts.silent, "silent")] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    if open > 0 {
        let mut names: Vec<String> = job
            .waiting(NAMED_MAX)
            .into_iter()
            .map(|(node, waiting)| match waiting {
                Waiting::Silent => node.to_string(),
                Waiting::Running => format!("{node} (running)"),
            })
            .collect();
        if open > names.len() {
            names.push("…".to_owned());
        }
        parts.push(format!("waiting for {open}: {}", names.join(" ")));
    }
    parts.join(" · ")
}
