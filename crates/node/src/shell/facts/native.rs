//! The facts that a node finds by itself, under Facter's classic flat names and with the values
//! that Facter gives them, so that existing filters mean the same hosts.

use std::fs;
use std::path::Path;

use marcato_core::Facts;
use serde_json::Value;

/// What the kernel says of itself (`uname`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// `Linux`.
    pub name: String,
    /// The host's name as the kernel has it, with or without a domain.
    pub node: String,
    /// Such as `6.1.0-37-amd64`.
    pub release: String,
    /// Such as `x86_64`.
    pub machine: String,
}

impl Kernel {
    /// Asks the kernel.
    #[must_use]
    pub fn ask() -> Self {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            name: text(name.sysname()),
            node: text(name.nodename()),
            release: text(name.release()),
            machine: text(name.machine()),
        }
    }
}

/// Finds the native facts of the host whose files lie under `root` (`/` but for tests). What
/// cannot be found is left out.
#[must_use]
pub fn find(root: &Path, kernel: &Kernel) -> Facts {
    let mut facts = Facts::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            facts.insert(name.to_owned(), value);
        }
    };
    let text = |text: &str| Some(Value::from(text));
    let system = System::of(root);
    add("operatingsystem", system.name.map(Value::from));
    add("osfamily", system.family.map(Value::from));
    add("operatingsystemmajrelease", system.major.map(Value::from));
    add("operatingsystemrelease", system.release.map(Value::from));
    add("lsbdistcodename", system.codename.map(Value::from));

    add("kernel", text(&kernel.name));
    add("kernelrelease", text(&kernel.release));
    let numbers = kernel.release.find(|c: char| !c.is_ascii_digit() && c != '.');
    let version = kernel.release[..numbers.unwrap_or(kernel.release.len())].trim_end_matches('.');
    add("kernelversion", text(version));
    add("kernelmajversion", text(&first_parts(version, 2)));
    add("hardwaremodel", text(&kernel.machine));
    add("architecture", text(architecture(&kernel.machine, system.is_debian)));

    let fqdn = fqdn(root, &kernel.node);
    let (host, domain) = fqdn.split_once('.').unwrap_or((&fqdn, ""));
    add("hostname", text(host));
    add("domain", Some(domain).filter(|domain| !domain.is_empty()).map(Value::from));
    add("fqdn", text(&fqdn));

    let cpus = read(root, "proc/cpuinfo");
    let is_processor =
        |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.trim_end() == "processor");
    let processors = cpus.lines().filter(is_processor).count();
    add("processorcount", Some(processors).filter(|count| *count > 0).map(Value::from));
    let machine = virtual_machine(root, &cpus);
    add("virtual", machine.map(Value::from));
    add("is_virtual", machine.map(|machine| (machine != "physical").into()));
    facts
}

/// The host's full name: as the kernel has it if that has a domain, else completed from
/// `/etc/hosts`, else from the domain in `/etc/resolv.conf`. No name server is asked.
#[must_use]
pub fn fqdn(root: &Path, node: &str) -> String {
    let node = node.to_ascii_lowercase();
    if node.contains('.') {
        return node.trim_end_matches('.').to_owned();
    }
    let hosts = read(root, "etc/hosts").to_ascii_lowercase();
    let begins = |name: &&str| name.strip_prefix(&node).is_some_and(|rest| rest.starts_with('.'));
    let listed = hosts
        .lines()
        .filter_map(|line| line.split('#').next()?.split_ascii_whitespace().skip(1).find(begins));
    // Distributions write names such as `localhost.localdomain` that say nothing.
    if let Some(full) = listed.into_iter().find(|name| !name.ends_with(".localdomain")) {
        return full.to_owned();
    }
    let resolver = read(root, "etc/resolv.conf").to_ascii_lowercase();
    let setting = |key: &str| {
        let value = resolver.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            if words.next() == Some(key) { words.next() } else { None }
        })?;
        Some(value.trim_matches('.')).filter(|domain| !domain.is_empty())
    };
    match setting("domain").or_else(|| setting("search")) {
        Some(domain) => format!("{node}.{domain}"),
        None => node,
    }
}

/// The operating system, by `/etc/os-release` and the distribution's own release file.
#[derive(Debug, Default)]
struct System {
    name: Option<String>,
    family: Option<&'static str>,
    release: Option<String>,
    major: Option<String>,
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

/// In what kind of machine or container the host runs; `physical` if nothing speaks against it.
fn virtual_machine(root: &Path, cpus: &str) -> Option<&'static str> {
    match read(root, "run/systemd/container").trim() {
        "docker" => return Some("docker"),
        "podman" => return Some("podman"),
        "lxc" | "lxc-libvirt" => return Some("lxc"),
        "systemd-nspawn" => return Some("systemd_nspawn"),
        _ => {}
    }
    if root.join(".dockerenv").exists() {
        return Some("docker");
    }
    let vendor = read(root, "sys/class/dmi/id/sys_vendor");
    let product = read(root, "sys/class/dmi/id/product_name");
    let machines = [
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("QEMU", "kvm"),
        ("KVM", "kvm"),
        ("Amazon EC2", "kvm"),
        ("Google", "gce"),
        ("Xen", "xenhvm"),
        ("Virtual Machine", "hyperv"),
    ];
    let named = |(word, _): &&(&str, &str)| vendor.contains(word) || product.contains(word);
    if let Some((_, machine)) = machines.iter().find(named) {
        return Some(machine);
    }
    // Some machine, but of what make cannot be seen.
    let flags = cpus.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if flags.split_ascii_whitespace().any(|flag| flag == "hypervisor") {
        return None;
    }
    Some("physical").filter(|_| !vendor.trim().is_empty())
}

/// A small file of the host as text; empty if there is none.
fn read(root: &Path, path: &str) -> String {
    fs::read(root.join(path))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The facts of a host that has these files.
    fn host(node: &str, machine: &str, files: &[(&str, &str)]) -> Facts {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let kernel = Kernel {
            name: "Linux".into(),
            node: node.into(),
            release: "6.1.0-37-amd64".into(),
            machine: machine.into(),
        };
        find(root.path(), &kernel)
    }

    fn check(facts: &Facts, name: &str, want: Value) {
        assert_eq!(facts.get(name).cloned().unwrap_or_default(), want, "{name}");
    }

    #[test]
    fn debian() {
        let facts = host(
            "WEB1",
            "x86_64",
            &[
                (
                    "etc/os-release",
                    "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
                ),
                ("etc/debian_version", "12.11\n"),
                ("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 web1.example.com web1 # own\n"),
                ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor\nprocessor\t: 1\n"),
                ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
            ],
        );
        check(&facts, "operatingsystem", json!("Debian"));
        check(&facts, "osfamily", json!("Debian"));
        check(&facts, "operatingsystemrelease", json!("12.11"));
        check(&facts, "operatingsystemmajrelease", json!("12"));
        check(&facts, "lsbdistcodename", json!("bookworm"));
        check(&facts, "kernel", json!("Linux"));
        check(&facts, "kernelrelease", json!("6.1.0-37-amd64"));
        check(&facts, "kernelversion", json!("6.1.0"));
        check(&facts, "kernelmajversion", json!("6.1"));
        check(&facts, "architecture", json!("amd64"));
        check(&facts, "hardwaremodel", json!("x86_64"));
        check(&facts, "hostname", json!("web1"));
        check(&facts, "domain", json!("example.com"));
        check(&facts, "fqdn", json!("web1.example.com"));
        check(&facts, "processorcount", json!(2));
        check(&facts, "virtual", json!("kvm"));
        check(&facts, "is_virtual", json!(true));
    }

    #[test]
    fn other_systems() {
        let system = |files: &[(&str, &str)], want: [&str; 4]| {
            let facts = host("a.b", "x86_64", files);
            let names = ["operatingsystem", "osfamily", "operatingsystemrelease"];
            for (name, want) in names.into_iter().zip(want) {
                check(&facts, name, json!(want));
            }
            check(&facts, "operatingsystemmajrelease", json!(want[3]));
        };
        let release = |text| [("etc/os-release", text)];
        system(
            &[
                ("etc/os-release", "ID=debian\nVERSION_ID=\"8\"\nVERSION=\"8 (jessie)\"\n"),
                ("etc/debian_version", "8.5\n"),
            ],
            ["Debian", "Debian", "8.5", "8"],
        );
        system(
            &release("ID=ubuntu\nVERSION_ID=\"22.04\"\n"),
            ["Ubuntu", "Debian", "22.04", "22.04"],
        );
        system(
            &[
                ("usr/lib/os-release", "ID=\"rocky\"\nVERSION_ID=\"9.3\"\n"),
                ("etc/redhat-release", "Rocky Linux release 9.3 (Blue Onyx)\n"),
            ],
            ["Rocky", "RedHat", "9.3", "9"],
        );
        system(&release("ID=sles\nVERSION_ID=15.5\n"), ["SLES", "Suse", "15.5", "15"]);
        let old = host("a.b", "x86_64", &release("ID=debian\nVERSION=\"8 (jessie)\"\n"));
        check(&old, "lsbdistcodename", json!("jessie"));
        let unknown = host("a.b", "x86_64", &release("ID=plan9\n"));
        check(&unknown, "operatingsystem", json!("plan9"));
        check(&unknown, "osfamily", Value::Null);
        check(&unknown, "architecture", json!("x86_64"));
    }

    #[test]
    fn names_and_domains() {
        let check = |node: &str, files: &[(&str, &str)], want: &str| {
            assert_eq!(host(node, "x86_64", files)["fqdn"], json!(want), "{node}");
        };
        check("web1.example.com", &[("etc/hosts", "::1 web1.other.org\n")], "web1.example.com");
        check("web1", &[("etc/resolv.conf", "nameserver ::1\nsearch lan. x.org\n")], "web1.lan");
        check("web1", &[("etc/resolv.conf", "search x.org\ndomain y.org\n")], "web1.y.org");
        check("web1", &[("etc/hosts", "127.0.0.1 web1.localdomain\n::1 web10.x.org\n")], "web1");
        check("web1", &[], "web1");
    }

    #[test]
    fn an_empty_host_has_no_guesses() {
        let facts = host("x", "riscv64", &[]);
        let names: Vec<_> = facts.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "architecture",
                "fqdn",
                "hardwaremodel",
                "hostname",
                "kernel",
                "kernelmajversion",
                "kernelrelease",
                "kernelversion",
            ]
        );
    }

    #[test]
    fn this_host_has_the_facts_of_its_own_files() {
        let kernel = Kernel::ask();
        let facts = find(Path::new("/"), &kernel);
        assert_eq!(facts["kernel"], json!("Linux"));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(facts["kernelrelease"], json!(release.trim()));
        assert!(facts["processorcount"].as_u64().unwrap() >= 1);
    }
}
