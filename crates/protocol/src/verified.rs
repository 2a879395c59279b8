//! What is verified is a type of its own, and only this crate makes one.
//!
//! An order that was merely parsed cannot be executed, because execution asks for a
//! `Verified<Received>`, and there is no way to make one from outside. Each thing that does not
//! compile has a twin that does, so that it fails for what it says and not for a name that moved:
//!
//! ```
//! use marcato_protocol::order::Received;
//! use marcato_protocol::Verified;
//! fn execute(_: Verified<Received>) {}
//! fn hand_on(verified: Verified<Received>) { execute(verified) }
//! ```
//!
//! ```compile_fail,E0423
//! use marcato_protocol::order::Received;
//! use marcato_protocol::Verified;
//! fn execute(_: Verified<Received>) {}
//! fn smuggle(parsed: Received) { execute(Verified(parsed)) }
//! ```
//!
//! ```compile_fail,E0624
//! use marcato_protocol::order::Received;
//! use marcato_protocol::Verified;
//! fn smuggle(parsed: Received) -> Verified<Received> { Verified::assertion(parsed) }
//! ```
//!
//! ```compile_fail,E0308
//! use marcato_protocol::order::Received;
//! use marcato_protocol::Verified;
//! fn execute(_: Verified<Received>) {}
//! fn smuggle(parsed: Received) { execute(parsed) }
//! ```

use std::ops::Deref;

/// A value whose signature was checked, against a key that was trusted for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// States that the caller has just checked the signature. Every use is a place to audit.
    pub(crate) const fn assertion(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
