//! What dpkg and apt of a host say, and what they are told.

use super::super::error::{Error, Result};
use super::super::plan::Spec;
use super::site::Site;

/// What dpkg of a host has of a package.
#[derive(Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// Whether an administrator holds it.
    pub held: bool,
}

/// Asks dpkg in the host; none when the package is not installed.
///
/// # Errors
/// When it cannot be asked, or says something else.
pub fn installed(site: &Site, host: &Spec, package: &str) -> Result<Option<Installed>> {
    let format = "-f=${db:Status-Want} ${db:Status-Status} ${Version} ${Architecture}";
    let argv = ["dpkg-query", "-W", format, package];
    let output = site.hosts.exec(&host.name, &argv, b"")?;
    let text = output.text();
    let fields: Vec<_> = text.split(' ').collect();
    match fields.as_slice() {
        _ if output.status != 0 => Ok(None),
        [want, "installed", version, arch] => {
            let (version, arch) = ((*version).to_owned(), (*arch).to_owned());
            Ok(Some(Installed { version, arch, held: *want == "hold" }))
        }
        [_, _, ..] => Ok(None),
        _ => Err(Error::Machine(format!("dpkg-query: {text:?}"))),
    }
}
