//! The lab's own processes: the hub, and many nodes in one process.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use marcato_agent::runner::Launch;
use marcato_agents::{Classes, Platform};
use marcato_core::Exit;
use marcato_node::shell::{Agents, Disk, Handle, NodeShell, Start};
use marcato_protocol::version::Spoken;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::hosts::{LabHost, THIS_MACHINE};
use super::layout::Layout;
use super::make;
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
        let disk = Disk::start(DISK_THREADS).map_err(|error| lab.failure(&error))?;
        let mut running = JoinSet::new();
        let mut handles: Vec<Handle> = Vec::with_capacity(count);
        for index in first..first + count {
            let name =
                if index < all { LabHost::of(index).name() } else { THIS_MACHINE.to_owned() };
            let opened = NodeShell::open(start(lab, &name)?, &disk);
            let (node, handle) = opened.map_err(|error| lab.failure(&error))?;
            handles.push(handle);
            running.spawn(node.run());
        }
        loop {
            tokio::select! {
                _ = terminate.recv() => handles.iter().for_each(Handle::stop),
                _ = reload.recv() => handles.iter().for_each(|handle| handle.reload(None)),
                ended = running.join_next() => match ended {
                    None => return Ok(Exit::Ok),
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => tracing::error!(%error, "a node has ended"),
                    Some(Err(error)) => tracing::error!(%error, "a node has ended"),
                },
            }
        }
    })
}

fn start(lab: &Layout, name: &str) -> Result<Start, Failure> {
    let (config, places) = make::settings(lab, name)?;
    let host = lab.node(name).join("host");
    let mut arguments = vec!["run".into()];
    let platform = if name == THIS_MACHINE {
        Platform::Native
    } else {
        arguments.extend(["--lab".into(), host.clone().into_os_string()]);
        Platform::Lab(host)
    };
    let classes = Classes::default();
    let catalog = marcato_agents::catalog(&platform, mcod::about(classes.clone()));
    let catalog = catalog.map_err(|error| lab.failure(&error))?;
    Ok(Start {
        config,
        places,
        agents: Agents { catalog, left_out: Vec::new() },
        classes,
        launch: Arc::new(Launch { program: mcod_program(lab)?, arguments }),
        spoken: Spoken::RELEASE,
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
