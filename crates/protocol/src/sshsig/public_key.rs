//! SSH public keys: one line of text, one binary form, and the kinds that Marcato speaks.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use marcato_core::limits::crypto::{PUBLIC_KEY_BYTES_MAX, RSA_BITS_MAX, RSA_BITS_MIN};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::wire::{Reader, Short, put_string};
use crate::digest::Digest;

/// The kinds of key that may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Ed25519, RFC 8709.
    Ed25519,
    /// ECDSA on NIST P-256, RFC 5656.
    EcdsaP256,
    /// ECDSA on NIST P-384, RFC 5656.
    EcdsaP384,
    /// ECDSA on NIST P-521, RFC 5656.
    EcdsaP521,
    /// RSA with 3,072 to 8,192 bits, RFC 8332 (SHA-2 alone).
    Rsa,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Ed25519, Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Rsa];

    /// The key type's name in OpenSSH's files and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
            Self::Rsa => "ssh-rsa",
        }
    }

    /// The kind of that name, or why keys with that name are refused.
    ///
    /// # Errors
    /// [`KeyError::Fido`], [`KeyError::Certificate`], [`KeyError::Dsa`] for kinds that OpenSSH has
    /// and Marcato does not take, [`KeyError::UnknownType`] for all else.
    pub fn from_name(name: &str) -> Result<Self, KeyError> {
        if let Some(kind) = Self::ALL.into_iter().find(|kind| kind.as_str() == name) {
            return Ok(kind);
        }
        let known_to_openssh = name.ends_with("@openssh.com");
        Err(if known_to_openssh && name.contains("-cert-v") {
            KeyError::Certificate(printable(name))
        } else if known_to_openssh && name.starts_with("sk-") {
            KeyError::Fido(printable(name))
        } else if name == "ssh-dss" {
            KeyError::Dsa
        } else {
            KeyError::UnknownType(printable(name))
        })
    }

    /// The field size of the kind's curve, in bytes.
    const fn field_bytes(self) -> Option<usize> {
        match self {
            Self::EcdsaP256 => Some(32),
            Self::EcdsaP384 => Some(48),
            Self::EcdsaP521 => Some(66),
            Self::Ed25519 | Self::Rsa => None,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a public key is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A key that lives in a FIDO token.
    #[error("a FIDO key is not supported yet: {0}")]
    Fido(String),
    /// A certificate in the place of a key.
    #[error("an SSH certificate is not supported yet: {0}")]
    Certificate(String),
    /// A DSA key; OpenSSH has withdrawn them too.
    #[error("a DSA key is not supported: ssh-dss")]
    Dsa,
    /// A key type that neither we nor OpenSSH have.
    #[error("unknown type of key: {0}")]
    UnknownType(String),
    /// An RSA key with too short or too long a modulus.
    #[error(
        "an RSA key must have {RSA_BITS_MIN} to {RSA_BITS_MAX} bits, this one has {bits}; \
         make an ed25519 key (ssh-keygen -t ed25519)"
    )]
    RsaBits {
        /// The length of the modulus, in bits.
        bits: usize,
    },
    /// The text does not have the form `TYPE BASE64`.
    #[error("not an SSH public key: expected one line \"TYPE BASE64\"")]
    NotAKey,
    /// Text follows the key where only a key may stand.
    #[error("text follows the public key")]
    Comment,
    /// The base64 part is damaged.
    #[error("the base64 of the public key is damaged")]
    Base64,
    /// The type in the text is not that of the binary form.
    #[error("the line says {text}, the key itself is {inner}")]
    TypeMismatch {
        /// The type that the text names.
        text: &'static str,
        /// The type inside the binary form.
        inner: &'static str,
    },
    /// The binary form is not what its type asks for.
    #[error("the {0} public key is malformed")]
    Malformed(&'static str),
    /// The binary form is longer than any key that is accepted.
    #[error("the public key is longer than {PUBLIC_KEY_BYTES_MAX} bytes")]
    TooLong,
}

/// A public key of a kind that may sign, in OpenSSH's binary form.
///
/// Its text form is `TYPE BASE64` without a comment: one key has one text. The structure was
/// checked when it was read; whether an elliptic point lies on its curve is checked when a
/// signature is, so that thousands of known keys load at once.
#[derive(Clone)]
pub struct PublicKey {
    kind: KeyKind,
    blob: Arc<[u8]>,
}

impl PublicKey {
    /// Reads the binary form (RFC 4253, section 6.6), strictly: nothing may follow it and numbers
    /// have their shortest form.
    ///
    /// # Errors
    /// [`KeyError`], which names what is not supported.
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        if blob.len() > PUBLIC_KEY_BYTES_MAX {
            // The name comes first, and a certificate is often as long as that.
            named_type(blob)?;
            return Err(KeyError::TooLong);
        }
        let kind = named_type(blob)?;
        let malformed = |_: Short| KeyError::Malformed(kind.as_str());
        let mut reader = Reader::new(blob);
        reader.string(blob.len()).map_err(malformed)?;
        match kind {
            KeyKind::Ed25519 => {
                let point = reader.string(32).map_err(malformed)?;
                require(point.len() == 32, kind)?;
            }
            KeyKind::Rsa => {
                let exponent = reader.string(blob.len()).map_err(malformed)?;
                let modulus = reader.string(blob.len()).map_err(malformed)?;
                require(is_positive_mpint(exponent), kind)?;
                require(is_positive_mpint(modulus), kind)?;
                let bits = mpint_bits(modulus);
                if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                    return Err(KeyError::RsaBits { bits });
                }
            }
            KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => {
                let curve = reader.string(16).map_err(malformed)?;
                let point = reader.string(blob.len()).map_err(malformed)?;
                let name = kind.as_str().as_bytes();
                require(name.ends_with(curve) && curve.len() == 8, kind)?;
                // Only the uncompressed form: one key must not have two binary forms.
                let length = kind.field_bytes().map(|field| 1 + 2 * field);
                require(Some(point.len()) == length && point[0] == 4, kind)?;
            }
        }
        require(reader.is_empty(), kind)?;
        Ok(Self { kind, blob: blob.into() })
    }

    /// Reads a line as it stands in a `.pub` file, with or without a comment after the key, and
    /// gives the comment too.
    ///
    /// # Errors
    /// [`KeyError`], which names what is not supported.
    pub fn parse_line(line: &str) -> Result<(Self, &str), KeyError> {
        let line = line.trim_ascii();
        let (name, rest) = split_word(line);
        let (encoded, comment) = split_word(rest);
        if name.is_empty() || encoded.is_empty() {
            return Err(KeyError::NotAKey);
        }
        let kind = KeyKind::from_name(name)?;
        let blob = decode_base64(encoded)?;
        let key = Self::from_blob(&blob)?;
        if key.kind == kind {
            Ok((key, comment))
        } else {
            Err(KeyError::TypeMismatch { text: kind.as_str(), inner: key.kind.as_str() })
        }
    }

    /// Makes the key from the 32 bytes of an Ed25519 public key.
    #[must_use]
    pub fn from_ed25519(bytes: &[u8; 32]) -> Self {
        let mut blob = Vec::with_capacity(51);
        put_string(&mut blob, KeyKind::Ed25519.as_str().as_bytes());
        put_string(&mut blob, bytes);
        Self { kind: KeyKind::Ed25519, blob: blob.into() }
    }

    /// The kind of key.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The binary form, which signatures and digests are about.
    #[must_use]
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The SHA-256 digest of the binary form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.blob)
    }

    /// The fingerprint as OpenSSH writes it: `SHA256:` and unpadded base64.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }

    /// The 32 bytes of an Ed25519 key.
    pub(super) fn ed25519_bytes(&self) -> Option<&[u8; 32]> {
        match self.kind {
            KeyKind::Ed25519 => self.blob.last_chunk::<32>(),
            _ => None,
        }
    }
}

/// The fingerprint of any key's binary form, also of one that may not sign here.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(blob)))
}

fn decode_base64(encoded: &str) -> Result<Vec<u8>, KeyError> {
    // A certificate or FIDO key may be longer than ours; it is still to be named.
    if encoded.len() > 8 * PUBLIC_KEY_BYTES_MAX {
        return Err(KeyError::TooLong);
    }
    STANDARD.decode(encoded).map_err(|_| KeyError::Base64)
}

fn named_type(blob: &[u8]) -> Result<KeyKind, KeyError> {
    let name = Reader::new(blob).string(64).ok();
    let name = name.and_then(|name| str::from_utf8(name).ok());
    KeyKind::from_name(name.ok_or(KeyError::Malformed("SSH"))?)
}

fn require(holds: bool, kind: KeyKind) -> Result<(), KeyError> {
    if holds { Ok(()) } else { Err(KeyError::Malformed(kind.as_str())) }
}

/// A positive `mpint` in its only form: no needless leading zero, not negative, not zero.
pub(super) fn is_positive_mpint(bytes: &[u8]) -> bool {
    match bytes {
        [0, second, ..] => second & 0x80 != 0,
        [first, ..] => first & 0x80 == 0 && *first != 0,
        [] => false,
    }
}

fn mpint_bits(bytes: &[u8]) -> usize {
    let magnitude = bytes.strip_prefix(&[0]).unwrap_or(bytes);
    let unused = magnitude.first().map_or(0, |first| first.leading_zeros());
    magnitude.len() * 8 - unused as usize
}

fn split_word(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_ascii()),
        None => (text, ""),
    }
}

/// A stranger's word as it may stand in an error message: short, without control characters.
fn printable(text: &str) -> String {
    let shown: String = text.chars().take(64).collect();
    shown.escape_debug().to_string()
}

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads `TYPE BASE64`; a comment after it is accepted and dropped, so a `.pub` file can be
    /// pasted into a configuration.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse_line(text).map(|(key, _)| key)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, STANDARD.encode(&self.blob))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.blob.cmp(&other.blob)
    }
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    /// Reads exactly the text that is written: in a message nothing may stand beside the key.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let key: Self = text.parse().map_err(de::Error::custom)?;
        if key.to_string() == text { Ok(key) } else { Err(de::Error::custom(KeyError::Comment)) }
    }
}
