//! What is wrong is told: one table of bad input, each with the exit code and the exact words.
//!
//! No case reaches a node: what nodes do with bad messages is in `attacks`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod socket;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use marcato_protocol::sshsig::PublicKey;

/// One case of the table.
#[derive(Debug, Default)]
struct Case {
    /// The command, a word each.
    words: Vec<String>,
    /// Names of files below the home, and their texts.
    files: Vec<(String, String)>,
    /// Variables of the environment.
    env: Vec<(String, String)>,
    /// Whether there is a client's configuration.
    configured: bool,
    /// What must stand on standard error, or what a broker must say.
    said: String,
    /// How it must end.
    exit: i32,
}

/// Reads the table.
fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = Case { configured: true, ..Case::default() };
    // The text that further lines belong to.
    let mut file: Option<(String, String)> = None;
    for line in text.lines() {
        let said = !case.words.is_empty();
        if let Some(code) = line.strip_prefix("exit ").filter(|_| said) {
            case.exit = code.parse().unwrap();
            cases.push(std::mem::replace(&mut case, Case { configured: true, ..Case::default() }));
        } else if said {
            case.said.push_str(line);
            case.said.push('\n');
        } else if let Some(command) = line.strip_prefix("$ ") {
            case.files.extend(file.take());
            case.words = words(command);
        } else if let Some(name) = line.strip_prefix("%file ") {
            case.files.extend(file.replace((name.to_owned(), String::new())));
        } else if let Some(variable) = line.strip_prefix("%env ") {
            case.files.extend(file.take());
            let (name, value) = variable.split_once('=').unwrap();
            case.env.push((name.to_owned(), value.to_owned()));
        } else if line == "%no client.toml" {
            case.configured = false;
        } else if let Some((_, text)) = &mut file {
            text.push_str(line);
            text.push('\n');
        }
    }
    cases
}

/// The words of a command: divided by blanks, but for what stands between single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Keys, and what listens, for all cases.
struct World {
    dir: tempfile::TempDir,
    agents: Vec<Child>,
    /// A broker that takes connections and says nothing.
    silent: TcpListener,
    hub: socket::Hub,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keygen = |words: &[&str]| {
            let mut command = Command::new("ssh-keygen");
            let status = command.arg("-q").args(words).current_dir(dir.path()).status().unwrap();
            assert!(status.success(), "ssh-keygen {words:?}");
        };
        for name in ["operator", "second"] {
            keygen(&["-t", "ed25519", "-N", "", "-C", name, "-f", name]);
        }
        keygen(&["-t", "ed25519", "-N", "a passphrase", "-f", "locked"]);
        keygen(&["-t", "rsa", "-b", "2048", "-N", "", "-f", "short"]);
        keygen(&["-t", "ecdsa", "-m", "PEM", "-N", "", "-f", "pem"]);
        let authority = fs::read_to_string(dir.path().join("second.pub")).unwrap();
        let hub = socket::Hub::start(dir.path(), authority.trim());
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut world = Self { dir, agents: Vec::new(), silent, hub };
        world.agent("agent-none", &[]);
        world.agent("agent-two", &["operator", "second"]);
        world
    }

    fn agent(&mut self, name: &str, keys: &[&str]) {
        let socket = self.dir.path().join(name);
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        self.agents.push(command.spawn().unwrap());
        while !socket.exists() {
            std::thread::yield_now();
        }
        for key in keys {
            let mut command = Command::new("ssh-add");
            command.arg("-q").arg(self.dir.path().join(key)).env("SSH_AUTH_SOCK", &socket);
            assert!(command.stderr(Stdio::null()).status().unwrap().success());
        }
    }

    /// The text of a file in a case: `@name@` is a key of this world, or its address.
    fn fill(&self, text: &str) -> String {
        let read = |name: &str| fs::read_to_string(self.dir.path().join(name)).unwrap();
        let mut text = text.replace("@authority@", read("second.pub").trim());
        for key in ["operator", "locked", "short", "pem", "operator.pub"] {
            text = text.replace(&format!("@{key}@"), &read(key));
        }
        let silent = self.silent.local_addr().unwrap().to_string();
        text.replace("@silent@", &silent).replace("@world@", &self.dir.path().display().to_string())
    }

    fn check(&self, case: &Case) {
        let [program, rest @ ..] = case.words.as_slice() else { panic!("no command") };
        if program == "socket" {
            let said = self.hub.hears(rest);
            assert_eq!(said.trim_end(), case.said.trim_end(), "the broker to: {rest:?}");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = home.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(file).unwrap();
            std::io::Write::write_all(&mut file, self.fill(text).as_bytes()).unwrap();
        };
        let config = ".config/marcato/client.toml";
        if case.configured && !case.files.iter().any(|(name, _)| name == config) {
            write(config, GOOD);
        }
        write("operator", "@operator@");
        for (name, text) in &case.files {
            write(name, text);
        }
        let began = Instant::now();
        let mut command = self.command(case, home.path());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let said = self.plain(&said, home.path());
        let words = case.words.join(" ");
        assert_eq!(said.trim_end(), case.said.trim_end(), "the words of: {words}");
        assert_eq!(output.status.code(), Some(case.exit), "the exit code of: {words}");
        assert_eq!(output.stdout, b"", "standard output of: {words}");
        // Nobody waits for more than a hub that may come back.
        assert!(began.elapsed() < Duration::from_secs(30), "{words}");
    }

    /// What was said, with names in the places of what differs from run to run.
    fn plain(&self, said: &str, home: &Path) -> String {
        let mut said = said.replace(&home.display().to_string(), "HOME");
        said = said.replace(&self.silent.local_addr().unwrap().to_string(), "BROKER");
        for key in ["operator", "second"] {
            let public = fs::read_to_string(self.dir.path().join(format!("{key}.pub"))).unwrap();
            let (public, _) = PublicKey::parse_line(&public).unwrap();
            said = said.replace(&public.fingerprint(), &format!("SHA256:{key}"));
        }
        said
    }

    /// Without anything of the tester's own: his environment, and a terminal to ask on.
    fn command(&self, case: &Case, home: &Path) -> Command {
        let [program, words @ ..] = case.words.as_slice() else { panic!("no command") };
        let program = match program.as_str() {
            "mco" => env!("CARGO_BIN_EXE_mco"),
            _ => env!("CARGO_BIN_EXE_mcod"),
        };
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(program).args(words.iter().map(|word| self.fill(word)));
        command.env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
        command.envs(case.env.iter().map(|(name, value)| (name.as_str(), self.fill(value))));
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            // One that has ended needs no end.
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

/// How many cases run at the same time.
const THREADS: usize = 8;

/// The client's configuration where a case brings none.
const GOOD: &str = "
[fleets.prod]
broker = 'nats://127.0.0.1:1'
authority = '@authority@'
caller = 'ops'
key = '~/operator'
";

#[test]
fn bad_input() {
    let world = World::new();
    let cases = cases(include_str!("cases.txt"));
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let (world, cases) = (&world, &cases);
    let failed = std::thread::scope(|scope| {
        // In several threads: a dead broker takes its five seconds.
        let run = |first: usize| {
            scope.spawn(move || {
                cases.iter().skip(first).step_by(THREADS).for_each(|case| world.check(case));
            })
        };
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        threads.into_iter().filter_map(|thread| thread.join().err()).count()
    });
    assert_eq!(failed, 0, "threads with a case that is otherwise, told above");
}
