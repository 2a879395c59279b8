//! SSH signatures: OpenSSH's SSHSIG frame (`PROTOCOL.sshsig`), one namespace for each kind of
//! message, read and written strictly.
//!
//! What is signed can be checked years later with `ssh-keygen -Y verify` alone. Reading is
//! stricter than OpenSSH's: SHA-512 alone, an empty reserved field, nothing after the end, so a
//! signature has exactly one binary form. Even so the bytes of a signature never serve to tell
//! messages apart: to one ECDSA signature anybody can compute a second one that is as good.

mod public_key;
mod verify;
pub(crate) mod wire;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marcato_core::limits::crypto::{
    NAMESPACE_BYTES_MAX, PUBLIC_KEY_BYTES_MAX, RAW_SIGNATURE_BYTES_MAX,
};
use marcato_core::limits::protocol::SIGNATURE_BYTES_MAX;
use sha2::{Digest as _, Sha512};

pub(crate) use public_key::fingerprint;
pub use public_key::{KeyError, KeyKind, PublicKey};
pub use verify::VerifyError;

use wire::{Reader, Short, put_string};

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const HASH: &str = "sha512";
const ARMOR_BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const ARMOR_END: &str = "-----END SSH SIGNATURE-----";
/// The length of a line of base64 as `ssh-keygen` writes it, in characters.
const ARMOR_LINE: usize = 70;

/// What a signature is about. Each kind of message has a namespace of its own, so a signature of
/// one kind can never pass for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// An operator's order.
    Order,
    /// A node's receipt.
    Receipt,
    /// A node's word that an order was accepted or is still running.
    Progress,
    /// A node's registration.
    Registration,
    /// A node's heartbeat.
    Heartbeat,
    /// The authority's certificate for a node.
    Join,
    /// A node's request for a certificate.
    JoinRequest,
}

impl Namespace {
    /// Every namespace.
    pub const ALL: [Self; 7] = [
        Self::Order,
        Self::Receipt,
        Self::Progress,
        Self::Registration,
        Self::Heartbeat,
        Self::Join,
        Self::JoinRequest,
    ];

    /// The name inside the signature.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order.v1@marcato",
            Self::Receipt => "receipt.v1@marcato",
            Self::Progress => "progress.v1@marcato",
            Self::Registration => "registration.v1@marcato",
            Self::Heartbeat => "heartbeat.v1@marcato",
            Self::Join => "join.v1@marcato",
            Self::JoinRequest => "join-request.v1@marcato",
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The algorithm that made a raw signature: the key's kind, and for RSA the hash too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Kind(KeyKind),
    RsaSha256,
    RsaSha512,
}

impl Algorithm {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.as_str(),
            Self::RsaSha256 => "rsa-sha2-256",
            Self::RsaSha512 => "rsa-sha2-512",
        }
    }

    /// The algorithm of that name, when it is one that a key of this kind may use.
    fn for_key(kind: KeyKind, name: &[u8]) -> Option<Self> {
        match (kind, name) {
            (KeyKind::Rsa, b"rsa-sha2-512") => Some(Self::RsaSha512),
            (KeyKind::Rsa, b"rsa-sha2-256") => Some(Self::RsaSha256),
            (KeyKind::Rsa, _) => None,
            (kind, name) => (kind.as_str().as_bytes() == name).then_some(Self::Kind(kind)),
        }
    }
}

/// Why bytes are not a signature that Marcato takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Longer than any signature that is accepted.
    #[error("the signature is longer than {SIGNATURE_BYTES_MAX} bytes")]
    TooLong,
    /// The base64 is damaged.
    #[error("the base64 of the signature is damaged")]
    Base64,
    /// The text between the armour's lines is missing or damaged.
    #[error("not an armoured SSH signature: expected {ARMOR_BEGIN}")]
    Armor,
    /// Not an SSHSIG, cut short, or with bytes after its end.
    #[error("the bytes are not an SSH signature (SSHSIG)")]
    Malformed,
    /// An SSHSIG of a version that is not known.
    #[error("version {0} of SSHSIG is not supported, only {VERSION}")]
    Version(u32),
    /// The key inside is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The namespace is empty or not printable ASCII.
    #[error("the signature's namespace is empty or not printable")]
    Namespace,
    /// The field that the format reserves is not empty; nothing signs what stands there.
    #[error("the signature's reserved field is not empty")]
    Reserved,
    /// A hash other than SHA-512.
    #[error("the signature's hash is not {HASH}")]
    Hash,
    /// The raw signature was made by an algorithm that the key may not use, for example SHA-1.
    #[error("a {0} key may not sign with this algorithm")]
    Algorithm(&'static str),
}

impl From<Short> for SignatureError {
    fn from(_: Short) -> Self {
        Self::Malformed
    }
}

/// A parsed SSHSIG: who signed, in which namespace, and the raw signature. Its being parsed says
/// nothing about its being true: that is [`Signature::verify`]'s word alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key: PublicKey,
    namespace: Box<str>,
    algorithm: Algorithm,
    raw: Box<[u8]>,
}

impl Signature {
    /// Reads the binary form.
    ///
    /// # Errors
    /// [`SignatureError`] for everything that is not exactly one SSHSIG of a supported kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        if bytes.len() > SIGNATURE_BYTES_MAX {
            return Err(SignatureError::TooLong);
        }
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(SignatureError::Malformed);
        }
        let version = reader.u32()?;
        if version != VERSION {
            return Err(SignatureError::Version(version));
        }
        let key = reader.string(SIGNATURE_BYTES_MAX)?;
        let namespace = reader.string(NAMESPACE_BYTES_MAX)?;
        let reserved = reader.string(SIGNATURE_BYTES_MAX)?;
        let hash = reader.string(16)?;
        let signature = reader.string(RAW_SIGNATURE_BYTES_MAX + PUBLIC_KEY_BYTES_MAX)?;
        if !reader.is_empty() {
            return Err(SignatureError::Malformed);
        }
        let key = PublicKey::from_blob(key)?;
        if namespace.is_empty() || !namespace.iter().all(u8::is_ascii_graphic) {
            return Err(SignatureError::Namespace);
        }
        if !reserved.is_empty() {
            return Err(SignatureError::Reserved);
        }
        if hash != HASH.as_bytes() {
            return Err(SignatureError::Hash);
        }
        let namespace = str::from_utf8(namespace).map_err(|_| SignatureError::Namespace)?;
        let (name, raw) = split_raw(signature)?;
        Self::with_raw(key, namespace, name, raw)
    }

    /// Puts together what a key or an ssh-agent gave for [`to_be_signed`]: `raw` is the signature
    /// in SSH's form, an algorithm's name and a string.
    ///
    /// # Errors
    /// [`SignatureError`] when the raw signature is malformed or made by an algorithm that the key
    /// may not use.
    pub fn assemble(
        key: PublicKey,
        namespace: Namespace,
        raw: &[u8],
    ) -> Result<Self, SignatureError> {
        let (name, bytes) = split_raw(raw)?;
        let bytes = verify::completed(&key, bytes);
        Self::with_raw(key, namespace.as_str(), name, &bytes)
    }

    fn with_raw(
        key: PublicKey,
        namespace: &str,
        name: &[u8],
        bytes: &[u8],
    ) -> Result<Self, SignatureError> {
        let algorithm = Algorithm::for_key(key.kind(), name)
            .ok_or(SignatureError::Algorithm(key.kind().as_str()))?;
        if !verify::is_well_formed(&key, bytes) {
            return Err(SignatureError::Malformed);
        }
        Ok(Self { key, namespace: namespace.into(), algorithm, raw: bytes.into() })
    }

    /// An Ed25519 signature from its parts, which cannot fail.
    pub(crate) fn from_ed25519(key: PublicKey, namespace: Namespace, raw: [u8; 64]) -> Self {
        debug_assert_eq!(key.kind(), KeyKind::Ed25519);
        Self {
            key,
            namespace: namespace.as_str().into(),
            algorithm: Algorithm::Kind(KeyKind::Ed25519),
            raw: raw.into(),
        }
    }

    /// The binary form; [`Signature::parse`] reads it back.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.key.blob().len() + self.raw.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        put_string(&mut out, self.key.blob());
        put_string(&mut out, self.namespace.as_bytes());
        put_string(&mut out, b"");
        put_string(&mut out, HASH.as_bytes());
        put_string(&mut out, &self.raw_blob());
        out
    }

    fn raw_blob(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.raw.len());
        put_string(&mut out, self.algorithm.as_str().as_bytes());
        put_string(&mut out, &self.raw);
        out
    }

    /// The binary form in padded base64 on one line, as it travels in a message's header.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_bytes())
    }

    /// Reads what [`Signature::to_base64`] writes.
    ///
    /// # Errors
    /// [`SignatureError`] for damaged base64 and for what [`Signature::parse`] refuses.
    pub fn from_base64(text: &str) -> Result<Self, SignatureError> {
        if text.len() > SIGNATURE_BYTES_MAX.div_ceil(3) * 4 {
            return Err(SignatureError::TooLong);
        }
        Self::parse(&STANDARD.decode(text).map_err(|_| SignatureError::Base64)?)
    }

    /// The armoured form, byte for byte what `ssh-keygen -Y sign` writes and `-Y verify` reads.
    #[must_use]
    pub fn to_armored(&self) -> String {
        let encoded = self.to_base64();
        let mut out = String::with_capacity(encoded.len() + encoded.len() / ARMOR_LINE + 64);
        out.push_str(ARMOR_BEGIN);
        for (place, character) in encoded.char_indices() {
            if place % ARMOR_LINE == 0 {
                out.push('\n');
            }
            out.push(character);
        }
        out.push('\n');
        out.push_str(ARMOR_END);
        out.push('\n');
        out
    }

    /// Reads the armoured form; white space around it and other lengths of lines are accepted.
    ///
    /// # Errors
    /// [`SignatureError::Armor`] and what [`Signature::parse`] refuses.
    pub fn from_armored(text: &str) -> Result<Self, SignatureError> {
        // Each line of base64 may bring one line break; more than twice the binary size is noise.
        if text.len() > 2 * SIGNATURE_BYTES_MAX {
            return Err(SignatureError::TooLong);
        }
        let inner = text
            .trim_ascii()
            .strip_prefix(ARMOR_BEGIN)
            .and_then(|rest| rest.strip_suffix(ARMOR_END))
            .ok_or(SignatureError::Armor)?;
        let joined: String = inner.split_ascii_whitespace().collect();
        Self::from_base64(&joined)
    }

    /// The key that the signature names; not proven before [`Signature::verify`].
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The namespace that the signature names.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Checks that `key` signed exactly `message` in this namespace. The key is one that the
    /// caller trusts; the one inside the signature must be the same and is not trusted by itself.
    ///
    /// # Errors
    /// [`VerifyError`], told apart so that a refusal can name its reason.
    pub fn verify(
        &self,
        key: &PublicKey,
        namespace: Namespace,
        message: &[u8],
    ) -> Result<(), VerifyError> {
        if *key != self.key {
            return Err(VerifyError::OtherKey {
                expected: key.fingerprint(),
                found: self.key.fingerprint(),
            });
        }
        if *self.namespace != *namespace.as_str() {
            return Err(VerifyError::OtherNamespace {
                expected: namespace,
                found: self.namespace.to_string(),
            });
        }
        let data = to_be_signed(namespace, message);
        if verify::is_signed_by(key, self.algorithm, &self.raw, &data) {
            Ok(())
        } else {
            Err(VerifyError::Forged)
        }
    }
}

/// The two parts of a raw signature: the algorithm's name and the signature proper.
fn split_raw(raw: &[u8]) -> Result<(&[u8], &[u8]), SignatureError> {
    let mut reader = Reader::new(raw);
    let name = reader.string(32)?;
    let bytes = reader.string(RAW_SIGNATURE_BYTES_MAX)?;
    if reader.is_empty() { Ok((name, bytes)) } else { Err(SignatureError::Malformed) }
}

/// What a key really signs for a message: the blob that is handed to the key or to ssh-agent
/// (`PROTOCOL.sshsig`, "Signed Data"). It starts with six bytes that no login to an SSH server
/// has.
#[must_use]
pub fn to_be_signed(namespace: Namespace, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(MAGIC);
    put_string(&mut out, namespace.as_str().as_bytes());
    put_string(&mut out, b"");
    put_string(&mut out, HASH.as_bytes());
    put_string(&mut out, &Sha512::digest(message));
    out
}
