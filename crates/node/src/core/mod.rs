//! The pure core of a node: it decides, and neither reads a clock nor touches the host.

mod approved;
mod effect;
mod event;
mod journal;
pub mod policy;
mod run;
mod setup;

pub use approved::Approved;
pub use effect::{Effect, Entry, Level, What};
pub use event::Event;
pub use journal::{About, JournalKey, JournalRecord, KeptMessage};
pub use run::{RunKey, RunKeyError};
pub use setup::{Recovered, Rules, Setup};
