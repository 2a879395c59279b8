//! Where apt and dpkg keep what is theirs: their locks and who holds them, the lists and how old
//! they are, and the room that is left.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use marcato_core::limits::agent::SPACE_SPARE_BYTES;
use marcato_core::{Reason, Span};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::super::packages::{Holder, Lists, Lock, Rehearsal, Trouble};
use super::read;

/// Where a package's files go; `/` is mostly the same filesystem.
const FILES: &str = "/usr";

/// So many ticks of the times in `/proc` a second has: `USER_HZ`, which is a part of the kernel's
/// interface.
const TICKS: u64 = 100;

/// Where apt keeps its files, by its own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) admin: PathBuf,
    pub(super) lists: PathBuf,
    pub(super) archives: PathBuf,
    pub(super) sources: Vec<PathBuf>,
}

impl Places {
    /// What `apt-config` is asked.
    pub(super) const ASKED: [&'static str; 9] = [
        "shell",
        "lists",
        "Dir::State::lists/d",
        "archives",
        "Dir::Cache::archives/d",
        "sourcelist",
        "Dir::Etc::sourcelist/f",
        "sourceparts",
        "Dir::Etc::sourceparts/d",
    ];

    /// Reads its answer.
    pub(super) fn parse(text: &str, admin: &Path) -> Option<Self> {
        let (mut lists, mut archives, mut sources) = (None, None, Vec::new());
        for (name, value) in read::settings(text) {
            match name {
                "lists" => lists = Some(folder(&value)),
                "archives" => archives = Some(folder(&value)),
                _ => sources.push(value.into()),
            }
        }
        Some(Self { admin: admin.to_owned(), lists: lists?, archives: archives?, sources })
    }

    /// Who holds a lock. A file that nobody has locked is no lock, however old it is.
    pub(super) fn holder(&self, lock: Lock) -> Option<Holder> {
        let files = match lock {
            Lock::Lists => vec![("lock of apt's lists", self.lists.join("lock"))],
            Lock::Packages => vec![
                ("dpkg lock", self.admin.join("lock-frontend")),
                ("dpkg lock", self.admin.join("lock")),
                ("lock of apt's archives", self.archives.join("lock")),
            ],
        };
        files.into_iter().find_map(|(lock, path)| Some(holder_of(lock, locker(&path)?)))
    }

    /// How old the lists are: as old as the one that was longest not heard of. When each was put in
    /// its place its `ctime` says, which nothing but the kernel's clock sets; `mtime` is the
    /// mirror's.
    pub(super) fn age(&self) -> Lists {
        self.age_at(SystemTime::now())
    }

    fn age_at(&self, now: SystemTime) -> Lists {
        let lists = list_files(&self.lists);
        let oldest = lists.iter().filter_map(|path| ctime(path)).min();
        let Some(oldest) = oldest else { return Lists::default() };
        // Of what comes from the future, when the clock was wrong, nobody knows how old it is.
        let age = now.duration_since(oldest).ok();
        let age = age.map(|age| Span::from_ms(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
        let mut sources: Vec<PathBuf> = self.sources.clone();
        for folder in &self.sources {
            sources.extend(entries(folder));
        }
        let changed = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
        let outdated = sources.iter().filter_map(changed).any(|changed| changed > oldest);
        Lists { age, outdated }
    }

    /// Notes that the lists are as the sources have them: apt leaves one alone that has not changed.
    pub(super) fn confirm(&self) {
        let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: omit };
        for path in list_files(&self.lists) {
            // One that cannot be touched counts as older than it is.
            let _ = rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW);
        }
    }

    /// Whether every filesystem has the room that is needed on it.
    pub(super) fn room(&self, rehearsal: &Rehearsal) -> Result<(), Trouble> {
        let needs = [
            (self.archives.as_path(), rehearsal.download_bytes),
            (Path::new(FILES), rehearsal.install_bytes),
            (self.admin.as_path(), SPACE_SPARE_BYTES),
            (self.lists.as_path(), 0),
        ];
        let of = |path: &Path| fs::metadata(path).map(|data| data.dev()).ok();
        for (path, _) in needs {
            let device = of(path);
            let same = needs.iter().filter(|(other, _)| of(other) == device);
            let needed: u64 = same.map(|(_, bytes)| bytes).sum();
            // Root may use what is kept back for root, as apt and dpkg do.
            let Ok(stat) = rustix::fs::statvfs(path) else { continue };
            let free = stat.f_bfree.saturating_mul(stat.f_frsize);
            if free < needed {
                return Err(Trouble::new(Reason::NoSpace, short(&mount(path), free, needed)));
            }
        }
        Ok(())
    }
}

/// A folder as it is named without a slash at the end.
fn folder(name: &str) -> PathBuf {
    Path::new(name).components().collect()
}

/// The words for a filesystem with too little room.
pub(crate) fn short(mount: &Path, free: u64, needed: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    let (free, needed) = (free / MIB, needed.div_ceil(MIB));
    format!("{} {free} MiB free, {needed} MiB needed; nothing was changed", mount.display())
}

/// Where the filesystem is mounted that a path lies on.
fn mount(path: &Path) -> PathBuf {
    let device = |path: &Path| fs::metadata(path).map(|data| data.dev()).ok();
    let own = device(path);
    let same = path.ancestors().take_while(|above| device(above) == own);
    same.last().unwrap_or(path).to_owned()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// The lists themselves: apt keeps its lock and two folders beside them.
fn list_files(folder: &Path) -> Vec<PathBuf> {
    let is_list = |path: &PathBuf| {
        let meta = fs::symlink_metadata(path);
        meta.is_ok_and(|meta| !meta.is_dir()) && path.file_name().is_some_and(|name| name != "lock")
    };
    entries(folder).into_iter().filter(is_list).collect()
}

fn ctime(path: &Path) -> Option<SystemTime> {
    let meta = fs::symlink_metadata(path).ok()?;
    let seconds = Duration::from_secs(u64::try_from(meta.ctime()).ok()?);
    let part = Duration::from_nanos(u64::try_from(meta.ctime_nsec()).ok()?);
    Some(SystemTime::UNIX_EPOCH + seconds + part)
}

/// Who changes packages under a database of dpkg's: apt and its like hold the one lock, dpkg the other.
pub(crate) fn at_work(admin: &Path) -> Option<Holder> {
    let files = ["lock-frontend", "lock"];
    files.iter().find_map(|file| Some(holder_of("dpkg lock", locker(&admin.join(file))?)))
}

/// The process that has locked a file; 0 is one that cannot be seen from here.
fn locker(path: &Path) -> Option<u32> {
    let file = File::open(path).ok()?;
    let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok().flatten()?;
    Some(lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs()))
}

fn holder_of(lock: &'static str, pid: u32) -> Holder {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let runs = runs(&read("stat"), &uptime);
    Holder { lock, name: read("comm").trim().to_owned(), pid, runs: runs.unwrap_or_default() }
}

/// For how long a process has run (proc_pid_stat(5), field 22).
fn runs(stat: &str, uptime: &str) -> Option<Span> {
    // The name in parentheses may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let started: u64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let up: u64 = uptime.split('.').next()?.parse().ok()?;
    Some(Span::from_secs(up.saturating_sub(started / TICKS)))
}

/// The lists as they are, to see whether they have changed.
pub(super) fn listing(lists: &Path) -> BTreeMap<PathBuf, Option<(u64, i64)>> {
    let look = |path: PathBuf| {
        let seen = fs::metadata(&path).map(|meta| (meta.len(), meta.mtime())).ok();
        (path, seen)
    };
    list_files(lists).into_iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_without_room() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_owned();
        let places =
            Places { admin: at.clone(), lists: at.clone(), archives: at, sources: Vec::new() };
        let download = |bytes| Rehearsal { download_bytes: bytes, ..Rehearsal::default() };
        let trouble = places.room(&download(1 << 60)).unwrap_err();
        assert_eq!(trouble.reason, Reason::NoSpace);
        assert!(trouble.message.ends_with(" MiB needed; nothing was changed"), "{trouble:?}");
        let text = short(Path::new("/var"), 12 << 20, (47 << 20) + 1);
        assert_eq!(text, "/var 12 MiB free, 48 MiB needed; nothing was changed");
        assert_eq!(mount(Path::new("/proc/self")), Path::new("/proc"));
    }

    #[test]
    fn how_long_a_process_has_run() {
        let stat = "812 (a) b) S 1 812 812 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 36000 0 0";
        assert_eq!(runs(stat, "720.50 1.00\n"), Some(Span::from_secs(360)));
        assert_eq!(runs(stat, ""), None);
        assert_eq!(runs("", "720.50"), None);
    }

    #[test]
    fn lists_are_as_old_as_the_one_not_heard_of_longest() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("lists/partial")).unwrap();
        fs::write(at("lists/lock"), "").unwrap();
        let places = Places {
            admin: at("admin"),
            lists: at("lists"),
            archives: at("archives"),
            sources: vec![at("sources.list")],
        };
        assert_eq!(places.age(), Lists::default(), "there are none");
        fs::write(at("lists/a"), "").unwrap();
        assert!(places.age().age.is_some_and(|age| age < Span::from_secs(60)));
        assert!(!places.age().outdated);
        let clock_put_back = SystemTime::now() - Duration::from_secs(60);
        assert_eq!(places.age_at(clock_put_back).age, None);
        let before = listing(&places.lists);
        let seen = ctime(&at("lists/a"));
        fs::write(at("sources.list"), "").unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        File::open(at("sources.list")).unwrap().set_modified(later).unwrap();
        assert!(places.age().outdated);
        places.confirm();
        assert!(ctime(&at("lists/a")) >= seen);
        assert_eq!(listing(&places.lists), before, "a list that is confirmed is not changed");
    }
}
