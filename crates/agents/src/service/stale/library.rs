//! What an operator may mean by a library: a package, a source package, a file's name or its path.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use marcato_core::limits::service::LIBRARY_FILES_MAX;

use crate::package::{self, Dpkg, Found};

/// Where dpkg keeps its database.
pub(super) const DPKG: &str = "/var/lib/dpkg";

/// Folders of which there may be one in `/` and one in `/usr`, the first being a link to the second.
const MERGED: [&str; 4] = ["/usr/lib", "/usr/bin", "/usr/sbin", "/usr/libexec"];

/// The files that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library(Meant);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    /// A file of this name, wherever it lies.
    Name(String),
    /// These files.
    Paths(HashSet<String>),
}

impl Library {
    /// Finds what a name means on this host; `None` when nothing of that name is installed.
    ///
    /// A package means the files of all packages that were built from the same source: the hole in
    /// `openssl` is in the files of `libssl3`.
    ///
    /// # Errors
    /// dpkg's database cannot be read; says which file, and why.
    pub fn find(name: &str, dpkg: &Path) -> Result<Option<Self>, String> {
        if name.starts_with('/') {
            return Ok(Some(Self(Meant::Paths(HashSet::from([merged(name).to_owned()])))));
        }
        let packages = siblings(name, dpkg)?;
        if !packages.is_empty() {
            return Self::of(&packages, dpkg).map(Some);
        }
        Ok(name.contains(".so").then(|| Self(Meant::Name(name.to_owned()))))
    }

    /// The files of these packages, and of no others.
    ///
    /// # Errors
    /// A list of files cannot be read; says which, and why.
    pub fn of(packages: &[Found], dpkg: &Path) -> Result<Self, String> {
        let mut paths = HashSet::new();
        for package in packages {
            list(package, dpkg, &mut paths)?;
        }
        Ok(Self(Meant::Paths(paths)))
    }

    /// Whether a mapped file is meant. A library's own file has a longer version than the link that
    /// names it, and its next version another: `libz.so.1` means `libz.so.1.2.13`.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        match &self.0 {
            Meant::Name(name) => {
                versions(path.rsplit('/').next().unwrap_or(path)).any(|shorter| shorter == name)
            }
            Meant::Paths(paths) => versions(merged(path)).any(|shorter| paths.contains(shorter)),
        }
    }
}

/// The installed package that is most likely meant by a name that nothing has.
pub(in crate::service) fn nearest(asked: &str, dpkg: &Path) -> Option<String> {
    package::nearest(&*Dpkg::at(dpkg)?.index().ok()?, asked)
}

/// A path, and if it is a library's, the same with fewer and fewer numbers of its version.
fn versions(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |longer| {
        let (shorter, version) = longer.rsplit_once('.')?;
        let number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        (number && shorter.contains(".so.")).then_some(shorter)
    })
}

/// A path as it is on a host where `/lib` is a link to `/usr/lib`, without the `/usr`.
fn merged(path: &str) -> &str {
    match MERGED.iter().any(|begin| path.starts_with(begin)) {
        true => &path["/usr".len()..],
        false => path,
    }
}

/// The installed packages of the same source as `name`, which may also be the source's own name.
fn siblings(name: &str, admin: &Path) -> Result<Vec<Found>, String> {
    let Some(dpkg) = Dpkg::at(admin) else { return Ok(Vec::new()) };
    let index = dpkg.index()?;
    let package = index.find(name).into_iter().find(|found| found.state.is_there());
    let source = match &package {
        Some(found) => &found.source,
        None => name.strip_prefix("src:").unwrap_or(name),
    };
    Ok(index.of_source(source))
}

/// Adds the files of a package that a process might run code from.
fn list(package: &Found, dpkg: &Path, into: &mut HashSet<String>) -> Result<(), String> {
    let names = [
        format!("info/{}:{}.list", package.name, package.arch),
        format!("info/{}.list", package.name),
    ];
    let mut files = names.iter().map(|name| dpkg.join(name));
    let open = |path: PathBuf| File::open(&path).ok().map(|file| (path, file));
    let Some((path, file)) = files.find_map(open) else { return Ok(()) };
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|error| format!("{}: {error}", path.display()))?;
        // As what is mapped is shown: not every name is one in UTF-8.
        let line = String::from_utf8_lossy(&line);
        if !line.starts_with("/usr/share/") && into.len() < LIBRARY_FILES_MAX {
            into.insert(merged(&line).to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const STATUS: &str = "\
Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.20-1

Package: libssl3
Status: hold ok installed
Architecture: amd64
Source: openssl
Description: a
 Package: none
Version: 3.0.20-1

Package: zlib1g
Status: install ok installed
Architecture: amd64
Source: zlib (1:1.2.13)

Package: libssl-dev
Status: deinstall ok config-files
Architecture: amd64
Source: openssl
";

    fn dpkg() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("info")).unwrap();
        fs::write(dir.path().join("status"), STATUS).unwrap();
        let lib = "/usr/lib/x86_64-linux-gnu";
        let mut ssl = format!("/.\n{lib}\n{lib}/libssl.so.3\n{lib}/libcrypto.so.3\n").into_bytes();
        ssl.extend(b"/usr/lib/\xe9\n");
        fs::write(dir.path().join("info/libssl3:amd64.list"), ssl).unwrap();
        fs::write(dir.path().join("info/openssl.list"), "/usr/bin/openssl\n/usr/share/x\n")
            .unwrap();
        let zlib = "/lib/x86_64-linux-gnu/libz.so.1.2.13\n/lib/x86_64-linux-gnu/libz.so.1\n";
        fs::write(dir.path().join("info/zlib1g:amd64.list"), zlib).unwrap();
        let dev = format!("{lib}/libdev.so.3\n");
        fs::write(dir.path().join("info/libssl-dev:amd64.list"), dev).unwrap();
        dir
    }

    #[test]
    fn what_is_meant() {
        let dpkg = dpkg();
        let check = |name: &str, path: &str, want: bool| {
            let library = Library::find(name, dpkg.path()).unwrap();
            assert_eq!(library.unwrap().has(path), want, "{name} {path}");
        };
        let ssl = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
        for name in ["openssl", "libssl3", "src:openssl", "libssl3:amd64", "libssl.so.3", ssl] {
            check(name, ssl, true);
            check(name, "/lib/x86_64-linux-gnu/libssl.so.3", true);
            check(name, "/usr/lib/x86_64-linux-gnu/libssl.so.30", false);
            check(name, "/usr/lib/x86_64-linux-gnu/libdev.so.3", false);
        }
        check("openssl", "/usr/bin/openssl", true);
        check("openssl", "/usr/share/x", false);
        check("libssl.so.3", "/opt/own/libssl.so.3.0.1", true);
        for name in ["zlib1g", "zlib", "libz.so.1"] {
            check(name, "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13", true);
            check(name, "/usr/lib/x86_64-linux-gnu/libz.so.1.2.11", true);
            check(name, "/usr/lib/x86_64-linux-gnu/libz.so.2", false);
        }
    }

    #[test]
    fn what_is_most_likely_meant() {
        let dpkg = dpkg();
        let check = |asked: &str, want: Option<&str>| {
            assert_eq!(nearest(asked, dpkg.path()).as_deref(), want, "{asked}");
        };
        check("opnssl", Some("openssl"));
        check("libsl3", Some("libssl3"));
        check("postgresql", None);
        check("src:opnssl", Some("src:openssl"));
        check("opnssl:amd64", Some("openssl"));
        check("src:libsl3", None);
        // What was removed is no name to try.
        check("libssl-dv", Some("libssl3"));
    }

    #[test]
    fn packages_alone() {
        let dpkg = dpkg();
        let index = Dpkg::at(dpkg.path()).unwrap().index().unwrap();
        let check = |packages: &[&str], path: &str, want: bool| {
            let found: Vec<Found> = packages.iter().flat_map(|name| index.find(name)).collect();
            let library = Library::of(&found, dpkg.path()).unwrap();
            assert_eq!(library.has(path), want, "{packages:?} {path}");
        };
        let (ssl, z) = ("/usr/lib/x86_64-linux-gnu/libssl.so.3", "/lib/x86_64-linux-gnu/libz.so.1");
        check(&["libssl3"], ssl, true);
        check(&["openssl"], ssl, false);
        check(&["openssl"], "/usr/bin/openssl", true);
        check(&["openssl", "zlib1g"], z, true);
        check(&["openssl", "libssl3"], z, false);
        check(&[], z, false);
    }

    #[test]
    fn what_is_not_there() {
        let dpkg = dpkg();
        for name in ["opnessl", "libssl-dev", "src:libssl3"] {
            assert_eq!(Library::find(name, dpkg.path()).unwrap(), None, "{name}");
        }
        let none = tempfile::tempdir().unwrap();
        assert_eq!(Library::find("openssl", none.path()).unwrap(), None);
        assert!(Library::find("libssl.so.3", none.path()).unwrap().is_some());
    }
}
