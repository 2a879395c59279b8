//! `mco lab down`: ends the fleet's processes; its files stay unless told otherwise.

use std::fs;
use std::io;
use std::time::Duration;

use marcato_core::Exit;

use super::layout::{Layout, MADE, Running};
use super::processes;
use super::up::tell;
use crate::words::Failure;

/// How long processes may take to end before they are made to.
pub(super) const PATIENCE: Duration = Duration::from_millis(2_500);

/// Runs `mco lab down`.
pub(super) fn main(lab: &Layout, purge: bool) -> Result<Exit, Failure> {
    let (_lock, made) = lab.hold()?;
    if purge && !made {
        let text = format_args!("{} holds no lab; nothing was removed", lab.dir.display());
        return Err(Failure::new(Exit::Usage, text));
    }
    // A lab whose state cannot be read can still be removed.
    let running = match lab.running() {
        Err(failure) if !purge => return Err(failure),
        running => running.unwrap_or_default().unwrap_or_default(),
    };
    let lived = running.processes.iter().any(processes::Process::lives);
    processes::end(&running.processes, PATIENCE);
    if purge {
        remove(lab).map_err(|error| lab.failure(&error))?;
        tell(&format!("the lab is down, and what it made in {} is removed", lab.dir.display()));
        return Ok(Exit::Ok);
    }
    if lab.path("lab.json").exists() {
        lab.keep(&Running { processes: Vec::new(), ..running })?;
    }
    let said = if lived { "the lab is down" } else { "the lab was not up" };
    tell(&format!("{said}; its files stay in {}", lab.dir.display()));
    Ok(Exit::Ok)
}

/// Removes what the lab made, and its folder if nothing else lies in it.
fn remove(lab: &Layout) -> io::Result<()> {
    for name in MADE {
        let path = lab.path(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(&lab.dir) {
        // Others' files lie in it, or it is reached by a link.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn lab(dir: &Path) -> Layout {
        Layout::new(dir.to_owned()).unwrap()
    }

    /// A folder as some system has it: with names that a lab's folder has too.
    fn system(dir: &Path) {
        fs::create_dir_all(dir.join("etc")).unwrap();
        fs::write(dir.join("etc/passwd"), "root").unwrap();
    }

    #[test]
    fn what_no_lab_made_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        system(dir.path());
        let lab = lab(dir.path());
        assert_eq!(main(&lab, true).unwrap_err().exit, Exit::Unavailable);
        assert!(!lab.path("lab.lock").exists(), "nothing is written either");
        let failure = lab.claim().unwrap_err();
        assert!(failure.text.contains("etc is there already"), "{failure}");
        assert!(!lab.path("lab.lock").exists());
        fs::write(lab.path("lab.lock"), "").unwrap();
        assert!(lab.claim().is_err());
        let failure = main(&lab, true).unwrap_err();
        assert!(failure.text.contains("nothing was removed"), "{failure}");
        // A file of the lock's name that says something else is no lab's.
        fs::write(lab.path("lab.lock"), "mine").unwrap();
        assert!(main(&lab, true).is_err());
        fs::remove_file(lab.path("lab.lock")).unwrap();
        symlink(dir.path().join("etc/passwd"), lab.path("lab.lock")).unwrap();
        assert!(main(&lab, true).is_err());
        assert_eq!(fs::read_to_string(dir.path().join("etc/passwd")).unwrap(), "root");
    }

    #[test]
    fn what_a_lab_made_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes"), "mine").unwrap();
        let lab = lab(dir.path());
        drop(lab.claim().unwrap());
        system(dir.path());
        symlink(other.path(), lab.path("log")).unwrap();
        fs::write(other.path().join("file"), "mine").unwrap();
        drop(lab.claim().unwrap());
        assert_eq!(main(&lab, true), Ok(Exit::Ok));
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["notes"]);
        assert!(other.path().join("file").exists(), "a link goes, not what it leads to");
    }

    #[test]
    fn a_folder_that_anybody_writes_to_holds_no_lab() {
        let dir = tempfile::tempdir().unwrap();
        rustix::fs::chmod(dir.path(), rustix::fs::Mode::from_raw_mode(0o777)).unwrap();
        assert!(lab(dir.path()).claim().is_err());
    }
}
