//! The two questions that are put to an ssh-agent and its answers, as bytes
//! (draft-miller-ssh-agent): which keys do you hold, and sign this. The socket is elsewhere.

use marcato_core::limits::crypto::{AGENT_KEYS_MAX, AGENT_MESSAGE_BYTES_MAX};

use crate::sshsig::wire::{Reader, Short, put_string};
use crate::sshsig::{KeyError, KeyKind, PublicKey, fingerprint};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const EXTENSION_FAILURE: u8 = 28;
/// Asks for an RSA signature with SHA-512 rather than SHA-1.
const FLAG_RSA_SHA2_512: u32 = 4;

/// Why an agent's answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// The answer is longer than the protocol allows.
    #[error("the ssh-agent's answer has {0} bytes, at most {AGENT_MESSAGE_BYTES_MAX} are read")]
    TooLong(usize),
    /// The answer is not what the protocol says.
    #[error("the ssh-agent's answer is malformed")]
    Malformed,
    /// The agent said no: the key is gone, locked, or its owner declined.
    #[error("the ssh-agent refused: it is locked, the key was removed, or its use was declined")]
    Refused,
    /// A message of another type than the one that was asked for.
    #[error("the ssh-agent answered with a message of type {0}")]
    Unexpected(u8),
    /// More keys than an agent may hold.
    #[error("the ssh-agent lists {0} keys, at most {AGENT_KEYS_MAX} are read")]
    TooManyKeys(u32),
}

impl From<Short> for AgentError {
    fn from(_: Short) -> Self {
        Self::Malformed
    }
}

/// One key that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentKey {
    /// The key, or why a key of its kind cannot sign here.
    pub key: Result<PublicKey, KeyError>,
    /// The fingerprint, which also a key of another kind has.
    pub fingerprint: String,
    /// The comment, most often `user@host`; text of the agent's, to be shown with care.
    pub comment: String,
}

/// The keys that an agent holds, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    /// All of them, also those that cannot sign here.
    pub keys: Vec<AgentKey>,
}

impl Identities {
    /// The keys that can sign here.
    pub fn usable(&self) -> impl Iterator<Item = (&PublicKey, &AgentKey)> {
        self.keys.iter().filter_map(|held| held.key.as_ref().ok().map(|key| (key, held)))
    }
}

/// The message that asks which keys the agent holds.
#[must_use]
pub fn request_identities() -> Vec<u8> {
    frame(&[REQUEST_IDENTITIES])
}

/// The message that asks the agent to sign `data`, which [`crate::sshsig::to_be_signed`] made.
#[must_use]
pub fn sign_request(key: &PublicKey, data: &[u8]) -> Vec<u8> {
    let flags = match key.kind() {
        KeyKind::Rsa => FLAG_RSA_SHA2_512,
        _ => 0,
    };
    let mut payload = Vec::with_capacity(16 + key.blob().len() + data.len());
    payload.push(SIGN_REQUEST);
    put_string(&mut payload, key.blob());
    put_string(&mut payload, data);
    payload.extend_from_slice(&flags.to_be_bytes());
    frame(&payload)
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(4 + payload.len());
    put_string(&mut message, payload);
    message
}

/// Gathers an answer from the pieces in which a socket gives it.
#[derive(Debug, Default)]
pub struct Answers {
    buffer: Vec<u8>,
}

impl Answers {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the socket and gives the first whole answer, without its length, once it
    /// is there; nothing while more bytes are needed.
    ///
    /// # Errors
    /// [`AgentError::TooLong`] as soon as the length is known; [`AgentError::Malformed`] for an
    /// empty answer.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, AgentError> {
        self.buffer.extend_from_slice(bytes);
        let Some((length, rest)) = self.buffer.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > AGENT_MESSAGE_BYTES_MAX {
            return Err(AgentError::TooLong(length));
        }
        if length == 0 {
            return Err(AgentError::Malformed);
        }
        let Some(answer) = rest.get(..length).map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        self.buffer.drain(..4 + length);
        Ok(Some(answer))
    }
}

/// Reads the answer to [`request_identities`].
///
/// # Errors
/// [`AgentError`].
pub fn parse_identities(answer: &[u8]) -> Result<Identities, AgentError> {
    let mut reader = expect_type(answer, IDENTITIES_ANSWER)?;
    let count = reader.u32()?;
    if count as usize > AGENT_KEYS_MAX {
        return Err(AgentError::TooManyKeys(count));
    }
    // Not reserved from the count, which is the agent's mere word: the bytes decide.
    let mut keys = Vec::new();
    for _ in 0..count {
        let blob = reader.string(answer.len())?;
        let comment = reader.string(answer.len())?;
        keys.push(AgentKey {
            key: PublicKey::from_blob(blob),
            fingerprint: fingerprint(blob),
            comment: String::from_utf8_lossy(comment).into_owned(),
        });
    }
    finish(&reader)?;
    Ok(Identities { keys })
}

/// Reads the answer to [`sign_request`]: the raw signature for
/// [`Signature::assemble`](crate::sshsig::Signature::assemble).
///
/// # Errors
/// [`AgentError`].
pub fn parse_sign_response(answer: &[u8]) -> Result<Vec<u8>, AgentError> {
    let mut reader = expect_type(answer, SIGN_RESPONSE)?;
    let raw = reader.string(answer.len())?.to_vec();
    finish(&reader)?;
    Ok(raw)
}

fn expect_type(answer: &[u8], expected: u8) -> Result<Reader<'_>, AgentError> {
    let mut reader = Reader::new(answer);
    match reader.byte()? {
        found if found == expected => Ok(reader),
        FAILURE | EXTENSION_FAILURE => Err(AgentError::Refused),
        found => Err(AgentError::Unexpected(found)),
    }
}

fn finish(reader: &Reader<'_>) -> Result<(), AgentError> {
    if reader.is_empty() { Ok(()) } else { Err(AgentError::Malformed) }
}
