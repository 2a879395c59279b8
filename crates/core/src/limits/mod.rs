//! Every limit of the system, in one place: each has a name, a unit and a reason.
//!
//! One file per room; a room takes its limits from here and nowhere else.

pub mod agent;
pub mod broker;
pub mod client;
pub mod crypto;
pub mod facts;
pub mod filter;
pub mod hub;
pub mod link;
pub mod node;
pub mod policy;
pub mod protocol;
pub mod rollout;
pub mod service;
pub mod timing;

/// At most so many bytes of a text: as many whole characters as fit.
#[must_use]
pub fn cut_to(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
