//! Every word that a person reads: errors with their hints, reports, JSON.

pub mod change;
pub mod coverage;
pub mod failure;
pub mod findings;
pub mod fold;
pub mod group;
pub mod help;
pub mod inventory;
pub mod items;
pub mod jobs;
pub mod json;
pub mod left;
pub mod output;
pub mod schema;
pub mod statistics;
pub mod table;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod time;
mod usage;

pub use failure::{Failure, tell};
pub use output::{answer, print};
pub use usage::{usage, version};

/// `1 node`, `3 nodes`
#[must_use]
pub fn node_count(count: usize) -> String {
    format!("{count} {}", if count == 1 { "node" } else { "nodes" })
}
