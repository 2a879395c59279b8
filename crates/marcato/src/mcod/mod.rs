//! `mcod`: the daemons. `mcod node` runs on each managed host, `mcod hub` on one host of the fleet.
//!
//! They print nothing but what they are asked for; everything else is a log line on standard error,
//! which journald takes.

pub mod cli;
mod doctor;
mod facts;
mod hub;
mod logging;
mod node;

use std::io;
use std::path::Path;

use clap::Parser as _;
use marcato_core::Exit;

use crate::words::{self, Failure};

pub(crate) use logging::init as start_logging;
pub(crate) use node::about;

/// Runs `mcod`, and says how it ended.
#[must_use]
pub fn main() -> Exit {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return words::usage(&error),
    };
    logging::init();
    let result = match cli.command {
        cli::Command::Node(args) => node::main(args),
        cli::Command::Hub(args) => hub::main(args),
        cli::Command::Doctor(args) => Ok(doctor::main(&args)),
        cli::Command::Facts(args) => facts::main(&args),
        cli::Command::Run(args) => node::run(&args),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => words::tell(&failure),
    }
}

/// A configuration that cannot be read. Whoever starts daemons tries again unless somebody has to
/// do something about the file: the system's own failures pass.
fn unread(file: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidData => Exit::Config,
        _ => Exit::Unavailable,
    };
    Failure::new(exit, format_args!("{}: {error}", file.display()))
}

/// The runtime of a daemon: one thread, because a node does little and a host has better uses for
/// the others.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Unavailable, error))
}
