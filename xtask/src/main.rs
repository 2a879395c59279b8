//! The project's own tools: `cargo xtask NAME`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod apt;
mod bench;
mod ci;
mod demo;
mod fuzz;
mod generate;
mod hosts;
mod nats_servers;
mod sim;
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
    /// Measure what the project promises, and write docs/benchmarks.md.
    Bench(bench::Arguments),
    /// Run everything that must pass; as root, install the Debian packages that it needs.
    Ci {
        /// One stage alone.
        stage: Option<String>,
    },
    /// Build mco and mcod, and show the main job on a fleet of 20 nodes on this machine.
    Demo,
    /// Check the house rules that no compiler checks.
    Tidy {
        /// Say that the protocol's pages were read against its code and are true.
        #[arg(long)]
        accept_protocol: bool,
    },
    /// Write the pages that are made from the code.
    Generate,
    /// Real Debian hosts on this machine.
    Hosts(hosts::Arguments),
    /// Install what the tests need: Debian packages (as root), cargo-deny, cargo-fuzz, cargo-deb,
    /// Python's packages, nats-servers.
    Tools,
    /// A fleet in one process: virtual time, one seed, faults, checkers.
    Sim(sim::Arguments),
    /// Build and run every fuzz target.
    Fuzz {
        /// Only build them.
        #[arg(long)]
        build: bool,
        /// The time for all of them together.
        #[arg(long, default_value_t = 90)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let tool = Arguments::parse().tool;
    run(tool, &root()).unwrap_or_else(|error| {
        eprintln!("cargo xtask: {error}");
        ExitCode::FAILURE
    })
}

fn run(tool: Tool, root: &Path) -> Result<ExitCode, String> {
    match tool {
        Tool::Ci { stage } => return ci::run(root, stage.as_deref()),
        Tool::Bench(arguments) => bench::run(root, &arguments)?,
        Tool::Demo => match demo::run(root)? {},
        Tool::Tidy { accept_protocol: false } => return tidy::run(root),
        Tool::Tidy { accept_protocol: true } => wrote(&tidy::spec::accept(root)?),
        Tool::Generate => wrote(&generate::write(root)?),
        Tool::Hosts(arguments) => return Ok(hosts::main(&arguments)),
        Tool::Tools => ci::install_tools(root)?,
        Tool::Sim(arguments) => sim::run(root, &arguments)?,
        Tool::Fuzz { build, seconds } => fuzz::run(root, build, seconds)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The root of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Says which pages were written.
fn wrote(pages: &[String]) {
    for page in pages {
        println!("wrote {page}");
    }
    if pages.is_empty() {
        println!("every page is fresh");
    }
}
