//! The Debian tree that lies under every host, made once by debootstrap.

use super::error::{Error, Result, file};
use super::{mount, run};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The release of the hosts. Only this suite: the security archive has newer packages, and hosts
/// are to have something old.
pub const SUITE: &str = "bookworm";

/// Where Debian is fetched from.
pub const MIRROR: &str = "http://deb.debian.org/debian";

/// What every host has beyond the minimum; Python, because agents are written in it.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssl,nginx-light,ca-certificates,python3";

/// To be counted up when `finish` does something else, so that old trees are not used again.
const REVISION: &str = "1";

/// How long the download and unpacking of some 100 packages may take.
const LIMIT: Duration = Duration::from_secs(300);

/// The finished tree in `dir`, made now if it is not there.
///
/// # Errors
/// When debootstrap fails: no mirror, no room, or a filesystem without devices.
pub fn ensure(dir: &Path) -> Result<PathBuf> {
    let name = format!("base-{}", key());
    let base = dir.join(&name);
    if base.exists() {
        return Ok(base);
    }
    remove_others(dir)?;
    eprintln!("making the base tree: Debian {SUITE} from {MIRROR}, about a minute");
    let begun = Instant::now();
    let partial = dir.join("base.partial");
    let tree = partial.to_string_lossy();
    let include = format!("--include={PACKAGES}");
    run::checked(&["debootstrap", "--variant=minbase", &include, SUITE, &tree, MIRROR], LIMIT)?;
    finish(&partial)?;
    // Renamed only when it is whole: an interrupted run leaves nothing that looks finished.
    fs::rename(&partial, &base).map_err(file("rename", &partial))?;
    eprintln!("made {name} in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(base)
}

/// Takes out what must not be alike on all hosts or leads out of their network.
fn finish(tree: &Path) -> Result<()> {
    // systemd would take its machine id from D-Bus's, which debootstrap made once for all hosts.
    let dbus_id = tree.join("var/lib/dbus/machine-id");
    let machine_id = tree.join("etc/machine-id");
    for path in [&dbus_id, &machine_id] {
        if path.symlink_metadata().is_ok() {
            fs::remove_file(path).map_err(file("remove", path))?;
        }
    }
    symlink("/etc/machine-id", &dbus_id).map_err(file("link", &dbus_id))?;
    // The name server of this machine is out of the hosts' reach: asking it would only take time.
    let resolver = tree.join("etc/resolv.conf");
    fs::write(&resolver, "").map_err(file("write", &resolver))?;
    let networkd = ["systemctl", "--quiet", "--root"].map(str::to_owned);
    let mut argv = networkd.to_vec();
    argv.extend([tree.to_string_lossy().into_owned(), "enable".into(), "systemd-networkd".into()]);
    run::checked(&argv, LIMIT).map(drop)
}

/// Removes trees of another key and unfinished ones.
fn remove_others(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(file("read", dir))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("base") {
            let path = entry.path();
            // debootstrap that was killed leaves proc and sys mounted below.
            mount::unmount_below(&path)?;
            fs::remove_dir_all(&path).map_err(file("remove", &path))?;
        }
    }
    Ok(())
}

/// Twelve hex digits over everything that decides what the tree holds.
pub fn key() -> String {
    let digest = Sha256::digest([SUITE, MIRROR, PACKAGES, REVISION].join("\n"));
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that overlay mounts can have their upper layer in `dir`.
///
/// # Errors
/// When the folder lies on an overlay itself, as in most containers.
pub fn check_filesystem(dir: &Path) -> Result<()> {
    /// The magic number of overlayfs, from linux/magic.h.
    const OVERLAYFS: i64 = 0x794c_7630;
    let found = rustix::fs::statfs(dir).map_err(|error| file("examine", dir)(error.into()))?;
    if found.f_type as i64 == OVERLAYFS {
        return Err(Error::Machine(format!(
            "{} is on an overlay, which cannot be the upper layer of another; \
             name a folder on ext4, xfs, btrfs or tmpfs with --dir",
            dir.display()
        )));
    }
    Ok(())
}
