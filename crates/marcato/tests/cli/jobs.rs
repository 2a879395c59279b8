//! Going back to earlier jobs: what hangs on a host is interrupted, cancelled, followed, done again.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::kit::{Lab, on_terminal, transcript};

const RESTART: &str = "service nginx restart -I web1.example.com --yes -t 60";

/// Holds a host as it is: what would change it waits.
fn hold(lab: &Lab) -> File {
    lock(lab.home().join("lab/nodes/web1.example.com/host/host.lock"))
}

fn lock(file: PathBuf) -> File {
    let lock = File::options().write(true).create(true).truncate(false).open(file).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    lock
}

/// Waits until the change that is held has begun.
fn until_it_runs(lab: &Lab) {
    let runs = lab.home().join("lab/nodes/web1.example.com/state/runs");
    let end = Instant::now() + Duration::from_secs(60);
    while fs::read_dir(&runs).map_or(0, Iterator::count) == 0 {
        assert!(Instant::now() < end, "it never began");
        std::thread::sleep(Duration::from_millis(5));
    }
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

/// The second Ctrl-C waits for nothing, such as a file that another command does not let go.
#[test]
fn who_is_interrupted_twice_leaves_at_once() {
    let lab = Lab::up(1);
    let known = lab.home().join("lab/state/known_nodes.lab");
    fs::remove_file(&known).unwrap();
    let locks = [hold(&lab), lock(known.with_extension("lab.lock"))];
    let mut command = lab.mco(RESTART);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_it_runs(&lab);
    // Two that come together count as one, so that the key is pressed until it helps.
    let end = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it does not leave");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    let left = transcript(RESTART, &child.wait_with_output().unwrap(), lab.home());
    drop(locks);
    insta::assert_snapshot!([left, lab.session(&["job follow", "job list"])].join("\n"));
}

/// Who looks at a job of which the command still runs is told so, and takes nothing out of its hands.
#[test]
fn a_job_that_still_runs() {
    let lab = Lab::up(3);
    let lock = hold(&lab);
    let mut child = lab.mco(RESTART).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_it_runs(&lab);
    let during = lab.session(&["job list", "job show", "again --silent --yes"]);
    let mut follow = lab.mco("job follow");
    let follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(lock);
    assert!(child.wait().unwrap().success());
    let follow = transcript("job follow", &follow.wait_with_output().unwrap(), lab.home());
    insta::assert_snapshot!([during, follow, lab.session(&["job list"])].join("\n"));
}

/// The command is killed, and nobody hears how the change went on; its node does not forget.
#[test]
fn what_a_killed_command_began_is_followed() {
    let lab = Lab::up(3);
    let lock = hold(&lab);
    let mut child = lab.mco(RESTART).spawn().unwrap();
    until_it_runs(&lab);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let before = lab.session(&["job list", "job show"]);
    drop(lock);
    let after = lab.session(&["job follow", "job show"]);
    insta::assert_snapshot!([before, after].join("\n"));
}

/// A real ssh-agent whose key has to be confirmed each time, by a program that counts how often.
struct Confirmed {
    agent: Child,
    socket: PathBuf,
    count: PathBuf,
}

impl Confirmed {
    fn start(lab: &Lab) -> Self {
        let at = |name: &str| lab.home().join(name);
        let (socket, count, asked) = (at("agent"), at("count"), at("asked"));
        let script = format!("#!/bin/sh\necho once >> '{}'\n", count.display());
        let mut file =
            File::options().write(true).create_new(true).mode(0o700).open(&asked).unwrap();
        file.write_all(script.as_bytes()).unwrap();
        drop(file);
        let mut agent = Command::new("ssh-agent");
        agent.args(["-D", "-a"]).arg(&socket).stdout(Stdio::piped());
        agent.env("SSH_ASKPASS", &asked).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", "none");
        let mut agent = agent.spawn().unwrap();
        // It prints its variables once the socket is there.
        agent.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let mut add = Command::new("ssh-add");
        add.args(["-q", "-c"]).arg(at("lab/operator")).env("SSH_AUTH_SOCK", &socket);
        assert!(add.stderr(Stdio::null()).status().unwrap().success());
        Self { agent, socket, count }
    }

    fn count(&self) -> usize {
        fs::read_to_string(&self.count).unwrap_or_default().lines().count()
    }
}

impl Drop for Confirmed {
    fn drop(&mut self) {
        self.agent.kill().unwrap();
        self.agent.wait().unwrap();
    }
}

/// The configuration without its key, in place of which there is one in an agent.
fn keyless(lab: &Lab) -> PathBuf {
    let text = fs::read_to_string(lab.config()).unwrap();
    let others = text.lines().filter(|line| !line.starts_with("key = "));
    let file = lab.home().join("keyless.toml");
    fs::write(&file, others.collect::<Vec<_>>().join("\n")).unwrap();
    file
}

/// However long the job goes on, its end is heard without another question.
#[test]
fn who_follows_signs_once() {
    let lab = Lab::up(3);
    let lock = hold(&lab);
    leave(&lab);
    let key = Confirmed::start(&lab);
    let mut follow = lab.mco("job follow");
    follow.env("MARCATO_CONFIG", keyless(&lab)).env("SSH_AUTH_SOCK", &key.socket);
    let mut follow = follow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while key.count() == 0 {
        assert_eq!(follow.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(lock);
    assert_eq!(follow.wait().unwrap().code(), Some(0));
    assert_eq!(key.count(), 1);
}

/// Who does not wait for the rest leaves the job as it was.
#[test]
fn following_is_interrupted() {
    let lab = Lab::up(3);
    lab.signal_nodes(Signal::STOP);
    let begun = lab.type_("service nginx restart -I web1.example.com --yes -t 0.5");
    let lock = hold(&lab);
    lab.signal_nodes(Signal::CONT);
    until_it_runs(&lab);
    let waits = "\u{1b}[Kwaiting for 1";
    let text = on_terminal(&lab.mco("job follow"), &[(waits, "\u{3}")], lab.home());
    drop(lock);
    let after = lab.session(&["job list", "job follow", "job list"]);
    insta::assert_snapshot!([begun, format!("$ mco job follow\n{text}"), after].join("\n"));
}

/// What can be typed next means the nodes that were meant, also where the job is looked at again, or done
/// again for some of them: never more.
#[test]
fn what_is_next_is_for_the_same_nodes() {
    let lab = Lab::up(3);
    let broken = format!("lab break web1 held --dir {}", lab.home().join("lab").display());
    assert!(lab.mco(&broken).output().unwrap().status.success());
    lab.type_("package openssl update -I web1.example.com -I web2.example.com --yes");
    let shown = lab.type_("job show");
    let mended = broken.replace("break", "mend");
    assert!(lab.mco(&mended).output().unwrap().status.success());
    let again = lab.session(&["again --failed --yes", "job show"]);
    insta::assert_snapshot!([shown, again].join("\n"));
}

/// Where several fleets are configured, it names the one that was meant too.
#[test]
fn what_is_next_is_for_the_same_fleet() {
    let lab = Lab::up(1);
    let text = fs::read_to_string(lab.config()).unwrap();
    let (_, fleet) = text.split_once("[fleets.lab]").unwrap();
    fs::write(lab.config(), format!("{text}\n[fleets.other]{fleet}")).unwrap();
    let update = lab.mco("package openssl update -I web1.example.com --yes --fleet lab").output();
    let said = String::from_utf8(update.unwrap().stderr).unwrap();
    let next = "Next: mco service restart --stale openssl -I web1.example.com --fleet lab\n";
    assert!(said.contains(next), "{said}");
    let mut shown = lab.mco("job show");
    let said =
        String::from_utf8(shown.env("MARCATO_FLEET", "lab").output().unwrap().stderr).unwrap();
    assert!(said.contains("--stale openssl -I web1.example.com\n"), "{said}");
}

/// A node that does not know the job, and one that is there no more, keep the word that stood there.
#[test]
fn who_knows_nothing_of_a_job_is_named() {
    let lab = Lab::up(2);
    lab.signal_nodes(Signal::STOP);
    lab.type_("ping -t 0.5 -I /web/");
    lab.signal_nodes(Signal::CONT);
    let file = lab.home().join(format!("lab/state/jobs/{}.json", ids(&lab)[0]));
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    kept["report"]["orders"] = serde_json::json!(["00000000000000000000000000000000"]);
    kept["report"]["nodes"][0]["node"] = "old9.example.com".into();
    fs::write(&file, kept.to_string()).unwrap();
    insta::assert_snapshot!(lab.type_("job follow"));
}

/// A cancel changes what a node remembers and not its host.
#[test]
fn a_node_that_takes_no_changes_takes_a_cancel() {
    let lab = Lab::up(1);
    lab.signal_nodes(Signal::STOP);
    lab.type_("ping -t 0.5 -I this-machine -I web1.example.com");
    lab.signal_nodes(Signal::CONT);
    let id = ids(&lab)[0].clone();
    // Who answers this has ended the one before.
    lab.type_("ping -I this-machine -I web1.example.com");
    let cancels = [format!("job cancel {id}"), format!("job cancel {id} --json")];
    let cancels: Vec<&str> = cancels.iter().map(String::as_str).collect();
    insta::assert_snapshot!(lab.session(&cancels).replace(&id, "ID"));
}

/// Nodes that were down already are listed and do not count, also once the job is looked at again.
#[test]
fn nodes_that_were_down_already() {
    let lab = Lab::up(3);
    let broken = format!("lab break web1 down --dir {}", lab.home().join("lab").display());
    assert!(lab.mco(&broken).output().unwrap().status.success());
    insta::assert_snapshot!(lab.session(&[
        "package openssl status -I /web/",
        "package openssl status -I /web/ --allow-down",
        "job show",
        "job follow",
        "package openssl status -I /web/ --allow-down --json",
        "package openssl status -I /web/ --allow-down -q",
        "service nginx restart -I /web/ --allow-down --yes",
        "service nginx restart -I web1.example.com --allow-down --yes",
    ]));
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
