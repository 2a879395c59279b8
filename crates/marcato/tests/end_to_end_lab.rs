//! The lab as an operator uses it: up, asked, changed, down.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A lab that ends with the test.
struct Lab(tempfile::TempDir);

impl Lab {
    fn mco(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mco"));
        command.args(arguments).env("MARCATO_CONFIG", self.dir().join("client.toml"));
        command.env_remove("MARCATO_BROKER").env_remove("MARCATO_FLEET");
        command.stdin(Stdio::null()).output().unwrap()
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
