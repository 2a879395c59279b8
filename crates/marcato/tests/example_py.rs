//! The protocol's second implementation, `docs/protocol/example.py`, pings the nodes of a lab.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A lab that ends with the test.
struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    fn up(nodes: u32) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        let output = lab.mco(&["up", "--nodes", &nodes.to_string()]);
        assert!(output.status.success(), "{output:?}");
        lab
    }

    fn mco(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mco"));
        command.arg("lab").args(arguments).arg("--dir").arg(self.folder.path());
        command.output().unwrap()
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("client.toml")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.mco(&["down"]);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python of the tests: what the environment names, else the one that `cargo xtask tools` makes.
fn python() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("MARCATO_PYTHON") {
        return Some(named.into());
    }
    let made = root().join("target/venv/bin/python");
    made.is_file().then_some(made)
}

fn ping(python: &Path, lab: &Lab, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(python);
    command.arg(root().join("docs/protocol/example.py")).arg("ping");
    command.arg("--fleet-config").arg(lab.config()).args(more);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), said.concat())
}

#[test]
fn the_example_pings_every_node() {
    let Some(python) = python() else {
        println!("skipped: no Python with its packages; `cargo xtask tools` makes it");
        return;
    };
    let lab = Lab::up(5);
    let (code, said) = ping(&python, &lab, &[]);
    assert_eq!(code, Some(0), "{said}");
    // Five nodes and this machine, each with what only the reader can open.
    assert_eq!(said.matches(": ok {\"data\": {\"pong\": ").count(), 6, "{said}");

    // The authority's key may certify nodes; it is not an operator's.
    let other = lab.folder.path().join("authority");
    let (code, said) = ping(&python, &lab, &["--key", other.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.matches(": rejected key-not-allowed {}").count(), 6, "{said}");
}
