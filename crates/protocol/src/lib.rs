//! Orders, receipts, registrations: what is signed, how it is verified, and how it travels.
//!
//! Pure: bytes, time and randomness come in as arguments. The one way from a received order to one
//! that may be executed is [`verify::verify_order`], which alone makes a `Verified<Received>`.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod allowed_signers;
pub mod certificate;
pub mod digest;
pub mod head;
pub mod keys;
pub mod merkle;
pub mod message;
pub mod order;
pub mod progress;
pub mod question;
pub mod receipt;
pub mod registration;
pub mod seal;
pub mod ssh_agent;
pub mod sshsig;
mod strict;
pub mod subject;
mod verified;
pub mod verify;
pub mod version;

pub use verified::Verified;
