//! The file of known nodes: read whole, written whole, never half.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use marcato_core::limits::client::KNOWN_NODES_BYTES_MAX;

use crate::core::{Directory, DirectoryError, KnownNode};

/// What is wrong with the file of known nodes.
#[derive(Debug, thiserror::Error)]
pub enum KnownNodesError {
    /// It cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is longer than any fleet needs.
    #[error("{0}: longer than {KNOWN_NODES_BYTES_MAX} bytes")]
    TooLong(PathBuf),
    /// A line is damaged. Nothing is taken from such a file: what is missing of it would be learnt
    /// anew, and with it a key that was refused.
    #[error("{path}:{line}: {why}; mend or remove the line", line = .error.line, why = .error.why)]
    Line {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        error: DirectoryError,
    },
}

/// Reads the file; one that is not there knows nobody.
///
/// # Errors
/// [`KnownNodesError`].
pub fn load(path: &Path) -> Result<Directory, KnownNodesError> {
    let io = |error| KnownNodesError::Io { path: path.to_owned(), error };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Directory::default()),
        Err(error) => return Err(io(error)),
    };
    let mut text = String::new();
    file.take(KNOWN_NODES_BYTES_MAX + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > KNOWN_NODES_BYTES_MAX {
        return Err(KnownNodesError::TooLong(path.to_owned()));
    }
    Directory::parse(&text).map_err(|error| KnownNodesError::Line { path: path.to_owned(), error })
}

/// Adds nodes to the file: reads it again, so that what another command has learnt meanwhile stays,
/// and exchanges it in one step. A name that is known with another key by now keeps that key.
///
/// # Errors
/// [`KnownNodesError`]; the file is then as it was.
pub fn save(
    path: &Path,
    learned: impl IntoIterator<Item = KnownNode>,
) -> Result<(), KnownNodesError> {
    let io = |error| KnownNodesError::Io { path: path.to_owned(), error };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io)?;
    // Held until the new file is in place: what two commands learn at once must not end with that of
    // one, since a name that is lost has its next key believed at first sight.
    let _lock = lock(&beside(path, ".lock")).map_err(io)?;
    let mut directory = load(path)?;
    let mut changed = false;
    for node in learned {
        changed |= directory.keep(node).unwrap_or(false);
    }
    if changed { exchange(path, &directory.to_text()).map_err(io) } else { Ok(()) }
}

/// The file of that name with something behind it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Waits until no other command holds the lock, which ends with what is given back. It is a file of
/// its own, and stays: the one that it guards is exchanged.
fn lock(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

fn exchange(path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path, ".new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let written = written.and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What remains is of no use to anybody.
        let _ = fs::remove_file(&new);
    }
    written
}
