//! What an operator's side does: ask the hub which nodes are meant, sign one order for them, and
//! account for every one of them.
//!
//! [`core`] decides, and is a set of state machines without I/O; [`shell`] carries out what they
//! decide. The way of one command: [`core::Inquiry`] (which nodes) → [`core::Selection`] (which of
//! them are asked, and which not and why) → [`core::Job`] (order, receipts) → [`core::Report`].
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod core;
pub mod shell;
