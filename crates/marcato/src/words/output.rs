//! Standard output of commands that have one text to say: whoever closes the pipe has seen enough, and
//! what else keeps the text from where it should go is told.

use std::io::{self, ErrorKind, Write as _};

use anstream::{AutoStream, ColorChoice};
use marcato_core::Exit;

use super::failure::{Failure, tell};

/// Writes a text as it is.
///
/// # Errors
/// Standard output takes no more, and nobody closed it.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Io, format_args!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes the text that a command ends with, and says how it ends: a lost text is no success, and any
/// other end comes first.
pub fn answer(text: &str, exit: Exit) -> Exit {
    match print(text).map_err(|failure| tell(&failure)) {
        Err(lost) if exit == Exit::Ok => lost,
        _ => exit,
    }
}

/// Whether standard output shows colours.
#[must_use]
pub fn is_coloured() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}
