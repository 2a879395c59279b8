//! The files by which a daemon and a runner agree, each written so that a crash leaves it whole or
//! not there.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use marcato_core::AgentName;
use marcato_core::limits::agent::{DDL_DEPTH_MAX, RUN_FILE_BYTES_MAX, SAID_BYTES_MAX};
use marcato_core::limits::protocol::JSON_DEPTH_MAX;
use serde::de::DeserializeOwned;
use serde_json::Map;

use super::Process;
use crate::external::read_at_most;
use crate::{Call, Outcome};

const CALL: &str = "call.json";
const ACTIVATE: &str = "activate.json";
const PID: &str = "pid";
const SAID: &str = "said";
const OUTCOME: &str = "outcome.json";

/// The words in a claim for the two kinds of agents.
const EXTERNAL: &str = "external";
const OWN: &str = "own";

/// What a runner is to do.
pub(super) enum Job {
    Call(Box<Call>),
    Activate(AgentName),
}

/// Who runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// This process, for a call of an agent that ships with the node or of an `external` one.
    Process { process: Process, external: bool },
    /// Nobody ever will.
    Nobody,
    /// The file says nothing that can be understood.
    Unknown,
}

/// Makes the folder and writes what is to be done.
pub(super) fn write_job(dir: &Path, job: &Job) -> io::Result<()> {
    let (name, text) = match job {
        Job::Call(call) => (CALL, serde_json::to_vec(call)?),
        Job::Activate(agent) => (ACTIVATE, serde_json::to_vec(agent)?),
    };
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if dir.join(name).exists() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it holds a call already"));
    }
    write(dir, name, &text)?;
    // The folder itself must be found again after a crash.
    dir.parent().map_or(Ok(()), sync)
}

/// Reads what is to be done.
pub(super) fn read_job(dir: &Path) -> io::Result<Job> {
    if let Some(call) = read(dir, CALL)? {
        return Ok(Job::Call(Box::new(call)));
    }
    if let Some(agent) = read(dir, ACTIVATE)? {
        return Ok(Job::Activate(agent));
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "it holds no call"))
}

/// Writes how it ended.
pub(super) fn write_outcome(dir: &Path, mut outcome: Outcome) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(&outcome)?;
    if bytes.len() > RUN_FILE_BYTES_MAX {
        outcome.data = Map::new();
        outcome.message = "its answer was too long and is left out".into();
        bytes = serde_json::to_vec(&outcome)?;
    }
    write(dir, OUTCOME, &bytes)
}

/// Reads how it ended, if it has.
pub(super) fn read_outcome(dir: &Path) -> io::Result<Option<Outcome>> {
    read(dir, OUTCOME)
}

/// Writes what it does or waits for, in place of what was written before. Not fsynced: after a crash
/// nobody asks for it. Where that fails there is nothing rather than what is not true any more.
pub(super) fn write_said(dir: &Path, text: &str) {
    let (beside, place) = (temporary(dir, SAID), dir.join(SAID));
    if fs::write(&beside, text).and_then(|()| fs::rename(&beside, &place)).is_err() {
        let _ = fs::remove_file(&beside);
        let _ = fs::remove_file(&place);
    }
}

/// Reads what it does or waits for; empty where it says nothing.
pub(super) fn read_said(dir: &Path) -> io::Result<String> {
    let text = bytes(&dir.join(SAID), SAID_BYTES_MAX)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Says who runs it; false when that is settled already.
pub(super) fn claim(dir: &Path, claim: Claim) -> io::Result<bool> {
    let text = match claim {
        Claim::Process { process: Process { pid, started, boot }, external } => {
            let kind = if external { EXTERNAL } else { OWN };
            format!("{pid} {started} {boot} {kind}\n")
        }
        Claim::Nobody => "-\n".to_owned(),
        Claim::Unknown => String::new(),
    };
    let mine = temporary(dir, PID);
    store(&mine, text.as_bytes())?;
    let linked = fs::hard_link(&mine, dir.join(PID));
    fs::remove_file(&mine)?;
    match linked {
        Ok(()) => sync(dir).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads who runs it, if that is settled.
pub(super) fn read_claim(dir: &Path) -> io::Result<Option<Claim>> {
    let Some(bytes) = bytes(&dir.join(PID), RUN_FILE_BYTES_MAX)? else { return Ok(None) };
    Ok(Some(parse_claim(&String::from_utf8_lossy(&bytes))))
}

fn parse_claim(text: &str) -> Claim {
    let mut fields = text.split_ascii_whitespace();
    let mut process = || {
        let pid = fields.next()?.parse().ok()?;
        let started = fields.next()?.parse().ok()?;
        let process = Process { pid, started, boot: fields.next()?.to_owned() };
        Some(Claim::Process { process, external: fields.next() == Some(EXTERNAL) })
    };
    match process() {
        Some(claim) => claim,
        None if text == "-\n" => Claim::Nobody,
        None => Claim::Unknown,
    }
}

fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> io::Result<Option<T>> {
    let path = dir.join(name);
    let Some(bytes) = bytes(&path, RUN_FILE_BYTES_MAX)? else { return Ok(None) };
    // What an agent answers stands one level deeper here, and facts and inputs two.
    let depth = JSON_DEPTH_MAX.max(DDL_DEPTH_MAX) + 2;
    marcato_core::json::parse_as(&bytes, depth)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}")))
}

fn bytes(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    match File::open(path) {
        Ok(file) => read_at_most(file, most).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file beside its place, fsynced, then puts it there.
fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = temporary(dir, name);
    store(&beside, bytes)?;
    fs::rename(&beside, dir.join(name))?;
    sync(dir)
}

fn temporary(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.{}", std::process::id()))
}

fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims() {
        let process = Process { pid: 7, started: 9, boot: "b".into() };
        for (text, external) in
            [("7 9 b\n", false), ("7 9 b own\n", false), ("7 9 b external\n", true)]
        {
            let process = process.clone();
            assert_eq!(parse_claim(text), Claim::Process { process, external }, "{text:?}");
        }
        assert_eq!(parse_claim("-\n"), Claim::Nobody);
        for bad in ["", "7", "7 9", "x 9 b", "-"] {
            assert_eq!(parse_claim(bad), Claim::Unknown, "{bad:?}");
        }
    }

    #[test]
    fn only_the_first_claim_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_claim(dir.path()).unwrap(), None);
        assert!(claim(dir.path(), Claim::Nobody).unwrap());
        let own = Claim::Process { process: Process::own().unwrap(), external: true };
        assert!(!claim(dir.path(), own.clone()).unwrap());
        assert_eq!(read_claim(dir.path()).unwrap(), Some(Claim::Nobody));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
        fs::remove_file(dir.path().join(PID)).unwrap();
        assert!(claim(dir.path(), own.clone()).unwrap());
        assert_eq!(read_claim(dir.path()).unwrap(), Some(own), "what is written can be read");
    }
}
