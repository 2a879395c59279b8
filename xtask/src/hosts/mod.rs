//! Real Debian hosts on this machine: `cargo xtask hosts up N|down|list|sh NAME|exec NAME -- CMD`.
//!
//! Each host is an overlay over one tree made by debootstrap, booted with its own systemd by
//! systemd-nspawn and hung on a bridge of its own: real dpkg, real units, real links to cut. What
//! is signed, sent and run there is what a fleet of servers would see.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod base;
mod cgroup;
mod error;
mod host;
mod mount;
mod net;
mod packages;
mod plan;
mod process;
mod run;
mod set;
mod state;

use error::{Error, Result};
use set::Hosts;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// How `hosts` is called.
const USAGE: &str = "cargo xtask hosts [--dir DIR] up N | down | list | sh NAME | \
                     exec NAME -- COMMAND…\n\nDIR: where trees, keys and logs lie (default: \
                     target/hosts); not on an overlay";

/// The exit status for what was typed wrongly, from sysexits.h.
const EX_USAGE: u8 = 64;

/// Runs `cargo xtask hosts WORDS…`.
pub fn main(words: &[String]) -> ExitCode {
    match dispatch(words) {
        Ok(code) => code,
        Err(Error::Usage(text)) => {
            eprintln!("{text}");
            ExitCode::from(EX_USAGE)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (dir, words) = match words.as_slice() {
        ["--dir", dir, rest @ ..] => (PathBuf::from(dir), rest),
        rest => (default_dir(), rest),
    };
    if matches!(words, [] | ["help" | "--help" | "-h"]) {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Usage("real hosts need root: mounts, a bridge, containers".to_owned()));
    }
    match words {
        ["up", number] => up(&dir, number)?,
        ["down"] => Hosts::open(&dir)?.down()?,
        ["list"] => list(&Hosts::open(&dir)?),
        ["sh", name] => return inside(&dir, name, &["/bin/bash", "--login"]),
        ["exec", name, "--", argv @ ..] if !argv.is_empty() => return inside(&dir, name, argv),
        ["enter", host_dir, argv @ ..] => return enter(Path::new(host_dir), argv),
        other => return Err(Error::Usage(format!("cannot do {:?}\n{USAGE}", other.join(" ")))),
    }
    Ok(ExitCode::SUCCESS)
}

/// `target/hosts` of this workspace, wherever cargo was told to put its target folder.
fn default_dir() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    workspace.join(target.unwrap_or_else(|| PathBuf::from("target"))).join("hosts")
}

fn up(dir: &Path, number: &str) -> Result<()> {
    let nodes = number.parse().ok().filter(|nodes| (1..=plan::MOST_HOSTS).contains(nodes));
    let nodes = nodes.ok_or_else(|| {
        Error::Usage(format!("{number:?} is not a number of hosts from 1 to {}", plan::MOST_HOSTS))
    })?;
    let begun = Instant::now();
    let mut hosts = Hosts::open(dir)?;
    hosts.up(nodes)?;
    list(&hosts);
    eprintln!("{} hosts up in {:.1} s", hosts.specs().len(), begun.elapsed().as_secs_f64());
    Ok(())
}

fn list(hosts: &Hosts) {
    for spec in hosts.specs() {
        let state = match hosts.leader(&spec.name) {
            Ok(init) => format!("up, process 1 is {}", init.pid),
            Err(_) => "down".to_owned(),
        };
        let group = spec.hagroup.as_deref().unwrap_or("-");
        println!("{:24} {:12} hagroup {group}  {state}", spec.fqdn(), spec.address);
    }
}

/// Becomes a command in a host, with this terminal.
fn inside(dir: &Path, name: &str, argv: &[&str]) -> Result<ExitCode> {
    let init = Hosts::open(dir)?.leader(name)?.pid.to_string();
    let mut whole = vec!["nsenter", "--target", &init, "--all", "--wdns=/root", "--"];
    whole.extend(argv);
    become_command(&whole)
}

/// Moves this process into a host's control group and a session of its own, away from the terminal
/// that `up` was typed on, and becomes the command.
fn enter(host_dir: &Path, argv: &[&str]) -> Result<ExitCode> {
    set::cgroup_of(host_dir)?.enter()?;
    rustix::process::setsid().map_err(|error| Error::Machine(format!("setsid: {error}")))?;
    become_command(argv)
}

fn become_command<S: AsRef<OsStr>>(argv: &[S]) -> Result<ExitCode> {
    let mut command = run::command(argv);
    command.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
    let error = command.exec();
    Err(Error::Machine(format!("{}: {error}", command.get_program().to_string_lossy())))
}
