//! The embedded broker: a server of the NATS client protocol.
//!
//! Three layers, each knowing only the one below it:
//! - **pure**: [`parser`] (bytes to operations), [`session`] (one client's conversation),
//!   [`router`] (who gets a message), [`gate`] (who may connect). No sockets, no clock, no
//!   randomness of their own.
//! - **shared**: `mailbox` and `exchange`, where the clients of one process meet.
//! - **shell**: `connection` and [`Broker`], a task for each socket.
//!
//! It knows nothing of what it carries: payloads are bytes, header blocks are checked for form
//! alone. Compared with nats-server in `tests/wire/`; where it is stricter, the reason stands there.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod auth;
mod config;
pub mod connect;
mod connection;
mod descriptors;
mod exchange;
pub mod gate;
mod headers;
mod mailbox;
mod outbound;
pub mod parser;
mod quiet;
pub mod refusal;
pub mod router;
mod server;
pub mod session;
pub mod subject;

pub use config::{BindError, Config, InsecurePlaintext, InsecurePlaintextError, Limits};
pub use descriptors::raise_open_files;
pub use server::Broker;
