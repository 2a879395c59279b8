//! Overlay mounts of the hosts' trees.

use super::error::{Result, file};
use super::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a mount or an unmount may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Mounts the `lower` trees, the uppermost first, with the writable layer `upper` over them at `at`;
/// all folders must exist.
///
/// # Errors
/// When the kernel refuses: not root, or a filesystem that cannot be an upper layer.
pub fn overlay(lower: &[PathBuf], upper: &Path, work: &Path, at: &Path) -> Result<()> {
    let lower: Vec<_> = lower.iter().map(|path| path.to_string_lossy()).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        upper.display(),
        work.display()
    );
    let at = at.to_string_lossy();
    run::checked(&["mount", "-t", "overlay", "overlay", "-o", &options, &at], LIMIT).map(drop)
}

/// Unmounts everything at or below a folder, the innermost first.
///
/// # Errors
/// When something still uses a mount.
pub fn unmount_below(folder: &Path) -> Result<()> {
    const MOUNTS: &str = "/proc/self/mountinfo";
    let table = fs::read_to_string(MOUNTS).map_err(file("read", MOUNTS))?;
    for point in points_below(&table, folder).iter().rev() {
        run::checked(&["umount".as_ref(), point.as_os_str()], LIMIT)?;
    }
    Ok(())
}

/// The mount points at or below a folder, in the order in which they were mounted.
fn points_below(table: &str, folder: &Path) -> Vec<PathBuf> {
    table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(4))
        .map(PathBuf::from)
        .filter(|point| point.starts_with(folder))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below() {
        let table = "1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /h/web1/root rw - overlay o rw\n\
                     3 1 0:3 / /h/web10 rw - overlay o rw\n4 2 0:4 / /h/web1/root/proc rw - proc p rw\n";
        let found = points_below(table, Path::new("/h/web1"));
        assert_eq!(found, [Path::new("/h/web1/root"), Path::new("/h/web1/root/proc")]);
    }
}
