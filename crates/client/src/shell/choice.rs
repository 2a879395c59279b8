//! Which nodes a task is for, and what is settled of its order with them.

use std::sync::Arc;

use marcato_core::OrderId;
use marcato_protocol::keys::OpenKey;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::fleet::{FleetError, random};
use crate::core::Selection;

/// Which nodes a task is for; the order's id is settled with them.
#[derive(Debug, Clone)]
pub struct Choice {
    pub(super) id: OrderId,
    pub(super) reader: Arc<OpenKey>,
    /// The nodes. May be narrowed before the order is signed.
    pub selection: Selection,
}

impl Choice {
    /// With a fresh key for its answers.
    pub(super) fn new(id: OrderId, selection: Selection) -> Result<Self, FleetError> {
        let reader = OpenKey::generate(&mut ChaCha20Rng::from_seed(random()?));
        Ok(Self { id, reader: Arc::new(reader), selection })
    }

    /// The id that the order will have.
    #[must_use]
    pub const fn order(&self) -> OrderId {
        self.id
    }

    /// The key to which what nodes say will be sealed, for whoever wants to read answers that come
    /// late.
    #[must_use]
    pub fn reader(&self) -> &OpenKey {
        &self.reader
    }
}
