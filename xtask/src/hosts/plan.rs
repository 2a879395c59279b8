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

    /// The name of the host's link on the side of the bridge, given by systemd-nspawn.
    pub fn link(&self) -> String {
        format!("vb-{}", self.name)
    }
}

/// The hub and `nodes` nodes: of every three, two have nginx (groups a and c) and one has not (b),
/// so that with three `hagroup=c` is one host and an unfiltered restart meets one without nginx.
pub fn hosts(nodes: u16) -> Vec<Spec> {
    let hub = Spec {
        name: "hub1".to_owned(),
        address: "10.77.0.2".to_owned(),
        role: Role::Hub,
        hagroup: None,
    };
    let node = |index: u16| {
        let (role, prefix, number, hagroup) = match index % 3 {
            0 => (Role::Web, "web", index / 3 * 2 + 1, "a"),
            1 => (Role::Web, "web", index / 3 * 2 + 2, "c"),
            _ => (Role::Db, "db", index / 3 + 1, "b"),
        };
        Spec {
            name: format!("{prefix}{number}"),
            address: format!("10.77.0.{}", index + 11),
            role,
            hagroup: Some(hagroup.to_owned()),
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
    fn three_nodes_show_every_case() {
        let plan = hosts(3);
        let row =
            |host: &Spec| (host.fqdn(), host.address.clone(), host.role, host.hagroup.clone());
        let expect = [
            ("hub1.example.com", "10.77.0.2", Role::Hub, None),
            ("web1.example.com", "10.77.0.11", Role::Web, Some("a")),
            ("web2.example.com", "10.77.0.12", Role::Web, Some("c")),
            ("db1.example.com", "10.77.0.13", Role::Db, Some("b")),
        ]
        .map(|(name, address, role, group)| {
            (name.to_owned(), address.to_owned(), role, group.map(str::to_owned))
        });
        assert_eq!(plan.iter().map(row).collect::<Vec<_>>(), expect);
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
