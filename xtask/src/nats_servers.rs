//! The real nats-servers that judge the broker: those of two Debian releases, unpacked and not
//! installed, so that root is not needed and the machine stays as it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt::{self, Apt, KEYRING};

/// A Debian release, and the line of nats-server that it has.
struct Release {
    suite: &'static str,
    version: &'static str,
}

/// What the field runs: the stable release before the last, and the last.
const RELEASES: [Release; 2] = [
    Release { suite: "bookworm", version: "2.9." },
    // Needs only a libc6 that bookworm has, so it runs there too.
    Release { suite: "trixie", version: "2.10." },
];

/// The program, in the unpacked package.
const PROGRAM: &str = "usr/sbin/nats-server";

/// Fetches the nats-servers that are missing under `target/nats-servers`, and names them all, the
/// older first.
///
/// # Errors
/// When one cannot be fetched, unpacked or run; the error is one sentence.
pub fn ensure(root: &Path) -> Result<Vec<PathBuf>, String> {
    RELEASES.iter().map(|release| release.ensure(&root.join("target/nats-servers"))).collect()
}

/// The value of `MARCATO_NATS_SERVER`: where the nats-servers stand once [`ensure`] has fetched them,
/// the older first.
///
/// # Errors
/// Where their paths cannot be listed in a variable, for without it the suites would pass on ours
/// alone; the error is one sentence.
pub fn variable(root: &Path) -> Result<OsString, String> {
    let folder = root.join("target/nats-servers");
    let programs = RELEASES.iter().map(|release| folder.join(release.suite).join(PROGRAM));
    std::env::join_paths(programs)
        .map_err(|error| format!("{}: {error}; put the repository elsewhere", root.display()))
}

impl Release {
    fn ensure(&self, folder: &Path) -> Result<PathBuf, String> {
        let folder = folder.join(self.suite);
        let program = folder.join(PROGRAM);
        if self.is_it(&program) {
            return Ok(program);
        }
        self.fetch(&folder)?;
        if self.is_it(&program) {
            return Ok(program);
        }
        Err(format!("{} is no nats-server {}x", program.display(), self.version))
    }

    /// Whether `program` runs and is of this line.
    fn is_it(&self, program: &Path) -> bool {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.trim().rsplit('v').next().is_some_and(|v| v.starts_with(self.version))
        })
    }

    /// Downloads and unpacks the package.
    fn fetch(&self, folder: &Path) -> Result<(), String> {
        let source = format!("deb [signed-by={KEYRING}] {} {} main\n", archive()?, self.suite);
        let packages = Apt::new(&folder.join("apt"), &source)?.download(&["nats-server"])?;
        let package = packages.first().ok_or_else(|| format!("{} has none", self.suite))?;
        apt::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))
    }
}

/// The Debian archive that this machine uses already. A fresh machine may have no lists yet.
fn archive() -> Result<String, String> {
    if let Some(archive) = listed_archive()? {
        return Ok(archive);
    }
    apt::run(Command::new("apt-get").args(["--quiet", "update"]))
        .map_err(|error| format!("apt has no lists of packages, and as this user: {error}"))?;
    listed_archive()?.ok_or_else(|| "apt knows no archive of Debian".to_owned())
}

fn listed_archive() -> Result<Option<String>, String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"])
        .output()
        .map_err(|error| format!("apt-get cannot be started: {error}"))?;
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let archive = output.lines().find_map(|line| line.strip_prefix("Debian "));
    Ok(archive.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_them_all_or_says_why_not() {
        let value = variable(Path::new("/src/marcato")).unwrap();
        let paths: Vec<_> = std::env::split_paths(&value).collect();
        assert_eq!(paths.len(), RELEASES.len());
        assert!(paths.iter().all(|path| path.starts_with("/src/marcato/target")), "{paths:?}");
        let why = variable(Path::new("/src/a:b")).unwrap_err();
        assert!(why.starts_with("/src/a:b: "), "{why}");
    }
}
