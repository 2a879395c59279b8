//! Going back to earlier jobs: what hangs on a host is interrupted, cancelled, followed, done again.

use std::fs::File;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::kit::{Lab, on_terminal};

const RESTART: &str = "service nginx restart -I web1.example.com --yes -t 60";

/// Holds a host as it is: what would change it waits.
fn hold(lab: &Lab) -> File {
    let file = lab.home().join("lab/nodes/web1.example.com/host/host.lock");
    let lock = File::options().write(true).create(true).truncate(false).open(file).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    lock
}

/// The ids of the kept jobs, the oldest first.
fn ids(lab: &Lab) -> Vec<String> {
    let output = lab.mco("job list --json").output().unwrap();
    let jobs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = |job: &Value| job["job"].as_str().unwrap().to_owned();
    jobs["jobs"].as_array().unwrap().iter().map(id).collect()
}

fn leave(lab: &Lab) -> String {
    let text = on_terminal(&lab.mco(RESTART), &[("waiting for 1", "\u{3}")], lab.home());
    format!("$ mco {RESTART}\n{text}")
}

#[test]
fn what_hangs_is_interrupted_cancelled_followed_and_done_again() {
    let lab = Lab::up(3);
    let lock = hold(&lab);
    let mut seen = vec![leave(&lab), leave(&lab)];
    let first = ids(&lab).remove(0);
    // The second waits behind the first, which runs.
    seen.push(lab.type_("job cancel"));
    seen.push(lab.type_(&format!("job cancel {first}")));
    drop(lock);
    seen.push(lab.type_(&format!("job follow {first}")));
    seen.push(lab.type_("job follow"));
    seen.push(lab.session(&[
        "job show",
        "job show --json",
        "job cancel",
        "again --failed",
        "again --untouched",
        "again --untouched --yes",
        "job list",
    ]));
    let text = seen.join("\n").replace(&first, "FIRST");
    insta::assert_snapshot!(text);
}

/// The command is killed, and nobody hears how the change went on; its node does not forget.
#[test]
fn what_a_killed_command_began_is_followed() {
    let lab = Lab::up(3);
    let lock = hold(&lab);
    let mut child = lab.mco(RESTART).spawn().unwrap();
    let runs = lab.home().join("lab/nodes/web1.example.com/state/runs");
    while std::fs::read_dir(&runs).map_or(0, Iterator::count) == 0 {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let before = lab.session(&["job list", "job show"]);
    drop(lock);
    let after = lab.session(&["job follow", "job show"]);
    insta::assert_snapshot!([before, after].join("\n"));
}

#[test]
fn ids_and_parts() {
    let lab = Lab::up(3);
    let none = lab.session(&["job list", "job show", "again --failed"]);
    lab.type_("package openssl status");
    let id = ids(&lab).remove(0);
    let near = id[..3].to_owned();
    let lines = [
        format!("job show {}", id.to_lowercase()),
        format!("job show {near}"),
        "job show nosuchjob".to_owned(),
        "job follow".to_owned(),
        "again".to_owned(),
        "again --down".to_owned(),
        "job show --fleet prod".to_owned(),
        "job follow --fleet prod".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let text = lab.session(&lines).replace(&id.to_lowercase(), "id").replace(&id, "ID");
    insta::assert_snapshot!([none, text.replace(&near, "NEAR")].join("\n"));
}
