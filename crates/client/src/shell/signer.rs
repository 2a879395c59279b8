//! The operator's key: in a file or, better, in an ssh-agent that never gives it out.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use marcato_core::Span;
use marcato_core::limits::client::{CONNECT_WAIT, SIGN_WAIT};
use marcato_core::limits::crypto::KEY_FILE_BYTES_MAX;
use marcato_protocol::keys::{KeyFile, KeyFileError, OperatorKey, SignError};
use marcato_protocol::ssh_agent::{self, AgentError, Answers};
use marcato_protocol::sshsig::{Namespace, PublicKey, Signature, SignatureError, to_be_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Others may read the key file.
    #[error("{path}: others may read this key (mode {mode:04o}); type: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key file is no key that can be used.
    #[error("{path}: {error}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyFileError,
    },
    /// A key that is opened when it is first needed could not be opened; why, in words.
    #[error("{0}")]
    Unopened(String),
    /// The key in the file did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The agent cannot be reached.
    #[error("ssh-agent at {path}: {error}")]
    Socket {
        /// Its socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The agent did not answer in time.
    #[error("the ssh-agent did not answer within {} s; does a key wait to be touched or confirmed?", .0.as_ms() / 1000)]
    Silent(Span),
    /// The agent's answer cannot be used.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent's signature cannot be used.
    #[error("the ssh-agent's signature: {0}")]
    Signature(#[from] SignatureError),
    /// The agent holds no key that can sign orders.
    #[error("the ssh-agent holds no key that can sign orders{}", list(.0))]
    NoKey(Vec<String>),
    /// The agent holds several keys and none was named.
    #[error("the ssh-agent holds several keys; name one as `key` in the configuration{}", list(.0))]
    SeveralKeys(Vec<String>),
    /// The agent does not hold the key that was named.
    #[error("the ssh-agent does not hold the key {wanted}{}", list(.held))]
    NoSuchKey {
        /// The fingerprint that was named.
        wanted: String,
        /// What it holds.
        held: Vec<String>,
    },
    /// The agent holds the key that was named, and keys of its kind cannot sign orders.
    #[error("the key {wanted} in the ssh-agent: {why}")]
    Unusable {
        /// The fingerprint that was named.
        wanted: String,
        /// Why it cannot.
        why: String,
    },
}

/// The keys that an agent holds, as the end of a message.
fn list(keys: &[String]) -> String {
    if keys.is_empty() { String::new() } else { format!("; it holds: {}", keys.join(", ")) }
}

/// What signing gives, in its time.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Signature, SignerError>> + Send + 'a>>;

/// Somebody's key, wherever it is.
pub trait Signer: Send + Sync {
    /// Signs the bytes of an order. A person may have to touch a key first.
    fn sign<'a>(&'a self, order: &'a [u8]) -> Signing<'a>;
}

/// Reads a key file. One with a passphrase is given back encrypted: asking a person is not done
/// here.
///
/// # Errors
/// [`SignerError`]; also where others may read the file, as ssh refuses it.
pub fn read_key_file(path: &Path) -> Result<KeyFile, SignerError> {
    let io = |error| SignerError::File { path: path.to_owned(), error };
    let file = File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o7777;
    let mut text = String::new();
    file.take(KEY_FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(io)?;
    let key = OperatorKey::parse(&text);
    let key = key.map_err(|error| SignerError::Key { path: path.to_owned(), error })?;
    // After reading: a public key, which everybody may read, is told apart from a careless mode.
    if mode & 0o077 != 0 {
        return Err(SignerError::Open { path: path.to_owned(), mode });
    }
    Ok(key)
}

/// A key that was read from a file.
#[derive(Debug)]
pub struct KeySigner(OperatorKey);

impl KeySigner {
    /// Signs with this key.
    #[must_use]
    pub const fn new(key: OperatorKey) -> Self {
        Self(key)
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        self.0.public()
    }
}

impl Signer for KeySigner {
    fn sign<'a>(&'a self, order: &'a [u8]) -> Signing<'a> {
        Box::pin(async move { Ok(self.0.sign(Namespace::Order, order)?) })
    }
}

/// A key in an ssh-agent.
#[derive(Debug)]
pub struct AgentSigner {
    socket: PathBuf,
    key: PublicKey,
}

impl AgentSigner {
    /// Looks the key up in the agent behind a socket: the one with this fingerprint
    /// (`SHA256:…`), or the only one that can sign.
    ///
    /// # Errors
    /// [`SignerError`], with the keys that the agent holds where none or no single one fits.
    pub async fn open(socket: &Path, wanted: Option<&str>) -> Result<Self, SignerError> {
        let question = ssh_agent::request_identities();
        let answer = ask(socket, &question, CONNECT_WAIT).await?;
        let identities = ssh_agent::parse_identities(&answer)?;
        let shown = |key: &ssh_agent::AgentKey| {
            let comment = key.comment.chars().filter(|c| !c.is_control()).take(80);
            format!("{} {}", key.fingerprint, comment.collect::<String>())
        };
        let held = || identities.keys.iter().map(shown).collect();
        let key = match wanted {
            Some(wanted) => {
                let found = identities.keys.iter().find(|key| key.fingerprint == wanted);
                let wanted = wanted.to_owned();
                match found.map(|found| &found.key) {
                    Some(Ok(key)) => key.clone(),
                    Some(Err(why)) => {
                        return Err(SignerError::Unusable { wanted, why: why.to_string() });
                    }
                    None => return Err(SignerError::NoSuchKey { wanted, held: held() }),
                }
            }
            None => {
                let mut usable = identities.usable();
                let Some((key, _)) = usable.next() else {
                    return Err(SignerError::NoKey(held()));
                };
                if usable.next().is_some() {
                    return Err(SignerError::SeveralKeys(held()));
                }
                key.clone()
            }
        };
        Ok(Self { socket: socket.to_owned(), key })
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.key
    }
}

impl Signer for AgentSigner {
    fn sign<'a>(&'a self, order: &'a [u8]) -> Signing<'a> {
        Box::pin(async move {
            let data = to_be_signed(Namespace::Order, order);
            let question = ssh_agent::sign_request(&self.key, &data);
            let answer = ask(&self.socket, &question, SIGN_WAIT).await?;
            let raw = ssh_agent::parse_sign_response(&answer)?;
            Ok(Signature::assemble(self.key.clone(), Namespace::Order, &raw)?)
        })
    }
}

/// Puts one question to the agent.
async fn ask(socket: &Path, question: &[u8], longest: Span) -> Result<Vec<u8>, SignerError> {
    let io = |error| SignerError::Socket { path: socket.to_owned(), error };
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await.map_err(io)?;
        stream.write_all(question).await.map_err(io)?;
        let mut answers = Answers::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).await.map_err(io)?;
            if read == 0 {
                return Err(io(io::ErrorKind::UnexpectedEof.into()));
            }
            if let Some(answer) = answers.push(&buffer[..read])? {
                return Ok(answer);
            }
        }
    };
    let answer = tokio::time::timeout(longest.as_duration(), exchange).await;
    answer.unwrap_or(Err(SignerError::Silent(longest)))
}
