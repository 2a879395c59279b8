//! The archive of packages that the hosts take theirs from: what they have, and what is newer.
//!
//! The newer ones are Debian's own security updates. Where Debian has none at the moment, the hosts'
//! own package is packed again with a higher version, so that there is always something to update.

use super::cgroup::Cgroup;
use super::error::{Error, Result, file};
use super::process::Process;
use super::{base, plan, run};
use crate::apt::{Apt, KEYRING};
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

/// The packages that there are newer versions of: the library with the hole, what is built from the
/// same source, and the shell with another one.
const NEWER: [&str; 3] = ["openssl", "libssl3", "bash"];

/// What a version made here has behind that of the hosts.
const REPACKED: &str = "+newer1";

/// Where the newer ones are looked for.
const SECURITY: &str = "http://deb.debian.org/debian-security";

/// To be counted up when the pool is made in another way, so that old ones are not used again.
const REVISION: &str = "1";

/// The port on the bridge's address.
const PORT: u16 = 8000;

/// How long one of Debian's tools may take, and the server until it listens.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a server that starts is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The archive of one set of hosts, below its folder.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// That of the hosts in a folder, whether it is there or not.
    pub fn of(set: &Path) -> Self {
        Self { folder: set.join("archive") }
    }

    /// Makes it of the pool's packages.
    ///
    /// # Errors
    /// When a file cannot be linked or Debian's tools fail.
    pub fn make(&self, pool: &Path) -> Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(file("remove", &self.folder))?;
        }
        fs::create_dir_all(&self.folder).map_err(file("make", &self.folder))?;
        for path in packages_in(pool)? {
            let link = self.folder.join(path.file_name().unwrap_or_default());
            fs::hard_link(&path, &link).map_err(file("link", link))?;
        }
        self.index()
    }

    /// Takes a package in, in the place of one with the same file name; where it then is.
    ///
    /// # Errors
    /// When it cannot be copied or Debian's tools fail.
    pub fn add(&self, package: &Path) -> Result<PathBuf> {
        let path = self.folder.join(package.file_name().unwrap_or_default());
        fs::copy(package, &path).map_err(file("write", &path))?;
        self.index()?;
        Ok(path)
    }

    /// Takes all packages of a name out.
    ///
    /// # Errors
    /// When one cannot be removed or Debian's tools fail.
    pub fn remove(&self, name: &str) -> Result<()> {
        for path in packages_in(&self.folder)? {
            if package_name(&path) == name {
                fs::remove_file(&path).map_err(file("remove", path))?;
            }
        }
        self.index()
    }

    /// Writes what apt reads of it.
    fn index(&self) -> Result<()> {
        let folder = self.folder.to_string_lossy();
        for (what, name) in [("packages", "Packages"), ("release", "Release")] {
            let path = self.folder.join(name);
            // A release lists what lies beside it, itself as well.
            let before = modified(&path);
            let text = run::checked(&["env", "-C", &folder, "apt-ftparchive", what, "."], LIMIT)?;
            fs::write(&path, text + "\n").map_err(file("write", &path))?;
            // HTTP counts in whole seconds: an index of the same second as the last one would pass
            // for the same.
            let after = before.map_or(SystemTime::now(), |time| {
                SystemTime::now().max(time + Duration::from_secs(1))
            });
            let index = File::options().append(true).open(&path);
            index.and_then(|index| index.set_modified(after)).map_err(file("date", path))?;
        }
        Ok(())
    }

    /// Serves it on the bridge until `hosts down`, which ends all that is in the set's groups.
    ///
    /// # Errors
    /// When the server does not come up.
    pub fn serve(&self, cgroup: &Cgroup) -> Result<()> {
        cgroup.make()?;
        let (folder, port) = (self.folder.to_string_lossy(), PORT.to_string());
        let server = ["python3", "-m", "http.server", "--bind", plan::BRIDGE_ADDRESS];
        let argv = [&["/proc/self/exe", "hosts", "enter", &folder, "--"], &server[..]].concat();
        let argv = [&argv[..], &["--directory", &folder, &port]].concat();
        let path = self.folder.with_extension("log");
        let log = File::create(&path).map_err(file("make", &path))?;
        let both = log.try_clone().map_err(file("open", &path))?;
        let mut command = run::command(&argv);
        let child = command.stdin(Stdio::null()).stdout(log).stderr(both).spawn();
        let child = child.map_err(file("run", "/proc/self/exe"))?;
        let server = Process::of(child.id());
        let until = Instant::now() + LIMIT;
        while TcpStream::connect((plan::BRIDGE_ADDRESS, PORT)).is_err() {
            if Instant::now() >= until || !server.is_some_and(Process::alive) {
                let tail = run::tail(&fs::read(&path).unwrap_or_default());
                return Err(Error::Machine(format!("the archive is not served:\n{tail}")));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The line of sources.list(5) for it. Nothing signs it: its only cable is the bridge.
    pub fn source() -> String {
        format!("deb [trusted=yes] http://{}:{PORT}/ ./\n", plan::BRIDGE_ADDRESS)
    }

    /// The folder, which names its control group too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The packages of which there are newer ones than in the base tree, each in both versions; made once
/// for a base tree.
///
/// # Errors
/// When Debian's archives cannot be reached, or its tools fail.
pub fn pool(dir: &Path, base: &Path) -> Result<PathBuf> {
    let key = base.file_name().unwrap_or_default().to_string_lossy().replace("base-", "");
    let pool = dir.join(format!("pool-{REVISION}-{key}"));
    if pool.exists() {
        return Ok(pool);
    }
    let partial = dir.join("pool.partial");
    for old in fs::read_dir(dir).map_err(file("read", dir))?.flatten() {
        if old.file_name().to_string_lossy().starts_with("pool") {
            fs::remove_dir_all(old.path()).map_err(file("remove", old.path()))?;
        }
    }
    fs::create_dir_all(&partial).map_err(file("make", &partial))?;
    let line = |uri, suite: &str| format!("deb [signed-by={KEYRING}] {uri} {suite} main\n");
    let sources =
        line(base::MIRROR, base::SUITE) + &line(SECURITY, &format!("{}-security", base::SUITE));
    let apt = partial.join("apt");
    let newest = Apt::new(&apt, &sources).and_then(|apt| apt.download(&NEWER));
    let newest = newest.map_err(Error::Machine)?;
    let had = packages_in(&base.join("var/cache/apt/archives"))?;
    for name in NEWER {
        let of = |paths: &[PathBuf]| paths.iter().find(|path| package_name(path) == name).cloned();
        let (Some(old), Some(new)) = (of(&had), of(&newest)) else {
            return Err(Error::Machine(format!("{name} is missing in the base tree or in Debian")));
        };
        for path in [&old, &newer(&new, &old, &partial)?] {
            let to = partial.join(path.file_name().unwrap_or_default());
            if to != *path {
                fs::copy(path, &to).map_err(file("write", to))?;
            }
        }
    }
    fs::remove_dir_all(&apt).map_err(file("remove", &apt))?;
    // Renamed only when it is whole: an interrupted run leaves nothing that looks finished.
    fs::rename(&partial, &pool).map_err(file("rename", &partial))?;
    Ok(pool)
}

/// Debian's newest where it is newer than the hosts' own, else that one with a higher version.
fn newer(newest: &Path, old: &Path, folder: &Path) -> Result<PathBuf> {
    let (theirs, ours) = (field(newest, "Version")?, field(old, "Version")?);
    let compare = ["dpkg", "--compare-versions", &theirs, "gt", &ours];
    if run::output(&compare, b"", LIMIT)?.status == 0 {
        return Ok(newest.to_owned());
    }
    repack(old, &(ours + REPACKED), folder)
}

/// The same package with another version, in that folder.
///
/// # Errors
/// When Debian's tools fail.
pub fn repack(package: &Path, version: &str, folder: &Path) -> Result<PathBuf> {
    let tree = folder.join("repacked");
    let to = folder.join(format!("{}_{version}_{}.deb", package_name(package), "repacked"));
    let (from, unpacked) = (package.to_string_lossy(), tree.to_string_lossy().into_owned());
    run::checked(&["dpkg-deb", "--raw-extract", &from, &unpacked], LIMIT)?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).map_err(file("read", &control))?;
    let line = |line: &str| match line.strip_prefix("Version: ") {
        Some(_) => format!("Version: {version}\n"),
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(line).collect();
    fs::write(&control, text).map_err(file("write", &control))?;
    build(&tree, &to)?;
    fs::remove_dir_all(&tree).map_err(file("remove", &tree))?;
    Ok(to)
}

/// Packs a tree.
///
/// # Errors
/// When it is no tree of a package.
pub fn build(tree: &Path, package: &Path) -> Result<()> {
    let (tree, package) = (tree.to_string_lossy(), package.to_string_lossy());
    // Not compressed: it goes no further than the bridge.
    let argv = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", &tree, &package];
    run::checked(&argv, LIMIT).map(drop)
}

/// A field of a package.
///
/// # Errors
/// When it is no package.
pub fn field(package: &Path, name: &str) -> Result<String> {
    let text = run::checked(&["dpkg-deb", "--field", &package.to_string_lossy(), name], LIMIT)?;
    Ok(text.trim().to_owned())
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(file("read", folder))?.flatten();
    let paths = entries.map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|e| e == "deb")).collect())
}

/// The name of a package by that of its file.
fn package_name(package: &Path) -> String {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    name.split('_').next().unwrap_or_default().to_owned()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}
