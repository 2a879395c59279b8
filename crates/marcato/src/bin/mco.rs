//! `mco`: what an operator types.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(marcato::mco::main().code())
}
