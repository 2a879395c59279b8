//! How apt's and dpkg's programs are started: fixed arguments, a clean environment, no terminal and
//! no questions.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use marcato_agent::external::DEFAULT_PATH;
use marcato_agent::process::{self, Output};
use marcato_core::Reason;
use marcato_core::limits::agent::{APT_BYTES_MAX, APT_QUESTION_LIMIT};
use rustix::fs::MemfdFlags;
use tokio::process::Command;

use super::super::packages::Trouble;
use super::read;

/// What the programs find in their environment, beside the path.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("LC_ALL", "C"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("APT_LISTBUGS_FRONTEND", "none"),
    // As dpkg's --force-confold, for files that ucf looks after.
    ("UCF_FORCE_CONFFOLD", "1"),
    // Services are restarted by an order of their own, in the stages that an operator chose.
    ("NEEDRESTART_SUSPEND", "1"),
];

/// apt's programs, with another configuration where one is given.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) config: Option<PathBuf>,
}

/// What a program said, errors included, and whether it went well. That it was killed stands there
/// as its last complaint.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) well: bool,
}

impl Tools {
    fn command<S: AsRef<str>>(&self, program: &str, arguments: &[S]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", DEFAULT_PATH).envs(ENVIRONMENT).current_dir("/");
        command.args(arguments.iter().map(AsRef::as_ref));
        if let Some(config) = &self.config {
            command.env("APT_CONFIG", config);
        }
        command
    }

    /// Asks something that changes nothing: what stands on standard output.
    pub(super) async fn ask<S: AsRef<str>>(
        &self,
        program: &str,
        arguments: &[S],
    ) -> Result<String, Trouble> {
        let command = self.command(program, arguments);
        let limit = APT_QUESTION_LIMIT.as_duration();
        let ended = process::run(command, limit, Output::Keep(APT_BYTES_MAX)).await;
        let ended = ended.map_err(|error| missing(program, &error))?;
        let (out, err) = (lossy(&ended.stdout), lossy(&ended.stderr));
        match ended.status {
            Some(status) if status.success() => Ok(out),
            Some(_) => Err(read::trouble(&format!("{out}\n{err}"))),
            None => {
                let text = format!("{program} did not answer within {} s", limit.as_secs());
                Err(Trouble::other(text))
            }
        }
    }

    /// Runs something that may be broken off, and is at the limit.
    pub(super) async fn run<S: AsRef<str>>(
        &self,
        program: &str,
        arguments: &[S],
        limit: Duration,
    ) -> Result<Said, Trouble> {
        let command = self.command(program, arguments);
        let ended = process::run(command, limit, Output::Keep(APT_BYTES_MAX)).await;
        let ended = ended.map_err(|error| missing(program, &error))?;
        let text = format!("{}\n{}", lossy(&ended.stdout), lossy(&ended.stderr));
        match ended.status {
            Some(status) => Ok(Said { text, well: status.success() }),
            None => {
                let text = format!("{program} was ended: the time limit of the order passed");
                Err(Trouble::new(Reason::RunLimit, text))
            }
        }
    }

    /// Runs something that must not be broken off. It goes on even if this process is killed: its
    /// output is a file, since a pipe that nobody reads any more would end it.
    pub(super) async fn run_to_end<S: AsRef<str>>(
        &self,
        program: &str,
        arguments: &[S],
    ) -> Result<Said, Trouble> {
        let start = || {
            let said = File::from(rustix::fs::memfd_create(program, MemfdFlags::CLOEXEC)?);
            let mut command = self.command(program, arguments);
            command.process_group(0).stdin(Stdio::null());
            command.stdout(said.try_clone()?).stderr(said.try_clone()?);
            Ok((command.spawn()?, said))
        };
        let (mut child, said) = start().map_err(|error: io::Error| missing(program, &error))?;
        let status = child.wait().await;
        let mut text = last(said).unwrap_or_default();
        if let Some(signal) = status.as_ref().ok().and_then(ExitStatus::signal) {
            text.push_str(&format!("\nE: {program} was killed by signal {signal}\n"));
        }
        Ok(Said { text, well: status.is_ok_and(|status| status.success()) })
    }
}

/// The last of what was said.
fn last(mut said: File) -> io::Result<String> {
    let most = APT_BYTES_MAX as u64;
    let length = said.metadata()?.len();
    said.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    said.take(most).read_to_end(&mut bytes)?;
    Ok(lossy(&bytes))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn missing(program: &str, error: &io::Error) -> Trouble {
    Trouble::other(format!("{program} cannot be started: {error}"))
}
