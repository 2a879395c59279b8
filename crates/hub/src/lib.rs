//! The hub's registry: which nodes there are, what they said of themselves, and which are not
//! connected. It learns from messages alone, as a client of the broker like any other.
//!
//! [`core`] is the registry, a state machine without I/O; the shell connects it.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod core;
