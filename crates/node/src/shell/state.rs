//! The node's own folder: its name, its keys, its certificate. What is made there is made once.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use marcato_core::limits::node::LOCK_PATIENCE;
use marcato_core::{Identity, Timestamp};
use marcato_protocol::Verified;
use marcato_protocol::certificate::{
    CERTIFICATE_VERSION, Certificate, CertificateError, SignedText, machine_digest,
};
use marcato_protocol::digest::Digest;
use marcato_protocol::keys::{NodeSignKey, OpenKey};
use marcato_protocol::sshsig::Namespace;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::config::{NodeConfig, Places};
use super::facts::{Kernel, fqdn};
use super::files::{FileError, at, make_private_dir, read, read_secret, write_private};
use super::journal::Journal;

/// Why a node cannot start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds something else.
    #[error("{path}: {what}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another daemon works here.
    #[error("{0}: another mcod uses this folder")]
    InUse(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The host has no name to be known by.
    #[error("this host has no full name ({0:?}); set identity in node.toml")]
    NoName(String),
    /// The name was written down at the first start, and does not change.
    #[error(
        "this node is {kept} since its first start, and node.toml calls it {wanted}; a node's name \
         does not change: remove identity from node.toml, or join it anew with an empty {state}"
    )]
    OtherName {
        /// The name written down.
        kept: Identity,
        /// The name in the configuration.
        wanted: Identity,
        /// The node's folder.
        state: PathBuf,
    },
    /// The host cannot be told from its clones.
    #[error("{0}: there is no machine-id; systemd-machine-id-setup makes one")]
    NoMachineId(PathBuf),
    /// The authority has not certified the node yet.
    #[error(
        "{identity} has no certificate; mcod node --print-request prints a request, which the \
         operator signs with mco authority sign-node; mcod node --install-certificate - takes what \
         comes back"
    )]
    NoCertificate {
        /// The node.
        identity: Identity,
    },
    /// The certificate is not one, or not of this fleet.
    #[error("{place}: {error}")]
    Certificate {
        /// Where it was found.
        place: String,
        /// Why.
        error: CertificateError,
    },
    /// The certificate is another node's.
    #[error("{place}: it is for another {what}: {found}, not {expected}")]
    OtherCertificate {
        /// Where it was found.
        place: String,
        /// In what it differs.
        what: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// The disk was copied from another machine.
    #[error(
        "this machine is a clone of {identity}: {state} was copied from another machine. Two hosts \
         must not answer with one key: empty that folder and join this host under its own name"
    )]
    Clone {
        /// Whose clone it is.
        identity: Identity,
        /// The node's folder.
        state: PathBuf,
    },
}

impl StateError {
    /// Whether the next try may go well though nobody did anything to this node: the system failed,
    /// or an earlier daemon is about to end.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::File(error) => error.is_passing(),
            Self::InUse(_) | Self::Random(_) => true,
            _ => false,
        }
    }
}

/// The node's own folder, held by this process alone.
#[derive(Debug)]
pub(super) struct State {
    pub(super) dir: PathBuf,
    pub(super) own: Own,
    /// Locked as long as it is open.
    _lock: File,
}

/// What is this node's alone, and what its certificate names.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) identity: Identity,
    pub(super) key: Arc<NodeSignKey>,
    open: OpenKey,
    machine: Digest,
}

impl State {
    /// Opens the folder, and makes at the first start what is not there.
    pub(super) fn open(config: &NodeConfig, places: &Places) -> Result<Self, StateError> {
        let dir = places.state.clone();
        make_private_dir(&dir)?;
        let lock = lock(&dir)?;
        let machine = machine(&places.machine_id)?;
        let identity = identity(config, places)?;
        let mut random = random()?;
        let key = Arc::new(sign_key(&dir, &identity, &mut random)?);
        let open = open_key(&dir, &mut random)?;
        make_private_dir(&dir.join("runs"))?;
        Ok(Self { dir, own: Own { identity, key, open, machine }, _lock: lock })
    }

    /// What the authority is asked to sign: signed by the node's own key, so that nobody can have a
    /// key certified that is not his.
    pub(super) fn request(&self, config: &NodeConfig, now: Timestamp) -> String {
        let Own { identity, key, open, machine } = &self.own;
        let certificate = Certificate {
            v: CERTIFICATE_VERSION,
            collective: config.collective.clone(),
            identity: identity.clone(),
            sign: key.public().clone(),
            open: *open.public(),
            machine: *machine,
            issued: now,
            ext: serde_json::Map::new(),
        };
        let body = certificate.to_bytes();
        let signature = key.sign(Namespace::JoinRequest, &body);
        SignedText::new(body, signature).to_string()
    }

    /// Checks a certificate and keeps it.
    pub(super) fn install(&self, config: &NodeConfig, text: &str) -> Result<(), StateError> {
        let text = text.trim();
        self.own.check(config, text, "the certificate", &self.dir)?;
        write_private(&self.dir.join("certificate"), &format!("{text}\n"))?;
        Ok(())
    }

    /// The node's certificate, checked.
    pub(super) fn certificate(&self, config: &NodeConfig) -> Result<Arc<str>, StateError> {
        let path = self.dir.join("certificate");
        let Some(text) = read(&path)? else {
            return Err(StateError::NoCertificate { identity: self.own.identity.clone() });
        };
        let text = text.trim();
        self.own.check(config, text, &path.display().to_string(), &self.dir)?;
        Ok(text.into())
    }
}

impl Own {
    /// Refuses a certificate that is not of this node, on this machine and in this fleet.
    fn check(
        &self,
        config: &NodeConfig,
        text: &str,
        place: &str,
        dir: &Path,
    ) -> Result<(), StateError> {
        let certificate = certificate_in(config, text, place)?;
        let same = |what, found: &dyn Display, expected: &dyn Display| {
            let (found, expected) = (found.to_string(), expected.to_string());
            if found == expected {
                return Ok(());
            }
            Err(StateError::OtherCertificate { place: place.to_owned(), what, found, expected })
        };
        same("node", &certificate.identity, &self.identity)?;
        let own = self.key.public();
        same("sign key", &certificate.sign.fingerprint(), &own.fingerprint())?;
        same("open key", &certificate.open, self.open.public())?;
        if certificate.machine != self.machine {
            let (identity, state) = (self.identity.clone(), dir.to_owned());
            return Err(StateError::Clone { identity, state });
        }
        Ok(())
    }
}

/// A certificate that the fleet's authority signed.
fn certificate_in(
    config: &NodeConfig,
    text: &str,
    place: &str,
) -> Result<Verified<Certificate>, StateError> {
    SignedText::parse(text)
        .and_then(|signed| signed.verify(&config.authority, &config.collective))
        .map_err(|error| StateError::Certificate { place: place.to_owned(), error })
}

/// The highest time that was verified before.
pub(super) fn clock_high(dir: &Path) -> Result<Timestamp, StateError> {
    let path = dir.join("clock");
    let Some(text) = read(&path)? else { return Ok(Timestamp::default()) };
    text.trim().parse().map_err(|error| content(&path, error))
}

/// Everything for which a start would refuse the node's folder, which is left as it is.
pub(super) fn check(config: Option<&NodeConfig>, places: &Places) -> Vec<String> {
    let dir = &places.state;
    let mut findings = Vec::new();
    let key = noted(kept_sign_key(dir), &mut findings).flatten();
    let open = noted(kept_open_key(dir), &mut findings).flatten();
    let machine = noted(machine(&places.machine_id), &mut findings);
    noted(clock_high(dir), &mut findings);
    let Some(config) = config else { return findings };
    let identity = noted(name(config, places).map(|(name, _)| name), &mut findings);
    let path = dir.join("certificate");
    let place = path.display().to_string();
    let text = match read(&path) {
        Ok(Some(text)) => text,
        Ok(None) => {
            findings.push(format!("{place}: there is none; see mcod node --print-request"));
            return findings;
        }
        Err(error) => {
            findings.push(error.to_string());
            return findings;
        }
    };
    let certified = match (identity, key, open, machine) {
        (Some(identity), Some(key), Some(open), Some(machine)) => {
            let own = Own { identity, key: Arc::new(key), open, machine };
            own.check(config, text.trim(), &place, dir)
        }
        // A start would make the keys that are missing, and the certificate would not name them.
        _ => {
            let missing = ["sign.key", "open.key"].map(|name| dir.join(name));
            let missing = missing.iter().filter(|path| !path.exists());
            findings.extend(missing.map(|path| {
                format!("{}: there is none, and the certificate names it", path.display())
            }));
            certificate_in(config, text.trim(), &place).map(drop)
        }
    };
    noted(certified, &mut findings);
    findings
}

fn noted<T>(checked: Result<T, StateError>, findings: &mut Vec<String>) -> Option<T> {
    checked.map_err(|error| findings.push(error.to_string())).ok()
}

fn content(path: &Path, what: impl Display) -> StateError {
    StateError::Content { path: path.to_owned(), what: what.to_string() }
}

/// A generator of random numbers from the system's own.
pub(super) fn random() -> Result<ChaCha20Rng, StateError> {
    Ok(ChaCha20Rng::from_seed(seed()?))
}

/// 32 random bytes.
pub(super) fn seed() -> Result<[u8; 32], StateError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(StateError::Random)?;
    Ok(seed)
}

/// Two daemons in one folder would run every change twice.
fn lock(dir: &Path) -> Result<File, StateError> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(at(&path))?;
    let end = Instant::now() + LOCK_PATIENCE.as_duration();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            // A process that an ended daemon was about to start may hold it for a moment.
            Err(Errno::WOULDBLOCK) if Instant::now() < end => sleep(Duration::from_millis(10)),
            Err(Errno::WOULDBLOCK) => return Err(StateError::InUse(dir.to_owned())),
            Err(error) => return Err(at(&path)(error.into()).into()),
        }
    }
}

fn machine(path: &Path) -> Result<Digest, StateError> {
    match read(path)? {
        Some(id) if !id.trim().is_empty() => Ok(machine_digest(id.trim())),
        _ => Err(StateError::NoMachineId(path.to_owned())),
    }
}

/// The name that was written down at the first start; this writes it down.
fn identity(config: &NodeConfig, places: &Places) -> Result<Identity, StateError> {
    let (identity, is_kept) = name(config, places)?;
    if !is_kept {
        write_private(&places.state.join("identity"), &format!("{identity}\n"))?;
    }
    Ok(identity)
}

/// The node's name, and whether it is written down.
fn name(config: &NodeConfig, places: &Places) -> Result<(Identity, bool), StateError> {
    let path = places.state.join("identity");
    if let Some(kept) = read(&path)? {
        let kept: Identity = kept.trim().parse().map_err(|error| content(&path, error))?;
        return match &config.identity {
            Some(wanted) if *wanted != kept => Err(StateError::OtherName {
                kept,
                wanted: wanted.clone(),
                state: places.state.clone(),
            }),
            _ => Ok((kept, true)),
        };
    }
    if let Some(identity) = &config.identity {
        return Ok((identity.clone(), false));
    }
    let name = fqdn(&places.root, &Kernel::ask().node).to_lowercase();
    let local = name.split('.').next().is_none_or(|host| host == "localhost");
    match name.parse() {
        Ok(identity) if !local => Ok((identity, false)),
        _ => Err(StateError::NoName(name)),
    }
}

fn kept_sign_key(dir: &Path) -> Result<Option<NodeSignKey>, StateError> {
    let path = dir.join("sign.key");
    let Some(text) = read_secret(&path)? else { return Ok(None) };
    NodeSignKey::from_openssh(&text).map(Some).map_err(|error| content(&path, error))
}

fn kept_open_key(dir: &Path) -> Result<Option<OpenKey>, StateError> {
    let path = dir.join("open.key");
    let Some(text) = read_secret(&path)? else { return Ok(None) };
    OpenKey::from_text(&text).map(Some).map_err(|error| content(&path, error))
}

fn sign_key(
    dir: &Path,
    identity: &Identity,
    random: &mut ChaCha20Rng,
) -> Result<NodeSignKey, StateError> {
    if let Some(key) = kept_sign_key(dir)? {
        return Ok(key);
    }
    let path = dir.join("sign.key");
    // Before the key: whoever finds a key and no journal knows that it is lost.
    Journal::create(&dir.join("journal"))?;
    let key = NodeSignKey::generate(random);
    let text = key.to_openssh(identity.as_str()).map_err(|error| content(&path, error))?;
    write_private(&path, &text)?;
    Ok(key)
}

fn open_key(dir: &Path, random: &mut ChaCha20Rng) -> Result<OpenKey, StateError> {
    if let Some(key) = kept_open_key(dir)? {
        return Ok(key);
    }
    let key = OpenKey::generate(random);
    write_private(&dir.join("open.key"), &key.to_text())?;
    Ok(key)
}
