//! Opens agents' files so that what was checked is what is used: no symbolic links, no file or
//! folder that anyone else could have written.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use marcato_core::limits::agent::DDL_BYTES_MAX;
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};

use crate::safe::{FileError, check};

/// The folder of the agents, found safe from the root directory down.
pub(super) struct Folder {
    path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// Opens the folder. Links on the way there are followed first; then each folder on the real
    /// way is opened from the one before and checked.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let real = path.canonicalize().map_err(|error| FileError::io(path, error))?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let mut at = PathBuf::from("/");
        let mut fd =
            openat(CWD, "/", flags, Mode::empty()).map_err(|error| FileError::io(&at, error))?;
        safe(&at, &fd)?;
        for part in real.components().skip(1) {
            let part = part.as_os_str();
            at.push(part);
            fd = openat(&fd, part.as_bytes(), flags, Mode::empty())
                .map_err(|error| FileError::io(&at, error))?;
            safe(&at, &fd)?;
        }
        Ok(Self { path: real, fd })
    }

    /// Reads a declaration.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, FileError> {
        let path = self.path.join(name);
        let (file, stat) = self.entry(name)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FileError::new(&path, "not a regular file"));
        }
        read_at_most(file.into(), DDL_BYTES_MAX).map_err(|error| FileError::io(&path, error))
    }

    /// Finds an agent's executable: `NAME`, or `NAME/NAME-linux_ARCH` as Choria's multi-arch
    /// agents have it (with Go's names of architectures).
    pub fn program(&self, name: &str) -> Result<PathBuf, FileError> {
        let path = self.path.join(name);
        let (fd, stat) = self.entry(name)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => executable(path, &stat),
            FileType::Directory => {
                let inner = Self { path, fd };
                let name = format!("{name}-linux_{}", go_arch());
                let (_, stat) = inner.entry(&name)?;
                let path = inner.path.join(&name);
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(FileError::new(&path, "not a regular file"));
                }
                executable(path, &stat)
            }
            _ => Err(FileError::new(&path, "neither a regular file nor a folder")),
        }
    }

    /// Opens what lies here under a name, without following a link, and checks it.
    fn entry(&self, name: &str) -> Result<(OwnedFd, Stat), FileError> {
        let path = self.path.join(name);
        // NONBLOCK: a named pipe must not stop the daemon.
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NONBLOCK;
        let fd = openat(&self.fd, name, flags, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::LOOP => FileError::new(&path, "a symbolic link; put the file here"),
            error => FileError::io(&path, error),
        })?;
        let stat = safe(&path, &fd)?;
        Ok((fd, stat))
    }
}

/// Refuses what anyone but root and this process's own user could change.
fn safe(path: &Path, fd: &OwnedFd) -> Result<Stat, FileError> {
    let stat = fstat(fd).map_err(|error| FileError::io(path, error))?;
    check(path, stat.st_uid, stat.st_mode)?;
    Ok(stat)
}

fn executable(path: PathBuf, stat: &Stat) -> Result<PathBuf, FileError> {
    if stat.st_mode & 0o111 == 0 {
        let what = format!("not executable; run: chmod +x {}", path.display());
        return Err(FileError::new(&path, what));
    }
    Ok(path)
}

/// The architecture as Go names it.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// Reads a file of at most so many bytes.
pub(crate) fn read_at_most(file: File, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let what = format!("longer than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// Reads a file that an agent wrote: it may have put a link, a pipe or a device in its place.
pub(super) fn read_reply(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NONBLOCK;
    let fd = openat(CWD, path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    read_at_most(fd.into(), most)
}

/// Makes a fresh folder for this user alone; it is removed when it goes out of scope.
pub(super) fn private_folder(parent: &Path) -> io::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("marcato-").permissions(mode).tempdir_in(parent)
}
