//! The vectors of `docs/protocol/vectors/`: they are what the generator writes, our code says of each
//! what its file says, and so does the example that was written from the specification alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod make;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads a file of vectors.
fn read(name: &str) -> Value {
    let path = root().join("docs/protocol/vectors").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_files_are_what_the_generator_writes() {
    for (name, vectors) in make::all() {
        let path = root().join("docs/protocol/vectors").join(name);
        let written = std::fs::read_to_string(path).unwrap_or_default();
        let hint = "run `cargo run -p marcato-protocol --example vectors`, and read what changed";
        assert!(written == make::text(&vectors), "{name} is stale: {hint}");
    }
}

#[test]
fn every_file_has_a_check() {
    let mut files: Vec<String> = std::fs::read_dir(root().join("docs/protocol/vectors"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut made: Vec<&str> = make::all().iter().map(|(name, _)| *name).collect();
    made.sort_unstable();
    assert_eq!(files, made);
}

/// The Python of the tests: what the environment names, else the one that `cargo xtask tools` makes.
fn python() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("MARCATO_PYTHON") {
        return Some(named.into());
    }
    let made = root().join("target/venv/bin/python");
    made.is_file().then_some(made)
}

#[test]
fn the_example_agrees() {
    let Some(python) = python() else {
        println!("skipped: no Python with its packages; `cargo xtask tools` makes it");
        return;
    };
    let output = Command::new(&python)
        .arg(root().join("docs/protocol/example.py"))
        .arg("vectors")
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    for (name, _) in make::all() {
        assert!(said.contains(name), "{name} was not looked at: {said}");
    }
}
