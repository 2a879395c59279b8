//! Private keys: the node's two own, and an operator's from an OpenSSH key file.
//!
//! None of them shows itself in `Debug`, and each clears its memory when it is dropped.
//!
//! **RSA key files are allowed.** The `rsa` crate is not proven free of timing leaks
//! (RUSTSEC-2023-0071, "Marvin"): an attacker who can time very many operations of his own choice
//! may learn the key. A signature here is made by hand on the operator's machine, over bytes that
//! nobody else chose, and is blinded on top, so that the time depends on numbers that the attacker
//! does not know; each is checked before it is given out, so that a faulty computation reveals
//! nothing either. An ssh-agent remains the better place for any key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hpke::{Deserializable as _, Kem as _, Serializable as _};
use marcato_core::limits::crypto::KEY_FILE_BYTES_MAX;
use rand_core::{CryptoRng, SeedableRng as _};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use sha2::Sha512;
use ssh_key::private::{Ed25519Keypair, KeypairData, RsaKeypair};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::seal::OpenPublicKey;
use crate::sshsig::wire::{Reader, put_string};
use crate::sshsig::{KeyError, KeyKind, Namespace, PublicKey, Signature, to_be_signed};

/// The first word of an open key's text form.
const OPEN_KEY_LABEL: &str = "marcato-open-key-v1";

/// A node's Ed25519 key, with which it signs what it says.
pub struct NodeSignKey {
    secret: SigningKey,
    public: PublicKey,
}

impl NodeSignKey {
    /// Makes a new key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_secret(SigningKey::from_bytes(&seed))
    }

    fn from_secret(secret: SigningKey) -> Self {
        let public = PublicKey::from_ed25519(&secret.verifying_key().to_bytes());
        Self { secret, public }
    }

    /// Reads an OpenSSH private key file without a passphrase.
    ///
    /// # Errors
    /// [`KeyFileError`]; a key of another kind than Ed25519 is [`KeyFileError::NotEd25519`].
    pub fn from_openssh(pem: &str) -> Result<Self, KeyFileError> {
        let KeyFile::Plain(key) = OperatorKey::parse(pem)? else {
            return Err(KeyFileError::Encrypted);
        };
        match key.secret.key_data() {
            KeypairData::Ed25519(pair) => {
                let seed = Zeroizing::new(pair.private.to_bytes());
                Ok(Self::from_secret(SigningKey::from_bytes(&seed)))
            }
            _ => Err(KeyFileError::NotEd25519),
        }
    }

    /// Writes the key as an OpenSSH private key file without a passphrase, for a file that only
    /// its owner can read.
    ///
    /// # Errors
    /// [`KeyFileError::Unwritable`] when the comment cannot stand in such a file.
    pub fn to_openssh(&self, comment: &str) -> Result<Zeroizing<String>, KeyFileError> {
        let pair = Ed25519Keypair::from(&self.secret);
        PrivateKey::new(KeypairData::Ed25519(pair), comment)
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .map_err(|_| KeyFileError::Unwritable)
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, namespace: Namespace, message: &[u8]) -> Signature {
        let raw = self.secret.sign(&to_be_signed(namespace, message));
        Signature::from_ed25519(self.public.clone(), namespace, raw.to_bytes())
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for NodeSignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeSignKey({}, secret hidden)", self.public.fingerprint())
    }
}

type HpkePrivateKey = <hpke::kem::X25519HkdfSha256 as hpke::Kem>::PrivateKey;

/// An X25519 key that opens what was sealed to its public half.
pub struct OpenKey {
    secret: HpkePrivateKey,
    public: OpenPublicKey,
}

/// Why a text is not an open key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an open key is one line: {OPEN_KEY_LABEL} and 32 bytes in padded base64")]
pub struct OpenKeyError;

impl OpenKey {
    /// Makes a new key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_secret(hpke::kem::X25519HkdfSha256::gen_keypair_with_rng(rng).0)
    }

    fn from_secret(secret: HpkePrivateKey) -> Self {
        let public = hpke::kem::X25519HkdfSha256::sk_to_pk(&secret);
        let mut bytes = [0u8; 32];
        public.write_exact(&mut bytes);
        let public = OpenPublicKey::from_bytes(bytes);
        Self { secret, public }
    }

    /// Reads the text form; white space around it is accepted.
    ///
    /// # Errors
    /// [`OpenKeyError`] for everything else.
    pub fn from_text(text: &str) -> Result<Self, OpenKeyError> {
        let encoded = text
            .trim_ascii()
            .strip_prefix(OPEN_KEY_LABEL)
            .and_then(|rest| rest.strip_prefix(' '))
            .filter(|encoded| encoded.len() <= 44)
            .ok_or(OpenKeyError)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| OpenKeyError)?);
        let secret = HpkePrivateKey::from_bytes(&bytes).map_err(|_| OpenKeyError)?;
        Ok(Self::from_secret(secret))
    }

    /// The text form, one line, for a file that only its owner can read.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        self.secret.write_exact(&mut *bytes);
        let encoded = Zeroizing::new(STANDARD.encode(*bytes));
        Zeroizing::new(format!("{OPEN_KEY_LABEL} {}\n", *encoded))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &OpenPublicKey {
        &self.public
    }

    pub(crate) const fn hpke(&self) -> &HpkePrivateKey {
        &self.secret
    }
}

impl fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenKey({}, secret hidden)", self.public)
    }
}

/// Why a private key file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Longer than any key file.
    #[error("the file is longer than {KEY_FILE_BYTES_MAX} bytes: it is not a key")]
    TooLong,
    /// A public key stands in the file.
    #[error("this is a public key; name the private one (without .pub)")]
    Public,
    /// A private key in a form older than or other than OpenSSH's own.
    #[error("this key is in the {0} form; rewrite it in OpenSSH's own with: ssh-keygen -p -f FILE")]
    OtherForm(&'static str),
    /// Not a key at all, or a damaged one.
    #[error("not an OpenSSH private key, or a damaged one")]
    Malformed,
    /// The kind of key is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key needs a passphrase where none can be given.
    #[error("the key has a passphrase")]
    Encrypted,
    /// The passphrase is wrong, or the encrypted part is damaged.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// A node's key must be Ed25519.
    #[error("a node's key must be of the type ssh-ed25519")]
    NotEd25519,
    /// OpenSSH leaves the zeros in front of a secret number out, and ssh-key reads no number that
    /// is so short: it is so with one P-256 key of 512.
    #[error(
        "this ecdsa-sha2-nistp256 key has a secret number that begins with zeros, which cannot be \
         read from a file here; give it to an ssh-agent (ssh-add FILE), or make another key"
    )]
    ShortSecret,
    /// The key cannot be written as text.
    #[error("the key cannot be written in OpenSSH's form")]
    Unwritable,
}

/// A private key file, as it was read.
#[derive(Debug)]
pub enum KeyFile {
    /// Without a passphrase: ready to sign.
    Plain(OperatorKey),
    /// With a passphrase.
    Encrypted(EncryptedKey),
}

impl KeyFile {
    /// The public half, which can be read without the passphrase.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        match self {
            Self::Plain(key) => key.public(),
            Self::Encrypted(key) => key.public(),
        }
    }
}

/// A private key that is still encrypted.
pub struct EncryptedKey {
    secret: PrivateKey,
    public: PublicKey,
}

impl EncryptedKey {
    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Decrypts the key: as slow as the file asks for, by default some 100 ms.
    ///
    /// # Errors
    /// [`KeyFileError::WrongPassphrase`], [`KeyFileError::ShortSecret`].
    pub fn decrypt(&self, passphrase: &str) -> Result<OperatorKey, KeyFileError> {
        let secret = self.secret.decrypt(passphrase).map_err(|error| match error {
            // Behind the numbers that tell a right passphrase from a wrong one.
            ssh_key::Error::Encoding(_) if self.public.kind() == KeyKind::EcdsaP256 => {
                KeyFileError::ShortSecret
            }
            _ => KeyFileError::WrongPassphrase,
        })?;
        Ok(OperatorKey { secret, public: self.public.clone() })
    }
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedKey({})", self.public.fingerprint())
    }
}

/// An operator's private key, ready to sign.
pub struct OperatorKey {
    secret: PrivateKey,
    public: PublicKey,
}

/// Why a key did not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key did not sign: its private half is damaged or does not fit its public half")]
pub struct SignError;

impl OperatorKey {
    /// Reads an OpenSSH private key file (`-----BEGIN OPENSSH PRIVATE KEY-----`).
    ///
    /// # Errors
    /// [`KeyFileError`], which says what the file is when it is something else.
    pub fn parse(pem: &str) -> Result<KeyFile, KeyFileError> {
        if pem.len() > KEY_FILE_BYTES_MAX {
            return Err(KeyFileError::TooLong);
        }
        let Ok(secret) = PrivateKey::from_openssh(pem.trim_ascii()) else {
            return Err(what_it_is_instead(pem));
        };
        let blob = secret.public_key().to_bytes().map_err(|_| KeyFileError::Malformed)?;
        let public = PublicKey::from_blob(&blob)?;
        Ok(if secret.is_encrypted() {
            KeyFile::Encrypted(EncryptedKey { secret, public })
        } else {
            KeyFile::Plain(Self { secret, public })
        })
    }

    /// Signs a message, and checks the signature before giving it out.
    ///
    /// # Errors
    /// [`SignError`] when the key file's two halves do not belong together.
    pub fn sign(&self, namespace: Namespace, message: &[u8]) -> Result<Signature, SignError> {
        let data = to_be_signed(namespace, message);
        let raw = self.sign_raw(&data).ok_or(SignError)?;
        let signature =
            Signature::assemble(self.public.clone(), namespace, &raw).map_err(|_| SignError)?;
        match signature.verify(&self.public, namespace, message) {
            Ok(()) => Ok(signature),
            Err(_) => Err(SignError),
        }
    }

    fn sign_raw(&self, data: &[u8]) -> Option<Vec<u8>> {
        let (name, bytes) = match self.secret.key_data() {
            KeypairData::Rsa(pair) => ("rsa-sha2-512", sign_rsa(pair, data)?),
            pair => {
                let signature: ssh_key::Signature = pair.try_sign(data).ok()?;
                (self.public.kind().as_str(), signature.as_bytes().to_vec())
            }
        };
        let mut raw = Vec::with_capacity(8 + name.len() + bytes.len());
        put_string(&mut raw, name.as_bytes());
        put_string(&mut raw, &bytes);
        Some(raw)
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// Signs with PKCS#1 v1.5 and SHA-512, blinded. The blinding numbers come from the key and the
/// data: nobody without the key can foresee them, and no randomness has to be handed in.
fn sign_rsa(pair: &RsaKeypair, data: &[u8]) -> Option<Vec<u8>> {
    let seed = Digest::of_parts(&[b"marcato rsa blinding", pair.private().d().as_bytes(), data]);
    let mut rng = rand_chacha::ChaCha20Rng::from_seed(*seed.as_bytes());
    let key = rsa::pkcs1v15::SigningKey::<Sha512>::try_from(pair).ok()?;
    let signature = key.try_sign_with_rng(&mut rng, data).ok()?;
    Some(signature.to_vec())
}

fn what_it_is_instead(text: &str) -> KeyFileError {
    let text = text.trim_ascii();
    let forms = [
        ("-----BEGIN RSA PRIVATE KEY-----", "PEM (PKCS#1)"),
        ("-----BEGIN EC PRIVATE KEY-----", "PEM (SEC1)"),
        ("-----BEGIN DSA PRIVATE KEY-----", "PEM (DSA)"),
        ("-----BEGIN PRIVATE KEY-----", "PKCS#8"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "PKCS#8"),
        ("PuTTY-User-Key-File", "PuTTY"),
    ];
    if let Some((_, form)) = forms.iter().find(|(start, _)| text.starts_with(start)) {
        return KeyFileError::OtherForm(form);
    }
    match PublicKey::parse_line(text) {
        Ok(_) => KeyFileError::Public,
        Err(_) if has_short_secret(text) == Some(true) => KeyFileError::ShortSecret,
        Err(_) => KeyFileError::Malformed,
    }
}

/// Whether it is a P-256 key without a passphrase whose secret number has under 32 bytes; `None`
/// where that cannot be read (OpenSSH's `PROTOCOL.key`).
fn has_short_secret(text: &str) -> Option<bool> {
    let inner = text.strip_prefix("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let inner = inner.strip_suffix("-----END OPENSSH PRIVATE KEY-----")?;
    let encoded: Zeroizing<String> = Zeroizing::new(inner.split_ascii_whitespace().collect());
    let bytes = Zeroizing::new(STANDARD.decode(&*encoded).ok()?);
    let mut file = Reader::new(bytes.strip_prefix(b"openssh-key-v1\0")?);
    // Cipher, how its key is made, and with what.
    for _ in 0..3 {
        file.string(KEY_FILE_BYTES_MAX).ok()?;
    }
    let _number_of_keys = file.u32().ok()?;
    let _public = file.string(KEY_FILE_BYTES_MAX).ok()?;
    let mut private = Reader::new(file.string(KEY_FILE_BYTES_MAX).ok()?);
    let _check = private.take(8).ok()?;
    if private.string(KEY_FILE_BYTES_MAX).ok()? != KeyKind::EcdsaP256.as_str().as_bytes() {
        return None;
    }
    let _curve = private.string(KEY_FILE_BYTES_MAX).ok()?;
    let _point = private.string(KEY_FILE_BYTES_MAX).ok()?;
    Some(private.string(KEY_FILE_BYTES_MAX).ok()?.len() < 32)
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorKey({}, secret hidden)", self.public.fingerprint())
    }
}
