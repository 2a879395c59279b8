//! The last change of each item, so that whoever delays messages cannot reorder changes.

use std::collections::BTreeMap;

use marcato_core::limits::node::LAST_CHANGES_MAX;
use marcato_core::limits::timing::SKEW;
use marcato_core::{AgentName, OrderId, Timestamp};

use super::journal::About;

/// An agent and what it changes.
type Item = (AgentName, Option<String>);

/// The changes that began last, by when they were issued.
#[derive(Debug, Default)]
pub(super) struct LastChanges(BTreeMap<Item, (Timestamp, OrderId)>);

impl LastChanges {
    /// The later change that this one must not follow: issued more than the skew after it.
    pub(super) fn supersedes(&self, about: &About) -> Option<(Timestamp, OrderId)> {
        let last = self.0.get(&(about.agent.clone(), about.item.clone())).copied();
        last.filter(|(issued, order)| about.issued + SKEW < *issued && *order != about.key.order)
    }

    /// Notes a change that begins.
    pub(super) fn began(&mut self, about: &About) {
        let item = (about.agent.clone(), about.item.clone());
        let new = (about.issued, about.key.order);
        let last = self.0.entry(item).or_insert(new);
        *last = new.max(*last);
        if self.0.len() > LAST_CHANGES_MAX {
            // The oldest says the least: only an order that is older still would be refused by it.
            let oldest = self.0.iter().min_by_key(|(_, (issued, _))| *issued);
            if let Some(item) = oldest.map(|(item, _)| item.clone()) {
                self.0.remove(&item);
            }
        }
    }

    /// How many items are known.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
