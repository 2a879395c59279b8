//! One look at all processes of a host, for code from files that were deleted or replaced.
//!
//! The kernel's own word, ` (deleted)`, is sure: a package's update puts the new file in place by a
//! rename, which takes the old one's name away. Beyond that the mapped file is compared with the one
//! now at its path, which takes care:
//!
//! - On overlayfs and btrfs `maps` names another device or inode than stat(2) does. So a difference
//!   counts only when stat through `/proc/PID/map_files` shows it too.
//! - The kernel writes paths as they are in the process's mount namespace, whatever its root. So
//!   those of another namespace are looked up below `/proc/PID/root`, and where that process has
//!   changed its root, too, the kernel's word alone counts.
//!
//! No file of a target is opened and no program of it is run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use marcato_core::limits::service::{
    CGROUP_BYTES_MAX, MAPS_LINE_BYTES_MAX, STALE_FILES_MAX, STALE_NAMED_MAX, STALE_USERS_MAX,
};
use rustix::fs::{major, minor};

use super::cgroup::Owner;
use super::library::Library;
use super::maps::{self, Mapping};

/// Folders in which programs keep code of their own making, or of no package.
pub(super) const SCRATCH: [&str; 4] = ["/tmp/", "/var/tmp/", "/run/", "/var/run/"];

/// Where and for what to look.
pub struct Scan<'a> {
    /// The process table, `/proc`.
    pub proc: &'a Path,
    /// Beginnings of paths that are passed over.
    pub scratch: &'a [&'a str],
    /// The files that are asked for; all where there is none.
    pub library: Option<&'a Library>,
    /// Until when.
    pub until: Instant,
}

/// Who uses a file that was deleted or replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    /// What its control group says, on this host.
    Of(Owner),
    /// This program: the node, or a hub on the same host.
    Marcato(String),
    /// Something in another process namespace; its control group's last name.
    Container(String),
    /// A process without a unit; its name.
    Process(String),
}

/// What one of them uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// How many processes it has that use something.
    pub processes: usize,
    /// The first so many of them.
    pub pids: Vec<u32>,
    /// The files, the first so many.
    pub files: BTreeSet<String>,
}

/// What a look has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Who uses what, the first so many.
    pub users: BTreeMap<User, Use>,
    /// How many more processes use something, behind those that are named.
    pub more: usize,
    /// How many processes could not be looked at for want of rights.
    pub unseen: usize,
}

/// What is remembered of files that were looked at: whether they are what is now at their path.
#[derive(Default)]
struct Verdicts(HashMap<Key, bool>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    namespace: PathBuf,
    device: (u32, u32),
    inode: u64,
    path: Box<[u8]>,
}

/// The process that looks, to tell its own kind from others.
struct Here {
    mounts: PathBuf,
    pids: PathBuf,
    program: PathBuf,
}

/// A process that is looked at.
struct Process<'a> {
    dir: PathBuf,
    mounts: PathBuf,
    here: &'a Here,
}

impl Scan<'_> {
    /// Looks at every process once.
    ///
    /// # Errors
    /// There is no process table, or the time is over.
    pub fn run(&self) -> io::Result<Found> {
        let own = self.proc.join("self");
        let (program, _) = deleted_program(&fs::read_link(own.join("exe"))?);
        let here = Here { mounts: namespace(&own, "mnt"), pids: namespace(&own, "pid"), program };
        let mut found = Found::default();
        let mut verdicts = Verdicts::default();
        let mut pids: Vec<u32> = fs::read_dir(self.proc)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        for pid in pids {
            if Instant::now() > self.until {
                let error =
                    format!("{}: more than could be looked at in time", self.proc.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            }
            match self.look(pid, &here, &mut verdicts) {
                Ok(None) => {}
                Ok(Some((user, files))) => found.add(user, pid, files),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => found.unseen += 1,
                // It has ended meanwhile, or belongs to the kernel and runs no file.
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Looks at one process: who it belongs to and what it uses, if that is anything.
    fn look(
        &self,
        pid: u32,
        here: &Here,
        verdicts: &mut Verdicts,
    ) -> io::Result<Option<(User, BTreeSet<String>)>> {
        let dir = self.proc.join(pid.to_string());
        let exe = fs::read_link(dir.join("exe"))?;
        let process = Process { mounts: namespace(&dir, "mnt"), dir, here };
        let mut files = BTreeSet::new();
        if let Some((path, true)) = maps::target(exe.as_os_str().as_bytes()) {
            self.take(path, &mut files);
        }
        let mut lines = BufReader::new(File::open(process.dir.join("maps"))?);
        let mut line = Vec::new();
        while read_line(&mut lines, &mut line)? {
            let Some(mapping) = Mapping::parse(&line) else { continue };
            if mapping.deleted || verdicts.is_replaced(&mapping, &process) {
                self.take(mapping.path, &mut files);
            }
        }
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some((process.user(&exe), files)))
    }

    fn take(&self, path: &[u8], files: &mut BTreeSet<String>) {
        let path = String::from_utf8_lossy(path);
        let scratch = self.scratch.iter().any(|begin| path.starts_with(begin));
        let asked = self.library.is_none_or(|library| library.has(&path));
        if asked && !scratch && files.len() < STALE_NAMED_MAX {
            files.insert(path.replace(char::is_control, "\u{fffd}"));
        }
    }
}

impl Process<'_> {
    fn user(&self, exe: &Path) -> User {
        let owner = read(&self.dir.join("cgroup"));
        if namespace(&self.dir, "pid") != self.here.pids {
            let group = owner.lines().last().and_then(|line| line.rsplit('/').next());
            return User::Container(group.unwrap_or_default().to_owned());
        }
        match Owner::parse(&owner) {
            Owner::Service(unit) if deleted_program(exe).0 == self.here.program => {
                User::Marcato(unit)
            }
            Owner::Nothing => {
                let name = read(&self.dir.join("comm"));
                User::Process(name.trim_end().replace(char::is_control, "\u{fffd}"))
            }
            owner => User::Of(owner),
        }
    }

    /// Where to look a path of its `maps` up; `None` where that cannot be said.
    fn place(&self, path: &[u8]) -> Option<PathBuf> {
        let path = Path::new(OsStr::from_bytes(path));
        if self.mounts == self.here.mounts {
            return Some(path.to_owned());
        }
        let root = self.dir.join("root");
        let whole = fs::read_link(&root).is_ok_and(|root| root == Path::new("/"));
        whole.then(|| root.join(path.strip_prefix("/").unwrap_or(path)))
    }

    /// Whether what it has mapped is another file than the one now at its path.
    fn has_replaced(&self, mapping: &Mapping<'_>) -> bool {
        let Some(there) = self.place(mapping.path).and_then(|place| fs::metadata(place).ok())
        else {
            return false;
        };
        if identity(&there) == (mapping.device, mapping.inode) {
            return false;
        }
        let link = mapping.link().map(|link| self.dir.join("map_files").join(link));
        match link.and_then(|link| fs::metadata(link).ok()) {
            Some(mapped) => identity(&mapped) != identity(&there),
            // Devices without a number of their own are those whose inodes differ between the two.
            None => mapping.device.0 != 0 && mapping.inode != there.ino(),
        }
    }
}

impl Verdicts {
    fn is_replaced(&mut self, mapping: &Mapping<'_>, process: &Process<'_>) -> bool {
        let key = Key {
            namespace: process.mounts.clone(),
            device: mapping.device,
            inode: mapping.inode,
            path: mapping.path.into(),
        };
        if let Some(known) = self.0.get(&key) {
            return *known;
        }
        let replaced = process.has_replaced(mapping);
        if self.0.len() < STALE_FILES_MAX {
            self.0.insert(key, replaced);
        }
        replaced
    }
}

impl Found {
    fn add(&mut self, user: User, pid: u32, files: BTreeSet<String>) {
        if self.users.len() >= STALE_USERS_MAX && !self.users.contains_key(&user) {
            self.more += 1;
            return;
        }
        let into = self.users.entry(user).or_default();
        into.processes += 1;
        if into.pids.len() < STALE_NAMED_MAX {
            into.pids.push(pid);
        }
        into.files.extend(files);
        while into.files.len() > STALE_NAMED_MAX {
            into.files.pop_last();
        }
    }
}

/// A namespace of a process as the kernel names it; empty where it does not say.
fn namespace(process: &Path, kind: &str) -> PathBuf {
    fs::read_link(process.join("ns").join(kind)).unwrap_or_default()
}

/// The path of a program, whether or not there is another file by now, and whether there is.
fn deleted_program(exe: &Path) -> (PathBuf, bool) {
    let bytes = exe.as_os_str().as_bytes();
    let (path, deleted) = maps::target(bytes).unwrap_or((bytes, false));
    (PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())), deleted)
}

fn identity(file: &Metadata) -> ((u32, u32), u64) {
    ((major(file.dev()), minor(file.dev())), file.ino())
}

fn read(path: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was read before an error is what there is.
        let _ = file.take(CGROUP_BYTES_MAX).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads a line without its end; of one that is too long nothing is kept. False at the end.
fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut too_long = false;
    loop {
        let chunk = from.fill_buf()?;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(chunk.len());
        too_long |= line.len() + taken > MAPS_LINE_BYTES_MAX;
        if too_long {
            line.clear();
        } else {
            line.extend_from_slice(&chunk[..taken]);
        }
        let (over, read) = (chunk.is_empty(), end.map_or(taken, |end| end + 1));
        from.consume(read);
        if over || end.is_some() {
            return Ok(!over || !line.is_empty());
        }
    }
}
