//! A package that is made for a test, in an old and a new version, and taken from the archive.

use super::super::archive::build;
use super::super::error::{Result, file};
use super::super::plan::Spec;
use super::debian::refresh;
use super::site::Site;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Its name.
pub const PROBE: &str = "marcato-probe";

/// That of another one from the same source.
pub const BESIDE: &str = "marcato-probe-data";

/// Its two versions.
pub const OLD: &str = "1.0";
/// The one that an update brings.
pub const NEW: &str = "2.0";

/// A file of a package: its path, its mode, and what is in it.
pub type Content<'a> = (&'a str, u32, &'a str);

/// Puts a version of it into the archive, with these files; those in `DEBIAN/` are dpkg's.
///
/// # Errors
/// When it cannot be made.
pub fn publish(site: &Site, version: &str, files: &[Content<'_>]) -> Result<PathBuf> {
    publish_as(site, PROBE, version, files)
}

/// The same for either of the names.
///
/// # Errors
/// When it cannot be made.
pub fn publish_as(
    site: &Site,
    name: &str,
    version: &str,
    files: &[Content<'_>],
) -> Result<PathBuf> {
    let folder = tempfile::tempdir().map_err(file("make", "a folder for a package"))?;
    let tree = folder.path().join("tree");
    let control = format!(
        "Package: {name}\nSource: {PROBE}\nVersion: {version}\nArchitecture: all\n\
         Maintainer: Nobody <nobody@example.com>\nDescription: made to be updated\n"
    );
    for (path, mode, text) in [("DEBIAN/control", 0o644, control.as_str())].iter().chain(files) {
        let path = tree.join(path);
        let parent = path.parent().unwrap_or(&tree);
        fs::create_dir_all(parent).map_err(file("make", parent))?;
        let mut content = File::create(&path).map_err(file("make", &path))?;
        content.write_all(text.as_bytes()).map_err(file("write", &path))?;
        content.set_permissions(Permissions::from_mode(*mode)).map_err(file("chmod", path))?;
    }
    let package = folder.path().join(format!("{name}_{version}_all.deb"));
    build(&tree, &package)?;
    site.hosts.archive().add(&package)
}

/// Has the old version installed on a host and the new one offered, does something, and takes both
/// away again.
///
/// # Errors
/// When the host cannot, or what is done fails.
pub fn with_probe(
    site: &Site,
    host: &Spec,
    [old, new]: [&[Content<'_>]; 2],
    act: impl FnOnce() -> Result<()>,
) -> Result<()> {
    publish(site, OLD, old)?;
    refresh(site, host)?;
    site.says(host, &["apt-get", "--yes", "install", PROBE])?;
    publish(site, NEW, new)?;
    refresh(site, host)?;
    act().and(forget(site, host))
}

fn forget(site: &Site, host: &Spec) -> Result<()> {
    site.says(host, &["dpkg", "--purge", "--force-all", PROBE, BESIDE])?;
    // Of a package that it has downloaded, apt looks at the size alone, and the next is as large.
    let downloaded = format!("{PROBE}*");
    site.says(host, &["find", "/var/cache/apt/archives", "-name", &downloaded, "-delete"])?;
    for name in [PROBE, BESIDE] {
        site.hosts.archive().remove(name)?;
    }
    refresh(site, host)
}
