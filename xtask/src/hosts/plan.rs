//! Which hosts there are: names, addresses, groups, and the text of the files that make them so.

use std::fmt::Write as _;

/// The most hosts of one set: their addresses are .11 to .210 of one /24.
pub const MOST_HOSTS: u16 = 200;

/// The address of the machine itself on the bridge.
pub const BRIDGE_ADDRESS: &str = "10.77.0.1";

/// The domain of every host.
const DOMAIN: &str = "example.com";

/// One host as planned.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spec {
    /// The short name, `web1`: the folder, the machine name and the end of the link's name.
    pub name: String,
    /// The IPv4 address on the bridge.
    pub address: String,
    /// What runs there.
    pub role: Role,
    /// The fact `hagroup`; the hub has none.
    pub hagroup: Option<String>,
    /// The fact `operatingsystemrelease` where the host is to say another release than it has.
    pub release: Option<String>,
}

/// What a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A node with nginx.
    Web,
    /// A node without nginx: its packages are purged.
    Db,
    /// The broker and the registry; not a node.
    Hub,
}

impl Spec {
    /// The fully qualified name, which is the identity too.
    pub fn fqdn(&self) -> String {
        format!("{}.{DOMAIN}", self.name)
    }

    /// Whether nginx is there.
    pub fn has_nginx(&self) -> bool {
        self.role == Role::Web
    }

    /// The name of the host's link on the side of the bridge, given by systemd-nspawn.
    pub fn link(&self) -> String {
        format!("vb-{}", self.name)
    }
}

/// What hosts say that only say that they are old: no older Debian boots beside the others.
pub const OLD_RELEASE: &str = "8.5";

/// The hub and `nodes` nodes. The fault groups take turns: a, c, b. Of every nine nodes two have no
/// nginx, in groups b and c, and two carry an older release as an external fact, in a and c; so nine
/// show every case, and three the most of them.
pub fn hosts(nodes: u16) -> Vec<Spec> {
    let hub = Spec {
        name: "hub1".to_owned(),
        address: "10.77.0.2".to_owned(),
        role: Role::Hub,
        hagroup: None,
        release: None,
    };
    let mut nodes_of = [0; 2];
    let node = |index: u16| {
        let (role, prefix, count) = match index % 9 {
            2 | 7 => (Role::Db, "db", &mut nodes_of[1]),
            _ => (Role::Web, "web", &mut nodes_of[0]),
        };
        *count += 1;
        Spec {
            name: format!("{prefix}{count}"),
            address: format!("10.77.0.{}", index + 11),
            role,
            hagroup: ["a", "c", "b"].get(usize::from(index % 3)).map(|&group| group.to_owned()),
            release: matches!(index % 9, 3 | 4).then(|| OLD_RELEASE.to_owned()),
        }
    };
    std::iter::once(hub).chain((0..nodes).map(node)).collect()
}

/// `/etc/hosts` of one host: itself first, so that `hostname -f` gives its full name.
pub fn etc_hosts(own: &Spec, all: &[Spec]) -> String {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost\n".to_owned();
    let others = all.iter().filter(|other| other.name != own.name);
    for host in std::iter::once(own).chain(others) {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "{}\t{} {}", host.address, host.fqdn(), host.name);
    }
    text
}

/// The unit of systemd-networkd for the host's one link.
pub fn network(own: &Spec) -> String {
    // A pulled cable must not take the address away: a server's static address stays, and
    // connections survive a short cut.
    format!(
        "[Match]\nName=host0\n\n[Network]\nAddress={}/24\nLinkLocalAddressing=no\n\
         IPv6AcceptRA=no\nIgnoreCarrierLoss=yes\n",
        own.address
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_nodes_show_every_case() {
        let row = |host: &Spec| {
            let group = host.hagroup.clone().unwrap_or_default();
            let release = host.release.clone().unwrap_or_default();
            format!("{} {} {:?} {group} {release}", host.fqdn(), host.address, host.role)
        };
        let expect = [
            "hub1.example.com 10.77.0.2 Hub  ",
            "web1.example.com 10.77.0.11 Web a ",
            "web2.example.com 10.77.0.12 Web c ",
            "db1.example.com 10.77.0.13 Db b ",
            "web3.example.com 10.77.0.14 Web a 8.5",
            "web4.example.com 10.77.0.15 Web c 8.5",
            "web5.example.com 10.77.0.16 Web b ",
            "web6.example.com 10.77.0.17 Web a ",
            "db2.example.com 10.77.0.18 Db c ",
            "web7.example.com 10.77.0.19 Web b ",
        ];
        assert_eq!(hosts(9).iter().map(row).collect::<Vec<_>>(), expect);
        assert_eq!(hosts(10)[..10], hosts(9), "one more changes nothing of the others");
    }

    #[test]
    fn names_and_addresses_are_unique_and_fit_a_link_name() {
        let plan = hosts(MOST_HOSTS);
        let names: std::collections::BTreeSet<_> = plan.iter().map(|host| &host.name).collect();
        let addresses: std::collections::BTreeSet<_> =
            plan.iter().map(|host| &host.address).collect();
        let most = usize::from(MOST_HOSTS) + 1;
        assert_eq!((names.len(), addresses.len()), (most, most));
        assert!(plan.iter().all(|host| host.link().len() <= 15), "IFNAMSIZ without the zero");
        assert!(plan.last().is_some_and(|host| host.address == "10.77.0.210"));
    }

    #[test]
    fn a_host_finds_its_own_name_first() {
        let plan = hosts(1);
        let text = plan.last().map(|web| etc_hosts(web, &plan)).unwrap_or_default();
        assert_eq!(
            text,
            "127.0.0.1\tlocalhost\n::1\tlocalhost\n10.77.0.11\tweb1.example.com web1\n\
             10.77.0.2\thub1.example.com hub1\n"
        );
    }
}
