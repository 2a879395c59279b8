//! Orders, receipts, registrations: signing, verification, sealing, Merkle sets.

pub mod allowed_signers;
pub mod digest;
pub mod keys;
pub mod merkle;
pub mod seal;
pub mod ssh_agent;
pub mod sshsig;
