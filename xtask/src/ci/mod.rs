//! `cargo xtask ci`: everything that must pass, in stages that keep to their budgets.

mod packages;
mod process;
mod stages;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::nats_servers;

pub use tools::Tool;

pub use process::Interrupt;
use process::{End, Step};

/// What the stages need to know about the machine they run on.
#[derive(Debug)]
pub struct Machine {
    /// The root of the repository.
    pub root: PathBuf,
    /// Whether we are root: real hosts and Debian packages need it.
    pub is_root: bool,
    /// Whether nobody watches: a build is then made once and thrown away.
    pub is_ci: bool,
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn this(root: &Path) -> Self {
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        Self { root: root.to_owned(), is_root: rustix::process::geteuid().is_root(), is_ci }
    }
}

/// Installs all that the stages need and the repository does not hold.
///
/// # Errors
/// When something cannot be installed; the error is one sentence.
pub fn install_tools(root: &Path) -> Result<(), String> {
    let machine = Machine::this(root);
    packages::install(machine.is_root)?;
    tools::ensure(root)?;
    tools::ensure_python(root, machine.is_root)?;
    for program in nats_servers::ensure(root)? {
        println!("{} is here", program.display());
    }
    Ok(())
}

/// How a stage ended.
#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(&'static str),
}

/// One line of the closing table.
struct Row {
    stage: &'static stages::Stage,
    outcome: Outcome,
    took: Duration,
}

/// The names of all stages, in the order in which they are run.
#[must_use]
pub fn stage_names() -> Vec<&'static str> {
    stages::STAGES.iter().map(|stage| stage.name).collect()
}

/// Runs one stage, or all of them, and prints how each ended.
///
/// # Errors
/// When there is no such stage, or signals cannot be heard; the error is one sentence.
pub fn run(root: &Path, only: Option<&str>) -> Result<ExitCode, String> {
    let machine = Machine::this(root);
    let interrupt = Interrupt::listen()?;
    let chosen: Vec<_> =
        stages::STAGES.iter().filter(|stage| only.is_none_or(|name| name == stage.name)).collect();
    if chosen.is_empty() {
        return Err(format!("no such stage; there are: {}", stage_names().join(", ")));
    }
    let mut rows = Vec::new();
    for stage in chosen {
        let begun = Instant::now();
        let outcome = run_stage(stage, &machine, &interrupt);
        rows.push(Row { stage, outcome, took: begun.elapsed() });
        if interrupt.came() {
            break;
        }
    }
    print_table(&rows);
    let failed = rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run_stage(stage: &stages::Stage, machine: &Machine, interrupt: &Interrupt) -> Outcome {
    println!("\n=== {} (budget {} min): {}", stage.name, stage.minutes, stage.about);
    if let Some(why) = stage.needs_root.filter(|_| !machine.is_root) {
        println!("skipped: {why}");
        return Outcome::Skipped(why);
    }
    let deadline = Instant::now() + Duration::from_secs(stage.minutes * 60);
    let steps = match (stage.steps)(machine) {
        Ok(steps) => steps,
        Err(why) => {
            println!("failed: {why}");
            return Outcome::Failed(why);
        }
    };
    let mut outcome = Outcome::Passed;
    for step in steps {
        println!("--- {step}");
        match step.run(machine, deadline, interrupt) {
            End::Succeeded => continue,
            End::Failed(why) => outcome = Outcome::Failed(format!("{step}: {why}")),
            End::OverBudget => {
                let why = format!("{step}: ended, for the stage's {} min were over", stage.minutes);
                outcome = Outcome::Failed(why);
            }
        }
        break;
    }
    if let Outcome::Failed(why) = &outcome {
        println!("failed: {why}");
        // What a stage leaves behind when it is cut short, its own processes cannot clear away.
        let deadline = Instant::now() + stages::CLEANUP_TIME;
        for step in (stage.cleanup)(machine) {
            println!("--- {step}");
            // Not cut short by the interrupt that may have ended the stage.
            if let End::Failed(why) = step.run(machine, deadline, &Interrupt::default()) {
                println!("not cleared away: {why}");
            }
        }
    }
    outcome
}

fn print_table(rows: &[Row]) {
    println!("\n{:<14} {:<8} {:>9} {:>9}", "stage", "", "took", "budget");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for Row { stage, outcome, took } in rows {
        let (word, why) = match outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
            Outcome::Skipped(why) => ("skipped", *why),
        };
        match outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::Skipped(_) => skipped += 1,
        }
        let took = format!("{} s", took.as_secs());
        let budget = format!("{} s", stage.minutes * 60);
        println!("{:<14} {word:<8} {took:>9} {budget:>9}  {why}", stage.name);
    }
    println!("\n{}", closing_line(passed, failed, skipped));
}

/// The last line, which also programs read.
fn closing_line(passed: u32, failed: u32, skipped: u32) -> String {
    let mut line = format!("{passed} passed, {failed} failed");
    if skipped > 0 {
        line.push_str(&format!(", {skipped} skipped"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_counts() {
        assert_eq!(closing_line(7, 0, 0), "7 passed, 0 failed");
        assert_eq!(closing_line(5, 1, 1), "5 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn an_unknown_stage_is_named() {
        let error = run(Path::new("."), Some("nonsense")).unwrap_err();
        assert!(error.contains("build"), "{error}");
    }
}
