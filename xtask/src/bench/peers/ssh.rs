//! What people do over SSH: clush, pssh and Ansible, to one sshd on many addresses of loopback.

use std::fmt::Write as _;
use std::process::Command;

use super::room::Room;
use crate::bench::request::Request;

/// The key of root, which sshd lets in.
const KEY: &str = "/root/.ssh/id_ed25519";

/// What every tool's ssh is told.
const OPTIONS: &str = "-oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oLogLevel=ERROR";

/// A tool, and what it is asked for.
pub struct Tool {
    /// What it is called on the page.
    pub name: &'static str,
    /// Which of our requests it is held against.
    pub request: Request,
    /// The most nodes that it is tried with: beyond, a round takes half a minute.
    pub most: usize,
    argv: fn(usize) -> Vec<String>,
}

/// The tools.
pub const TOOLS: &[Tool] = &[
    Tool { name: "clush", request: Request::Package, most: 200, argv: clush },
    Tool { name: "pssh", request: Request::Package, most: 200, argv: pssh },
    Tool { name: "Ansible `shell`", request: Request::Package, most: 50, argv: ansible_shell },
    Tool { name: "Ansible `ping`", request: Request::Ping, most: 50, argv: ansible_ping },
];

const QUERY: &str = "dpkg-query -W openssl";

fn clush(nodes: usize) -> Vec<String> {
    let hosts = format!("@n{nodes}");
    ["clush", "-q", "-f", "50", "-o", OPTIONS, "-w", &hosts, QUERY].map(str::to_owned).to_vec()
}

fn pssh(nodes: usize) -> Vec<String> {
    let hosts = format!("/bench/hosts.{nodes}");
    let mut argv =
        ["parallel-ssh", "-i", "-p", "50", "-x", OPTIONS, "-h"].map(str::to_owned).to_vec();
    argv.extend([hosts, QUERY.to_owned()]);
    argv
}

fn ansible_shell(nodes: usize) -> Vec<String> {
    ansible(nodes, &["-m", "shell", "-a", QUERY])
}

fn ansible_ping(nodes: usize) -> Vec<String> {
    ansible(nodes, &["-m", "ping"])
}

fn ansible(nodes: usize, module: &[&str]) -> Vec<String> {
    let hosts = format!("/bench/hosts.{nodes}");
    let mut argv = ["ansible", "all", "-i", &hosts, "-f", "50"].map(str::to_owned).to_vec();
    argv.push(format!("--ssh-common-args={OPTIONS}"));
    argv.extend(module.iter().map(|word| (*word).to_owned()));
    argv
}

impl Tool {
    /// The command for so many nodes.
    pub fn command(&self, room: &Room, nodes: usize) -> Command {
        let argv = (self.argv)(nodes);
        room.command(&argv.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// Makes root's key, lists of hosts, and starts sshd.
///
/// # Errors
/// When one of it cannot be done; the error is one sentence.
pub fn prepare(room: &Room, sizes: &[usize]) -> Result<(), String> {
    if !room.path(KEY).exists() {
        room.run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY])?;
    }
    room.run(&["cp", &format!("{KEY}.pub"), "/root/.ssh/authorized_keys"])?;
    room.run(&["ssh-keygen", "-A"])?;
    room.run(&["mkdir", "-p", "/run/sshd"])?;
    // As many at once as a tool likes to open.
    room.run(&["/usr/sbin/sshd", "-o", "MaxStartups=1000"])?;
    let mut groups = String::new();
    for &nodes in sizes {
        let mut hosts = String::new();
        for index in 1..=nodes {
            // Writing to a string cannot fail.
            let _infallible = writeln!(hosts, "127.0.1.{index}");
        }
        room.write(&format!("/bench/hosts.{nodes}"), &hosts)?;
        let _infallible = writeln!(groups, "n{nodes}: 127.0.1.[1-{nodes}]");
    }
    room.write("/etc/clustershell/groups.d/local.cfg", &groups)
}
