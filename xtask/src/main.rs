//! The project's own tools: `cargo xtask NAME`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod generate;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tools.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Check the house rules that no compiler checks.
    Tidy {
        /// Say that the protocol's pages were read against its code and are true.
        #[arg(long)]
        accept_protocol: bool,
    },
    /// Write the pages that are made from the code.
    Generate,
}

fn main() -> ExitCode {
    let root = root();
    let result = match Arguments::parse().tool {
        Tool::Tidy { accept_protocol: true } => {
            tidy::spec::accept(&root).map(|pages| wrote(pages.iter().map(String::as_str)))
        }
        Tool::Tidy { accept_protocol: false } => tidy::run(&root),
        Tool::Generate => generate::write(&root).map(|pages| wrote(pages.into_iter())),
    };
    result.unwrap_or_else(|error| {
        eprintln!("cargo xtask: {error}");
        ExitCode::FAILURE
    })
}

/// The root of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Says which pages were written.
fn wrote<'a>(pages: impl Iterator<Item = &'a str>) -> ExitCode {
    let mut count = 0;
    for page in pages {
        println!("wrote {page}");
        count += 1;
    }
    if count == 0 {
        println!("every page is fresh");
    }
    ExitCode::SUCCESS
}
