//! Runs the real `mco` with an environment of the test's own, on a lab of the test's own, and writes
//! down what it said in a form that is the same every time.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};

pub const MCO: &str = env!("CARGO_BIN_EXE_mco");

/// `mco` with nothing of the tester's own environment.
pub fn mco(home: &Path) -> Command {
    let mut command = Command::new(MCO);
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command.current_dir(home);
    command
}

/// The words of a line: divided by blanks, but for what stands between single quotes.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// What a command said, and how it ended.
pub fn transcript(words: &str, output: &Output, home: &Path) -> String {
    let part = |name: &str, bytes: &[u8]| {
        let text = redact(&String::from_utf8_lossy(bytes), home);
        if text.is_empty() { String::new() } else { format!("{name}\n{text}") }
    };
    let exit = output.status.code().map_or("killed".to_owned(), |code| format!("exit {code}"));
    let out = part("--- stdout", &output.stdout);
    let err = part("--- stderr", &output.stderr);
    format!("$ mco {words}\n{out}{err}--- {exit}\n")
}

/// Puts a word in the place of everything that differs from run to run.
pub fn redact(text: &str, home: &Path) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"127\.0\.0\.1:\d+", "BROKER"),
            (r"(job|again|follow|cancel|show) [A-Z2-9]{4}\b", "$1 ID"),
            (r"(?m)^[A-Z2-9]{4}  \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "ID  WHEN"),
            (r#""job":"[A-Z2-9]{4}""#, r#""job":"ID""#),
            (r"in \d+(\.\d)? m?s\b", "in TIME"),
            (r"time=\d+ ms", "time=TIME"),
            (r#""took_ms":\d+"#, r#""took_ms":0"#),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "DATE"),
            (r"\b\d\d:\d\d:\d\dZ", "CLOCK"),
            (r"since \d+ s", "since TIME"),
            (r"(lists|up to) \d+ s old", "$1 TIME old"),
            (r"hub is \d+ s old", "hub is TIME old"),
            (r#""(main_pid|before|after|since|pong)":\d+"#, r#""$1":0"#),
            (r"pong=\d+", "pong=0"),
            (r"(min|mean|max) \d+ ms", "$1 TIME"),
            (r"(?m)^\|.*\| 0 to \d+ ms, \d+ ms a column$", "|BARS|"),
            (r"SHA256:[A-Za-z0-9+/]{43}", "FINGERPRINT"),
        ]
        .map(|(pattern, word)| (Regex::new(pattern).unwrap(), word))
        .into()
    });
    let mut text = text.replace(&home.display().to_string(), "HOME");
    for (pattern, word) in RULES.iter() {
        text = pattern.replace_all(&text, *word).into_owned();
    }
    text
}

/// A fleet of a test's own; it goes with the test.
pub struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    pub fn up(nodes: u32) -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap() };
        let nodes = nodes.to_string();
        let output = lab.lab(&["up", "--nodes", &nodes]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        lab
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    pub fn config(&self) -> PathBuf {
        self.home().join("lab/client.toml")
    }

    pub fn lab(&self, words: &[&str]) -> Output {
        let mut command = mco(self.home());
        command.arg("lab").args(words).arg("--dir").arg(self.home().join("lab"));
        command.output().unwrap()
    }

    /// `mco` with the lab's configuration.
    pub fn mco(&self, line: &str) -> Command {
        let mut command = mco(self.home());
        command.env("MARCATO_CONFIG", self.config()).args(words(line));
        command
    }

    /// Types one command, and gives back what is to be seen.
    pub fn type_(&self, words: &str) -> String {
        transcript(words, &self.mco(words).output().unwrap(), self.home())
    }

    /// Types several.
    pub fn session(&self, lines: &[&str]) -> String {
        lines.iter().map(|line| self.type_(line)).collect::<Vec<_>>().join("\n")
    }

    /// Stops the processes of the nodes, or lets them go on.
    pub fn signal_nodes(&self, signal: Signal) {
        let text = std::fs::read(self.home().join("lab/lab.json")).unwrap();
        let running: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for process in running["processes"].as_array().unwrap() {
            if process["what"].as_str().unwrap().starts_with("nodes") {
                let pid = i32::try_from(process["pid"].as_i64().unwrap()).unwrap();
                // A test may have ended it.
                let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.home().join("lab/lab.json").exists() {
            self.signal_nodes(Signal::CONT);
        }
        let output = self.lab(&["down"]);
        if !std::thread::panicking() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Runs a command on a terminal of its own, and answers what it waits for: each `(text, keys)` types
/// the keys once the text has appeared.
pub fn on_terminal(command: &Command, answers: &[(&str, &str)], home: &Path) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = || std::fs::File::options().read(true).write(true).open(&name).unwrap();
    // A session of its own, with this terminal as the one that Ctrl-C comes from.
    let mut child = Command::new("setsid");
    child.arg("--ctty").arg("--wait").arg(command.get_program()).args(command.get_args());
    child.env_clear().env("TERM", "xterm");
    for (name, value) in command.get_envs() {
        child.env(name, value.unwrap_or_default());
    }
    let mut running = child.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
    // It holds the terminal's other side as well.
    drop(child);
    let mut master = std::fs::File::from(master);
    let (mut seen, mut from) = (Vec::new(), 0);
    let mut answers = answers.iter();
    let mut next = answers.next();
    loop {
        let mut buffer = [0; 4096];
        // The end of a terminal is an error, once nobody holds its other side.
        let Ok(count @ 1..) = master.read(&mut buffer) else { break };
        seen.extend_from_slice(&buffer[..count]);
        if let Some((text, keys)) = next
            && let Some(at) = String::from_utf8_lossy(&seen[from..]).find(text)
        {
            from += at + text.len();
            master.write_all(keys.as_bytes()).unwrap();
            next = answers.next();
        }
    }
    let status = running.wait().unwrap();
    assert!(next.is_none(), "never seen: {next:?} in {}", String::from_utf8_lossy(&seen));
    let text = String::from_utf8_lossy(&seen).replace("\r\n", "\n");
    // Of the line of progress only the last state stays, as on a screen.
    let lines = text.lines().map(|line| {
        let wiped = line.rsplit("\r\u{1b}[K").next().unwrap_or_default();
        wiped.replace('\u{1b}', "ESC")
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let exit = status.code().map_or("killed".to_owned(), |code| format!("exit {code}"));
    format!("{}\n--- {exit}\n", redact(&text, home))
}
