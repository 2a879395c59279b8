//! The programs that the tests need and Debian does not have, each at one version.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program from crates.io; kept outside of the repository, so that a fresh clone finds it again.
#[derive(Debug)]
pub struct Tool {
    name: &'static str,
    version: &'static str,
    /// What it is built with beside its defaults, or without.
    options: &'static [&'static str],
}

impl Tool {
    /// Checks licences, bans and sources of the dependencies.
    pub const DENY: Self = Self { name: "cargo-deny", version: "0.20.2", options: &[] };
    /// Builds and runs the fuzz targets.
    pub const FUZZ: Self = Self { name: "cargo-fuzz", version: "0.13.2", options: &[] };
    /// Makes the Debian package. Without its own compressors: Debian's xz and gzip are there.
    pub const DEB: Self =
        Self { name: "cargo-deb", version: "3.8.0", options: &["--no-default-features"] };

    /// Where this version of it stands.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.home().join("bin").join(self.name)
    }

    fn home(&self) -> PathBuf {
        cache().join(format!("{}-{}", self.name, self.version))
    }

    /// Builds it where it is missing.
    ///
    /// # Errors
    /// When it cannot be built; the error is one sentence.
    pub fn ensure(&self, root: &Path) -> Result<(), String> {
        if self.program().is_file() {
            println!("{} {} is here", self.name, self.version);
            return Ok(());
        }
        let mut command = Command::new("cargo");
        // Its speed matters less than the minutes that an optimized build takes.
        command.args(["install", "--locked", "--profile", "dev", "--root"]).arg(self.home());
        command.args(self.options);
        command.arg(format!("{}@{}", self.name, self.version));
        command.env("CARGO_PROFILE_DEV_DEBUG", "0");
        let scratch = root.join("target/tools");
        command.env("CARGO_TARGET_DIR", &scratch);
        succeed(command)?;
        std::fs::remove_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))
    }
}

/// Builds every tool that is missing.
///
/// # Errors
/// When one cannot be built; the error is one sentence.
pub fn ensure(root: &Path) -> Result<(), String> {
    [Tool::DENY, Tool::FUZZ, Tool::DEB].iter().try_for_each(|tool| tool.ensure(root))
}

/// `$XDG_CACHE_HOME/marcato/tools`, or the same under `~/.cache`.
fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let base = set("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("marcato").join("tools")
}

/// The Python packages that the tests use, pinned.
const PYTHON: &str = "xtask/python.txt";

/// The Python with the tests' packages, whether it is there or not.
#[must_use]
pub fn python(root: &Path) -> PathBuf {
    root.join("target/venv/bin/python")
}

/// Makes the Python environment of the tests where it is missing or other than `xtask/python.txt`.
///
/// # Errors
/// When it cannot be made although we are root, who has installed what it takes; the error is one
/// sentence.
pub fn ensure_python(root: &Path, is_root: bool) -> Result<(), String> {
    let wanted = std::fs::read_to_string(root.join(PYTHON))
        .map_err(|error| format!("{PYTHON} cannot be read: {error}"))?;
    let stamp = root.join("target/venv/marcato-packages");
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        println!("Python's packages are here");
        return Ok(());
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(root.join("target/venv"));
    let mut fill = Command::new(python(root));
    fill.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    fill.arg(root.join(PYTHON));
    let made = succeed(make).and_then(|()| succeed(fill)).and_then(|()| {
        std::fs::write(&stamp, &wanted).map_err(|e| format!("{}: {e}", stamp.display()))
    });
    match made {
        Err(why) if !is_root => {
            println!("skipped: what is written in Python is not run: {why} (root installs it)");
            Ok(())
        }
        made => made,
    }
}

fn succeed(mut command: Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{name} cannot be started: {error}")),
    }
}
