//! Sealing to readers: what only the holders of an order's reader keys can open.
//!
//! A fresh content key encrypts the body once (ChaCha20-Poly1305); HPKE (RFC 9180, base mode,
//! DHKEM X25519 with HKDF-SHA256) seals that key to each of one to four readers. A *stanza* is what
//! one reader needs: the encapsulated key (32 bytes) and the sealed content key (32 + 16 bytes).
//!
//! Why the construction is sound:
//! - **Who sealed it** is not proven here: anyone can seal to a public key. The signature over
//!   [`Sealed::digest`] proves it, and is checked before anything is opened.
//! - **The nonce is all zeros** because a content key encrypts one body in its whole life.
//! - **All readers read the same.** ChaCha20-Poly1305 does not commit to its key: a hostile sealer
//!   could give two readers two keys under which one body opens to two texts, and so tell two
//!   operators different things under one signature. So the body begins with a digest of the
//!   content key, and a key that does not fit it is refused.
//! - **Stanzas do not name their reader**: a reader tries each, at most four, and whoever watches
//!   learns only how many readers there are. A stanza of somebody else fails its tag; a stanza
//!   taken away or exchanged changes the digest that is signed.
//! - `info` and `aad` bind the sealing to the order, the node and the kind of message: sealed bytes
//!   moved to another place do not open.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce};
use hpke::aead::ChaCha20Poly1305 as HpkeAead;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use marcato_core::limits::protocol::READER_KEYS_MAX;
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::keys::OpenKey;
use crate::sshsig::wire;

/// The length of one reader's stanza, in bytes.
pub const STANZA_BYTES: usize = ENCAPSULATED_BYTES + KEY_BYTES + TAG_BYTES;

/// How much longer the body is than the plain text, in bytes.
pub const BODY_OVERHEAD_BYTES: usize = COMMITMENT_BYTES + TAG_BYTES;

const ENCAPSULATED_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const COMMITMENT_BYTES: usize = 32;
const COMMITMENT_LABEL: &[u8] = b"marcato seal v1 content key";

type Kem = X25519HkdfSha256;
type KemPublicKey = <Kem as hpke::Kem>::PublicKey;
type KemEncapsulated = <Kem as hpke::Kem>::EncappedKey;

/// The X25519 points of small order, as RFC 7748 writes them, but for the bit that it ignores: 0, 1,
/// two of order 8, and −1, 0, 1 beyond the field's prime. Every secret agreed with them is zero.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    ends(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    ends(0xec, 0xff, 0x7f),
    ends(0xed, 0xff, 0x7f),
    ends(0xee, 0xff, 0x7f),
];

const fn ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// A reader's public X25519 key: 32 bytes, as text in padded base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenPublicKey([u8; 32]);

/// Why a text is not a reader's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reader key is 32 bytes in padded base64, and no point of small order")]
pub struct OpenPublicKeyError;

impl OpenPublicKey {
    /// Takes the 32 bytes of a key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for OpenPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for OpenPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenPublicKey({self})")
    }
}

impl FromStr for OpenPublicKey {
    type Err = OpenPublicKeyError;

    fn from_str(text: &str) -> Result<Self, OpenPublicKeyError> {
        if text.len() > 44 {
            return Err(OpenPublicKeyError);
        }
        let bytes = STANDARD.decode(text).map_err(|_| OpenPublicKeyError)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| OpenPublicKeyError)?;
        let mut point = bytes;
        point[31] &= 0x7f;
        // Whatever is to be sealed to such a key is sealed to nobody: told now, not when it is lost.
        if SMALL_ORDER.contains(&point) { Err(OpenPublicKeyError) } else { Ok(Self(bytes)) }
    }
}

impl Serialize for OpenPublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OpenPublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::deserialize_text(deserializer)
    }
}

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No reader, or more than an order may name.
    #[error("sealed to {0} readers, 1 to {READER_KEYS_MAX} are allowed")]
    Readers(usize),
    /// A reader's key on which no secret can be agreed.
    #[error("reader key {0} is not a usable X25519 key")]
    BadReader(OpenPublicKey),
    /// The stanzas' text is damaged.
    #[error("the stanzas are not base64 of one to {READER_KEYS_MAX} times {STANZA_BYTES} bytes")]
    Stanzas,
    /// No stanza opens with this key for this `info` and `aad`.
    #[error("not sealed to this key, or moved from another message")]
    NotForThisKey,
    /// A stanza opens, but its content key does not fit the body.
    #[error("the sealed body is damaged")]
    Body,
}

/// Sealed bytes: a stanza for each reader, and one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What each reader needs to come to the content key.
    pub stanzas: Vec<[u8; STANZA_BYTES]>,
    /// The digest of the content key, then the encrypted text and its tag.
    pub body: Vec<u8>,
}

impl Sealed {
    /// The stanzas, joined, in padded base64, as they travel in a header.
    #[must_use]
    pub fn stanzas_to_base64(&self) -> String {
        STANDARD.encode(self.stanzas.as_flattened())
    }

    /// Puts together what came as header and body.
    ///
    /// # Errors
    /// [`SealError::Stanzas`] or [`SealError::Readers`] when the header's text is not one to four
    /// stanzas.
    pub fn from_parts(stanzas: &str, body: Vec<u8>) -> Result<Self, SealError> {
        let bytes_max: usize = READER_KEYS_MAX * STANZA_BYTES;
        if stanzas.len() > bytes_max.div_ceil(3) * 4 {
            return Err(SealError::Stanzas);
        }
        let bytes = STANDARD.decode(stanzas).map_err(|_| SealError::Stanzas)?;
        let (stanzas, rest) = bytes.as_chunks::<STANZA_BYTES>();
        if !rest.is_empty() {
            return Err(SealError::Stanzas);
        }
        check_readers(stanzas.len())?;
        Ok(Self { stanzas: stanzas.to_vec(), body })
    }

    /// The digest that a node signs: `SHA-256(number of stanzas as one byte ‖ stanzas ‖ body)`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let count = u8::try_from(self.stanzas.len()).unwrap_or(u8::MAX);
        Digest::of_parts(&[&[count], self.stanzas.as_flattened(), &self.body])
    }
}

fn check_readers(count: usize) -> Result<(), SealError> {
    if (1..=READER_KEYS_MAX).contains(&count) { Ok(()) } else { Err(SealError::Readers(count)) }
}

fn commitment(key: &[u8; KEY_BYTES]) -> Digest {
    Digest::of_parts(&[COMMITMENT_LABEL, key])
}

/// Seals `plain` to the readers, in their order. `info` and `aad` are not carried along: whoever
/// opens must know the same.
///
/// # Errors
/// [`SealError::Readers`] for none or too many, [`SealError::BadReader`] for a key of small order.
pub fn seal(
    rng: &mut impl CryptoRng,
    readers: &[OpenPublicKey],
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
) -> Result<Sealed, SealError> {
    check_readers(readers.len())?;
    let mut key = Zeroizing::new([0u8; KEY_BYTES]);
    rng.fill_bytes(&mut *key);
    let mut stanzas = Vec::with_capacity(readers.len());
    for reader in readers {
        stanzas.push(seal_key(rng, reader, info, aad, &key)?);
    }
    let cipher = ChaCha20Poly1305::new((&*key).into());
    let payload = Payload { msg: plain, aad };
    // The cipher fails only for a text of over 256 GiB.
    let encrypted = cipher.encrypt(&Nonce::default(), payload).map_err(|_| SealError::Body)?;
    let mut body = Vec::with_capacity(COMMITMENT_BYTES + encrypted.len());
    body.extend_from_slice(commitment(&key).as_bytes());
    body.extend_from_slice(&encrypted);
    Ok(Sealed { stanzas, body })
}

fn seal_key(
    rng: &mut impl CryptoRng,
    reader: &OpenPublicKey,
    info: &[u8],
    aad: &[u8],
    key: &[u8; KEY_BYTES],
) -> Result<[u8; STANZA_BYTES], SealError> {
    let bad = |_| SealError::BadReader(*reader);
    let public = KemPublicKey::from_bytes(&reader.0).map_err(bad)?;
    let (encapsulated, sealed) = hpke::single_shot_seal_with_rng::<HpkeAead, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public,
        info,
        key,
        aad,
        rng,
    )
    .map_err(bad)?;
    let mut stanza = [0u8; STANZA_BYTES];
    let (first, second) = stanza.split_at_mut(ENCAPSULATED_BYTES);
    encapsulated.write_exact(first);
    second.copy_from_slice(&sealed);
    Ok(stanza)
}

/// Opens what was sealed to this key with the same `info` and `aad`. Check the signature over
/// [`Sealed::digest`] first.
///
/// # Errors
/// [`SealError::NotForThisKey`] when no stanza opens, [`SealError::Body`] when one does and the
/// body does not, [`SealError::Readers`] for a wrong number of stanzas.
pub fn open(key: &OpenKey, info: &[u8], aad: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
    check_readers(sealed.stanzas.len())?;
    let (committed, encrypted) =
        sealed.body.split_first_chunk::<COMMITMENT_BYTES>().ok_or(SealError::Body)?;
    let content_key = sealed
        .stanzas
        .iter()
        .find_map(|stanza| open_key(key, info, aad, stanza))
        .ok_or(SealError::NotForThisKey)?;
    if commitment(&content_key).as_bytes() != committed {
        return Err(SealError::Body);
    }
    let cipher = ChaCha20Poly1305::new((&*content_key).into());
    let msg = encrypted;
    cipher.decrypt(&Nonce::default(), Payload { msg, aad }).map_err(|_| SealError::Body)
}

fn open_key(
    key: &OpenKey,
    info: &[u8],
    aad: &[u8],
    stanza: &[u8; STANZA_BYTES],
) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let (encapsulated, sealed) = stanza.split_at(ENCAPSULATED_BYTES);
    let encapsulated = KemEncapsulated::from_bytes(encapsulated).ok()?;
    let opened = hpke::single_shot_open::<HpkeAead, HkdfSha256, Kem>(
        &OpModeR::Base,
        key.hpke(),
        &encapsulated,
        info,
        sealed,
        aad,
    );
    let opened = Zeroizing::new(opened.ok()?);
    let mut content_key = Zeroizing::new([0u8; KEY_BYTES]);
    content_key.copy_from_slice(opened.get(..KEY_BYTES)?);
    Some(content_key)
}

#[cfg(test)]
mod tests {
    //! The suite is the one that RFC 9180 calls by these numbers, shown by its own vector.

    use super::*;

    fn hex<const N: usize>(digits: &str) -> [u8; N] {
        let bytes: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|place| u8::from_str_radix(&digits[place..place + 2], 16).expect("a digit"))
            .collect();
        bytes.try_into().expect("the length")
    }

    /// RFC 9180, appendix A.2.1, the first encryption.
    #[test]
    fn the_suite_opens_the_rfc_s_vector() {
        let secret: [u8; 32] =
            hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
        let encapsulated: [u8; 32] =
            hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        let info: [u8; 20] = hex("4f6465206f6e2061204772656369616e2055726e");
        let sealed: [u8; 45] =
            hex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db\
             21993c62ce81883d2dd1b51a28");
        let plain = hpke::single_shot_open::<HpkeAead, HkdfSha256, Kem>(
            &OpModeR::Base,
            &hpke::Deserializable::from_bytes(&secret).expect("a key"),
            &KemEncapsulated::from_bytes(&encapsulated).expect("a point"),
            &info,
            &sealed,
            b"Count-0",
        );
        assert_eq!(plain.expect("it opens"), b"Beauty is truth, truth beauty");
    }
}
