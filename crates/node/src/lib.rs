//! The daemon of a managed host: a pure core that decides, a thin shell that acts.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod core;
pub mod shell;
