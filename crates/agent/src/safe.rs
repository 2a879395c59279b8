//! Whose word a program is: what this process runs must be root's or its own user's alone, and so
//! must each folder and link that leads to it. Whoever could replace one of them would be that user.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use marcato_core::limits::agent::LINKS_MAX;
use rustix::fs::FileType;
use rustix::process::geteuid;

/// A file or folder that must not be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct FileError {
    /// Which.
    pub path: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl FileError {
    pub(crate) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.display().to_string(), what: what.into() }
    }

    pub(crate) fn io(path: &Path, error: impl Into<io::Error>) -> Self {
        Self::new(path, error.into().to_string())
    }
}

/// Refuses a file that anyone else could change or replace: by itself, by a folder above it up to
/// the root directory, or by a link on the way.
///
/// # Errors
/// Names what others can change, and what to do about it.
pub fn check_way(path: &Path) -> Result<(), FileError> {
    let path = std::path::absolute(path).map_err(|error| FileError::io(path, error))?;
    // What is still to go, the next part last.
    let mut way = parts(&path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    look(&at)?;
    while let Some(part) = way.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        if look(&next)?.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(FileError::new(&path, format!("more than {LINKS_MAX} links")));
            }
            let target = next.read_link().map_err(|error| FileError::io(&next, error))?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            way.extend(parts(&target));
        } else {
            at = next;
        }
    }
    Ok(())
}

/// The names that a path is made of, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = path.components().rev().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        _ => None,
    });
    named.collect()
}

/// Looks at one file, folder or link, and checks it.
fn look(path: &Path) -> Result<std::fs::FileType, FileError> {
    let found = path.symlink_metadata().map_err(|error| FileError::io(path, error))?;
    check(path, found.uid(), found.mode())?;
    Ok(found.file_type())
}

/// Refuses what anyone but root and this process's own user could change.
pub(crate) fn check(path: &Path, owner: u32, mode: u32) -> Result<(), FileError> {
    if owner != 0 && owner != geteuid().as_raw() {
        let what = format!("belongs to user {owner}; it must belong to root or to mcod's own user");
        return Err(FileError::new(path, what));
    }
    let kind = FileType::from_raw_mode(mode);
    // In a sticky folder such as /tmp nobody can replace what belongs to another; and whatever the
    // mode of a link, only its folder decides who can replace it.
    let is_kept = kind == FileType::Directory && mode & 0o1000 != 0 || kind == FileType::Symlink;
    if mode & 0o022 != 0 && !is_kept {
        let what =
            format!("writable by group or others (mode {:04o}); run: chmod go-w", mode & 0o7777);
        return Err(FileError::new(path, format!("{what} {}", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    use rustix::fs::{Mode, chmod};

    use super::*;

    #[test]
    fn whoever_could_replace_it_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        create_dir_all(at("open/shut")).unwrap();
        create_dir_all(at("links")).unwrap();
        for file in ["open/shut/x", "x"] {
            write(at(file), "").unwrap();
        }
        symlink("../open/../open/shut/x", at("links/relative")).unwrap();
        symlink(at("links/relative"), at("links/twice")).unwrap();
        symlink(at("open/shut"), at("links/folder")).unwrap();
        symlink("circle", at("links/circle")).unwrap();
        let check = |(changed, mode): (&str, u32), file: &str, want: Option<&str>| {
            chmod(at(changed), Mode::from_raw_mode(mode)).unwrap();
            let found = check_way(&at(file)).map_err(|error| error.to_string());
            chmod(at(changed), Mode::from_raw_mode(0o755)).unwrap();
            let dir = format!("{}/", dir.path().display());
            let found = found.err().map(|error| error.replace(&dir, ""));
            assert_eq!(found.as_deref(), want, "{changed} {mode:o} {file}");
        };
        let ways = ["open/shut/x", "links/relative", "links/twice", "links/folder/x"];
        let open = "open: writable by group or others (mode 0775); run: chmod go-w open";
        for way in ways {
            check(("open", 0o755), way, None);
            check(("open", 0o775), way, Some(open));
            check(("open", 0o1777), way, None);
        }
        let links = "links: writable by group or others (mode 0777); run: chmod go-w links";
        check(("links", 0o777), "links/twice", Some(links));
        check(("links", 0o777), "open/shut/x", None);
        let file = "x: writable by group or others (mode 0646); run: chmod go-w x";
        check(("x", 0o646), "x", Some(file));
        check(("x", 0o755), "links/circle", Some("links/circle: more than 40 links"));
        check(("x", 0o755), "gone", Some("gone: No such file or directory (os error 2)"));
    }
}
