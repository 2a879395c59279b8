//! The contract between a node and its agents, the host of external ones, and the processes that
//! changes run in.
//!
//! An agent is a declaration ([`Ddl`](marcato_core::ddl::Ddl)) and an implementation behind
//! [`Agent`]. First-party agents are Rust and get no private door; anyone's are executables in any
//! language, called by Choria's external agent protocol ([`external`]). A read runs where the node
//! is; a change runs in a process of its own that outlives the node ([`runner`]).
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod call;
mod catalog;
pub mod external;
pub mod job;
pub mod policy;
pub mod process;
pub mod runner;
pub mod safe;
mod shipped;
mod tree;

pub use call::{ActionResult, Call, Outcome};
pub use catalog::{Agent, BoxFuture, Catalog};
pub use shipped::Shipped;
