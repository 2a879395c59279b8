//! The stages as one table: what each does, its budget, and what it needs.

use std::ffi::OsString;
use std::time::Duration;

use super::tools::{Tool, python};
use super::{Machine, Step};
use crate::nats_servers;

/// How long it may take to clear away what a failed stage left behind.
pub const CLEANUP_TIME: Duration = Duration::from_secs(60);

/// One stage.
pub struct Stage {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// Its budget, in minutes: on two cores, from a fresh clone. It fails when they are over.
    pub minutes: u64,
    /// Why it cannot run without root, where it cannot.
    pub needs_root: Option<&'static str>,
    /// The commands; the first that fails ends the stage. The error, one sentence, does so before.
    pub steps: fn(&Machine) -> Result<Vec<Step>, String>,
    /// What clears away after a stage that failed.
    pub cleanup: fn(&Machine) -> Vec<Step>,
}

/// All stages, in the order in which they are run.
pub const STAGES: &[Stage] = &[
    Stage {
        name: "tools",
        about: "install what the other stages need, build the fuzz targets",
        minutes: 10,
        needs_root: None,
        steps: tools,
        cleanup: nothing,
    },
    Stage {
        name: "build",
        about: "build everything; formatting, lints, documentation, house rules, dependencies",
        minutes: 12,
        needs_root: None,
        steps: build,
        cleanup: nothing,
    },
    Stage {
        name: "tests",
        about: "all tests of the workspace, and those in its documentation",
        minutes: 6,
        needs_root: None,
        steps: tests,
        cleanup: nothing,
    },
    Stage {
        name: "brokers",
        about: "what the broker must do, also on the nats-servers of two Debian releases",
        minutes: 4,
        needs_root: None,
        steps: brokers,
        cleanup: nothing,
    },
    Stage {
        name: "simulation",
        about: "a thousand fleets under faults, every crash of a small one, altered programs",
        minutes: 5,
        needs_root: None,
        steps: simulation,
        cleanup: nothing,
    },
    Stage {
        name: "hosts",
        about: "nine Debian hosts with systemd, judged by their own dpkg and systemd",
        minutes: 14,
        needs_root: Some("real hosts need root: mounts, a bridge, containers"),
        steps: hosts,
        cleanup: |_| vec![Step::xtask(["hosts", "down"])],
    },
    Stage {
        name: "fuzzing",
        about: "every fuzz target for some seconds",
        minutes: 2,
        needs_root: None,
        steps: fuzzing,
        cleanup: nothing,
    },
];

fn nothing(_: &Machine) -> Vec<Step> {
    Vec::new()
}

fn tools(_: &Machine) -> Result<Vec<Step>, String> {
    Ok(vec![Step::xtask(["tools"]), Step::xtask(["fuzz", "--build"])])
}

fn build(_: &Machine) -> Result<Vec<Step>, String> {
    let locked = ["--workspace", "--locked"];
    Ok(vec![
        Step::cargo(["fmt", "--all", "--check"]),
        Step::xtask(["tidy"]),
        Step::new(
            Tool::DENY.program(),
            ["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"],
        ),
        Step::cargo(["clippy"].iter().chain(&locked).chain(&[
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])),
        Step::cargo(["doc", "--no-deps"].iter().chain(&locked)).with("RUSTDOCFLAGS", "-D warnings"),
        Step::cargo(["test", "--no-run"].iter().chain(&locked)),
        Step::cargo(["build", "--profile", "sim", "--locked", "--package", "marcato-sim"]),
    ])
}

fn tests(machine: &Machine) -> Result<Vec<Step>, String> {
    Ok(vec![with_python(Step::cargo(["test", "--workspace", "--locked"]), machine)])
}

fn brokers(machine: &Machine) -> Result<Vec<Step>, String> {
    let servers = nats_servers::variable(&machine.root)?;
    // Of the whole workspace, as in the other stages: for one package alone its dependencies would
    // be built anew, with the features that it needs.
    let suites = BROKER_SUITES.iter().flat_map(|name| ["--test", name]);
    let words = ["test", "--workspace", "--locked"].into_iter().chain(suites);
    let step = with_python(Step::cargo(words), machine);
    Ok(vec![step.with("MARCATO_NATS_SERVER", servers)])
}

/// The tests that play on every broker: the broker's own, and a whole fleet's.
const BROKER_SUITES: [&str; 4] = ["suite", "end_to_end", "end_to_end_programs", "attacks"];

fn hosts(_: &Machine) -> Result<Vec<Step>, String> {
    // With these tests cargo builds the programs, as the stages before have built them.
    let programs = ["test", "--workspace", "--locked", "--no-run", "--test", "end_to_end_programs"];
    let folder = crate::hosts::target().join("debug");
    let mut test: Vec<OsString> = ["hosts", "test", "--programs"].map(OsString::from).to_vec();
    test.push(folder.into());
    Ok(vec![Step::cargo(programs), Step::xtask(test)])
}

/// With the name of the Python that has the tests' packages, where there is one.
fn with_python(step: Step, machine: &Machine) -> Step {
    let python = python(&machine.root);
    if python.exists() { step.with("MARCATO_PYTHON", python) } else { step }
}

fn simulation(_: &Machine) -> Result<Vec<Step>, String> {
    Ok(vec![Step::xtask(["sim"]), Step::xtask(["sim", "--mutations"])])
}

fn fuzzing(_: &Machine) -> Result<Vec<Step>, String> {
    Ok(vec![Step::xtask(["fuzz", "--seconds", "90"])])
}

#[cfg(test)]
mod tests_of_the_table {
    use super::*;

    #[test]
    fn all_stages_fit_into_an_hour_and_have_names_of_their_own() {
        assert!(STAGES.iter().map(|stage| stage.minutes).sum::<u64>() <= 53);
        for (at, stage) in STAGES.iter().enumerate() {
            assert!(STAGES[..at].iter().all(|other| other.name != stage.name), "{}", stage.name);
        }
    }
}
