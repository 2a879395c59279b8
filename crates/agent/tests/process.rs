//! The ways in which a program can end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use std::path::Path;
use std::time::Duration;

use marcato_agent::process::{Output, run};
use tokio::process::Command;

/// A way's exit code (`None` when it was ended) and what is kept of its outputs.
async fn check(way: &str, limit_ms: u64, want: Option<i32>, stdout: &str, stderr: &str) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/endings");
    let mut command = Command::new(program);
    command.arg(way);
    let ended = run(command, Duration::from_millis(limit_ms), Output::Keep(4)).await;
    let ended = ended.expect("the program can be started");
    assert_eq!(ended.status.map(|status| status.code()), want.map(Some), "{way}");
    assert_eq!((&*ended.stdout, &*ended.stderr), (stdout.as_bytes(), stderr.as_bytes()));
}

#[tokio::test]
async fn ways_to_end() {
    check("code", 60_000, Some(3), "abcd", "err\n").await;
    check("read", 60_000, Some(0), "", "").await;
    // By TERM, with its outputs closed before it is waited for.
    check("sleep", 0, None, "", "").await;
    // By its own handler of TERM; that it ended well by then does not count.
    check("trap", 2000, None, "on\ne", "").await;
    // Its outputs are closed long before it ends.
    check("closed", 60_000, Some(7), "", "").await;
    // What it leaves behind holds the outputs open.
    check("leave", 60_000, Some(0), "a\n", "").await;
}

#[tokio::test]
async fn a_flood_ends_at_its_limit() {
    let ended = run(Command::new("yes"), Duration::from_secs(60), Output::KeepAtMost(4)).await;
    let ended = ended.expect("the program can be started");
    assert!(ended.status.is_some(), "by itself, before its time");
    assert_eq!(ended.stdout, b"y\ny\n");
}

#[tokio::test]
async fn one_that_cannot_be_waited_for_is_given_up() {
    let mark = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/endings");
    let mut command = Command::new(program);
    command.arg("traced").arg(mark.path());
    let ended = run(command, Duration::from_secs(1), Output::Keep(4)).await.unwrap();
    assert!(ended.status.is_none());
    let left = kit::processes_with(mark.path().to_str().unwrap());
    assert_eq!(left.len(), 1, "its tracer; what is dead has no arguments");
    left.into_iter().for_each(kit::kill);
}
