//! Runs a program in a process group of its own, with a time limit and bounded output.
//!
//! Whatever way a run ends (by itself, at its limit, or because nobody waits for it any more), no
//! process of its group is left. Processes that made groups of their own are the business of a
//! [`runner`](crate::runner), which can end them because all its descendants are its own.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use marcato_core::AgentName;
use marcato_core::limits::agent::{
    EXTERNAL_LOG_BYTES_MAX, EXTERNAL_LOG_LINE_BYTES_MAX, KILL_GRACE, OUTPUT_GRACE, TERM_GRACE,
};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::{Instant, sleep_until, timeout};

/// How much is read from a pipe at once, in bytes.
const CHUNK_BYTES: usize = 4096;

/// What becomes of a program's output.
#[derive(Debug, Clone)]
pub enum Output {
    /// Lines of standard output are logged as `info`, those of standard error as `error`.
    Log(AgentName),
    /// So many bytes of each are kept, the rest is dropped.
    Keep(usize),
    /// The same, but nobody reads more of standard output, which ends whatever floods it.
    KeepAtMost(usize),
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How; `None` when its time limit passed and it was ended.
    pub status: Option<ExitStatus>,
    /// What was kept of its standard output.
    pub stdout: Vec<u8>,
    /// What was kept of its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program to its end, at most for `limit`; then its group gets TERM, and KILL when the grace
/// is over; one that waits in the kernel outlives even that, and is not waited for much longer.
/// Standard input is empty.
///
/// # Errors
/// The program could not be started.
pub async fn run(mut command: Command, limit: Duration, output: Output) -> io::Result<Ended> {
    command.process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut kept_out, mut kept_err) = (Sink::new(&output, false), Sink::new(&output, true));
    let status = {
        let mut reading = std::pin::pin!(async {
            tokio::join!(drain(out, &mut kept_out), drain(err, &mut kept_err));
        });
        let (mut read, mut too_long) = (false, false);
        let mut deadline = Instant::now() + limit;
        let status = loop {
            tokio::select! {
                status = child.wait() => break Some(status?),
                () = sleep_until(deadline) => {
                    if too_long {
                        break None;
                    }
                    too_long = true;
                    group.signal(Signal::TERM);
                    deadline = Instant::now() + TERM_GRACE.as_duration();
                }
                // Read on after TERM too, or it could block on a full pipe instead of ending.
                () = &mut reading, if !read => read = true,
            }
        };
        drop(group);
        if status.is_none() && timeout(KILL_GRACE.as_duration(), child.wait()).await.is_err() {
            // It is dead to all but the kernel, and must not take whoever waits for it along.
            tracing::error!(pid = child.id(), "not even KILL ends it");
        }
        if !read {
            // A process outside of the group may hold the pipes open for ever.
            drop(timeout(OUTPUT_GRACE.as_duration(), reading).await);
        }
        status.filter(|_| !too_long)
    };
    Ok(Ended { status, stdout: kept_out.end(), stderr: kept_err.end() })
}

/// A process group that is killed when this goes out of scope: also when the waiting future is
/// dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.0 {
            // An error says that nobody is left.
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn drain(from: Option<impl AsyncRead + Unpin>, into: &mut Sink) {
    let Some(mut from) = from else { return };
    let mut chunk = [0; CHUNK_BYTES];
    while !into.is_full()
        && let Ok(length @ 1..) = from.read(&mut chunk).await
    {
        into.take(&chunk[..length]);
    }
}

/// Where one stream of output goes; its memory is bounded whatever comes.
enum Sink {
    Keep { bytes: Vec<u8>, most: usize, ends: bool },
    Log { agent: AgentName, error: bool, line: Vec<u8>, left: usize },
}

impl Sink {
    fn new(output: &Output, error: bool) -> Self {
        match output {
            Output::Keep(most) => Self::Keep { bytes: Vec::new(), most: *most, ends: false },
            Output::KeepAtMost(most) => Self::Keep { bytes: Vec::new(), most: *most, ends: !error },
            Output::Log(agent) => Self::Log {
                agent: agent.clone(),
                error,
                line: Vec::new(),
                left: EXTERNAL_LOG_BYTES_MAX,
            },
        }
    }

    /// Whether nothing more shall be read.
    fn is_full(&self) -> bool {
        matches!(self, Self::Keep { bytes, most, ends: true } if bytes.len() >= *most)
    }

    fn take(&mut self, chunk: &[u8]) {
        match self {
            Self::Keep { bytes, most, .. } => {
                let room = most.saturating_sub(bytes.len());
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Self::Log { agent, error, line, left } => {
                for byte in chunk {
                    if *left == 0 {
                        return;
                    }
                    *left -= 1;
                    if *byte != b'\n' {
                        line.push(*byte);
                    }
                    if *byte == b'\n' || line.len() >= EXTERNAL_LOG_LINE_BYTES_MAX {
                        log(agent, *error, line);
                        line.clear();
                    }
                }
                if *left == 0 {
                    log(agent, *error, line);
                    line.clear();
                    tracing::warn!(%agent, "its further output is dropped");
                }
            }
        }
    }

    fn end(self) -> Vec<u8> {
        match self {
            Self::Keep { bytes, .. } => bytes,
            Self::Log { agent, error, line, .. } => {
                log(&agent, error, &line);
                Vec::new()
            }
        }
    }
}

/// Logs one line without what could steer a terminal.
fn log(agent: &AgentName, error: bool, line: &[u8]) {
    let text: String = String::from_utf8_lossy(line)
        .trim_end()
        .chars()
        .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
        .collect();
    match (text.is_empty(), error) {
        (true, _) => {}
        (false, true) => tracing::error!(%agent, "{text}"),
        (false, false) => tracing::info!(%agent, "{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded() {
        let agent: AgentName = "x".parse().unwrap();
        let mut sink = Sink::new(&Output::Log(agent), false);
        for _ in 0..1000 {
            sink.take(&[b'x'; 1000]);
            let Sink::Log { line, left, .. } = &sink else { panic!("another kind") };
            assert!(line.len() <= EXTERNAL_LOG_LINE_BYTES_MAX && *left <= EXTERNAL_LOG_BYTES_MAX);
        }
        assert_eq!(sink.end(), b"");
    }
}
