//! Disks, and what is mounted.

use std::path::Path;

use marcato_core::limits::facts::{DISKS_MAX, MOUNTS_MAX};
use rustix::fs::StatVfs;

use super::{Found, list, read, unit};

/// Adds the disks and the mounts.
pub(super) fn add(found: &mut Found, root: &Path) {
    let is_disk = |name: &String| root.join(format!("sys/block/{name}/device")).exists();
    let disks: Vec<String> =
        list(root, "sys/block").into_iter().filter(is_disk).take(DISKS_MAX).collect();
    for disk in &disks {
        let file = |path| read(root, &format!("sys/block/{disk}/{path}")).trim().to_owned();
        let mut put = |name, text: String| {
            if !text.is_empty() {
                found.put_at(&["disks", disk, name], text);
            }
        };
        put("model", file("device/model"));
        put("vendor", file("device/vendor"));
        let size = file("size").parse::<u64>().ok().and_then(|sectors| sectors.checked_mul(512));
        put("size", size.map(unit::bytes).unwrap_or_default());
        put(
            "type",
            match file("queue/rotational").as_str() {
                "" => String::new(),
                "0" => "ssd".to_owned(),
                _ => "hdd".to_owned(),
            },
        );
        if let Some(size) = size {
            found.put_at(&["disks", disk, "size_bytes"], size);
        }
    }
    found.text("blockdevices", &disks.join(","));
    filesystems(found, root);
    for mount in mounts(root) {
        let mut put = |name, text: &str| found.put_at(&["mountpoints", &mount.path, name], text);
        put("device", &mount.device);
        put("filesystem", &mount.kind);
        let options: Vec<&str> = mount.options.split(',').collect();
        found.put_at(&["mountpoints", &mount.path, "options"], options);
        if let Some(space) = mount.space(root) {
            let mut put =
                |name, size: String| found.put_at(&["mountpoints", &mount.path, name], size);
            put("size", unit::bytes(space.size));
            found.put_at(&["mountpoints", &mount.path, "size_bytes"], space.size);
        }
    }
}

/// Adds how full the mounts are.
pub(super) fn measure(found: &mut Found, root: &Path) {
    for mount in mounts(root) {
        let Some(Space { available, used, .. }) = mount.space(root) else { continue };
        let capacity = match (used, available) {
            (_, 0) => "100%".to_owned(),
            (0, _) => "0%".to_owned(),
            _ => unit::percent(used, used + available),
        };
        let mut put = |name, text: String| found.put_at(&["mountpoints", &mount.path, name], text);
        put("available", unit::bytes(available));
        put("used", unit::bytes(used));
        put("capacity", capacity);
        found.put_at(&["mountpoints", &mount.path, "available_bytes"], available);
        found.put_at(&["mountpoints", &mount.path, "used_bytes"], used);
    }
}

fn filesystems(found: &mut Found, root: &Path) {
    let file = read(root, "proc/filesystems");
    // Before the others stands `nodev`; `fuseblk` is whatever a program makes of it.
    let on_disk = |line: &&str| !line.starts_with("nodev") && line.trim() != "fuseblk";
    let mut kinds: Vec<&str> = file.lines().filter(on_disk).map(str::trim).collect();
    kinds.sort_unstable();
    found.text("filesystems", &kinds.join(","));
}

struct Mount {
    device: String,
    path: String,
    kind: String,
    options: String,
}

/// How large a filesystem is, and how full, in bytes.
struct Space {
    size: u64,
    available: u64,
    used: u64,
}

/// The mounts that Facter lists: without the kernel's own.
fn mounts(root: &Path) -> Vec<Mount> {
    let file = read(root, "proc/self/mounts");
    let mounts = file.lines().filter_map(|line| {
        let mut words = line.split(' ').map(unescape);
        let mut next = || words.next();
        let mount = Mount { device: next()?, path: next()?, kind: next()?, options: next()? };
        let is_kernels = mount.path.starts_with("/proc") || mount.path.starts_with("/sys");
        let is_listed = !(is_kernels && mount.kind != "tmpfs" || mount.kind == "autofs");
        is_listed.then_some(mount)
    });
    mounts.take(MOUNTS_MAX).collect()
}

impl Mount {
    /// Asks the kernel about the space. Not where another machine or program would have to answer,
    /// for it may never do so.
    fn space(&self, root: &Path) -> Option<Space> {
        const ASKS_OTHERS: [&str; 12] = [
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "glusterfs",
            "gpfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
            "smb3",
        ];
        if ASKS_OTHERS.contains(&self.kind.as_str()) || self.kind.starts_with("fuse") {
            return None;
        }
        let at = root.join(self.path.strip_prefix('/')?);
        let StatVfs { f_frsize: unit, f_blocks, f_bfree, f_bavail, .. } =
            rustix::fs::statvfs(&at).ok()?;
        let size = f_blocks.saturating_mul(unit);
        Some(Space {
            size,
            available: f_bavail.saturating_mul(unit),
            used: size.saturating_sub(f_bfree.saturating_mul(unit)),
        })
    }
}

/// A word of the table of mounts, in which blanks stand as octal numbers.
fn unescape(word: &str) -> String {
    const ESCAPES: [(&str, &str); 4] =
        [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    ESCAPES.iter().fold(word.to_owned(), |word, (written, meant)| word.replace(written, meant))
}
