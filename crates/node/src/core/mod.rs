//! The pure core of a node: it decides, and neither reads a clock nor touches the host.
//!
//! [`Node::new`] takes a [`Setup`], [`Node::step`] an [`Event`]; both give [`Effect`]s back, which
//! the shell does in their order. The same seed and the same events give the same effects.

mod answer;
mod approved;
mod bars;
mod bucket;
mod can;
mod effect;
mod event;
mod intake;
mod job;
mod journal;
mod node;
pub mod policy;
mod recover;
mod refusals;
mod registration;
mod run;
mod runs;
mod said;
mod seen;
mod setup;
mod steady;
mod superseded;
#[cfg(test)]
mod tests;

use marcato_core::limits::cut_to;
use marcato_core::limits::node::TEXT_BYTES_MAX;

pub use approved::Approved;
pub use effect::{Effect, Entry, Level, What};
pub use event::Event;
pub use journal::{About, JournalKey, JournalRecord, KeptMessage, MayStand, retain};
pub use node::{Held, Node};
pub use run::{RunKey, RunKeyError};
pub use setup::{Recovered, Rules, Setup};

/// A text as logs and receipts take it.
fn cut(text: &str) -> String {
    cut_to(text, TEXT_BYTES_MAX).to_owned()
}
