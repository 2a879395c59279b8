//! A fleet in one process: the real cores of nodes, hub and clients with the real cryptography, in
//! virtual time, on simulated hosts, behind a simulated broker and a network that does its worst.
//!
//! A run comes from one seed and can be repeated to the byte: seed → [`plan`] → [`world`] → trace
//! and [`truth`] → [`checkers`]. The checkers know what the simulated hosts really did, and nothing
//! of how the run was drawn.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod checkers;
pub mod coverage;
mod disk;
pub mod fault;
pub mod host;
pub mod keys;
pub mod plan;
mod queue;
mod random;
pub mod run;
mod trace;
pub mod truth;
pub mod world;

/// The moment at which every run begins, in milliseconds since 1970.
pub const EPOCH: u64 = 1_800_000_000_000;
