//! Where peers run: a Debian tree with their packages, and namespaces around it, so that nothing of
//! them is installed on this machine or listens on its network.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::bench::process;

/// The release of the tree: that of the ancestor's last package.
const SUITE: &str = "bookworm";
/// Where it is fetched from.
const MIRROR: &str = "http://deb.debian.org/debian";
/// The peers, and what their set-up calls.
const PACKAGES: &[&str] = &[
    "mcollective",
    "mcollective-client",
    "rabbitmq-server",
    "ruby-stomp",
    "clustershell",
    "pssh",
    "ansible-core",
    "openssh-server",
    "openssh-client",
    "openssl",
    "iproute2",
    "procps",
];
/// To be counted up when `finish` does something else.
const REVISION: &str = "1";

/// How each of the ancestor's calls must be written for Ruby 3.1: file, from, to.
const MENDED: &[(&str, &str, &str)] = &[
    ("facts/yaml_facts.rb", "[Symbol], [], true", "permitted_classes: [Symbol], aliases: true"),
    ("security/ssl.rb", "[Symbol, Regexp]", "permitted_classes: [Symbol, Regexp]"),
    ("security/aes_security.rb", "[Symbol, Regexp]", "permitted_classes: [Symbol, Regexp]"),
];

/// The folder of this run in the tree.
pub const FOLDER: &str = "/bench";

/// A clean environment, as a login of root has it.
const ENVIRONMENT: &[&str] = &[
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
    "RABBITMQ_NODENAME=rabbit@localhost",
];

/// The namespaces; all that runs in them ends when this is dropped.
#[derive(Debug)]
pub struct Room {
    tree: PathBuf,
    keeper: Child,
    init: u32,
}

impl Room {
    /// The tree, made now if it is not there, and namespaces around it with a loopback of their own.
    ///
    /// # Errors
    /// Without root, or when the tree cannot be made; the error is one sentence.
    pub fn open(scratch: &Path) -> Result<Self, String> {
        let tree = ensure(scratch)?;
        let folder = tree.join(&FOLDER[1..]);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        make(&folder)?;
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--pid", "--net", "--uts", "--fork", "--kill-child"]);
        unshare.arg(format!("--mount-proc={}", tree.join("proc").display()));
        unshare.args(["chroot"]).arg(&tree).args(["/usr/bin/env", "--ignore-environment"]);
        unshare.args(ENVIRONMENT).args(["sleep", "infinity"]);
        let keeper = unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().map_err(|error| format!("unshare: {error}"))?;
        let mut room = Self { tree, init: 0, keeper };
        room.init = room.find_init()?;
        room.run(&["ip", "link", "set", "lo", "up"])?;
        room.run(&["hostname", "localhost"])?;
        room.run(&["mount", "-t", "tmpfs", "none", "/dev/shm"])?;
        room.run(&[
            "mount",
            "-t",
            "devpts",
            "-o",
            "newinstance,ptmxmode=0666",
            "none",
            "/dev/pts",
        ])?;
        Ok(room)
    }

    /// Process 1 in the namespaces, once it is what it shall become.
    fn find_init(&self) -> Result<u32, String> {
        let children = format!("/proc/{0}/task/{0}/children", self.keeper.id());
        let found = || {
            let text = fs::read_to_string(&children).ok()?;
            let pid: u32 = text.split_ascii_whitespace().next()?.parse().ok()?;
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (name.trim() == "sleep").then_some(pid)
        };
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match found() {
                Some(pid) => return Ok(pid),
                None if Instant::now() > until => {
                    return Err("no namespaces for the peers: is this root?".to_owned());
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// A command in the room.
    pub fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string()]);
        command.args(["--mount", "--pid", "--net", "--uts", "--root", "--wdns=/", "--"]);
        command.args(["/usr/bin/env", "--ignore-environment"]).args(ENVIRONMENT).args(argv);
        command
    }

    /// Runs a command in the room that must end well; its standard output.
    ///
    /// # Errors
    /// When it does not; the error is one sentence.
    pub fn run(&self, argv: &[&str]) -> Result<String, String> {
        let (output, _) = process::succeed(&mut self.command(argv))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Where a path of the room is for this process.
    pub fn path(&self, path: &str) -> PathBuf {
        self.tree.join(path.trim_start_matches('/'))
    }

    /// Writes a file in the room, with its folder.
    ///
    /// # Errors
    /// When it cannot be written; the error is one sentence.
    pub fn write(&self, path: &str, text: &str) -> Result<(), String> {
        let path = self.path(path);
        path.parent().map(make).transpose()?;
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // With `--kill-child` process 1 dies with it, and with that everything in the namespaces.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// The finished tree.
fn ensure(scratch: &Path) -> Result<PathBuf, String> {
    let words = [&[SUITE, MIRROR, REVISION], PACKAGES].concat();
    let digest = Sha256::digest(words.join("\n"));
    let key: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let tree = scratch.join(format!("peers-{key}"));
    if tree.exists() {
        return Ok(tree);
    }
    let partial = scratch.join("peers.partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(|e| format!("{}: {e}", partial.display()))?;
    }
    let mut bootstrap = Command::new("debootstrap");
    bootstrap.args(["--variant=minbase", SUITE]).arg(&partial).arg(MIRROR);
    process::succeed(&mut bootstrap)?;
    finish(&partial)?;
    fs::rename(&partial, &tree).map_err(|error| format!("{}: {error}", partial.display()))?;
    Ok(tree)
}

fn finish(tree: &Path) -> Result<(), String> {
    let wrong = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    // Nothing of it shall start by itself.
    let policy = tree.join("usr/sbin/policy-rc.d");
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&policy);
    let written = file.and_then(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n"));
    written.map_err(|error| wrong(&policy, error))?;
    let resolver = tree.join("etc/resolv.conf");
    fs::copy("/etc/resolv.conf", &resolver).map_err(|e| wrong(&resolver, e))?;
    let apt = |words: &[&str]| {
        let mut apt = Command::new("chroot");
        apt.arg(tree).args(["/usr/bin/env", "--ignore-environment"]).args(ENVIRONMENT);
        process::succeed(apt.arg("apt-get").args(words)).map(|_| ())
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], PACKAGES].concat())?;
    let hosts = tree.join("etc/hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").map_err(|e| wrong(&hosts, e))?;
    for (file, from, to) in MENDED {
        let path = tree.join("usr/lib/ruby/vendor_ruby/mcollective").join(file);
        let text = fs::read_to_string(&path).map_err(|e| wrong(&path, e))?;
        if !text.contains(from) {
            return Err(format!("{}: nothing to mend there", path.display()));
        }
        fs::write(&path, text.replace(from, to)).map_err(|e| wrong(&path, e))?;
    }
    Ok(())
}

fn make(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}
