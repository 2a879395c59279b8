//! `mco authority`: what the fleet's authority does, whose key only the operators' side holds.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use marcato_core::limits::protocol::CERTIFICATE_BYTES_MAX;
use marcato_core::{Exit, Identity, Timestamp};
use marcato_protocol::certificate::{Certificate, SignedText};
use marcato_protocol::sshsig::Namespace;

use super::cli::AuthorityCommand;
use super::sign;
use crate::words::group::escape;
use crate::words::{self, Failure};

/// Runs the command, and says how it ended.
pub fn main(command: AuthorityCommand) -> Exit {
    let AuthorityCommand::SignNode { key, identity } = command;
    match sign_node(&key, identity.as_ref()) {
        Ok(certificate) => words::answer(&format!("{certificate}\n"), Exit::Ok),
        Err(failure) => words::tell(&failure),
    }
}

/// Reads a node's request, checks that the node holds the key that it wants certified, and gives
/// its certificate.
fn sign_node(key: &Path, identity: Option<&Identity>) -> Result<SignedText, Failure> {
    let wrong = |why: String| Failure::new(Exit::Usage, format!("the request: {}", escape(&why)));
    let mut text = String::new();
    let stdin = io::stdin().lock();
    let read = stdin.take(CERTIFICATE_BYTES_MAX as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| wrong(error.to_string()))?;
    let request = SignedText::parse(&text)
        .and_then(|signed| signed.verify_request())
        .map_err(|error| wrong(error.to_string()).hint("mcod node --print-request, on the node"))?;
    let wanted = request.wanted().clone();
    if let Some(name) = identity.filter(|name| **name != wanted.identity) {
        return Err(wrong(format!("it is for {}, not for {name}", wanted.identity)));
    }
    let key = sign::file(key)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let issued = Timestamp::from_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let body = Certificate { issued, ..wanted }.to_bytes();
    let signature = key
        .sign(Namespace::Join, &body)
        .map_err(|error| Failure::new(Exit::NoPermission, error))?;
    Ok(SignedText::new(body, signature))
}
