//! `mco`: what an operator types.

mod authority;
pub mod cli;
mod commands;
mod complete;
mod confirm;
mod console;
mod declared;
mod doctor;
mod early;
mod filter;
pub(crate) mod find;
mod grammar;
mod guard;
mod interrupt;
pub(crate) mod job;
mod next;
mod nothing;
mod order;
mod pace;
pub(crate) mod plugin;
mod progress;
mod schema;
mod secret;
mod sign;
mod systems;
mod tell;
mod which;

use std::time::Instant;

use clap::Parser as _;
use marcato_core::Exit;

use self::cli::{Cli, Command};
use self::commands::Other;
pub(crate) use self::interrupt::Leave;
use crate::words::{self, Failure};

/// Runs `mco`, and says how it ended.
#[must_use]
pub fn main() -> Exit {
    let started = Instant::now();
    let words = early::words(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return words::usage(&error),
    };
    let command = match commands::order(cli.command) {
        Ok(intent) => return order::main(intent, started),
        Err(Other::Told(exit)) => return exit,
        Err(Other::Command(command)) => *command,
    };
    match command {
        Command::Find(args) => find::main(&args),
        Command::Job(args) => job::main(args.command, started),
        Command::Again(args) => job::again::main(args, started),
        Command::Lab(args) => crate::lab::main(args),
        Command::Authority(args) => authority::main(args.command),
        Command::Filter(args) => filter::main(&args.command),
        Command::Plugin(args) => plugin::main(args.command),
        Command::Doctor(args) => doctor::main(&args),
        Command::Schema(args) => schema::main(&args),
        Command::Completion(args) => complete::script(args.shell),
        Command::Complete(args) => complete::main(&args, started),
        // These send an order, and have.
        Command::Ping(_)
        | Command::Rpc(_)
        | Command::Package(_)
        | Command::Service(_)
        | Command::Facts(_)
        | Command::Inventory(_)
        | Command::Can(_)
        | Command::Agent(_) => Exit::Usage,
    }
}

/// Runs what waits for the network or for a person, on one thread.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Unavailable, error))?;
    runtime.block_on(future)
}
