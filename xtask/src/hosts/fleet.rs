//! The fleet on the hosts: keys, installed programs, certificates, and the operator's configuration.
//!
//! What a person does for a fleet of servers is done here with the same programs and files: the
//! authority's key stays on this machine, each node makes its own keys and asks for a certificate.

use super::error::{Error, Result, file};
use super::host::{EXEC_LIMIT, Host, exec_in};
use super::plan::{Role, Spec};
use super::process::Process;
use super::run;
use crate::ci::Tool;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The name of the fleet.
pub const COLLECTIVE: &str = "hosts";

/// Who signs the orders.
const CALLER: &str = "ops@example.com";

/// The folder of keys and configuration, below that of the hosts.
const FOLDER: &str = "fleet";

/// The broker's port.
const PORT: u16 = 4222;

/// Where a host keeps facts that its administrator adds, as for Facter.
const EXTERNAL_FACT: &str = "/etc/facter/facts.d/release.yaml";

/// Within this time all nodes must have registered; seen: under a second.
const REGISTER_LIMIT: Duration = Duration::from_secs(20);

/// How often the registry is asked while nodes register.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// The programs as cargo has built them, in `TARGET/PROFILE`: the operator's command is run from
/// there, the hosts get them in a package.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them in this workspace, without optimization.
    ///
    /// # Errors
    /// When they do not compile.
    pub fn build() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let argv = ["build", "--quiet", "--locked", "--package", "marcato", "--bins"];
        // With the caller's environment, which says where the toolchain is.
        let status = Command::new(&cargo).args(argv).status().map_err(file("run", &cargo))?;
        if status.success() {
            return Self::in_folder(&target().join("debug"));
        }
        Err(Error::Machine(format!("cargo {}: {status}", argv.join(" "))))
    }

    /// The programs of a folder.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        for name in ["mco", "mcod"] {
            let path = folder.join(name);
            path.metadata().map_err(file("find", path))?;
        }
        Ok(Self { folder: folder.canonicalize().map_err(file("find", folder))? })
    }

    /// The operator's command.
    pub fn mco(&self) -> PathBuf {
        self.folder.join("mco")
    }

    /// The daemon.
    pub fn mcod(&self) -> PathBuf {
        self.folder.join("mcod")
    }

    /// Makes the Debian package of them, as a release is made but for the time that an optimized
    /// build takes, and puts it into a folder.
    ///
    /// # Errors
    /// When cargo-deb cannot be built or fails.
    pub fn package(&self, into: &Path) -> Result<PathBuf> {
        // Not asked before: it says on standard output that it is there.
        if !Tool::DEB.program().is_file() {
            Tool::DEB.ensure(&workspace()).map_err(Error::Machine)?;
        }
        let package = into.join("marcato.deb");
        let profile = self.folder.file_name().unwrap_or_default();
        let profile = if profile == "debug" { "dev".as_ref() } else { profile };
        let mut command = Command::new(Tool::DEB.program());
        command.args(["--no-build", "--locked", "--quiet", "--package", "marcato", "--strip"]);
        command.args(["--fast", "--compress-type", "gz", "--compress-system", "--profile"]);
        command.arg(profile).arg("--output").arg(&package);
        command.env("CARGO_TARGET_DIR", self.folder.parent().unwrap_or(&self.folder));
        let status = command.current_dir(workspace()).stdout(Stdio::null()).status();
        let status = status.map_err(file("run", Tool::DEB.program()))?;
        let failed = || Error::Machine(format!("cargo-deb: {status}"));
        if status.success() { Ok(package) } else { Err(failed()) }
    }
}

/// The fleet's side that is not on the hosts.
#[derive(Debug)]
pub struct Fleet {
    dir: PathBuf,
    mco: PathBuf,
    hub: Spec,
    authority: String,
    operator: String,
}

impl Fleet {
    /// Makes new keys for the authority and the operator, and the operator's configuration.
    ///
    /// # Errors
    /// When `ssh-keygen` fails or there is no hub among the hosts.
    pub fn make(set: &Path, mco: PathBuf, specs: &[Spec]) -> Result<Self> {
        let dir = set.join(FOLDER);
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(file("remove", &dir))?;
        }
        fs::DirBuilder::new().mode(0o700).create(&dir).map_err(file("make", &dir))?;
        new_key(&dir.join("authority"), "authority")?;
        new_key(&dir.join("operator"), CALLER)?;
        let fleet = Self::open(set, mco, specs)?;
        let config = config(set);
        fs::write(&config, fleet.client_toml()).map_err(file("write", &config))?;
        Ok(fleet)
    }

    /// The fleet whose keys lie there.
    ///
    /// # Errors
    /// When there are none, or there is no hub among the hosts.
    pub fn open(set: &Path, mco: PathBuf, specs: &[Spec]) -> Result<Self> {
        let dir = set.join(FOLDER);
        let hub = specs.iter().find(|spec| spec.role == Role::Hub).cloned();
        let hub = hub.ok_or_else(|| Error::Machine("no hub among the hosts".to_owned()))?;
        let authority = public_key(&dir.join("authority"))?;
        let operator = public_key(&dir.join("operator"))?;
        Ok(Self { dir, mco, hub, authority, operator })
    }

    fn broker(&self) -> String {
        format!("nats://{}:{PORT}", self.hub.address)
    }

    fn client_toml(&self) -> String {
        format!(
            "state = \"{dir}/state\"\nagents = \"{dir}/agents\"\n\n[fleets.{COLLECTIVE}]\nbroker = \"{broker}\"\n\
             authority = \"{authority}\"\ncaller = \"{CALLER}\"\nkey = \"{dir}/operator\"\n",
            dir = self.dir.display(),
            broker = self.broker(),
            authority = self.authority,
        )
    }

    /// Configures a host on which the package is installed, before its first boot.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn configure(&self, host: &Host) -> Result<()> {
        if host.spec.role == Role::Hub {
            host.put_file("/etc/marcato/hub.toml", 0o644, self.hub_toml().as_bytes())?;
            return host.enable("mcod-hub");
        }
        for (path, text) in self.node_files(&host.spec) {
            host.put_file(&format!("/etc/marcato/{path}"), 0o644, text.as_bytes())?;
        }
        if let Some(release) = &host.spec.release {
            let text = format!("operatingsystemrelease: '{release}'\n");
            host.put_file(EXTERNAL_FACT, 0o644, text.as_bytes())?;
        }
        Ok(())
    }

    fn hub_toml(&self) -> String {
        // Plain text beyond loopback, and in so many words: the only cable is the bridge that was
        // made for these hosts.
        format!(
            "collective = \"{COLLECTIVE}\"\nlisten = \"{address}:{PORT}\"\n\
             insecure_plaintext_on = \"{address}\"\nauthority = \"{authority}\"\n",
            address = self.hub.address,
            authority = self.authority,
        )
    }

    fn node_files(&self, spec: &Spec) -> [(&'static str, String); 4] {
        let group = spec.hagroup.as_deref().unwrap_or("none");
        let role = if spec.role == Role::Web { "web" } else { "db" };
        [
            (
                "node.toml",
                format!(
                    "collective = \"{COLLECTIVE}\"\nbroker = \"{}\"\nauthority = \"{}\"\n",
                    self.broker(),
                    self.authority
                ),
            ),
            ("allowed_signers", format!("{CALLER} {}\n", self.operator)),
            ("facts.yaml", format!("hagroup: {group}\nrole: {role}\n")),
            (
                "policy.d/10-hosts.policy",
                format!("allow callers={CALLER} agents=rpcutil,package,service actions=*\n"),
            ),
        ]
    }

    /// Has a booted node make its keys, signs what it asks for, and starts its daemon.
    ///
    /// # Errors
    /// When one of the steps does not end with 0.
    pub fn join(&self, init: Process) -> Result<()> {
        let inside = |argv: &[&str], input: &[u8]| {
            let output = exec_in(init, argv, input, EXEC_LIMIT)?;
            if output.status == 0 {
                Ok(output.stdout)
            } else {
                Err(run::status_error(argv, &output))
            }
        };
        let request = inside(&["/usr/bin/mcod", "node", "--print-request"], b"")?;
        let certificate = self.sign(&request)?;
        inside(&["/usr/bin/mcod", "node", "--install-certificate", "-"], &certificate)?;
        inside(&["systemctl", "enable", "--quiet", "--now", "mcod"], b"").map(drop)
    }

    /// The authority's answer to a node's request.
    fn sign(&self, request: &[u8]) -> Result<Vec<u8>> {
        let mco = self.mco.to_string_lossy();
        let key = self.dir.join("authority");
        let key = key.to_string_lossy();
        let argv = [mco.as_ref(), "authority", "sign-node", "--key", key.as_ref()];
        let output = run::output(&argv, request, EXEC_LIMIT)?;
        if output.status == 0 { Ok(output.stdout) } else { Err(run::status_error(&argv, &output)) }
    }

    /// Waits until the registry names as many nodes as there are.
    ///
    /// # Errors
    /// When it does not within the limit, with what it said last.
    pub fn wait_registered(&self, nodes: usize) -> Result<()> {
        let until = Instant::now() + REGISTER_LIMIT;
        let config = format!("MARCATO_CONFIG={}/client.toml", self.dir.display());
        let mco = self.mco.to_string_lossy();
        let argv = ["env", &config, mco.as_ref(), "find"];
        loop {
            let output = run::output(&argv, b"", EXEC_LIMIT)?;
            // The hub has only just started, so that its list passes for whole to nobody yet.
            if [0, 4].contains(&output.status) && output.text().lines().count() == nodes {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(run::status_error(&argv, &output));
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }
}

/// The operator's configuration of the hosts in a folder, for `MARCATO_CONFIG`.
pub fn config(set: &Path) -> PathBuf {
    set.join(FOLDER).join("client.toml")
}

/// Where the operator keeps the declarations of agents that do not ship with the program.
pub fn agents(set: &Path) -> PathBuf {
    set.join(FOLDER).join("agents")
}

/// The target folder of this workspace, wherever cargo was told to put it.
pub fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    workspace().join(target.unwrap_or_else(|| PathBuf::from("target")))
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Makes a key without a passphrase.
fn new_key(path: &Path, comment: &str) -> Result<()> {
    let name = path.to_string_lossy();
    let argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", &name];
    run::checked(&argv, EXEC_LIMIT).map(drop)
}

/// The public line of a key.
fn public_key(path: &Path) -> Result<String> {
    let public = path.with_extension("pub");
    let line = fs::read_to_string(&public).map_err(file("read", &public))?;
    Ok(line.trim_end().to_owned())
}
