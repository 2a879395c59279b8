//! Reading and writing the node's own small files: bounded, private, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use marcato_core::limits::node::CONFIG_BYTES_MAX;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl FileError {
    /// Whether the system failed, which may be over at the next try; not so what the file itself
    /// holds.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.error.kind() != io::ErrorKind::InvalidData
    }
}

/// A file that was read and cannot be taken.
pub(super) fn unfit(path: &Path, why: String) -> FileError {
    at(path)(io::Error::new(io::ErrorKind::InvalidData, why))
}

/// Names the file in an error.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |error| FileError { path, error }
}

/// The text of a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let mut text = String::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(at(path))?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(unfit(path, format!("longer than {CONFIG_BYTES_MAX} bytes")));
    }
    Ok(Some(text))
}

/// The text of a file with a secret; refused where others may read it.
pub(super) fn read_secret(path: &Path) -> Result<Option<String>, FileError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let mode = path.metadata().map_err(at(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(unfit(
            path,
            format!("others may read it (mode {:03o}): chmod 600", mode & 0o777),
        ));
    }
    Ok(Some(text))
}

/// Makes a folder for this user alone, if it is not there.
pub(super) fn make_private_dir(path: &Path) -> Result<(), FileError> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

/// Writes a file for this user alone so that after a crash it is the old one or the new one.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), FileError> {
    replace(path, text, File::sync_all).and_then(|()| sync_parent(path)).map_err(at(path))
}

/// Writes a file for this user alone without waiting for the disk: after a crash of the host it may be
/// damaged or gone. Whoever reads it while the host runs finds the old one or the new one.
pub(super) fn write_cache(path: &Path, text: &str) -> Result<(), FileError> {
    replace(path, text, |_| Ok(())).map_err(at(path))
}

fn replace(
    path: &Path,
    text: &str,
    settle: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    settle(&file)?;
    fs::rename(&new, path)
}

/// Makes what happened in a file's folder last.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
