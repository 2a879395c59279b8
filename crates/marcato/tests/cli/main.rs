//! Whole commands as an operator types them: the real programs, a lab of simulated hosts, and what is
//! to be seen, word by word (`snapshots/`; `INSTA_UPDATE=always` writes them anew).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod about;
mod authority;
mod changes;
mod completion;
mod filters;
mod guards;
mod jobs;
mod kit;
mod looking;
mod pace;
mod pipes;
mod schema;
mod scripts;
mod terminal;
