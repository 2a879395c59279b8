//! What the tests of external agents share: plugins copied to a folder of their own, calls, and a
//! look at the processes of this machine.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use marcato_agent::external::{DEFAULT_PATH, Host};
use marcato_agent::runner::{Launch, Voice};
use marcato_agent::{Call, Catalog, Outcome};
use marcato_core::{Facts, OrderId, Span, Timestamp};
use rustix::fs::{Mode, chmod};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Agents in a temporary folder.
pub struct Kit {
    pub dir: tempfile::TempDir,
    pub host: Host,
}

impl Kit {
    /// A folder with these plugins of `tests/plugins`.
    pub fn new(plugins: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let agents = dir.path().join("agents");
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&agents).unwrap();
        std::fs::create_dir(&scratch).unwrap();
        std::fs::create_dir(agents.join("settings")).unwrap();
        mode(&agents, 0o755);
        let settings = agents.join("settings");
        let kit = Self { host: Host { agents, settings, scratch, path: path() }, dir };
        for name in plugins {
            kit.put(name);
        }
        kit
    }

    fn put(&self, name: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins");
        for (file, bits) in [(name.to_owned(), "0755"), (format!("{name}.json"), "0644")] {
            self.copy(&from.join(&file), &file, bits);
        }
    }

    /// Puts a file of this text into the agents' folder.
    pub fn install(&self, file: &str, text: &str, bits: &str) {
        let from = self.dir.path().join(file);
        std::fs::write(&from, text).unwrap();
        self.copy(&from, file, bits);
    }

    fn copy(&self, from: &Path, file: &str, bits: &str) {
        // By another process: while this one has a program open for writing, a child that another
        // test forks has it open too, and then it cannot be executed.
        let install = ["-m", bits].map(OsString::from).into_iter();
        let paths = [from.to_owned(), self.at(file)].map(OsString::from);
        let done = Command::new("install").args(install.chain(paths)).status().unwrap();
        assert!(done.success(), "{file}");
    }

    /// A path in the agents' folder.
    pub fn at(&self, name: &str) -> PathBuf {
        self.host.agents.join(name)
    }

    /// How runners are started here.
    pub fn launch(&self) -> Launch {
        let arguments =
            vec!["run".into(), self.host.agents.clone().into(), self.host.scratch.clone().into()];
        Launch { program: runner(), arguments }
    }

    /// All agents that can be loaded; each call in a runner.
    pub async fn catalog(&self) -> Catalog {
        let mut catalog = Catalog::new();
        let left_out = self.host.load(Some(&self.launch()), &mut catalog).await;
        assert!(left_out.is_empty(), "{left_out:?}");
        catalog
    }

    /// Calls one action through a catalog.
    pub async fn call(&self, agent: &str, action: &str, inputs: Value) -> Outcome {
        self.catalog().await.call(&call(agent, action, inputs)).await
    }
}

/// The test's `PATH`, because its Python may lie anywhere.
fn path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())
}

/// The example that plays `mcod`; cargo builds it with the tests.
pub fn runner() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/runner")
}

/// A call with a limit of five seconds.
pub fn call(agent: &str, action: &str, inputs: Value) -> Call {
    Call {
        order: OrderId::from_bytes([7; 16]),
        caller: "ops@example.com".parse().unwrap(),
        collective: "lab".parse().unwrap(),
        agent: agent.parse().unwrap(),
        action: action.parse().unwrap(),
        inputs: inputs.as_object().unwrap().clone(),
        issued: Timestamp::from_ms(1_700_000_000_123),
        limit: Span::from_secs(5),
        facts: Arc::new(Facts::from([("role".to_owned(), json!("web"))])),
        voice: Voice::default(),
    }
}

/// Sets a file's mode.
pub fn mode(path: &Path, bits: u32) {
    chmod(path, Mode::from_raw_mode(bits)).unwrap();
}

/// The processes in whose arguments a text stands.
pub fn processes_with(mark: &str) -> Vec<i32> {
    let has_mark = |pid: &i32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(mark)
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(has_mark).collect()
}

/// Ends a process.
pub fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Looks again and again until something is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
