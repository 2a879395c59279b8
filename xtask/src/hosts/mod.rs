//! Real Debian hosts on this machine: `cargo xtask hosts up 9`, `list`, `sh web1`, `down`; and
//! `cargo xtask hosts test`, which is the end-to-end test on them.
//!
//! Each host is an overlay over one tree made by debootstrap, booted with its own systemd by
//! systemd-nspawn and hung on a bridge of its own: real dpkg, real units, real links to cut. What
//! is signed, sent and run there is what a fleet of servers would see.

mod archive;
mod base;
mod cgroup;
mod error;
pub mod facts;
mod fleet;
mod host;
mod layer;
mod mount;
mod net;
mod ops;
mod packages;
mod plan;
mod process;
mod run;
mod set;
mod state;
mod test;

use clap::{Args, Subcommand};
use error::{Error, Result};
use fleet::Programs;
pub use fleet::target;
use set::Hosts;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// `cargo xtask hosts …`
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where trees and logs lie; not on an overlay [default: target/hosts]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make and boot new hosts, and one for the hub; wait until all are up.
    Up {
        /// How many, without the hub.
        #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(plan::MOST_HOSTS)))]
        nodes: u16,
        /// The folder with `mco` and `mcod`, TARGET/PROFILE of cargo [default: build them].
        #[arg(long, conflicts_with = "bare")]
        programs: Option<PathBuf>,
        /// Only Debian, without Marcato on it.
        #[arg(long)]
        bare: bool,
    },
    /// Boot nine hosts, judge Marcato on them by what they themselves say, and end them.
    Test {
        /// Only the cases whose name has these words in it.
        only: Option<String>,
        /// The folder with `mco` and `mcod`, TARGET/PROFILE of cargo [default: build them].
        #[arg(long)]
        programs: Option<PathBuf>,
        /// Leave the hosts up at the end.
        #[arg(long)]
        keep: bool,
    },
    /// Write down what mcod finds on a host and what Debian's facter prints there.
    Facts {
        /// The folder with `mco` and `mcod` [default: build them].
        #[arg(long)]
        programs: Option<PathBuf>,
    },
    /// End all hosts and remove what they need, also after a crash; the base tree stays.
    Down,
    /// Show the hosts.
    List,
    /// A shell in a host.
    Sh {
        /// The host, as `web1`.
        name: String,
    },
    /// A command in a host.
    Exec {
        /// The host, as `web1`.
        name: String,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        argv: Vec<OsString>,
    },
    /// Shut a host down in order.
    Poweroff {
        /// The host, as `web1`.
        name: String,
    },
    /// Kill a host's mcod; it stays dead.
    Kill {
        /// The host, as `web1`.
        name: String,
    },
    /// Start a host's mcod again.
    Start {
        /// The host, as `web1`.
        name: String,
    },
    /// Boot a host that was shut down.
    Boot {
        /// The host, as `web1`.
        name: String,
    },
    /// Pull a host's network cable.
    Cut {
        /// The host, as `web1`.
        name: String,
    },
    /// Plug a host's network cable in again.
    Restore {
        /// The host, as `web1`.
        name: String,
    },
    /// How `up` starts a container; not for people.
    #[command(hide = true)]
    Enter {
        /// The host's folder, which names its control group.
        host_dir: PathBuf,
        /// What to become there.
        #[arg(last = true, required = true)]
        argv: Vec<OsString>,
    },
}

/// Runs `cargo xtask hosts …`.
pub fn main(arguments: &Arguments) -> ExitCode {
    dispatch(arguments).unwrap_or_else(|error| {
        eprintln!("cargo xtask hosts: {error}");
        ExitCode::FAILURE
    })
}

fn dispatch(arguments: &Arguments) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Usage("real hosts need root: mounts, a bridge, containers".to_owned()));
    }
    let dir = arguments.dir.clone().unwrap_or_else(default_dir);
    match &arguments.what {
        What::Up { nodes, bare: true, .. } => up(&dir, *nodes, None)?,
        What::Up { nodes, programs: Some(folder), .. } => {
            up(&dir, *nodes, Some(Programs::in_folder(folder)?))?;
        }
        What::Up { nodes, programs: None, .. } => up(&dir, *nodes, Some(Programs::build()?))?,
        What::Test { only, programs, keep } => {
            let programs = programs.as_deref().map_or_else(Programs::build, Programs::in_folder)?;
            let passed = test::run(&dir, programs, only.as_deref(), *keep)?;
            return Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        What::Facts { programs } => {
            let programs = programs.as_deref().map_or_else(Programs::build, Programs::in_folder)?;
            facts::record(&dir, &programs, &crate::root())?;
        }
        What::Down => Hosts::open_damaged(&dir)?.down()?,
        What::List => list(&Hosts::open(&dir)?),
        What::Sh { name } => return inside(&dir, name, &["/bin/bash", "--login"]),
        What::Exec { name, argv } => return inside(&dir, name, argv),
        What::Poweroff { name } => Hosts::open(&dir)?.poweroff(name)?,
        What::Kill { name } => Hosts::open(&dir)?.kill_mcod(name)?,
        What::Start { name } => Hosts::open(&dir)?.start_mcod(name)?,
        What::Boot { name } => Hosts::open(&dir)?.boot(name)?,
        What::Cut { name } => Hosts::open(&dir)?.cut_link(name)?,
        What::Restore { name } => Hosts::open(&dir)?.restore_link(name)?,
        What::Enter { host_dir, argv } => return enter(host_dir, argv),
    }
    Ok(ExitCode::SUCCESS)
}

/// `target/hosts` of this workspace.
fn default_dir() -> PathBuf {
    target().join("hosts")
}

fn up(dir: &Path, nodes: u16, programs: Option<Programs>) -> Result<()> {
    let begun = Instant::now();
    let mut hosts = Hosts::open(dir)?;
    let joined = programs.is_some();
    hosts.up(nodes, programs)?;
    eprintln!("{} hosts up in {:.1} s", hosts.specs().len(), begun.elapsed().as_secs_f64());
    if joined {
        println!("export MARCATO_CONFIG='{}'", fleet::config(hosts.dir()).display());
    } else {
        list(&hosts);
    }
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
fn inside<S: AsRef<OsStr>>(dir: &Path, name: &str, argv: &[S]) -> Result<ExitCode> {
    let hosts = Hosts::open(dir)?;
    let init = hosts.leader(&hosts.host(name)?.spec.name)?.pid.to_string();
    let mut whole =
        ["nsenter", "--target", &init, "--all", "--wdns=/root", "--"].map(OsStr::new).to_vec();
    whole.extend(argv.iter().map(AsRef::as_ref));
    become_command(&whole)
}

/// Moves this process into a host's control group and a session of its own, away from the terminal
/// that `up` was typed on, and becomes the command.
fn enter(host_dir: &Path, argv: &[OsString]) -> Result<ExitCode> {
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
