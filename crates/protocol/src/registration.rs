//! What a node says of itself: registrations, and the heartbeats that name them.
//!
//! The body of a registration travels only when the hub lacks it; a heartbeat carries its digest.

use marcato_core::limits::protocol::{HEADER_BYTES_MAX, OUTER_BYTES_MAX, REGISTRATION_BYTES_MAX};
use marcato_core::{AgentName, Collective, Facts, Identity, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Verified;
use crate::certificate::{Certificate, CertificateError, SignedText};
use crate::digest::Digest;
use crate::keys::NodeSignKey;
use crate::message::{self, Headers, Kind, Message};
use crate::sshsig::{Namespace, PublicKey, Signature};
use crate::strict;
use crate::version::{self, Spoken};

/// An agent that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentInfo {
    /// Its name.
    pub name: AgentName,
    /// Its version, as its declaration gives it.
    pub version: String,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The protocol's version: the oldest that the node speaks, so that a hub of the release before
    /// can read it.
    pub v: u32,
    /// The node.
    pub node: Identity,
    /// Its certificate in its text form.
    pub certificate: String,
    /// Since when it is so; of two registrations the later one holds.
    pub at: Timestamp,
    /// The versions that it speaks.
    pub spoken: Spoken,
    /// Its facts, without volatile and private ones.
    pub facts: Facts,
    /// Its classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Its agents, sorted by name.
    pub agents: Vec<AgentInfo>,
    /// Whether it takes no changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// What is wrong with it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<String>,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

/// A node's word that it is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The protocol's version, as its registration's.
    pub v: u32,
    /// The node.
    pub node: Identity,
    /// When it says so, by its own clock.
    pub at: Timestamp,
    /// SHA-256 of its registration's bytes.
    pub registration: Digest,
    /// Whether it is about to leave in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// Room for later fields; ignored.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub ext: Map<String, Value>,
}

/// Why a message about a node does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// It is not what it should be.
    #[error("not valid: {0}")]
    Malformed(String),
    /// It has a form of another version.
    #[error("it has version {0} of the protocol, whose form this program does not know")]
    Version(u32),
    /// The certificate is not the authority's for this fleet.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate is another node's, or the subject is.
    #[error("it is about {said}, and came in for {subject}")]
    Name {
        /// Whom it is about.
        said: Identity,
        /// Whose subject it came in on.
        subject: String,
    },
    /// It is not signed by the node's key.
    #[error("its signature is not that of the node's key: {0}")]
    Signature(String),
}

fn malformed(what: impl ToString) -> RegistrationError {
    RegistrationError::Malformed(what.to_string())
}

/// A registration that counts, and the certificate that proves whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// What the node says of itself.
    pub registration: Registration,
    /// Its certificate.
    pub certificate: Verified<Certificate>,
    /// SHA-256 of the registration's bytes.
    pub digest: Digest,
}

fn signed(
    bytes: Vec<u8>,
    subject: String,
    kind: Kind,
    namespace: Namespace,
    key: &NodeSignKey,
) -> Message {
    let signature = key.sign(namespace, &bytes).to_base64();
    let headers = Headers::of(kind).with(message::SIGNATURE, signature);
    Message { subject, reply: None, headers, body: bytes }
}

fn signature_of(
    message: &Message,
    kind: Kind,
    longest: usize,
) -> Result<Signature, RegistrationError> {
    if message.headers.kind() != Some(kind) {
        return Err(malformed(format_args!("its headers are not those of a {kind}")));
    }
    if message.body.len() > longest || message.headers.weight() > HEADER_BYTES_MAX {
        return Err(malformed("it is too long"));
    }
    let text = message.headers.get(message::SIGNATURE);
    let text = text.ok_or_else(|| malformed("it is not signed"))?;
    Signature::from_base64(text).map_err(malformed)
}

/// Reads a body; what has not the form of a version that is known here is told by its version.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, RegistrationError> {
    strict::parse(body).map_err(|error| match version::foreign(body) {
        Some(version) => RegistrationError::Version(version),
        None => malformed(error),
    })
}

fn check_name(said: &Identity, message: &Message) -> Result<(), RegistrationError> {
    if crate::subject::Subjects::last_identity(&message.subject).as_ref() == Some(said) {
        return Ok(());
    }
    Err(RegistrationError::Name { said: said.clone(), subject: message.subject.clone() })
}

impl Registration {
    /// The bytes to sign, whose digest heartbeats carry.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Signs it into a message.
    #[must_use]
    pub fn message(&self, subject: String, key: &NodeSignKey) -> Message {
        signed(self.to_bytes(), subject, Kind::Registration, Namespace::Registration, key)
    }

    /// Reads a message and checks it up to the authority of this fleet.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn verify(
        message: &Message,
        authority: &PublicKey,
        collective: &Collective,
    ) -> Result<Verified<Registered>, RegistrationError> {
        let signature = signature_of(message, Kind::Registration, REGISTRATION_BYTES_MAX)?;
        let registration: Self = read(&message.body)?;
        check_name(&registration.node, message)?;
        if !registration.spoken.speaks(registration.v) {
            return Err(malformed("its version is none of those that it says the node speaks"));
        }
        let certificate = SignedText::parse(&registration.certificate)?;
        let certificate = certificate.verify(authority, collective)?;
        check_name(&certificate.identity, message)?;
        signature
            .verify(&certificate.sign, Namespace::Registration, &message.body)
            .map_err(|error| RegistrationError::Signature(error.to_string()))?;
        let digest = Digest::of(&message.body);
        Ok(Verified::assertion(Registered { registration, certificate, digest }))
    }
}

impl Heartbeat {
    /// Signs it into a message.
    #[must_use]
    pub fn message(&self, subject: String, key: &NodeSignKey) -> Message {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        signed(bytes, subject, Kind::Heartbeat, Namespace::Heartbeat, key)
    }

    /// Reads whom a heartbeat claims to be from, to find the key to check it with.
    ///
    /// # Errors
    /// Where it is no heartbeat.
    pub fn parse(message: &Message) -> Result<ReceivedHeartbeat, RegistrationError> {
        let signature = signature_of(message, Kind::Heartbeat, OUTER_BYTES_MAX)?;
        let heartbeat: Self = read(&message.body)?;
        check_name(&heartbeat.node, message)?;
        Ok(ReceivedHeartbeat { heartbeat, signature, bytes: message.body.clone() })
    }
}

/// A heartbeat as it came in, not verified yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedHeartbeat {
    heartbeat: Heartbeat,
    signature: Signature,
    bytes: Vec<u8>,
}

impl ReceivedHeartbeat {
    /// The node that it claims to be from.
    #[must_use]
    pub const fn node(&self) -> &Identity {
        &self.heartbeat.node
    }

    /// Checks it against the node's key.
    ///
    /// # Errors
    /// Where the signature is not that key's.
    pub fn verify(self, key: &PublicKey) -> Result<Verified<Heartbeat>, RegistrationError> {
        self.signature
            .verify(key, Namespace::Heartbeat, &self.bytes)
            .map_err(|error| RegistrationError::Signature(error.to_string()))?;
        Ok(Verified::assertion(self.heartbeat))
    }
}
