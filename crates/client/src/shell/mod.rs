//! The shell of the client: sockets, files, threads and the clock, which carry out what the core
//! decides.

mod choice;
mod clock;
mod fleet;
mod known_nodes;
mod pool;
pub mod signer;
mod who;

pub use choice::Choice;
pub use fleet::{ClientSetup, Fleet, FleetError, Interrupter, Live};
pub use known_nodes::{KnownNodesError, load, save};
pub use who::Found;
