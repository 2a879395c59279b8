//! `cargo xtask sim`: a fleet in one process under faults; with `--mutations`, whether its checkers
//! find what is wrong with altered programs.

mod mutations;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What the command line says of the simulation.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run altered programs until the checkers find what is wrong with each.
    #[arg(long, exclusive = true)]
    mutations: bool,
    /// What the simulation itself takes; --help says what.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Builds and runs the simulation.
///
/// # Errors
/// When it cannot be built or finds something; the error is one sentence.
pub fn run(root: &Path, arguments: &Arguments) -> Result<(), String> {
    if arguments.mutations {
        return mutations::run(root);
    }
    succeed(&mut simulation(root, &arguments.rest), "the simulation")
}

/// The command that builds and runs the simulation of this source tree.
fn simulation<A: AsRef<std::ffi::OsStr>>(tree: &Path, arguments: &[A]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--locked", "--profile", "sim"]);
    command.args(["--package", "marcato-sim", "--bin", "marcato-sim", "--"]).args(arguments);
    command.current_dir(tree);
    command
}

fn succeed(command: &mut Command, name: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name} cannot be started: {error}")),
    }
}
