//! The lab as an operator uses it: up, asked, changed, down.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A lab that ends with the test.
struct Lab(tempfile::TempDir);

impl Lab {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mco"));
        command.args(arguments).env("MARCATO_CONFIG", self.dir().join("client.toml"));
        command.env_remove("MARCATO_BROKER").env_remove("MARCATO_FLEET").stdin(Stdio::null());
        command
    }

    fn mco(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it runs: name and process.
    fn processes(&self) -> Vec<(String, Pid)> {
        let lab: Value =
            serde_json::from_slice(&std::fs::read(self.dir().join("lab.json")).unwrap()).unwrap();
        let process = |process: &Value| {
            let pid = i32::try_from(process["pid"].as_i64().unwrap()).unwrap();
            (process["what"].as_str().unwrap().to_owned(), Pid::from_raw(pid).unwrap())
        };
        lab["processes"].as_array().unwrap().iter().map(process).collect()
    }

    /// The jobs that are written down.
    fn jobs(&self) -> Vec<Value> {
        let Ok(folder) = std::fs::read_dir(self.dir().join("state/jobs")) else {
            return Vec::new();
        };
        // A draft is about to get its name.
        let files = folder.map(|entry| entry.unwrap().path());
        let whole = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
        whole.filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok()).collect()
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn lab(&self, arguments: &[&str]) -> Output {
        let dir = self.dir().to_str().unwrap();
        self.mco(&[&["lab"], arguments, &["--dir", dir]].concat())
    }

    /// A command with this exit code: standard output and standard error.
    fn run(&self, arguments: &[&str], exit: i32) -> (String, String) {
        said(&self.mco(arguments), exit)
    }

    /// The truth about a host: the main process of its service.
    fn pid(&self, name: &str, service: &str) -> Option<u64> {
        let file = self.dir().join("nodes").join(name).join("host/host.json");
        let host: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        host["services"][service]["main_pid"].as_u64()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.lab(&["down"]);
    }
}

fn said(output: &Output, exit: i32) -> (String, String) {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(exit), "{out}\n{err}");
    (out, err)
}

fn names(dir: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn up_asked_changed_down() {
    let lab = Lab(tempfile::tempdir().unwrap());
    let own = lab.dir().join("mine");
    std::fs::write(&own, "stays").unwrap();
    said(&lab.lab(&["up", "--nodes", "6"]), 0);
    let (_, again) = said(&lab.lab(&["up", "--nodes", "6"]), 0);
    assert!(again.contains("the lab is up"), "{again}");
    let (env, _) = said(&lab.lab(&["env"]), 0);
    assert!(env.contains("export MARCATO_BROKER='nats://127.0.0.1:"), "{env}");
    assert_eq!(lab.processes().len(), 2, "the hub's and the nodes'");
    for (what, pid) in lab.processes() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let (session, terminal) = (fields[3].parse(), fields[4]);
        assert_eq!((session, terminal), (Ok(pid.as_raw_nonzero().get()), "0"), "{what}: {stat}");
    }
    for path in names(lab.dir()).iter().filter(|path| **path != own) {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }

    let (found, _) = lab.run(&["find", "-W", "hagroup=c"], 0);
    assert_eq!(found, "old1.example.com\nweb3.example.com\n");
    lab.run(&["ping"], 0);
    let web = ["web1.example.com", "web2.example.com", "web3.example.com"];
    let before = web.map(|name| lab.pid(name, "nginx"));
    let restart = ["service", "nginx", "restart", "-W", "hagroup=c"];
    // Without a terminal it must be said that it is meant.
    let (out, err) = lab.run(&restart, 64);
    assert!(out.is_empty() && err.contains("--yes"), "{err}");
    let (json, _) = lab.run(&[restart.as_slice(), &["--yes", "--json"]].concat(), 0);
    let report: Value = serde_json::from_str(&json).unwrap();
    let ends = report["replies"].as_array().unwrap().iter();
    let ends: Vec<_> = ends.map(|r| (r["sender"].as_str(), r["reason"].as_str())).collect();
    let want = [("old1.example.com", Some("absent")), ("web3.example.com", None)];
    assert_eq!(ends, want.map(|(name, reason)| (Some(name), reason)));
    let after = web.map(|name| lab.pid(name, "nginx"));
    assert_eq!((after[0], after[1]), (before[0], before[1]));
    assert_ne!(after[2], before[2]);
    // A service that none of them has.
    lab.run(&["service", "ngnix", "status", "-W", "role=web"], 1);

    said(&lab.lab(&["status"]), 0);
    said(&lab.lab(&["down"]), 0);
    let (_, err) = lab.run(&["ping"], 69);
    assert!(err.contains("Nothing was sent"), "{err}");
    said(&lab.lab(&["down", "--purge"]), 0);
    assert_eq!(names(lab.dir()), BTreeSet::from([own]), "what it made is gone, and nothing else");
}

/// What a node says of an update, as the end of a job in JSON: state, reason, whether it changed.
fn update(lab: &Lab, node: &str) -> [Value; 3] {
    let words =
        ["rpc", "package", "update", "package=openssl", "lock_wait=0", "-I", node, "--json"];
    let output = lab.mco(&[&words[..], &["--yes"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reply = &report["replies"][0];
    ["state", "reason", "changed"].map(|key| reply[key].clone())
}

#[test]
fn what_is_broken_shows_and_is_mended() {
    let lab = Lab(tempfile::tempdir().unwrap());
    said(&lab.lab(&["up", "--nodes", "6"]), 0);
    let node = "web1.example.com";
    for (fault, reason) in [("held", "held"), ("disk-full", "no-space"), ("dpkg-lock", "locked")] {
        let (_, told) = said(&lab.lab(&["break", "web1", fault]), 0);
        assert!(told.contains(&format!("Next: mco package openssl update -I {node}")), "{told}");
        let want = ["failed", reason, "false"].map(Value::from);
        assert_eq!(update(&lab, node).map(|value| text(&value)), want, "{fault}");
        said(&lab.lab(&["mend", node, fault]), 0);
    }
    let want = ["ok", "", "true"].map(Value::from);
    assert_eq!(update(&lab, node).map(|value| text(&value)), want);
    said(&lab.lab(&["break", "web1", "down"]), 0);
    let (pinged, _) = said(&lab.mco(&["ping"]), 4);
    assert!(pinged.contains(&format!("{node}  down")), "{pinged}");
    said(&lab.lab(&["mend", "web1"]), 0);
    said(&lab.mco(&["ping"]), 0);
    said(&lab.lab(&["break", "web1", "clock"]), 0);
    let (pinged, _) = said(&lab.mco(&["ping"]), 2);
    assert!(pinged.contains("rejected  clock"), "{pinged}");
    said(&lab.lab(&["mend", "web1", "clock"]), 0);
    said(&lab.mco(&["ping"]), 0);
    said(&lab.lab(&["break", "web1", "slow"]), 0);
    let status = ["service", "nginx", "status", "-I", node, "-t"];
    said(&lab.mco(&[&status[..], &["1"]].concat()), 2);
    said(&lab.mco(&[&status[..], &["20"]].concat()), 0);
    said(&lab.lab(&["mend", "web1", "slow"]), 0);
    for (fault, reason) in [("bad-config", "precheck"), ("flap", "unsettled")] {
        said(&lab.lab(&["break", "web1", fault]), 0);
        let restart = ["service", "nginx", "restart", "-I", node, "--yes"];
        let (told, _) = said(&lab.mco(&restart), 2);
        assert!(told.contains(&format!("failed  {reason}")), "{told}");
        said(&lab.lab(&["mend", "web1", fault]), 0);
        said(&lab.mco(&restart), 0);
    }
    let (_, told) = said(&lab.lab(&["break", "wbe1", "down"]), 64);
    assert!(told.contains("nearest: web1"), "{told}");
    let (_, told) = said(&lab.lab(&["break", "this-machine", "down"]), 64);
    assert!(told.contains("nothing is broken here"), "{told}");
}

/// A value of JSON as text; nothing for null.
fn text(value: &Value) -> Value {
    match value {
        Value::Null => "".into(),
        Value::Bool(flag) => flag.to_string().into(),
        other => other.clone(),
    }
}

#[test]
fn what_is_sent_is_written_down_before() {
    let lab = Lab(tempfile::tempdir().unwrap());
    said(&lab.lab(&["up", "--nodes", "6"]), 0);
    let (_, nodes) = lab.processes().pop().unwrap();
    // So that nobody answers meanwhile.
    kill_process(nodes, Signal::STOP).unwrap();
    let restart = ["service", "nginx", "restart", "-W", "hagroup=c", "--yes", "-t", "60"];
    let mut child = lab.command(&restart).stderr(Stdio::piped()).spawn().unwrap();
    while lab.jobs().is_empty() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    let job = lab.jobs().pop().unwrap();
    assert_eq!((&job["stage"], &job["command"][2]), (&"begun".into(), &"restart".into()), "{job}");
    assert_eq!(job["nodes"], serde_json::json!(["old1.example.com", "web3.example.com"]));

    // The terminal goes, or somebody ends it: the accounts are closed all the same.
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let err = told(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err}");
    assert!(err.contains("may still start it"), "{err}");
    let job = lab.jobs().pop().unwrap();
    assert_eq!((&job["stage"], &job["exit"]), (&"ended".into(), &130.into()), "{job}");
    kill_process(nodes, Signal::CONT).unwrap();
}

/// The truth about what a batch did, of the hosts themselves.
#[test]
fn a_batch_stops_at_the_node_that_fails() {
    let lab = Lab(tempfile::tempdir().unwrap());
    said(&lab.lab(&["up", "--nodes", "3"]), 0);
    let pids = || ["web1.example.com", "web3.example.com"].map(|host| lab.pid(host, "nginx"));
    let before = pids();
    let broken = lab.dir().join("nodes/web2.example.com/host/host.json");
    std::fs::write(broken, "{}").unwrap();
    let restart = ["service", "nginx", "restart", "-I", "/web/", "--yes", "--batch", "1"];
    let restart = [&restart[..], &["--batch-sleep", "0"]].concat();
    let (_, err) = lab.run(&restart, 2);
    assert!(err.contains("stopped after web2.example.com"), "{err}");
    let after = pids();
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1], "web3 was not touched");
    let job = lab.jobs().pop().unwrap()["id"].as_str().unwrap().to_owned();
    assert!(err.contains(&format!("mco again {job} --untouched")), "{err}");
    lab.run(&["again", &job, "--untouched", "--yes"], 0);
    let again = pids();
    assert_eq!(again[0], after[0], "web1 is done");
    assert_ne!(again[1], after[1]);
    lab.run(&[&restart[..], &["--keep-going"]].concat(), 2);
    assert_ne!(pids()[1], again[1]);
}

/// Whoever leaves in the middle of a batch has sent it to those alone whose turn it was.
#[test]
fn nothing_is_sent_after_the_operator_went() {
    let lab = Lab(tempfile::tempdir().unwrap());
    said(&lab.lab(&["up", "--nodes", "3"]), 0);
    let (_, nodes) = lab.processes().pop().unwrap();
    kill_process(nodes, Signal::STOP).unwrap();
    let restart = ["service", "nginx", "restart", "-I", "/web/", "--yes", "--batch", "1"];
    let restart = [&restart[..], &["-t", "60"]].concat();
    let mut child = lab.command(&restart).stderr(Stdio::piped()).spawn().unwrap();
    while lab.jobs().is_empty() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let err = told(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err}");
    assert!(err.contains("were not sent it"), "{err}");
    let job = lab.jobs().pop().unwrap();
    let left = job["report"]["nodes"].as_array().unwrap().iter();
    let left = left.filter(|node| node["reason"] == "not-sent").count();
    assert!(left >= 2, "{job}");
    kill_process(nodes, Signal::CONT).unwrap();
}

#[test]
fn another_program_has_the_port() {
    let lab = Lab(tempfile::tempdir().unwrap());
    said(&lab.lab(&["up", "--nodes", "1"]), 0);
    let port = |lab: &Lab| {
        let (env, _) = said(&lab.lab(&["env"]), 0);
        let (_, port) = env.trim().trim_end_matches('\'').rsplit_once(':').unwrap();
        port.parse::<u16>().unwrap()
    };
    let before = port(&lab);
    said(&lab.lab(&["down"]), 0);
    let taken = std::net::TcpListener::bind(("127.0.0.1", before));
    said(&lab.lab(&["up", "--nodes", "1"]), 0);
    // Where somebody else was faster, the lab stood aside for him too.
    assert!(taken.is_err() || port(&lab) != before);
    lab.run(&["ping"], 0);
}

fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mco"));
    command.args(["lab", "demo"]).env("TMPDIR", folder).stdin(Stdio::null());
    command
}

#[test]
fn the_demo_shows_what_it_says_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (out, err) = said(&demo(folder.path()).output().unwrap(), 0);
    assert_eq!(out.matches("[exit ").count(), 19, "{out}");
    for part in [
        "failed  held",
        "failed  no-space",
        "[exit 2]",
        "[exit 4]",
        "down  not-connected  web2.example.com",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(err.contains("1 read-only, left out: this-machine"), "{err}");
    assert_eq!(names(folder.path()), BTreeSet::new());
}

#[test]
fn who_leaves_the_demo_leaves_no_fleet() {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        demo(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().starts_with("$ mco find") {}
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    lines.for_each(drop);
    let err = told(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err}");
    assert_eq!(names(folder.path()), BTreeSet::new(), "{err}");
}

/// What a program says on standard error until its end.
fn told(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}
