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

/// The installed version; empty where the package is not installed.
///
/// # Errors
/// When the host cannot be asked.
pub fn version(site: &Site, host: &Spec, package: &str) -> Result<String> {
    Ok(installed(site, host, package)?.map(|found| found.version).unwrap_or_default())
}

/// The versions that the host's apt could install, the newest first.
///
/// # Errors
/// When the host cannot be asked, or knows none.
pub fn offered(site: &Site, host: &Spec, package: &str) -> Result<Vec<String>> {
    let listed = site.says(host, &["apt-cache", "madison", package])?;
    let field = |line: &str| line.split('|').nth(1).map(|field| field.trim().to_owned());
    let found: Vec<_> = listed.lines().filter_map(field).collect();
    if found.is_empty() {
        return Err(Error::Unmet(format!("{}: apt knows no {package}", host.fqdn())));
    }
    Ok(found)
}

/// Has a host read the archive's lists.
///
/// # Errors
/// When it cannot.
pub fn refresh(site: &Site, host: &Spec) -> Result<()> {
    site.says(host, &["apt-get", "-o", "APT::Update::Error-Mode=any", "update"]).map(drop)
}

/// Takes packages of a host back to the oldest version that there is, if they are at another one,
/// whatever is held; whether something was done.
///
/// # Errors
/// When apt fails.
pub fn take_back(site: &Site, host: &Spec, packages: &[&str]) -> Result<bool> {
    let mut words = Vec::new();
    for package in packages {
        let oldest = offered(site, host, package)?.pop().unwrap_or_default();
        if version(site, host, package)? != oldest {
            words.push(format!("{package}={oldest}"));
        }
    }
    if words.is_empty() {
        return Ok(false);
    }
    let mut argv = vec!["apt-get", "--yes", "--allow-downgrades", "--allow-change-held-packages"];
    argv.push("install");
    argv.extend(words.iter().map(String::as_str));
    site.says(host, &argv)?;
    Ok(true)
}
