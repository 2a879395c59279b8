//! The real nats-servers that judge the broker: those of two Debian releases, unpacked and not
//! installed, so that root is not needed and the machine stays as it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Signs both releases' archives.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

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

    /// Downloads and unpacks the package with an apt configuration of its own.
    fn fetch(&self, folder: &Path) -> Result<(), String> {
        let apt = folder.join("apt");
        for part in ["state/lists/partial", "cache/archives/partial", "packages"] {
            let path = apt.join(part);
            std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let source = format!("deb [signed-by={KEYRING}] {} {} main\n", archive()?, self.suite);
        for (name, text) in [("sources.list", source.as_str()), ("status", "")] {
            let path = apt.join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        run(apt_get(&apt).arg("update"))?;
        let packages = apt.join("packages");
        run(apt_get(&apt).args(["download", "nats-server"]).current_dir(&packages))?;
        let found = std::fs::read_dir(&packages)
            .map_err(|e| format!("{}: {e}", packages.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "deb"))
            .max();
        let package = found.ok_or_else(|| format!("{} has no nats-server", self.suite))?;
        run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))
    }
}

/// The Debian archive that this machine uses already. A fresh machine may have no lists yet.
fn archive() -> Result<String, String> {
    if let Some(archive) = listed_archive()? {
        return Ok(archive);
    }
    run(Command::new("apt-get").args(["--quiet", "update"]))
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

/// apt-get with lists, cache and sources under `apt`, and nothing of the system's but how to reach
/// an archive.
fn apt_get(apt: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let own = [
        ("Dir::State", "state"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
        ("Dir::Etc::sourcelist", "sources.list"),
    ];
    for (option, path) in own {
        command.arg("-o").arg(format!("{option}={}", apt.join(path).display()));
    }
    let rest = [
        "Dir::Etc::sourceparts=-",
        // As root apt would download as a user that cannot write here.
        "APT::Sandbox::User=",
        "Acquire::Languages=none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    ];
    for option in rest {
        command.args(["-o", option]);
    }
    command.arg("--quiet");
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    let args: Vec<_> = command.get_args().map(|a| a.display().to_string()).collect();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let what = args.last().map_or("", String::as_str);
    Err(format!("{name} … {what}: {}: {}", output.status, said.trim()))
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
