//! The simulated hosts: their names, facts, packages and services. The same number gives the same
//! host each time.

use std::collections::BTreeMap;

use marcato_agents::lab::{Host, LabPackage, LabService};
use serde_json::{Map, Value, json};

/// The name of the node that is this machine itself.
pub(super) const THIS_MACHINE: &str = "this-machine";

/// One cycle of roles. With the groups a, b, c in turn, each group has a host with nginx and one
/// without from six nodes on.
const ROLES: [&str; 6] = ["web", "web", "web", "db", "app", "old"];

/// A simulated host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LabHost {
    role: &'static str,
    number: usize,
    group: char,
    /// Some hosts were updated already.
    updated: bool,
}

/// A distribution's release and what its openssl is and could be.
struct Release {
    system: &'static str,
    release: &'static str,
    installed: &'static str,
    newest: &'static str,
    libssl: &'static str,
}

impl LabHost {
    /// The host of that index.
    pub(super) fn of(index: usize) -> Self {
        let (cycle, place) = (index / ROLES.len(), index % ROLES.len());
        let role = ROLES[place];
        let same = ROLES.iter().filter(|other| **other == role).count();
        let before = ROLES[..place].iter().filter(|other| **other == role).count();
        let group = ['a', 'b', 'c'][index % 3];
        Self { role, number: cycle * same + before + 1, group, updated: cycle % 3 == 2 }
    }

    /// Its full name.
    pub(super) fn name(&self) -> String {
        format!("{}{}.example.com", self.role, self.number)
    }

    const fn release(&self) -> Release {
        match self.role.as_bytes() {
            b"old" => Release {
                system: "Debian",
                release: "8.5",
                installed: "1.0.1t-1+deb8u5",
                newest: "1.0.1t-1+deb8u8",
                libssl: "libssl1.0.0",
            },
            b"db" => Release {
                system: "Debian",
                release: "11.11",
                installed: "1.1.1w-0+deb11u2",
                newest: "1.1.1w-0+deb11u3",
                libssl: "libssl1.1",
            },
            b"app" => Release {
                system: "Ubuntu",
                release: "22.04",
                installed: "3.0.2-0ubuntu1.19",
                newest: "3.0.2-0ubuntu1.20",
                libssl: "libssl3",
            },
            _ => Release {
                system: "Debian",
                release: "12.11",
                installed: "3.0.16-1~deb12u1",
                newest: "3.0.17-1~deb12u2",
                libssl: "libssl3",
            },
        }
    }

    /// Its facts, under Facter's names.
    pub(super) fn facts(&self) -> Map<String, Value> {
        let release = self.release();
        let name = self.name();
        let major = release.release.split('.').next().unwrap_or(release.release);
        let major = if release.system == "Ubuntu" { release.release } else { major };
        let facts = json!({
            "architecture": "amd64",
            "domain": "example.com",
            "fqdn": name,
            "hagroup": self.group,
            "hostname": name.split('.').next(),
            "kernel": "Linux",
            "operatingsystem": release.system,
            "operatingsystemmajrelease": major,
            "operatingsystemrelease": release.release,
            "osfamily": "Debian",
            "processorcount": if self.role == "db" { 8 } else { 2 },
            "role": self.role,
        });
        match facts {
            Value::Object(facts) => facts,
            _ => Map::new(),
        }
    }

    /// Its packages and services.
    pub(super) fn host(&self) -> Host {
        let release = self.release();
        let version = if self.updated { release.newest } else { release.installed };
        let candidate = (!self.updated).then(|| release.newest.to_owned());
        let package = LabPackage::installed(version).offering(candidate);
        let library = package.clone().built_from("openssl");
        let mut packages = BTreeMap::from([
            ("openssl".to_owned(), package),
            (release.libssl.to_owned(), library),
            ("bash".to_owned(), LabPackage::installed("5.2.15-2+b8")),
        ]);
        let mut names = vec!["ssh", "cron"];
        match self.role {
            "web" => {
                packages.insert("nginx".to_owned(), LabPackage::installed("1.22.1-9+deb12u2"));
                names.push("nginx");
            }
            "db" => names.push("postgresql"),
            "app" => names.push("app"),
            _ => {}
        }
        let service = |(place, name): (usize, &str)| {
            let pid = 400 + u32::try_from(place).unwrap_or(0) * 37;
            let service = LabService::up(pid);
            let service = match name {
                "cron" => service,
                _ => service.mapping(release.libssl, version),
            };
            (name.to_owned(), service)
        };
        let services = names.into_iter().enumerate().map(service).collect();
        Host { packages, services, ..Host::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn six_hosts_are_enough_for_the_story() {
        let hosts: Vec<LabHost> = (0..6).map(LabHost::of).collect();
        for group in ['a', 'b', 'c'] {
            let of_group = || hosts.iter().filter(|host| host.group == group);
            let with = |host: &&LabHost| host.host().services.contains_key("nginx");
            assert!(of_group().any(|host| with(&host)), "{group} has nginx");
            assert!(!of_group().all(|host| with(&host)), "{group} has a host without");
        }
        let old = hosts.iter().find(|host| host.role == "old").unwrap();
        assert_eq!(old.facts()["operatingsystemrelease"], "8.5");
        assert!(old.host().packages["openssl"].candidate.is_some());
    }

    #[test]
    fn every_name_is_one_host() {
        let names: BTreeSet<String> = (0..5000).map(|index| LabHost::of(index).name()).collect();
        assert_eq!(names.len(), 5000);
        assert!(names.contains("web1.example.com") && names.contains("old1.example.com"));
    }
}
