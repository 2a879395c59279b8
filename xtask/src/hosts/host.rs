//! One host: its folder, its boot, and what can be done to it.

use super::cgroup::Cgroup;
use super::error::{Error, Result, file};
use super::plan::{Role, Spec};
use super::process::Process;
use super::run::{self, Output};
use super::{mount, net, plan};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long a host may take until systemd says that it is up; seen: one second.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// How long an orderly power-off may take; seen: half a second.
const POWEROFF_LIMIT: Duration = Duration::from_secs(30);

/// How long a command in a host may take unless told otherwise.
pub const EXEC_LIMIT: Duration = Duration::from_secs(60);

/// How often a booting host is asked again while its systemd does not listen yet.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A host and where it lives on this machine.
#[derive(Debug)]
pub struct Host {
    /// What it is.
    pub spec: Spec,
    /// Its folder: the layers, the tree, the console's log.
    pub dir: PathBuf,
    /// Its control group, below that of the whole set.
    pub cgroup: Cgroup,
}

impl Host {
    /// The tree as the host sees it, mounted until `hosts down`.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// What systemd and the login prompt wrote since the last boot.
    pub fn log(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// Makes the host's tree over those below, with the files that make it this host.
    ///
    /// # Errors
    /// When the overlay cannot be mounted or a package cannot be purged.
    pub fn create(&self, under: &[PathBuf], all: &[Spec]) -> Result<()> {
        let (up, work, root) = (self.dir.join("up"), self.dir.join("work"), self.root());
        for folder in [&up, &work, &root] {
            fs::create_dir_all(folder).map_err(file("make", folder))?;
        }
        mount::overlay(under, &up, &work, &root)?;
        self.put_file("/etc/hostname", 0o644, format!("{}\n", self.spec.fqdn()).as_bytes())?;
        self.put_file("/etc/hosts", 0o644, plan::etc_hosts(&self.spec, all).as_bytes())?;
        self.put_file("/etc/machine-id", 0o444, machine_id()?.as_bytes())?;
        // Sorts before Debian's 80-container-host0.network, which would give a 169.254 address.
        let network = "/etc/systemd/network/10-host0.network";
        self.put_file(network, 0o644, plan::network(&self.spec).as_bytes())?;
        if self.spec.role == Role::Web { Ok(()) } else { self.purge("*nginx*") }
    }

    /// Writes a file into the tree by way of a new one beside it; missing folders are made. Not
    /// below `/run` or `/tmp`, which a running host mounts over.
    ///
    /// # Errors
    /// When the tree cannot be written.
    pub fn put_file(&self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let path = self.root().join(path.trim_start_matches('/'));
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(file("make", folder))?;
        }
        if new.exists() {
            fs::remove_file(&new).map_err(file("remove", &new))?;
        }
        // Nobody else may read it before it has its mode: it may be a key.
        let mut opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .map_err(file("make", &new))?;
        opened.write_all(bytes).map_err(file("write", &new))?;
        opened.set_permissions(Permissions::from_mode(mode)).map_err(file("chmod", &new))?;
        fs::rename(&new, &path).map_err(file("replace", &path))
    }

    /// Has systemd start a unit at the next boot.
    ///
    /// # Errors
    /// When the host's tree has no such unit.
    pub fn enable(&self, unit: &str) -> Result<()> {
        let root = self.root();
        let argv = ["systemctl", "--quiet", "--root", &root.to_string_lossy(), "enable", unit];
        run::checked(&argv, EXEC_LIMIT).map(drop)
    }

    /// Takes packages off a host that is not booted yet, as its own dpkg does it.
    fn purge(&self, pattern: &str) -> Result<()> {
        let root = self.root();
        let root = root.to_string_lossy();
        let format = "--showformat=${db:Status-Status} ${Package}\\n";
        let listed =
            run::checked(&["chroot", &root, "dpkg-query", "-W", format, pattern], EXEC_LIMIT)?;
        let installed = listed.lines().filter_map(|line| line.strip_prefix("installed "));
        let mut argv = vec!["chroot", &root, "dpkg", "--purge"];
        argv.extend(installed);
        run::checked(&argv, EXEC_LIMIT).map(drop)
    }

    /// Starts the host, for the first time or again, without waiting for it.
    ///
    /// # Errors
    /// When its control group or its console's log cannot be made.
    pub fn start(&self) -> Result<Process> {
        self.cgroup.make()?;
        let (path, root) = (self.log(), self.root());
        let log = File::create(&path).map_err(file("make", &path))?;
        let both = log.try_clone().map_err(file("open", &path))?;
        let root = root.to_string_lossy();
        let dir = self.dir.to_string_lossy();
        let machine = format!("--machine={}", self.spec.name);
        let bridge = format!("--network-bridge={}", net::BRIDGE);
        // This same program, moved into the host's group, becomes systemd-nspawn: the group must
        // be right from the first instruction on, for systemd-nspawn derives the host's from it.
        let argv = [
            "/proc/self/exe",
            "hosts",
            "enter",
            &dir,
            "--",
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--directory",
            &root,
            &machine,
            &bridge,
            "--register=no",
            "--keep-unit",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
        ];
        let child = run::command(&argv)
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(both)
            .spawn()
            .map_err(file("run", "/proc/self/exe"))?;
        Process::of(child.id()).ok_or_else(|| self.boot_error("it ended at once"))
    }

    /// Waits until the host's systemd says that it is up, and gives back its word for it:
    /// `running`, or `degraded` when a unit failed.
    ///
    /// # Errors
    /// When the host ends or is not up within the limit, with the end of its console.
    pub fn wait_booted(&self, container: Process) -> Result<String> {
        let until = Instant::now() + BOOT_LIMIT;
        let mut state = "no process 1 yet".to_owned();
        while Instant::now() < until {
            if !container.alive() {
                return Err(self.boot_error("its container ended"));
            }
            if let Some(init) = container.init_child() {
                let ask = ["systemctl", "is-system-running", "--wait"];
                let left = until.saturating_duration_since(Instant::now());
                // Fails while systemd does not listen yet, and at the limit, where the loop ends.
                if let Ok(answer) = exec_in(init, &ask, b"", left) {
                    state = answer.text();
                }
                if matches!(state.as_str(), "running" | "degraded") {
                    return Ok(state);
                }
            }
            std::thread::sleep(ASK_AGAIN);
        }
        let why = format!("not up after {} s (state: {state})", BOOT_LIMIT.as_secs());
        Err(self.boot_error(&why))
    }

    fn boot_error(&self, why: &str) -> Error {
        let tail = run::tail(&fs::read(self.log()).unwrap_or_default());
        Error::Boot { host: self.spec.fqdn(), why: why.to_owned(), log: self.log(), tail }
    }

    /// Shuts the host down in order, as `systemctl poweroff` in it does, and waits for the end.
    ///
    /// # Errors
    /// When it does not end within the limit.
    pub fn poweroff(&self, container: Process) -> Result<()> {
        if let Some(init) = container.init_child() {
            // systemd's own signal for it; see systemd(1).
            init.signal("RTMIN+4")?;
        }
        if container.ended_within(POWEROFF_LIMIT) {
            return Ok(());
        }
        let limit = POWEROFF_LIMIT.as_secs();
        Err(Error::Machine(format!("{} did not shut down within {limit} s", self.spec.name)))
    }
}

/// Runs a command in the host whose process 1 is `init`.
///
/// # Errors
/// When it cannot be started or takes longer than the limit.
pub fn exec_in<S: AsRef<OsStr>>(
    init: Process,
    argv: &[S],
    input: &[u8],
    limit: Duration,
) -> Result<Output> {
    let init = init.pid.to_string();
    let mut whole = ["nsenter", "--target", &init, "--all", "--"].map(OsStr::new).to_vec();
    whole.extend(argv.iter().map(AsRef::as_ref));
    run::output(&whole, input, limit)
}

/// A new machine id, in the form of machine-id(5).
fn machine_id() -> Result<String> {
    const UUID: &str = "/proc/sys/kernel/random/uuid";
    let uuid = fs::read_to_string(UUID).map_err(file("read", UUID))?;
    Ok(uuid.replace('-', ""))
}
