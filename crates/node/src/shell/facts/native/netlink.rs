//! Asks the kernel for its network interfaces: rtnetlink(7), without a program in between.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use marcato_core::limits::facts::{NETLINK_BYTES_MAX, NETLINK_LIMIT};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::network::{Address, Interface};

// Of linux/netlink.h and linux/rtnetlink.h.
const REQUEST_DUMP: u16 = 0x301;
const HEADER_BYTES: usize = 16;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

/// The most that the kernel puts into one part of its answer.
const PART_BYTES: usize = 32 * 1024;

/// The interfaces of this host, in the kernel's order.
pub(super) fn ask() -> io::Result<Vec<Interface>> {
    let flags = SocketFlags::CLOEXEC;
    let family = AddressFamily::NETLINK;
    // Without a protocol it is number 0: routes.
    let socket = socket_with(family, SocketType::RAW, flags, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(NETLINK_LIMIT.as_duration()))?;
    let mut answers = Vec::new();
    // The kernel wants the fixed part of each message, all zero: every family, every index.
    for (question, fixed) in [(GET_LINK, 16), (GET_ADDRESS, 8)] {
        let length = HEADER_BYTES + fixed;
        let mut request = vec![0; length];
        request[..4].copy_from_slice(&u32::try_from(length).unwrap_or_default().to_ne_bytes());
        request[4..6].copy_from_slice(&question.to_ne_bytes());
        request[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
        sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let end = answers.len() + NETLINK_BYTES_MAX;
        let mut part = vec![0; PART_BYTES];
        loop {
            let (_, length) = recv(&socket, &mut part[..], RecvFlags::TRUNC)?;
            let bytes = part.get(..length).ok_or(io::ErrorKind::InvalidData)?;
            match messages(bytes).last() {
                Some((ERROR, _)) => return Err(io::ErrorKind::InvalidData.into()),
                Some((DONE, _)) | None => {
                    answers.extend_from_slice(bytes);
                    break;
                }
                Some(_) if answers.len() + length > end => {
                    return Err(io::Error::other("more interfaces than are taken"));
                }
                Some(_) => answers.extend_from_slice(bytes),
            }
        }
    }
    Ok(parse(&answers))
}

/// Reads the kernel's messages about links and addresses; what is not understood is left out.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<Interface> {
    let mut interfaces = Vec::new();
    // Names by index, for addresses and members.
    let mut names: Vec<(u32, String)> = Vec::new();
    let mut members: Vec<(usize, u32)> = Vec::new();
    for (kind, body) in messages(bytes) {
        match kind {
            NEW_LINK => {
                let Some((index, link, master)) = link(body) else { continue };
                members.extend(master.map(|master| (interfaces.len(), master)));
                names.push((index, link.name.clone()));
                interfaces.push(link);
            }
            NEW_ADDRESS => {
                let Some((index, label, address)) = address(body) else { continue };
                let own = names.iter().find(|(other, _)| *other == index);
                let Some(name) = label.or_else(|| own.map(|(_, name)| name.clone())) else {
                    continue;
                };
                match interfaces.iter_mut().find(|interface| interface.name == name) {
                    Some(interface) => interface.addresses.push(address),
                    // An address with a label such as `eth0:1` is an interface to its users.
                    None => {
                        let addresses = vec![address];
                        interfaces.push(Interface { name, addresses, ..Interface::default() });
                    }
                }
            }
            _ => {}
        }
    }
    for (member, master) in members {
        let name = names.iter().find(|(index, _)| *index == master);
        interfaces[member].master = name.map(|(_, name)| name.clone());
    }
    interfaces
}

/// The messages in a buffer: each with its kind, until one does not fit.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let kind = u16::from_ne_bytes([*rest.get(4)?, *rest.get(5)?]);
        let body = rest.get(HEADER_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The attributes behind the fixed part of a message.
fn attributes(body: &[u8], fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(fixed..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*rest.first()?, *rest.get(1)?]));
        let kind = u16::from_ne_bytes([*rest.get(2)?, *rest.get(3)?]);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A link: its index, itself, and the index of its master.
fn link(body: &[u8]) -> Option<(u32, Interface, Option<u32>)> {
    let index = u32_at(body, 4)?;
    let (mut link, mut master) = (Interface::default(), None);
    for (kind, value) in attributes(body, 16) {
        match kind {
            1 => link.mac = value.to_vec(),
            3 => link.name = text(value)?,
            4 => link.mtu = u32_at(value, 0),
            10 => master = u32_at(value, 0),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some((index, link, master))
}

/// An address: its interface's index, its label, itself.
fn address(body: &[u8]) -> Option<(u32, Option<String>, Address)> {
    let [_, prefix, flags, ..] = *body else { return None };
    let index = u32_at(body, 4)?;
    let (mut label, mut address, mut local) = (None, None, None);
    for (kind, value) in attributes(body, 8) {
        match kind {
            1 => address = ip(value),
            // Where both stand, the other one is the far end of a line.
            2 => local = ip(value),
            3 => label = text(value),
            _ => {}
        }
    }
    Some((index, label, Address { ip: local.or(address)?, prefix, flags }))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}

fn text(value: &[u8]) -> Option<String> {
    String::from_utf8(value.strip_suffix(&[0])?.to_vec()).ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_loopback_interface() {
        let interfaces = ask().unwrap();
        let loopback = interfaces.iter().find(|interface| interface.name == "lo").unwrap();
        assert!(loopback.mtu.is_some());
    }

    /// One message with a fixed part and attributes.
    fn message(kind: u16, fixed: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = fixed.to_vec();
        for (kind, value) in attributes {
            body.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut whole = u32::try_from(body.len() + HEADER_BYTES).unwrap().to_ne_bytes().to_vec();
        whole.extend(kind.to_ne_bytes());
        whole.resize(HEADER_BYTES, 0);
        whole.extend(body);
        whole
    }

    fn a_link(index: u32, name: &[u8], more: &[(u16, &[u8])]) -> Vec<u8> {
        let mut fixed = [0; 16];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        message(NEW_LINK, &fixed, &[&[(3, name)], more].concat())
    }

    fn an_address(index: u8, prefix: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        message(NEW_ADDRESS, &[2, prefix, 0x80, 0, index, 0, 0, 0], attributes)
    }

    #[test]
    fn links_and_addresses() {
        let all = [
            a_link(1, b"bond0\0", &[(4, &1500_u32.to_ne_bytes())]),
            a_link(2, b"eth0\0", &[(1, &[2, 0, 0, 0, 0, 1]), (10, &1_u32.to_ne_bytes())]),
            an_address(2, 24, &[(1, &[10, 0, 0, 1]), (3, b"eth0\0")]),
            an_address(2, 32, &[(1, &[10, 0, 0, 9]), (2, &[10, 0, 0, 2]), (3, b"eth0:1\0")]),
            an_address(7, 24, &[(1, &[10, 0, 0, 3])]),
        ];
        let interfaces = parse(&all.concat());
        let names: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
        assert_eq!(names, ["bond0", "eth0", "eth0:1"]);
        assert_eq!((interfaces[0].mtu, &interfaces[0].master), (Some(1500), &None));
        assert_eq!(interfaces[1].master.as_deref(), Some("bond0"));
        assert_eq!(interfaces[1].mac, [2, 0, 0, 0, 0, 1]);
        let ips = |at: usize| interfaces[at].addresses.iter().map(|a| a.ip).collect::<Vec<_>>();
        assert_eq!(ips(1), [IpAddr::from([10, 0, 0, 1])]);
        assert_eq!(ips(2), [IpAddr::from([10, 0, 0, 2])]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_anything(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_cut_breaks_anything(cut in 0_usize..120) {
            let all = [a_link(1, b"eth0\0", &[]), an_address(1, 24, &[(1, &[10, 0, 0, 1])])].concat();
            let _ = parse(&all[..cut.min(all.len())]);
        }
    }
}
