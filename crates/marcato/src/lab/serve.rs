//! The lab's own processes: the hub, and many nodes in one process.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use marcato_core::Exit;
use marcato_node::shell::Disk;
use tokio::signal::unix::{SignalKind, signal};

use super::hosts::{LabHost, THIS_MACHINE};
use super::layout::Layout;
use super::served::Served;
use crate::mcod;
use crate::words::Failure;

/// How many threads write the journals of one process's nodes.
const DISK_THREADS: usize = 2;

/// Becomes `mcod hub`, away from the terminal.
pub(super) fn hub(lab: &Layout) -> Result<Exit, Failure> {
    leave_terminal(lab)?;
    let error = Command::new(mcod_program(lab)?)
        .args(["hub", "--config"])
        .arg(lab.hub())
        .arg("--state")
        .arg(lab.hub().join("state"))
        .exec();
    Err(lab.failure(&error))
}

/// Runs so many of the lab's nodes from that one on, until it is told to end. The last index of all
/// is this machine.
pub(super) fn nodes(lab: &Layout, first: usize, count: usize) -> Result<Exit, Failure> {
    leave_terminal(lab)?;
    mcod::start_logging();
    // A journal, a lock and a connection for each node; what the system refuses shows later.
    let _ = marcato_broker::raise_open_files();
    let all = lab.running()?.map_or(0, |running| running.nodes as usize);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| lab.failure(&error))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| lab.failure(&error))?;
        let mut reload = signal(SignalKind::hangup()).map_err(|error| lab.failure(&error))?;
        let mut broken =
            signal(SignalKind::user_defined1()).map_err(|error| lab.failure(&error))?;
        let disk = Disk::start(DISK_THREADS).map_err(|error| lab.failure(&error))?;
        let mut served = Served::new(lab, mcod_program(lab)?, disk);
        for index in first..first + count {
            let simulated = index < all;
            let name = if simulated { LabHost::of(index).name() } else { THIS_MACHINE.to_owned() };
            served.add(name, simulated)?;
        }
        while served.is_on() {
            tokio::select! {
                _ = terminate.recv() => served.stop(),
                _ = reload.recv() => served.reload(),
                _ = broken.recv() => served.look_again(),
                Some(ended) = served.running.join_next() => served.ended(ended),
            }
        }
        Ok(Exit::Ok)
    })
}

/// `mcod`, which lies beside this program.
fn mcod_program(lab: &Layout) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| lab.failure(&error))?;
    let program = own.with_file_name("mcod");
    if program.exists() {
        return Ok(program);
    }
    Err(lab
        .failure(&format_args!("{} is missing", program.display()))
        .hint("install mcod beside mco, or build both: cargo build -p marcato --bins"))
}

/// A session of its own: what happens to the terminal does not concern the lab.
fn leave_terminal(lab: &Layout) -> Result<(), Failure> {
    let left = rustix::process::setsid();
    left.map(drop).map_err(|error| lab.failure(&format_args!("leaving the terminal: {error}")))
}
