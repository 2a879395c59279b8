//! The binaries `mco` and `mcod`: flags, configuration, every word that a person reads, exit codes,
//! and the lab.
//!
//! The only room that prints, exits, or reads the home directory. What it knows of the fleet it
//! knows through `client`, `node` and `hub`.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod config;
pub mod environment;
pub mod jobs;
pub mod lab;
pub mod mco;
pub mod mcod;
pub mod words;
