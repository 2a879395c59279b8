//! The cryptography of the protocol against OpenSSH's own tools, RFCs and arbitrary bytes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod allowed_signers;
mod keys;
mod merkle;
mod openssh;
mod parsers;
mod public_key;
mod seal;
mod sshsig;
