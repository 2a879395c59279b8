//! Network interfaces and their addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use marcato_core::limits::facts::INTERFACES_MAX;
use serde_json::{Map, Value, json};

use super::{Found, read};

/// An interface, or a labelled alias of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The hardware address; empty without any.
    pub mac: Vec<u8>,
    /// The longest packet, in bytes; an alias has none of its own.
    pub mtu: Option<u32>,
    /// The interface that it is a member of, such as a bond.
    pub master: Option<String>,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<Address>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// How many bits of it are the network's.
    pub prefix: u8,
    /// The kernel's flags.
    pub flags: u8,
}

/// Adds the interfaces, and the primary one's own facts once more.
pub(super) fn add(found: &mut Found, root: &Path, interfaces: &[Interface]) {
    let mut named: Vec<&Interface> = interfaces.iter().collect();
    named.sort_by(|a, b| a.name.cmp(&b.name));
    named.truncate(INTERFACES_MAX);
    let names: Vec<&str> = named.iter().map(|interface| interface.name.as_str()).collect();
    found.text("interfaces", &names.join(","));
    let primary = primary(root, interfaces);
    for interface in named {
        let facts = facts(root, interface);
        if primary == Some(interface.name.as_str()) {
            found.put("networking.primary", interface.name.as_str());
            let own = facts.iter().filter(|(key, _)| !key.starts_with("bindings"));
            own.for_each(|(key, value)| found.put_at(&["networking", key], value.clone()));
        }
        found.put_at(&["networking", "interfaces", &interface.name], facts);
    }
}

/// The interface of the default route, else the first that has an address for others.
fn primary<'a>(root: &Path, interfaces: &'a [Interface]) -> Option<&'a str> {
    let routes = read(root, "proc/net/route");
    let default = routes.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_default = words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000");
        words.first().copied().filter(|name| is_default && *name != "*")
    });
    let by_route = |interface: &&Interface| Some(interface.name.as_str()) == default;
    let is_for_others =
        |interface: &&Interface| interface.addresses.iter().any(|address| !is_own(address.ip));
    let found = interfaces.iter().find(by_route).or_else(|| interfaces.iter().find(is_for_others));
    found.map(|interface| interface.name.as_str())
}

fn facts(root: &Path, interface: &Interface) -> Map<String, Value> {
    let mut facts = Map::new();
    let mac = permanent_mac(root, interface).unwrap_or_else(|| hex(&interface.mac));
    if !mac.is_empty() {
        facts.insert("mac".to_owned(), mac.into());
    }
    if let Some(mtu) = interface.mtu {
        facts.insert("mtu".to_owned(), mtu.into());
    }
    for (suffix, is_six) in [("", false), ("6", true)] {
        let addresses =
            || interface.addresses.iter().filter(|address| address.ip.is_ipv6() == is_six);
        let Some(main) = addresses().find(|address| !is_own(address.ip)).or(addresses().next())
        else {
            continue;
        };
        let (netmask, network) = main.net();
        facts.insert(format!("ip{suffix}"), main.ip.to_string().into());
        facts.insert(format!("netmask{suffix}"), netmask.to_string().into());
        facts.insert(format!("network{suffix}"), network.to_string().into());
        if let IpAddr::V6(ip) = main.ip {
            facts.insert("scope6".to_owned(), scope(ip).into());
        }
        let bindings: Vec<Value> = addresses().map(Address::binding).collect();
        facts.insert(format!("bindings{suffix}"), bindings.into());
    }
    facts
}

impl Address {
    /// Mask and network.
    fn net(&self) -> (IpAddr, IpAddr) {
        let host = |bits: u32| bits.saturating_sub(u32::from(self.prefix));
        match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(host(32)).unwrap_or(0);
                let network = Ipv4Addr::from_bits(ip.to_bits() & mask);
                (Ipv4Addr::from_bits(mask).into(), network.into())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(host(128)).unwrap_or(0);
                let network = Ipv6Addr::from_bits(ip.to_bits() & mask);
                (Ipv6Addr::from_bits(mask).into(), network.into())
            }
        }
    }

    fn binding(&self) -> Value {
        /// The flags of if_addr.h, by Facter's names.
        const FLAGS: [(&str, u8); 8] = [
            ("temporary", 0x01),
            ("noad", 0x02),
            ("optimistic", 0x04),
            ("dadfailed", 0x08),
            ("homeaddress", 0x10),
            ("deprecated", 0x20),
            ("tentative", 0x40),
            ("permanent", 0x80),
        ];
        let (netmask, network) = self.net();
        let mut binding = json!({
            "address": self.ip.to_string(),
            "netmask": netmask.to_string(),
            "network": network.to_string(),
        });
        if let IpAddr::V6(ip) = self.ip {
            let is_set = |(_, bit): &&(&str, u8)| self.flags & bit != 0;
            let flags: Vec<&str> = FLAGS.iter().filter(is_set).map(|(name, _)| *name).collect();
            binding["scope6"] = scope(ip).into();
            binding["flags"] = flags.into();
        }
        binding
    }
}

/// Whether an address is none to reach this host by from far away: those Facter passes over.
fn is_own(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local(),
    }
}

fn scope(ip: Ipv6Addr) -> &'static str {
    match ip.segments()[0] & 0xffc0 {
        _ if ip.is_loopback() => "host",
        0xfe80 => "link",
        0xfec0 => "site",
        _ => "global",
    }
}

fn hex(mac: &[u8]) -> String {
    // Shorter ones are no hardware addresses, longer ones no interface's; a tunnel's are all zero.
    if !(6..=20).contains(&mac.len()) || mac.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The address that a bond's member has for itself.
fn permanent_mac(root: &Path, interface: &Interface) -> Option<String> {
    let bond = read(root, &format!("proc/net/bonding/{}", interface.master.as_ref()?));
    let own = format!("Slave Interface: {}", interface.name);
    let mut lines = bond.lines().map(str::trim).skip_while(|line| *line != own).skip(1);
    let mac = lines
        .by_ref()
        .take_while(|line| !line.starts_with("Slave Interface"))
        .find_map(|line| line.strip_prefix("Permanent HW addr: "));
    mac.map(str::to_owned)
}
