//! The Debian packages that the tests need, each with its reason; root alone can install them.

use std::process::Command;

/// A package and what needs it.
const PACKAGES: &[(&str, &str)] = &[
    ("g++", "libFuzzer is written in C++"),
    ("openssh-client", "ssh-keygen and ssh-agent judge our signatures"),
    ("python3-venv", "nats-py judges our broker, and docs/protocol/example.py is run"),
    ("dbus", "the service agent is tested on a bus of its own"),
    ("zsh", "completes mco's words on a terminal of its own"),
    ("fish", "completes mco's words too"),
    ("debootstrap", "makes the tree of the real hosts"),
    ("systemd-container", "boots the real hosts"),
    ("iproute2", "connects the real hosts, and cuts them off"),
    ("procps", "kill ends real hosts in order, pgrep finds what a killed daemon left"),
    ("jq", "reads what scripts read, in the pipelines of the tests"),
    ("apt-utils", "makes the archive from which a real host takes an update"),
    ("dpkg-dev", "dpkg-shlibdeps says what our own Debian package depends on"),
];

/// Installs what is missing; without root it only names it.
///
/// # Errors
/// When apt cannot install the packages; the error is one sentence.
pub fn install(is_root: bool) -> Result<(), String> {
    let missing: Vec<_> = PACKAGES.iter().filter(|(name, _)| !is_installed(name)).collect();
    if missing.is_empty() {
        println!("packages: all {} are here", PACKAGES.len());
        return Ok(());
    }
    if !is_root {
        for (name, why) in missing {
            println!("not root, so not installed: {name} ({why})");
        }
        return Ok(());
    }
    apt_get(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends", "--"];
    arguments.extend(missing.iter().map(|(name, _)| *name));
    apt_get(&arguments)
}

/// Whether dpkg calls the package installed; a machine without dpkg has none.
fn is_installed(name: &str) -> bool {
    let output = Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", name]).output();
    output.is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

fn apt_get(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").env("NEEDRESTART_SUSPEND", "1");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("apt-get {}: {status}", arguments.join(" "))),
        Err(error) => Err(format!("apt-get cannot be started: {error}")),
    }
}
