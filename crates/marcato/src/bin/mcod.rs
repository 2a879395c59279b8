//! `mcod`: what runs on hosts: `mcod node` on each, `mcod hub` on one.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(marcato::mcod::main().code())
}
