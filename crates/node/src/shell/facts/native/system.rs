//! The operating system: its distribution and its kernel.

use std::path::Path;

use super::{Found, Kernel, read};

/// Adds what `/etc/os-release`, the distribution's own release file and the kernel say.
pub(super) fn add(found: &mut Found, root: &Path, kernel: &Kernel) {
    let system = System::of(root);
    let name = system.name.unwrap_or_default();
    found.text("os.name", &name);
    found.text("os.family", system.family.unwrap_or_default());
    found.text("os.architecture", architecture(&kernel.machine, system.is_debian));
    found.text("os.hardware", &kernel.machine);
    for release in ["os.release", "os.distro.release"] {
        found.text(&format!("{release}.full"), system.release.as_deref().unwrap_or_default());
        found.text(&format!("{release}.major"), system.major.as_deref().unwrap_or_default());
        found.text(&format!("{release}.minor"), system.minor.as_deref().unwrap_or_default());
    }
    found.text("os.distro.id", &name);
    found.text("os.distro.description", system.description.as_deref().unwrap_or_default());
    found.text("os.distro.codename", system.codename.as_deref().unwrap_or_default());

    found.text("kernel", &kernel.name);
    found.text("kernelrelease", &kernel.release);
    let numbers = kernel.release.find(|c: char| !c.is_ascii_digit() && c != '.');
    let version = kernel.release[..numbers.unwrap_or(kernel.release.len())].trim_end_matches('.');
    found.text("kernelversion", version);
    found.text("kernelmajversion", &first_parts(version, 2));
    if root.join("proc/sys").exists() {
        let mode = read(root, "proc/sys/crypto/fips_enabled");
        found.put("fips_enabled", mode.trim() == "1");
    }
}

/// The operating system, by `/etc/os-release` and the distribution's own release file.
#[derive(Debug, Default)]
struct System {
    name: Option<String>,
    family: Option<&'static str>,
    release: Option<String>,
    major: Option<String>,
    minor: Option<String>,
    description: Option<String>,
    codename: Option<String>,
    is_debian: bool,
}

/// Facter's name and family of a distribution, by the `ID` in `/etc/os-release`.
const SYSTEMS: [(&str, &str, &str); 15] = [
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("linuxmint", "LinuxMint", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("sles", "SLES", "Suse"),
    ("opensuse-leap", "OpenSuSE", "Suse"),
    ("arch", "Archlinux", "Archlinux"),
    ("alpine", "Alpine", "Linux"),
];

impl System {
    fn of(root: &Path) -> Self {
        // Debian 8 and its time have the file in /etc alone, image-based systems in /usr/lib alone.
        let file = ["etc/os-release", "usr/lib/os-release"]
            .into_iter()
            .map(|path| read(root, path))
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        let setting = |key: &str| {
            let value = file.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            let value = value.trim().trim_matches(['"', '\'']);
            Some(value.to_owned()).filter(|value| !value.is_empty())
        };
        let Some(id) = setting("ID") else {
            return Self::default();
        };
        let known = SYSTEMS.iter().find(|(known, ..)| *known == id);
        let is_debian = known.is_some_and(|(_, _, family)| *family == "Debian");
        // The point release stands nowhere else.
        let own_release = match id.as_str() {
            "debian" | "raspbian" => first_word(&read(root, "etc/debian_version")),
            "centos" | "rhel" | "rocky" | "almalinux" => numbers(&read(root, "etc/redhat-release")),
            _ => None,
        };
        let release = own_release.or_else(|| setting("VERSION_ID"));
        // Ubuntu's year and month are one number: 22.04 and 22.10 are as far apart as 7 and 8.
        let parts = if id == "ubuntu" { 2 } else { 1 };
        Self {
            name: Some(known.map_or_else(|| id.clone(), |(_, name, _)| (*name).to_owned())),
            family: known.map(|(_, _, family)| *family),
            major: release.as_deref().map(|release| first_parts(release, parts)),
            minor: release
                .as_deref()
                .and_then(|release| Some(release.split('.').nth(parts)?.to_owned())),
            description: setting("PRETTY_NAME"),
            release,
            codename: setting("VERSION_CODENAME").or_else(|| {
                // Before Debian 9 it stands in `VERSION="8 (jessie)"` alone.
                let version = setting("VERSION").filter(|_| is_debian)?;
                let name = version.split_once('(')?.1.split_once(')')?.0;
                Some(name.to_owned())
            }),
            is_debian,
        }
    }
}

/// The architecture: Debian's own names on Debian and what is made of it, else the kernel's.
fn architecture(machine: &str, is_debian: bool) -> &str {
    match machine {
        "x86_64" if is_debian => "amd64",
        "i486" | "i586" | "i686" => "i386",
        other => other,
    }
}

fn first_word(text: &str) -> Option<String> {
    text.split_ascii_whitespace().next().map(str::to_owned)
}

/// The first dotted number in a text such as `Rocky Linux release 9.3 (Blue Onyx)`.
fn numbers(text: &str) -> Option<String> {
    let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    text.split_ascii_whitespace().find(is_number).map(str::to_owned)
}

/// The first parts of a dotted number: `12` of `12.11`.
fn first_parts(version: &str, parts: usize) -> String {
    version.split('.').take(parts).collect::<Vec<_>>().join(".")
}
