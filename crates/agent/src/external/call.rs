//! Calls an external agent as a child of this process.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use marcato_core::limits::agent::{ACTIVATION_LIMIT, EXTERNAL_ALLOWANCE, EXTERNAL_REPLY_BYTES_MAX};
use marcato_core::{Changed, Reason};
use serde_json::{Value, json};
use tokio::process::Command;

use super::message::{self, Protocol, Reply, Status};
use super::{External, files};
use crate::process::{self, Output};
use crate::{Call, Outcome};

/// What came of starting the executable.
enum Run {
    /// It ended by itself; what it wrote as its reply, if that could be read.
    Ended(ExitStatus, io::Result<Vec<u8>>),
    /// Its time limit passed.
    TooLong,
}

impl External {
    /// Asks the agent whether it works on this host.
    pub(crate) async fn activate_here(&self) -> Result<(), String> {
        let question = message::activation(&self.ddl.metadata.name);
        let limit = ACTIVATION_LIMIT.as_duration();
        let run = self.start(Protocol::Activation, &question, &json!({}), limit).await;
        match run.map_err(|error| format!("cannot be started: {error}"))? {
            Run::TooLong => Err(format!("no answer in {} s", limit.as_secs())),
            Run::Ended(status, _) if !status.success() => Err(status.to_string()),
            Run::Ended(_, reply) => {
                let reply = reply.map_err(|error| format!("the reply: {error}"))?;
                if message::activated(&reply)? { Ok(()) } else { Err(String::new()) }
            }
        }
    }

    /// Does one action.
    pub(crate) async fn call_here(&self, call: &Call) -> Outcome {
        // The protocol has no word for it, so a change that was begun may have changed the host.
        let changed = self.changed_by(call, Changed::Unknown);
        let failed = |message: String| Outcome::failed(Reason::Agent, changed, message);
        let facts = json!(*call.facts);
        // Whoever signs may ask for less than its declaration, not for more.
        let limit = call.limit.min(self.ddl.metadata.timeout) + EXTERNAL_ALLOWANCE;
        let limit = limit.as_duration();
        let request = message::request(call);
        match self.start(Protocol::Request, &request, &facts, limit).await {
            Err(error) => {
                let message = format!("it cannot be started: {error}");
                Outcome::failed(Reason::Agent, Changed::False, message)
            }
            Ok(Run::TooLong) => {
                let message = format!("ended after {} s", limit.as_secs_f32());
                Outcome::timed_out(Reason::RunLimit, changed, message)
            }
            Ok(Run::Ended(status, reply)) => {
                let reply = reply.map_err(|error| format!("its reply: {error}"));
                let reply = reply.and_then(|bytes| message::reply(&bytes));
                match reply {
                    Ok(reply) if status.success() => outcome(reply, changed),
                    // What it said before it failed may help, whatever it calls itself.
                    Ok(reply) if reply.message.is_empty() => failed(status.to_string()),
                    Ok(reply) => failed(format!("{status}: {}", reply.message)),
                    Err(error) if status.success() => failed(error),
                    Err(_) => failed(status.to_string()),
                }
            }
        }
    }

    /// Starts the executable with the files of one question and waits for its end.
    async fn start(
        &self,
        protocol: Protocol,
        question: &Value,
        facts: &Value,
        limit: Duration,
    ) -> io::Result<Run> {
        let dir = files::private_folder(&self.host.scratch)?;
        let at = |name: &str| dir.path().join(name);
        let (request, reply) = (at("request.json"), at("reply.json"));
        let name = &self.ddl.metadata.name;
        write(&request, question.to_string().as_bytes())?;
        write(&at("facts.json"), facts.to_string().as_bytes())?;
        // Plugins may take for granted that it exists.
        write(&reply, b"")?;
        let mut command = Command::new(&self.program);
        command.args([request.as_os_str(), reply.as_os_str(), protocol.name().as_ref()]);
        command.current_dir(dir.path()).env_clear().env("PATH", &self.host.path);
        command.env("CHORIA_EXTERNAL_REQUEST", &request);
        command.env("CHORIA_EXTERNAL_REPLY", &reply);
        command.env("CHORIA_EXTERNAL_PROTOCOL", protocol.name());
        command.env("CHORIA_EXTERNAL_CONFIG", self.host.settings.join(format!("{name}.cfg")));
        command.env("CHORIA_EXTERNAL_FACTS", at("facts.json"));
        let ended = process::run(command, limit, Output::Log(name.clone())).await?;
        Ok(match ended.status {
            None => Run::TooLong,
            Some(status) => Run::Ended(status, files::read_reply(&reply, EXTERNAL_REPLY_BYTES_MAX)),
        })
    }
}

/// Writes a file for this user alone, in a folder that is this user's alone.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

fn outcome(reply: Reply, changed: Changed) -> Outcome {
    let failed = |reason| Outcome::failed(reason, changed, reply.message.clone());
    let outcome = match reply.status {
        Status::Ok => Outcome::ok(serde_json::Map::new())
            .changing(changed)
            // "OK" is what the ancestor's replies say when they say nothing.
            .saying(if reply.message == "OK" { "" } else { &reply.message }),
        Status::Aborted | Status::Other => failed(Reason::Action),
        Status::UnknownAction => failed(Reason::UnknownAction),
        Status::Inputs => failed(Reason::Inputs),
    };
    outcome.with(reply.data)
}
