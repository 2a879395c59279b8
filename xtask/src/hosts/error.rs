//! What can go wrong with the hosts, worded once.

use std::io;
use std::path::PathBuf;

/// The result of everything that touches the hosts.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, with what to do about it where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was typed cannot be done.
    #[error("{0}")]
    Usage(String),
    /// The machine, or what runs on it, is not as it must be.
    #[error("{0}")]
    Machine(String),
    /// A file operation failed.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A command did not end with 0.
    #[error("{argv}: {status}\n{text}")]
    Command {
        /// The argument vector, for reading.
        argv: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        text: String,
    },
    /// What a test wants to hold does not.
    #[error("{0}")]
    Unmet(String),
    /// A host did not come up.
    #[error("{host} did not boot: {why}; the end of {}:\n{tail}", log.display())]
    Boot {
        /// The host.
        host: String,
        /// What was seen.
        why: String,
        /// Its console.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
}

/// Names the operation and the path of a failed file operation.
pub fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { what, path, source }
}
