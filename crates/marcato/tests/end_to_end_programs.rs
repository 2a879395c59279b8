//! The programs themselves, as processes: `mcod hub`, two `mcod node` of this machine with
//! certificates made as an operator makes them, and `mco`; on our broker and on every nats-server
//! that is given.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use marcato_protocol::sshsig::PublicKey;
use serde_json::Value;
use support::brokers::{self, Kind, Server};
use support::{AUTHORITY, OPERATOR, key};

/// A process that ends with the value.
struct Process(Child);

impl Process {
    fn mcod(arguments: &[&str], places: &Places, log: &Path) -> Self {
        let mut command = mcod(arguments, places);
        let log = fs::File::options().append(true).create(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap())
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    /// Ends it as a service manager does; how it ended.
    fn terminate(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is no more to be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folders of one daemon.
struct Places {
    config: PathBuf,
    state: PathBuf,
}

fn mcod(arguments: &[&str], places: &Places) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcod"));
    command.args(arguments).arg("--config").arg(&places.config);
    command.arg("--state").arg(&places.state);
    command
}

/// Runs a program with a text on its standard input, and gives what it printed.
fn piped(mut command: Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn public(number: u8) -> PublicKey {
    key(number).public().clone()
}

/// A folder with everything in it, and the processes.
struct Fleet {
    dir: tempfile::TempDir,
    address: String,
    hub: Option<Process>,
    nodes: Vec<Process>,
    /// The broker, where it is none of ours.
    server: Option<Server>,
}

impl Fleet {
    fn up(kind: &Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (number, name) in [(AUTHORITY, "authority"), (OPERATOR, "operator")] {
            let path = dir.path().join(name);
            let mut file =
                fs::File::options().write(true).create_new(true).mode(0o600).open(path).unwrap();
            file.write_all(key(number).to_openssh("x").unwrap().as_bytes()).unwrap();
        }
        let server = match kind {
            Kind::Ours => None,
            Kind::Nats(_) => Some(Server::start(kind)),
        };
        let mut fleet = Self { dir, address: String::new(), hub: None, nodes: Vec::new(), server };
        fleet.start_hub();
        let client = format!(
            "state = '{}'\n[fleets.lab]\nbroker = 'nats://{}'\nauthority = '{}'\ncaller = 'ops'\nkey = '{}'\n",
            fleet.path("client").display(),
            fleet.address,
            public(AUTHORITY),
            fleet.path("operator").display(),
        );
        fs::write(fleet.path("client.toml"), client).unwrap();
        for name in ["one.example.com", "two.example.com"] {
            fleet.start_node(name);
        }
        fleet.until_found(2);
        fleet
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn places(&self, name: &str) -> Places {
        let places =
            Places { config: self.path(name).join("etc"), state: self.path(name).join("state") };
        fs::create_dir_all(places.config.join("policy.d")).unwrap();
        places
    }

    /// The hub with a broker of its own, or attached to the one that is there.
    fn start_hub(&mut self) {
        let places = self.places("hub");
        let broker = match &self.server {
            None => "listen = '127.0.0.1:0'\n".to_owned(),
            Some(server) => format!("broker = 'nats://{}'\n", server.address()),
        };
        let text = format!("collective = 'lab'\nauthority = '{}'\n{broker}", public(AUTHORITY));
        fs::write(places.config.join("hub.toml"), text).unwrap();
        self.hub = Some(Process::mcod(&["hub"], &places, &self.path("log")));
        self.address = match &self.server {
            Some(server) => server.address().to_string(),
            None => {
                let file = places.state.join("address");
                self.until("the hub listens", || file.exists());
                fs::read_to_string(file).unwrap().trim().to_owned()
            }
        };
    }

    fn start_node(&mut self, name: &str) {
        let places = self.places(name);
        let config = format!(
            "collective = 'lab'\nbroker = 'nats://{}'\nauthority = '{}'\nidentity = '{name}'\n",
            self.address,
            public(AUTHORITY),
        );
        let write = |name: &str, text: &str| fs::write(places.config.join(name), text).unwrap();
        write("node.toml", &config);
        write("allowed_signers", &format!("ops {}\n", public(OPERATOR)));
        write("policy.d/a.policy", "allow callers=ops agents=* actions=*\n");
        write("facts.yaml", &format!("number: {}\n", &name[..3]));
        // The machine's own files, keys made on it, and the authority elsewhere.
        let request = piped(mcod(&["node", "--print-request"], &places), "");
        let mut sign = Command::new(env!("CARGO_BIN_EXE_mco"));
        sign.args(["authority", "sign-node", "--key"]).arg(self.path("authority"));
        let certificate = piped(sign, &request);
        piped(mcod(&["node", "--install-certificate", "-"], &places), &certificate);
        let check = mcod(&["node", "--check"], &places).output().unwrap();
        assert!(check.status.success(), "{check:?}");
        self.nodes.push(Process::mcod(&["node"], &places, &self.path("log")));
    }

    fn mco(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mco"));
        command.args(arguments).env("MARCATO_CONFIG", self.path("client.toml"));
        command.env_remove("MARCATO_BROKER").env_remove("MARCATO_FLEET");
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// A command with this exit code; what it printed.
    fn run(&self, arguments: &[&str], exit: i32) -> String {
        let output = self.mco(arguments);
        let [out, err] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}\n{out}\n{err}");
        out
    }

    /// The same as JSON: its replies.
    fn replies(&self, arguments: &[&str], exit: i32) -> Vec<Value> {
        let out = self.run(&[arguments, &["--json"]].concat(), exit);
        let report: Value = serde_json::from_str(&out).unwrap();
        report["replies"].as_array().unwrap().clone()
    }

    fn until_found(&self, count: usize) {
        let found = || String::from_utf8_lossy(&self.mco(&["find"]).stdout).lines().count();
        self.until("the nodes have registered", || found() == count);
        // Who has never met a node cannot tell whether a hub that has just started knows them all.
        self.run(&["ping"], 4);
    }

    fn until(&self, what: &str, so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !so() {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What the machine itself says of a package.
fn installed(package: &str) -> Option<String> {
    let mut query = Command::new("dpkg-query");
    let output = query.args(["-W", "-f=${Version}", package]).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn on(kinds: Vec<Kind>, test: impl Fn(Fleet)) {
    // A node is bound to its machine; what has no name of its own has no node.
    if !Path::new("/etc/machine-id").exists() {
        println!("skipped: this machine has no /etc/machine-id");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    for kind in kinds {
        test(Fleet::up(&kind));
    }
}

#[test]
fn from_certificates_to_answers() {
    on(brokers::kinds(), |mut fleet| {
        assert_eq!(fleet.run(&["find"], 0), "one.example.com\ntwo.example.com\n");
        assert_eq!(fleet.run(&["find", "-W", "number=two"], 0), "two.example.com\n");
        let replies = fleet.replies(&["ping"], 0);
        assert!(replies.iter().all(|reply| reply["state"] == "ok"), "{replies:?}");
        if let Some(version) = installed("bash") {
            for reply in fleet.replies(&["package", "bash", "status"], 0) {
                assert_eq!(reply["data"]["version"], version.as_str(), "{reply}");
            }
            fleet.run(&["package", "no-such-package", "status"], 1);
        }
        // One process is killed: named, and not waited for.
        drop(fleet.nodes.remove(0));
        let begun = Instant::now();
        let replies = fleet.replies(&["ping"], 4);
        let states: Vec<_> = replies.iter().map(|r| (&r["sender"], &r["state"])).collect();
        let down = (&Value::from("one.example.com"), &Value::from("down"));
        let ok = (&Value::from("two.example.com"), &Value::from("ok"));
        assert_eq!(states, [down, ok]);
        assert!(begun.elapsed() < Duration::from_secs(5), "the wait was not waited for");
        // The others end in order.
        assert_eq!(fleet.nodes.remove(0).terminate(), Some(0));
        fleet.run(&["ping"], 3);
        assert_eq!(fleet.hub.take().unwrap().terminate(), Some(0));
    });
}

#[test]
fn without_its_hub() {
    on(vec![Kind::Ours], |mut fleet| {
        assert_eq!(fleet.hub.take().unwrap().terminate(), Some(0));
        let output = fleet.mco(&["ping"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(69), 0), "{said}");
        assert!(said.contains("Nothing was sent"), "{said}");
    });
}
