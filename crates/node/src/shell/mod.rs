//! The thin shell of a node: everything that touches the host on the core's behalf.

mod check;
mod config;
mod daemon;
mod disk;
pub mod facts;
mod files;
mod glance;
mod journal;
mod node;
mod rules;
mod runs;
mod state;

pub use check::check;
pub use config::{NodeConfig, Places};
pub use daemon::{DaemonError, daemon, install_certificate, request_certificate};
pub use disk::Disk;
pub use files::FileError;
pub use glance::{Glance, LastChange, glance};
pub use node::{Handle, NodeShell, Start, now};
pub use rules::{Agents, look_at};
pub use state::StateError;
