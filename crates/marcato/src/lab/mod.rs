//! `mco lab`: a fleet on this machine. The hub and the nodes are the real programs over real
//! connections; only packages and services are simulated.

mod breaks;
mod demo;
mod down;
mod hosts;
mod layout;
mod make;
mod processes;
mod serve;
mod served;
mod show;
mod up;

use std::path::PathBuf;

use marcato_core::Exit;

use crate::mco::cli::{Lab, LabCommand, LabDir};
use crate::words::{self, Failure};
use layout::Layout;

pub use breaks::faults;

/// Runs `mco lab …`, and says how it ended.
#[must_use]
pub fn main(args: Lab) -> Exit {
    let result = match args.command {
        LabCommand::Up { dir, nodes } => layout(dir).and_then(|lab| up::main(&lab, nodes)),
        LabCommand::Env(dir) => layout(dir).and_then(|lab| show::env(&lab)),
        LabCommand::Status(dir) => layout(dir).and_then(|lab| show::status(&lab)),
        LabCommand::Down { dir, purge } => layout(dir).and_then(|lab| down::main(&lab, purge)),
        LabCommand::Break { dir, node, fault } => {
            layout(dir).and_then(|lab| breaks::main(&lab, &node, &fault))
        }
        LabCommand::Mend { dir, node, fault } => {
            layout(dir).and_then(|lab| breaks::mend(&lab, &node, fault.as_deref()))
        }
        LabCommand::Demo(dir) => demo::main(dir.dir),
        LabCommand::Hub(dir) => layout(dir).and_then(|lab| serve::hub(&lab)),
        LabCommand::Nodes { dir, first, count } => {
            layout(dir).and_then(|lab| serve::nodes(&lab, first, count))
        }
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => words::tell(&failure),
    }
}

fn layout(dir: LabDir) -> Result<Layout, Failure> {
    Layout::new(dir.dir.map_or_else(default_dir, Ok)?)
}

fn default_dir() -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        Failure::new(Exit::Config, "neither XDG_STATE_HOME nor HOME is set")
            .hint("say where: --dir DIR")
    })?;
    Ok(state.join("marcato/lab"))
}
