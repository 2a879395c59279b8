//! Finds the operator's key: in a file, asking for its passphrase, or in the ssh-agent.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use marcato_client::shell::signer::{
    AgentSigner, KeySigner, Signer, SignerError, Signing, read_key_file,
};
use marcato_core::Exit;
use marcato_protocol::keys::{EncryptedKey, KeyFile, KeyFileError, OperatorKey};

use super::secret;
use crate::config::Fleet;
use crate::environment;
use crate::words::Failure;

/// How often a wrong passphrase may be typed.
const PASSPHRASES_MAX: u32 = 3;

/// Opens the key that the fleet's configuration names, else the only one that the agent has.
///
/// # Errors
/// With exit 77: there is no such key, or its passphrase cannot be asked for.
pub async fn open(fleet: &Fleet) -> Result<Box<dyn Signer>, Failure> {
    let socket = std::env::var_os(environment::AGENT.name).filter(|path| !path.is_empty());
    let socket = socket.map(PathBuf::from);
    let fingerprint = match fleet.config.key.as_deref() {
        Some(key) if !key.starts_with("SHA256:") => {
            let path = fleet.home.resolve(Path::new(key));
            return Ok(match read_key_file(&path)? {
                KeyFile::Plain(key) => Box::new(KeySigner::new(key)),
                KeyFile::Encrypted(key) => unlock(&path, key, socket.as_deref()).await?,
            });
        }
        fingerprint => fingerprint,
    };
    let Some(socket) = socket else {
        let text = match fingerprint {
            Some(key) => format!("the key {key} is in no ssh-agent: SSH_AUTH_SOCK is not set"),
            None => "no key is configured and no ssh-agent runs (SSH_AUTH_SOCK is not set)".into(),
        };
        return Err(Failure::new(Exit::NoPermission, format!("{text}. Nothing was sent."))
            .hint("eval \"$(ssh-agent)\" && ssh-add")
            .hint("or name a key file as `key` in the configuration"));
    };
    Ok(Box::new(AgentSigner::open(&socket, fingerprint).await?))
}

/// An encrypted key that the agent holds as well needs no passphrase; ssh does the same.
async fn unlock(
    path: &Path,
    key: EncryptedKey,
    socket: Option<&Path>,
) -> Result<Box<dyn Signer>, Failure> {
    if let Some(socket) = socket
        && let Ok(signer) = AgentSigner::open(socket, Some(&key.public().fingerprint())).await
    {
        return Ok(Box::new(signer));
    }
    Ok(Box::new(KeySigner::new(ask(path, &key)?)))
}

/// Reads a key file for what is signed here and not sent: the authority's.
///
/// # Errors
/// With exit 77, as [`open`].
pub fn file(path: &Path) -> Result<OperatorKey, Failure> {
    match read_key_file(path)? {
        KeyFile::Plain(key) => Ok(key),
        KeyFile::Encrypted(key) => ask(path, &key),
    }
}

/// Asks for a passphrase on the terminal.
fn ask(path: &Path, key: &EncryptedKey) -> Result<OperatorKey, Failure> {
    let shown = path.display();
    let cannot =
        |text: String| Failure::new(Exit::NoPermission, format!("{text}. Nothing was sent."));
    for _ in 0..PASSPHRASES_MAX {
        let typed =
            secret::ask(&format!("Passphrase for {shown}: ")).map_err(|error| {
                match error.kind() {
                    ErrorKind::Interrupted => {
                        Failure::new(Exit::Interrupted, "interrupted. Nothing was sent.")
                    }
                    ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                        cannot(format!("{shown}: no passphrase was typed"))
                    }
                    _ => cannot(format!(
                        "{shown}: the key has a passphrase, and there is no terminal to ask for it"
                    ))
                    .hint(format!("ssh-add {shown}")),
                }
            })?;
        match key.decrypt(&typed) {
            Ok(key) => return Ok(key),
            Err(KeyFileError::WrongPassphrase) => {}
            Err(error) => return Err(cannot(format!("{shown}: {error}"))),
        }
    }
    Err(cannot(format!("{shown}: {}", KeyFileError::WrongPassphrase)))
}

/// A key that is opened when it is first asked to sign: for commands that mostly need none.
#[derive(Debug)]
pub struct Lazy<'a>(pub &'a Fleet);

impl Signer for Lazy<'_> {
    fn sign<'a>(&'a self, order: &'a [u8]) -> Signing<'a> {
        Box::pin(async move {
            let signer =
                open(self.0).await.map_err(|failure| SignerError::Unopened(failure.text))?;
            signer.sign(order).await
        })
    }
}

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Self {
        let failure = Self::new(Exit::NoPermission, format!("{error}. Nothing was sent."));
        match error {
            SignerError::NoKey(_) => failure.hint("ssh-add"),
            _ => failure,
        }
    }
}
