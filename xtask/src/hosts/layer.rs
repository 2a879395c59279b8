//! What all hosts of a set have over the base tree: where they take packages from, and this project's
//! own package, installed by apt as on any server.

use super::archive::Archive;
use super::error::{Result, file};
use super::{mount, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long apt may take for its lists or for the installation.
const LIMIT: Duration = Duration::from_secs(120);

/// What lies under the trees of a set's hosts, the uppermost first.
pub fn under(set: &Path, base: &Path) -> [PathBuf; 2] {
    [set.join("layer/up"), base.to_owned()]
}

/// Makes the layer, once for all hosts. The archive is served already.
///
/// # Errors
/// When apt cannot read the archive, or not install `package` from it.
pub fn make(set: &Path, base: &Path, package: Option<&str>) -> Result<()> {
    let folder = set.join("layer");
    let [up, work, root] = ["up", "work", "root"].map(|name| folder.join(name));
    for path in [&up, &work, &root] {
        fs::create_dir_all(path).map_err(file("make", path))?;
    }
    mount::overlay(&[base.to_owned()], &up, &work, &root)?;
    let sources = root.join("etc/apt/sources.list");
    fs::write(&sources, Archive::source()).map_err(file("write", &sources))?;
    let tree = root.to_string_lossy();
    let apt = ["chroot", &tree, "apt-get", "--quiet", "--yes"];
    run::checked(&[&apt[..], &["-o", "APT::Update::Error-Mode=any", "update"]].concat(), LIMIT)?;
    if let Some(package) = package {
        let install = ["--no-install-recommends", "install", package];
        run::checked(&[&apt[..], &install].concat(), LIMIT)?;
    }
    mount::unmount_below(&root)
}
