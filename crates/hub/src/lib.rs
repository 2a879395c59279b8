//! The hub's registry: which nodes there are, what they said of themselves, and which are not
//! connected. It learns from messages alone, as a client of the broker like any other.
//!
//! [`core`] is the registry, a state machine without I/O; [`shell`] connects it.

pub mod core;
pub mod shell;
