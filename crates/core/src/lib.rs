//! The words that every room of Marcato shares: names, times, limits, values, the DDL model, end
//! states, reason codes and exit codes.
//!
//! Nothing here does I/O, reads a clock or knows the network.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod config;
pub mod ddl;
pub mod exit;
pub mod facts;
pub mod json;
pub mod limits;
pub mod names;
pub mod nearest;
pub mod reason;
pub mod state;
pub mod terms;
pub mod time;

pub use exit::Exit;
pub use facts::Facts;
pub use names::{
    ActionName, AgentName, CallerId, Collective, FactName, Identity, JobId, NameError, OrderId,
};
pub use reason::Reason;
pub use state::{Changed, EndState};
pub use terms::Terms;
pub use time::{Span, Timestamp};
