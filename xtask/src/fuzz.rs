//! `cargo xtask fuzz`: builds and runs every fuzz target.
//!
//! With the project's own compiler and without a sanitizer: there is no unsafe code of ours to
//! watch, and what is looked for is a panic, an overflow, or growth without limit.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::ci::Tool;

/// The least time for one target, in seconds.
const SECONDS_MIN: u64 = 5;

/// The longest time for one input, in seconds: more is a finding.
const INPUT_SECONDS_MAX: u64 = 5;

/// The most memory of a target, in MiB: more is a finding.
const MEMORY_MIB_MAX: u64 = 1024;

/// Builds the targets, and runs each for its share of the time.
///
/// # Errors
/// When a target cannot be built or finds something; the error is one sentence.
pub fn run(root: &Path, only_build: bool, seconds: u64) -> Result<(), String> {
    succeed(cargo_fuzz(root, "build", &[]), "cargo fuzz build")?;
    if only_build {
        return Ok(());
    }
    let targets = targets(root)?;
    let each = (seconds / targets.len().max(1) as u64).max(SECONDS_MIN);
    for target in &targets {
        println!("--- {target}: {each} s");
        // libFuzzer writes what it learns to the first folder, and reads the committed seeds.
        let corpus = format!("fuzz/corpus/{target}");
        let seeds = format!("fuzz/seeds/{target}");
        std::fs::create_dir_all(root.join(&corpus)).map_err(|e| format!("{corpus}: {e}"))?;
        let mut folders = vec![target.as_str(), corpus.as_str()];
        folders.extend(root.join(&seeds).is_dir().then_some(seeds.as_str()));
        let mut command = cargo_fuzz(root, "run", &folders);
        command.arg("--").args([
            format!("-max_total_time={each}"),
            format!("-timeout={INPUT_SECONDS_MAX}"),
            format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
            "-verbosity=0".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        succeed(command, &format!("cargo fuzz run {target}"))?;
    }
    println!("{} targets, nothing found", targets.len());
    Ok(())
}

/// The names of all targets.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let mut command = Command::new(Tool::FUZZ.program());
    let output = command.arg("list").current_dir(root).output();
    let output = output.map_err(|error| format!("{}: {error}", Tool::FUZZ.program().display()))?;
    let names: Vec<String> =
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect();
    if !output.status.success() || names.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo fuzz list names no target: {}", said.trim()));
    }
    Ok(names)
}

fn cargo_fuzz(root: &Path, verb: &str, rest: &[&str]) -> Command {
    let mut command = Command::new(Tool::FUZZ.program());
    // With one unit of code for each crate the build would take twice as long.
    let flags = ["--sanitizer", "none", "--debug-assertions", "--codegen-units", "16"];
    command.arg(verb).args(flags).args(rest);
    command.current_dir(root).stdin(Stdio::null());
    command
}

fn succeed(mut command: Command, name: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name} cannot be started: {error}; run `cargo xtask tools`")),
    }
}
