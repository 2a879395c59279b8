//! A node's certificate: the fleet's authority says which keys a node of that name has.
//!
//! The authority signs the exact bytes of a [`Certificate`] with its SSH key, namespace
//! `join.v1@marcato`. On the wire and in files it is one line of text: the body in base64, a dot,
//! the signature (binary SSHSIG) in base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marcato_core::limits::protocol::CERTIFICATE_BYTES_MAX;
use marcato_core::{Collective, Identity, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Verified;
use crate::digest::Digest;
use crate::seal::OpenPublicKey;
use crate::sshsig::{KeyKind, Namespace, PublicKey, Signature, VerifyError};
use crate::strict;

/// The version of certificates and of requests for them. They outlive releases, so it is its own and
/// does not move with the orders'.
pub const CERTIFICATE_VERSION: u32 = 1;

/// What the authority says of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// [`CERTIFICATE_VERSION`].
    pub v: u32,
    /// The fleet.
    pub collective: Collective,
    /// The node's name.
    pub identity: Identity,
    /// The key that signs receipts and registrations.
    pub sign: PublicKey,
    /// The key to which secrets for the node are sealed.
    pub open: OpenPublicKey,
    /// Which machine it is: see [`machine_digest`].
    pub machine: Digest,
    /// When it was signed.
    pub issued: Timestamp,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

/// What a node asks the authority to sign. It proves that the node holds the key that it wants
/// certified, and nothing else: anybody can make one, so it is no certificate.
///
/// ```
/// use marcato_protocol::Verified;
/// use marcato_protocol::certificate::{Certificate, CertificateRequest};
/// fn trust(_: &Verified<Certificate>) {}
/// fn wish(request: &Verified<CertificateRequest>) -> &Certificate { request.wanted() }
/// ```
///
/// ```compile_fail,E0308
/// use marcato_protocol::Verified;
/// use marcato_protocol::certificate::{Certificate, CertificateRequest};
/// fn trust(_: &Verified<Certificate>) {}
/// fn wish(request: &Verified<CertificateRequest>) { trust(request) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest(Certificate);

impl CertificateRequest {
    /// The body that the node wishes for.
    #[must_use]
    pub const fn wanted(&self) -> &Certificate {
        &self.0
    }
}

/// Names a machine without showing its `/etc/machine-id`, which machine-id(5) calls confidential:
/// HMAC-SHA256 (RFC 2104) keyed with that id over `marcato.machine.v1`.
#[must_use]
pub fn machine_digest(machine_id: &str) -> Digest {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    // HMAC takes keys of every length, so this cannot fail.
    let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(machine_id.trim().as_bytes()) else {
        return Digest::of(b"");
    };
    mac.update(b"marcato.machine.v1");
    Digest::from_bytes(mac.finalize().into_bytes().into())
}

/// A body and its signature, as one line of text; not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedText {
    body: Vec<u8>,
    signature: Signature,
}

/// Why a text is not a certificate, or not one of this fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not of the form `body.signature`.
    #[error("a certificate is one line: a body and a signature in base64 with a dot between them")]
    Form,
    /// The body is not a certificate.
    #[error("the certificate's body is not valid: {0}")]
    Body(String),
    /// The signature is not the authority's.
    #[error("the certificate is not signed by the expected key: {0}")]
    Signature(#[from] VerifyError),
    /// The certificate is another fleet's: one authority may certify for several.
    #[error("the certificate is for the fleet {said}, not for {expected}")]
    Collective {
        /// Which it is for.
        said: Collective,
        /// Which it should be for.
        expected: Collective,
    },
    /// Its version is unknown.
    #[error("the certificate has version {0}, this program knows {CERTIFICATE_VERSION}")]
    Version(u32),
}

impl SignedText {
    /// Puts a body and its signature together.
    #[must_use]
    pub const fn new(body: Vec<u8>, signature: Signature) -> Self {
        Self { body, signature }
    }

    /// Reads the one-line form.
    ///
    /// # Errors
    /// [`CertificateError::Form`] for whatever is not that form or too long.
    pub fn parse(text: &str) -> Result<Self, CertificateError> {
        let text = text.trim_end();
        if text.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Form);
        }
        let (body, signature) = text.split_once('.').ok_or(CertificateError::Form)?;
        let body = STANDARD.decode(body).map_err(|_| CertificateError::Form)?;
        let signature = Signature::from_base64(signature).map_err(|_| CertificateError::Form)?;
        Ok(Self { body, signature })
    }

    /// Checks that the authority signed it as a certificate of this fleet.
    ///
    /// # Errors
    /// Says whether the signature or the body is wrong, or the fleet another.
    pub fn verify(
        &self,
        authority: &PublicKey,
        collective: &Collective,
    ) -> Result<Verified<Certificate>, CertificateError> {
        self.signature.verify(authority, Namespace::Join, &self.body)?;
        let certificate = self.certificate()?;
        if certificate.collective != *collective {
            let (said, expected) = (certificate.collective, collective.clone());
            return Err(CertificateError::Collective { said, expected });
        }
        Ok(Verified::assertion(certificate))
    }

    /// Reads a request: the body that a node wants signed, signed by the node's own key so that
    /// nobody can have a key certified that he does not hold.
    ///
    /// # Errors
    /// As [`SignedText::verify`].
    pub fn verify_request(&self) -> Result<Verified<CertificateRequest>, CertificateError> {
        let wanted = self.certificate()?;
        self.signature.verify(&wanted.sign, Namespace::JoinRequest, &self.body)?;
        Ok(Verified::assertion(CertificateRequest(wanted)))
    }

    fn certificate(&self) -> Result<Certificate, CertificateError> {
        let certificate: Certificate =
            strict::parse(&self.body).map_err(|error| CertificateError::Body(error.to_string()))?;
        if certificate.v != CERTIFICATE_VERSION {
            return Err(CertificateError::Version(certificate.v));
        }
        if certificate.sign.kind() != KeyKind::Ed25519 {
            let kind = certificate.sign.kind();
            let text = format!("a node signs with ssh-ed25519, not with {kind}");
            return Err(CertificateError::Body(text));
        }
        Ok(certificate)
    }
}

impl fmt::Display for SignedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", STANDARD.encode(&self.body), self.signature.to_base64())
    }
}

impl fmt::Debug for SignedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Certificate {
    /// The bytes to sign.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps of texts and numbers always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
