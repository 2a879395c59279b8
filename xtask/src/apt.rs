//! Downloads Debian packages by an apt with sources, lists and a cache of its own: nothing is installed,
//! the machine's own sources do not count, and root is not needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Signs the archives of every Debian release.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt of its own.
#[derive(Debug)]
pub struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// One that knows these sources alone, as lines of sources.list(5); it reads their lists.
    ///
    /// # Errors
    /// When the folder cannot be written, or a source not be reached; the error is one sentence.
    pub fn new(folder: &Path, sources: &str) -> Result<Self, String> {
        let apt = Self { folder: folder.to_owned() };
        let old = folder.join("packages");
        if old.exists() {
            std::fs::remove_dir_all(&old).map_err(|e| format!("{}: {e}", old.display()))?;
        }
        for part in ["state/lists/partial", "cache/archives/partial", "packages"] {
            let path = folder.join(part);
            std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        for (name, text) in [("sources.list", sources), ("status", "")] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        run(apt.get().args(["-o", "APT::Update::Error-Mode=any", "update"]))?;
        Ok(apt)
    }

    /// The newest that its sources have of each package, downloaded, in no particular order.
    ///
    /// # Errors
    /// When one is not there; the error is one sentence.
    pub fn download(&self, names: &[&str]) -> Result<Vec<PathBuf>, String> {
        let packages = self.folder.join("packages");
        run(self.get().arg("download").args(names).current_dir(&packages))?;
        let files = std::fs::read_dir(&packages);
        let files = files.map_err(|e| format!("{}: {e}", packages.display()))?;
        let paths = files.filter_map(|entry| Some(entry.ok()?.path()));
        Ok(paths.filter(|path| path.extension().is_some_and(|e| e == "deb")).collect())
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        let own = [
            ("Dir::State", "state"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc::sourcelist", "sources.list"),
        ];
        for (option, path) in own {
            command.arg("-o").arg(format!("{option}={}", self.folder.join(path).display()));
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
}

/// Runs a command that must end with 0.
///
/// # Errors
/// With what it said; the error is one sentence.
pub fn run(command: &mut Command) -> Result<(), String> {
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
