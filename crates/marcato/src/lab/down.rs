//! `mco lab down`: ends the fleet's processes; its files stay unless told otherwise.

use std::fs;
use std::io;
use std::time::Duration;

use marcato_core::Exit;

use super::layout::{Layout, MADE, Running};
use super::processes;
use super::up::tell;
use crate::words::Failure;

/// How long processes may take to end before they are made to.
pub(super) const PATIENCE: Duration = Duration::from_millis(2_500);

/// Runs `mco lab down`.
pub(super) fn main(lab: &Layout, purge: bool) -> Result<Exit, Failure> {
    if !lab.dir.exists() {
        return Err(lab.not_up());
    }
    let lock = lab.lock()?;
    // A lab whose state cannot be read can still be removed.
    let running = match lab.running() {
        Err(failure) if !purge => return Err(failure),
        running => running.unwrap_or_default().unwrap_or_default(),
    };
    let lived = running.processes.iter().any(processes::Process::lives);
    processes::end(&running.processes, PATIENCE);
    if purge {
        drop(lock);
        remove(lab).map_err(|error| lab.failure(&error))?;
        tell(&format!("the lab is down, and what it made in {} is removed", lab.dir.display()));
        return Ok(Exit::Ok);
    }
    if lab.path("lab.json").exists() {
        lab.keep(&Running { processes: Vec::new(), ..running })?;
    }
    let said = if lived { "the lab is down" } else { "the lab was not up" };
    tell(&format!("{said}; its files stay in {}", lab.dir.display()));
    Ok(Exit::Ok)
}

/// Removes what the lab made, and its folder if nothing else lies in it.
fn remove(lab: &Layout) -> io::Result<()> {
    for name in MADE {
        let path = lab.path(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(&lab.dir) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}
