//! The Debian packages that the hosts need on this machine.

use super::error::{Error, Result};
use super::run;
use std::path::Path;
use std::time::Duration;

/// Each command that is called, and the package that has it.
const NEEDED: [(&str, &str); 9] = [
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("ssh-keygen", "openssh-client"),
    ("kill", "procps"),
    ("apt-ftparchive", "apt-utils"),
    ("dpkg-shlibdeps", "dpkg-dev"),
    ("python3", "python3"),
];

/// How long the package manager may take for its lists or for one installation.
const LIMIT: Duration = Duration::from_secs(180);

/// The packages whose command is missing.
pub fn missing() -> Vec<&'static str> {
    let found = |name: &str| run::PATH.split(':').any(|dir| Path::new(dir).join(name).exists());
    NEEDED.iter().filter(|(name, _)| !found(name)).map(|&(_, package)| package).collect()
}

/// Installs what is missing.
///
/// # Errors
/// Without apt, or when apt fails.
pub fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(Error::Machine(format!(
            "missing here, and there is no apt-get to install it with: {}",
            missing.join(" ")
        )));
    }
    eprintln!("installing: {}", missing.join(" "));
    run::checked(&["apt-get", "update"], LIMIT)?;
    let mut argv = vec!["apt-get", "install", "-y", "--no-install-recommends"];
    argv.extend(missing);
    run::checked(&argv, LIMIT)?;
    Ok(())
}
