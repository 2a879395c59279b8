//! A fleet of separate processes: one `mcod hub` and many `mcod node`, each with its own folders,
//! and an operator with a key of his own.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Programs;
use super::process::{self, Daemon};

/// The fleet's name.
const COLLECTIVE: &str = "bench";
/// The operator's name.
const CALLER: &str = "operator@bench";
/// How long the hub may take to listen, and the nodes to register.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often we look.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The fleet; it ends when it is dropped.
#[derive(Debug)]
pub struct Fleet<'a> {
    programs: &'a Programs,
    // Before the folder: what runs in it ends first.
    nodes: Vec<Daemon>,
    hub: Daemon,
    address: String,
    dir: TempDir,
}

impl<'a> Fleet<'a> {
    /// Makes keys and starts the hub.
    ///
    /// # Errors
    /// When something cannot be made or started; the error is one sentence.
    pub fn start(programs: &'a Programs, scratch: &Path) -> Result<Self, String> {
        let dir = TempDir::new_in(scratch).map_err(|error| error.to_string())?;
        let root = dir.path();
        for name in ["authority", "operator"] {
            make_key(&root.join(name))?;
        }
        let authority = public_key(&root.join("authority"))?;
        let text = format!(
            "collective = \"{COLLECTIVE}\"\nauthority = \"{authority}\"\nlisten = \"127.0.0.1:0\"\n"
        );
        write(&root.join("hub/hub.toml"), &text)?;
        let state = root.join("hub/state");
        let mut command = Command::new(&programs.mcod);
        command.arg("hub").arg("--config").arg(root.join("hub")).arg("--state").arg(&state);
        let hub = Daemon::start(&mut command, &root.join("hub/log"))?;
        let address = await_address(&state.join("address"))?;
        let key = root.join("operator").display().to_string();
        let text = format!(
            "state = {}\n\n[fleets.{COLLECTIVE}]\nbroker = \"nats://{address}\"\nauthority = \
             \"{authority}\"\ncaller = \"{CALLER}\"\nkey = {}\n",
            toml::Value::from(root.join("state").display().to_string()),
            toml::Value::from(key),
        );
        write(&root.join("client.toml"), &text)?;
        Ok(Self { programs, nodes: Vec::new(), hub, address, dir })
    }

    /// Adds nodes until there are so many, and returns when the registry knows them all.
    ///
    /// # Errors
    /// When one cannot be certified or started, or they do not register; the error is one sentence.
    pub fn grow(&mut self, count: usize) -> Result<(), String> {
        for index in self.nodes.len()..count {
            let node = self.add(&format!("node{index}.example.com"))?;
            self.nodes.push(node);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let (found, _) = process::output(self.mco().arg("find"))?;
            let names = String::from_utf8_lossy(&found.stdout).lines().count();
            if names == count {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("only {names} of {count} nodes have registered"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Makes a node as an operator does: its request, the authority's signature, its start.
    fn add(&self, name: &str) -> Result<Daemon, String> {
        let root = self.dir.path();
        let home = root.join("nodes").join(name);
        let authority = public_key(&root.join("authority"))?;
        let address = &self.address;
        // No folder of external agents: what an agent costs is its own matter.
        let text = format!(
            "collective = \"{COLLECTIVE}\"\nbroker = \"nats://{address}\"\nauthority = \
             \"{authority}\"\nidentity = \"{name}\"\nagents_dir = {}\n",
            toml::Value::from(home.join("agents").display().to_string()),
        );
        write(&home.join("etc/node.toml"), &text)?;
        let operator = public_key(&root.join("operator"))?;
        let signers = format!("{CALLER} namespaces=\"order.v1@marcato\" {operator}\n");
        write(&home.join("etc/allowed_signers"), &signers)?;
        let policy = format!("allow callers={CALLER} agents=rpcutil,package actions=*\n");
        write(&home.join("etc/policy.d/00-bench.policy"), &policy)?;
        write(&home.join("etc/facts.yaml"), "hagroup: a\nrole: web\n")?;
        make_dir(&home.join("agents"))?;

        let node = || {
            let mut node = Command::new(&self.programs.mcod);
            node.arg("node").arg("--config").arg(home.join("etc"));
            node.arg("--state").arg(home.join("state"));
            node
        };
        let (request, _) = process::succeed(node().arg("--print-request"))?;
        let mut sign = Command::new(&self.programs.mco);
        sign.args(["authority", "sign-node", "--key"]).arg(root.join("authority"));
        let certificate = pipe(&mut sign, &request.stdout)?;
        pipe(node().args(["--install-certificate", "-"]), &certificate)?;
        Daemon::start(&mut node(), &home.join("log"))
    }

    /// `mco` with this fleet's configuration and nothing else in its environment that it reads.
    pub fn mco(&self) -> Command {
        mco(self.programs, &self.dir.path().join("client.toml"))
    }

    /// The hub's process.
    pub fn hub(&self) -> u32 {
        self.hub.pid()
    }

    /// The nodes' processes.
    pub fn nodes(&self) -> Vec<u32> {
        self.nodes.iter().map(Daemon::pid).collect()
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        // All at once: one after the other takes seconds.
        for node in &self.nodes {
            node.tell_to_end();
        }
    }
}

/// `mco` with that configuration.
pub fn mco(programs: &Programs, config: &Path) -> Command {
    let mut mco = Command::new(&programs.mco);
    for name in ["MARCATO_FLEET", "MARCATO_BROKER", "SSH_AUTH_SOCK"] {
        mco.env_remove(name);
    }
    mco.env("MARCATO_CONFIG", config);
    mco
}

/// Runs a command with bytes on its standard input; its standard output.
fn pipe(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = command.get_program().display().to_string();
    let mut run = || {
        let mut child = command.spawn()?;
        // Small enough for the pipe, and closed when it is dropped.
        child.stdin.take().map(|mut pipe| pipe.write_all(input)).transpose()?;
        child.wait_with_output()
    };
    let output = run().map_err(|error: std::io::Error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn await_address(file: &Path) -> Result<String, String> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Ok(text) = fs::read_to_string(file) {
            return Ok(text.trim().to_owned());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err("the hub does not listen".to_owned())
}

/// Makes an SSH key as its user would.
fn make_key(path: &Path) -> Result<(), String> {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f"]).arg(path);
    process::succeed(&mut keygen).map(|_| ())
}

fn public_key(private: &Path) -> Result<String, String> {
    let path = PathBuf::from(format!("{}.pub", private.display()));
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn make_dir(path: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    path.parent().map(make_dir).transpose()?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
