//! Orders that shall not begin here any more: a cancelled one may still be on its way.

use std::collections::{BTreeMap, BTreeSet};

use marcato_core::limits::node::BARS_PER_CALLER_MAX;
use marcato_core::{CallerId, OrderId, Timestamp};

use super::steady::Steady;

/// The orders that somebody cancelled, with who did.
#[derive(Debug, Default)]
pub(super) struct Bars {
    /// Whether it counts for orders of other callers too: this one may cancel those.
    orders: BTreeMap<OrderId, BTreeMap<CallerId, bool>>,
    /// Until when each might start at the latest, by the steady clock.
    by_end: BTreeSet<(Timestamp, OrderId, CallerId)>,
    counts: BTreeMap<CallerId, usize>,
}

impl Bars {
    /// Who cancelled this order of this caller.
    pub(super) fn who(&self, order: OrderId, caller: &CallerId) -> Option<&CallerId> {
        let bars = self.orders.get(&order)?;
        bars.iter().find(|(by, others)| **others || *by == caller).map(|(by, _)| by)
    }

    /// Whether this caller may cancel one more.
    pub(super) fn has_room(&self, by: &CallerId) -> bool {
        self.counts.get(by).is_none_or(|count| *count < BARS_PER_CALLER_MAX)
    }

    /// Bars an order that might start until then, by the steady clock.
    pub(super) fn add(&mut self, order: OrderId, by: &CallerId, others: bool, until: Timestamp) {
        let bars = self.orders.entry(order).or_default();
        if let Some(known) = bars.get_mut(by) {
            *known |= others;
            return;
        }
        bars.insert(by.clone(), others);
        self.by_end.insert((until, order, by.clone()));
        *self.counts.entry(by.clone()).or_default() += 1;
    }

    /// Forgets those of orders that can no longer start.
    pub(super) fn forget(&mut self, steady: Steady) {
        let now = steady.now();
        while self.by_end.first().is_some_and(|(until, ..)| *until < now) {
            let Some((_, order, by)) = self.by_end.pop_first() else { return };
            remove(&mut self.orders, &order, |bars| bars.remove(&by).is_some() && bars.is_empty());
            remove(&mut self.counts, &by, |count| {
                *count -= 1;
                *count == 0
            });
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_end.len()
    }
}

/// Removes an entry once nothing is left in it.
fn remove<K: Ord, V>(map: &mut BTreeMap<K, V>, key: &K, is_empty: impl FnOnce(&mut V) -> bool) {
    if map.get_mut(key).is_some_and(is_empty) {
        map.remove(key);
    }
}
