//! Runs in processes of their own: they outlive the daemon, run at most once, and what is found of
//! them later is true.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kit;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kit::{Kit, call, kill, processes_with, runner, until};
use marcato_agent::runner::{Launch, RunError, RunState, Voice, prepare, said, state, watch};
use marcato_agent::{ActionResult, Catalog};
use marcato_core::Reason;
use marcato_core::limits::agent::SAID_BYTES_MAX;
use serde_json::json;

/// A kit, the folder of a prepared run that waits for a file, and that file.
fn waiting() -> (Kit, PathBuf, PathBuf) {
    let kit = Kit::new(&["witness"]);
    let (dir, go) = (kit.dir.path().join("run"), kit.dir.path().join("go"));
    let mut call = call("witness", "wait", json!({"file": go}));
    call.limit = marcato_core::Span::from_secs(60);
    prepare(&dir, &call).unwrap();
    (kit, dir, go)
}

#[tokio::test]
async fn a_change_outlives_a_killed_daemon() {
    let (kit, dir, go) = waiting();
    let mut daemon = Command::new(runner())
        .arg("daemon")
        .args([&kit.host.agents, &kit.host.scratch, &dir])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until("the runner has begun", || dir.join("pid").exists()).await;
    until("the daemon knows", || dir.join("started").exists()).await;
    // KILL, and none of the daemon's code runs any more.
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(state(&dir).unwrap(), RunState::Running);
    let begun = std::fs::read_to_string(dir.join("pid")).unwrap();
    let pid: i32 = begun.split(' ').next().unwrap().parse().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session: i32 = stat.rsplit(')').next().unwrap().split(' ').nth(4).unwrap().parse().unwrap();
    assert_eq!(session, pid, "it leads a session of its own");

    std::fs::write(&go, "").unwrap();
    let RunState::Finished(outcome) = watch(&dir).await.unwrap() else { panic!("not finished") };
    assert_eq!((outcome.result, outcome.message.as_str()), (ActionResult::Ok, "seen"));
    assert_eq!(state(&dir).unwrap(), RunState::Finished(outcome), "found again and again");
}

#[tokio::test]
async fn a_killed_runner_is_gone_and_so_is_its_agent() {
    let (kit, dir, _) = waiting();
    let mut running = kit.launch().spawn(&dir).unwrap();
    let agents = || processes_with(kit.at("witness").to_str().unwrap());
    until("the agent has begun", || !agents().is_empty()).await;
    kill(running.pid().unwrap().try_into().unwrap());
    assert_eq!(running.finished().await.unwrap(), RunState::Gone { began: true });
    assert_eq!(agents(), [0_i32; 0], "nobody would end it at its limit");
    assert_eq!(state(&dir).unwrap(), RunState::Gone { began: true });
    assert_eq!(watch(&dir).await.unwrap(), RunState::Gone { began: true });
}

/// What is left of what a runner started when a later daemon sees it die, by the kind of its agent.
async fn left_by_a_killed_runner(kind: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().to_str().unwrap();
    // Plays the runner: it leads a session, and what it starts does not end with it.
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/endings");
    let mut runner = Command::new("setsid")
        .args([program.as_os_str(), "stay".as_ref(), mark.as_ref()])
        .spawn()
        .unwrap();
    until("both run", || processes_with(mark).len() == 2).await;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", runner.id())).unwrap();
    let started = stat.rsplit(')').next().unwrap().split(' ').nth(20).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let claim = format!("{} {started} {} {kind}\n", runner.id(), boot.trim());
    std::fs::write(dir.path().join("pid"), claim).unwrap();
    let killed = async {
        // Behind the first look, which must find it alive.
        tokio::task::yield_now().await;
        kill(runner.id().try_into().unwrap());
    };
    let (state, ()) = tokio::join!(biased; watch(dir.path()), killed);
    assert_eq!(state.unwrap(), RunState::Gone { began: true }, "{kind}");
    let left = processes_with(mark);
    left.iter().copied().for_each(kill);
    runner.wait().unwrap();
    left.len()
}

#[tokio::test]
async fn only_an_external_agent_is_ended_with_its_runner() {
    assert_eq!(left_by_a_killed_runner("external").await, 0);
    assert_eq!(left_by_a_killed_runner("own").await, 1);
}

#[tokio::test]
async fn a_run_that_was_given_up_never_begins() {
    let (kit, dir, go) = waiting();
    std::fs::write(&go, "").unwrap();
    assert_eq!(state(&dir).unwrap(), RunState::Gone { began: false });
    let mut late = kit.launch().spawn(&dir).unwrap();
    assert_eq!(late.finished().await.unwrap(), RunState::Gone { began: false });
    assert!(!dir.join("outcome.json").exists());
}

#[tokio::test]
async fn a_run_runs_once() {
    let (kit, dir, go) = waiting();
    std::fs::write(&go, "").unwrap();
    let first = kit.launch().spawn(&dir).unwrap().finished().await.unwrap();
    assert!(matches!(first, RunState::Finished(_)), "{first:?}");
    let again = marcato_agent::runner::run(&dir, &Catalog::new(), &kit.host).await;
    assert!(matches!(again, Err(RunError::Taken(_))), "{again:?}");
    let error = prepare(&dir, &call("witness", "look", json!({}))).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn what_cannot_be_run_says_so() {
    let (kit, dir, _) = waiting();
    let nothing = Launch { program: "/nonexistent".into(), arguments: vec![] };
    assert!(nothing.spawn(&dir).is_err());
    std::fs::remove_file(kit.at("witness")).unwrap();
    let state = kit.launch().spawn(&dir).unwrap().finished().await.unwrap();
    let RunState::Finished(outcome) = state else { panic!("{state:?}") };
    assert_eq!(outcome.reason, Some(Reason::Agent));
    assert!(outcome.message.contains("No such file"), "{}", outcome.message);
}

#[test]
fn folders_that_a_crash_left_half_made() {
    let kit = Kit::new(&[]);
    let dir = kit.dir.path();
    let check = |pid: &str, outcome: &str, want: Option<RunState>| {
        std::fs::write(dir.join("pid"), pid).unwrap();
        std::fs::write(dir.join("outcome.json"), outcome).unwrap();
        assert_eq!(state(dir).ok(), want, "{pid:?} {outcome:?}");
    };
    check("", "{", None);
    std::fs::remove_file(dir.join("outcome.json")).unwrap();
    let gone = RunState::Gone { began: true };
    for pid in ["", "1 2", "1 1 another-boot\n", "999999999 1 x\n"] {
        std::fs::write(dir.join("pid"), pid).unwrap();
        assert_eq!(state(dir).unwrap(), gone, "{pid:?}");
    }
}

#[test]
fn the_last_word_of_a_run_counts() {
    let dir = tempfile::tempdir().unwrap();
    let said = || said(dir.path()).unwrap();
    assert_eq!(said(), "");
    let voice = Voice::into(dir.path());
    voice.say("waiting");
    assert_eq!(said(), "waiting");
    // Cut where a character ends.
    voice.say(&format!("x{}", "é".repeat(SAID_BYTES_MAX)));
    assert_eq!(said(), format!("x{}", "é".repeat(SAID_BYTES_MAX / 2 - 1)));
    voice.say("");
    assert_eq!(said(), "");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    // What cannot be written leaves nothing that is not true any more.
    voice.say("waiting");
    let beside = dir.path().join(format!(".said.{}", std::process::id()));
    std::fs::create_dir(&beside).unwrap();
    voice.say("downloading");
    assert_eq!(said(), "");
    std::fs::remove_dir(&beside).unwrap();
    std::fs::write(dir.path().join("said"), "x".repeat(SAID_BYTES_MAX + 1)).unwrap();
    assert!(marcato_agent::runner::said(dir.path()).is_err(), "nobody but a voice writes there");
    // Without a folder it is said to nobody.
    Voice::default().say("waiting");
}
