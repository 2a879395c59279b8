//! The mathematics behind a signature: Ed25519 by the short way, ECDSA and RSA through `ssh-key`.

use ed25519_dalek::Verifier as _;
use ssh_key::encoding::Decode as _;
use ssh_key::public::KeyData;

use super::public_key::{KeyKind, PublicKey};
use super::wire::Reader;
use super::{Algorithm, Namespace};

/// Why a signature is not accepted for a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature names another key than the one expected.
    #[error("signed with the key {found}, expected {expected}")]
    OtherKey {
        /// The fingerprint of the key that was asked for.
        expected: String,
        /// The fingerprint of the key that the signature names.
        found: String,
    },
    /// The signature is about another kind of message.
    #[error("signed for the namespace {found:?}, expected {expected}")]
    OtherNamespace {
        /// The namespace that was asked for.
        expected: Namespace,
        /// The namespace that the signature names.
        found: String,
    },
    /// The key did not sign these bytes.
    #[error("the signature does not fit: the key did not sign these bytes")]
    Forged,
}

/// Whether raw bytes have the form that the key's kind asks for: exactly one form for each
/// signature, so that none can be changed into another text of itself.
pub(super) fn is_well_formed(key: &PublicKey, raw: &[u8]) -> bool {
    match key.kind() {
        KeyKind::Ed25519 => raw.len() == 64,
        KeyKind::EcdsaP256 | KeyKind::EcdsaP384 | KeyKind::EcdsaP521 => {
            let mut reader = Reader::new(raw);
            let number = |reader: &mut Reader<'_>| reader.string(67).is_ok_and(is_positive);
            number(&mut reader) && number(&mut reader) && reader.is_empty()
        }
        KeyKind::Rsa => raw.len() == rsa_modulus_bytes(key),
    }
}

fn is_positive(number: &[u8]) -> bool {
    super::public_key::is_positive_mpint(number)
}

/// The raw signature in the one form that is accepted. Some agents drop the leading zeros of an
/// RSA signature, which RFC 8332 (section 3) does not allow and OpenSSH's verifier puts right too.
pub(super) fn completed(key: &PublicKey, raw: &[u8]) -> Vec<u8> {
    let missing = match key.kind() {
        KeyKind::Rsa => rsa_modulus_bytes(key).saturating_sub(raw.len()),
        _ => 0,
    };
    let mut out = vec![0; missing];
    out.extend_from_slice(raw);
    out
}

/// The length of an RSA key's modulus, in bytes; the modulus is the last part of the key.
fn rsa_modulus_bytes(key: &PublicKey) -> usize {
    let mut reader = Reader::new(key.blob());
    let mut last = 0;
    while let Ok(part) = reader.string(key.blob().len()) {
        last = part.strip_prefix(&[0]).unwrap_or(part).len();
    }
    last
}

/// Whether the key signed `data` with the raw signature.
pub(super) fn is_signed_by(key: &PublicKey, algorithm: Algorithm, raw: &[u8], data: &[u8]) -> bool {
    if let Some(point) = key.ed25519_bytes() {
        return is_signed_by_ed25519(point, raw, data);
    }
    let Ok(public) = KeyData::decode(&mut key.blob()) else {
        return false;
    };
    let Ok(algorithm) = algorithm.as_str().parse() else {
        return false;
    };
    ssh_key::Signature::new(algorithm, raw)
        .is_ok_and(|signature| public.verify(data, &signature).is_ok())
}

/// `verify_strict` refuses keys and points of small order, with which one signature could fit
/// several messages.
fn is_signed_by_ed25519(point: &[u8; 32], raw: &[u8], data: &[u8]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(point) else {
        return false;
    };
    ed25519_dalek::Signature::from_slice(raw)
        .is_ok_and(|signature| key.verify_strict(data, &signature).is_ok())
}
