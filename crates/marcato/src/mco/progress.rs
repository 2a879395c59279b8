//! How far a running order is, on one line of the terminal.

use std::time::Instant;

use marcato_client::core::{Job, NodeReport, Waiting};
use marcato_client::shell::Live;
use marcato_core::limits::client::{PROGRESS_AFTER, SHOWN_SAID_MAX};
use marcato_core::{EndState, Identity};

use super::console::Console;
use crate::words::group::escape;

/// So many nodes are named of those that are waited for.
pub(super) const NAMED_MAX: usize = 4;

/// So many failures are told as they come; the report has them all.
const FAILURES_MAX: usize = 10;

/// So many breaks of the connection are told as they come: one that comes and goes says no more by it.
const BREAKS_MAX: usize = 2;

/// What is shown while an order runs.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    signing: bool,
    failures: usize,
    breaks: usize,
}

impl Progress {
    /// Begins now; nothing shows for the first moments.
    pub fn start() -> Self {
        Self { started: Instant::now(), signing: false, failures: 0, breaks: 0 }
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
            Live::Away | Live::Back if self.breaks == BREAKS_MAX => {}
            Live::Away => {
                console.note_above("the connection to the hub is lost; it is being made again");
            }
            Live::Back => {
                self.breaks += 1;
                console.note_above("the connection to the hub stands again");
            }
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
        console.note_above(text.trim_end());
    }
}

fn has_failed(node: &NodeReport) -> bool {
    node.signed && node.state != EndState::Ok
}

/// `487/500 · 483 ok · 4 failed · waiting for 13: web31 (dpkg lock, pid 812 apt) web32 …`, or where it is
/// not the turn of all yet `38/500 · sent 40 of 500 · 38 ok · waiting for 2: web39 (running) web40`
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
        let named = job.waiting(NAMED_MAX).into_iter();
        let mut names: Vec<String> =
            named.map(|(node, waiting)| in_words(node, &waiting)).collect();
        if open > names.len() {
            names.push("…".to_owned());
        }
        parts.push(format!("waiting for {open}: {}", names.join(" ")));
    }
    parts.join(" · ")
}

/// A node that is waited for, and why, as far as it says so itself.
pub(super) fn in_words(node: &Identity, waiting: &Waiting) -> String {
    let (said, phase) = match waiting {
        Waiting::Silent => return node.to_string(),
        Waiting::Accepted(said) => (said, "accepted"),
        Waiting::Running(said) => (said, "running"),
    };
    match said.as_str() {
        "" => format!("{node} ({phase})"),
        said => format!("{node} ({})", shortened(&escape(said))),
    }
}

/// What others say of themselves, on a line that names several of them.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_SAID_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_node_is_waited_for() {
        let check = |waiting: Waiting, want: &str| {
            assert_eq!(in_words(&"web31".parse().unwrap(), &waiting), want);
        };
        let says = |text: &str| Waiting::Running(text.to_owned());
        check(Waiting::Silent, "web31");
        check(Waiting::Accepted(String::new()), "web31 (accepted)");
        check(Waiting::Accepted("another runs".to_owned()), "web31 (another runs)");
        check(says(""), "web31 (running)");
        check(says("dpkg lock, pid 812 apt"), "web31 (dpkg lock, pid 812 apt)");
        // It comes from a host that may be anybody's by now.
        check(says("a\u{1b}[2J\r\n\u{202e}b"), "web31 (a\\u{1b}[2J\\r\\n\\u{202e}b)");
        let long = "é".repeat(SHOWN_SAID_MAX + 1);
        check(says(&long), &format!("web31 ({}…)", &long[2..]));
    }
}
