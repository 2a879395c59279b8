//! What a change says of itself while it runs: that it waits for a lock, and for whom.

use marcato_core::limits::agent::SAID_BYTES_MAX;
use marcato_core::limits::cut_to;
use marcato_protocol::seal::Sealed;
use rand_chacha::ChaCha20Rng;

use super::answer::Answer;

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Said {
    text: String,
    /// The same for the order's readers: sealed once, for as long as nothing else is said.
    sealed: Option<Sealed>,
}

impl Said {
    /// Takes what is said now in answer to an order.
    pub(super) fn take(&mut self, text: &str, answer: &Answer, random: &mut ChaCha20Rng) {
        let text = cut_to(text, SAID_BYTES_MAX);
        if self.text != text {
            *self = Self { text: text.to_owned(), sealed: answer.seal(text, random) };
        }
    }

    /// The text, where there is one.
    pub(super) fn text(&self) -> Option<&str> {
        Some(self.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The same, sealed.
    pub(super) const fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }
}
