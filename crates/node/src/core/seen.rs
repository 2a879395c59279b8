//! Which orders a node has taken or refused, and what it answered: a second copy gets the same.
//!
//! Nothing is forgotten before its order can no longer start. Each caller has room for so many, and
//! what exceeds it is refused, so that no caller can push another's orders out.

use std::collections::{BTreeMap, BTreeSet};

use marcato_core::limits::node::{
    CHANGE_RECEIPT_KEPT, SEEN_BYTES_PER_CALLER_MAX, SEEN_PER_CALLER_MAX,
};
use marcato_core::limits::timing::SKEW;
use marcato_core::{CallerId, OrderId, Span, Timestamp};
use marcato_protocol::receipt::SignedReceipt;

use super::journal::About;
use super::run::RunKey;
use super::steady::Steady;

/// How often a full caller's orders are searched for some that may be forgotten.
const SEARCH_EVERY: Span = Span::from_secs(1);

/// An order that is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) about: About,
    /// The answer, once there is one.
    pub(super) receipt: Option<SignedReceipt>,
    /// When it ended, of a change that was answered.
    ended: Option<Timestamp>,
    /// Whether receipts carry the certificate.
    pub(super) certificate: bool,
    /// Whether the node took it: its filter matched.
    taken: bool,
    /// Until when it might start, by the steady clock.
    startable: Timestamp,
    /// Until when it is kept if there is room, by the steady clock.
    until: Timestamp,
    bytes: usize,
}

/// What one caller's orders take.
#[derive(Debug, Default)]
struct Load {
    count: usize,
    bytes: usize,
    /// The latest `issued` of an order that found no room: it must not find any later.
    refused: Option<Timestamp>,
    searched: Timestamp,
}

/// All known orders.
#[derive(Debug, Default)]
pub(super) struct Seen {
    orders: BTreeMap<RunKey, Known>,
    loads: BTreeMap<CallerId, Load>,
    by_end: BTreeSet<(Timestamp, RunKey)>,
}

/// The end of the time in which an order might start, on a clock that may be set back a little.
fn startable_until(about: &About) -> Timestamp {
    about.start_by + SKEW + SKEW
}

impl Seen {
    pub(super) fn get(&self, key: RunKey) -> Option<&Known> {
        self.orders.get(&key)
    }

    /// The steps of an order that are known, in their order.
    pub(super) fn steps(&self, order: OrderId) -> impl DoubleEndedIterator<Item = &Known> {
        let steps = RunKey { order, step: 0 }..=RunKey { order, step: u64::MAX };
        self.orders.range(steps).map(|(_, known)| known)
    }

    /// Whether a step of this order was taken here before.
    pub(super) fn took(&self, order: OrderId) -> bool {
        self.steps(order).any(|known| known.taken)
    }

    /// Whether there is room for one more order of this caller. An order that once found none
    /// never finds any: it was told so.
    pub(super) fn room(&mut self, caller: &CallerId, issued: Timestamp, steady: Steady) -> bool {
        let now = steady.now();
        let Some(load) = self.loads.get_mut(caller) else { return true };
        if load.refused.is_some_and(|refused| issued <= refused) {
            return false;
        }
        let full = |load: &Load| {
            load.count >= SEEN_PER_CALLER_MAX || load.bytes >= SEEN_BYTES_PER_CALLER_MAX
        };
        if !full(load) {
            return true;
        }
        if now.since(load.searched) >= SEARCH_EVERY || load.searched > now {
            load.searched = now;
            let past = |known: &Known| known.receipt.is_some() && known.startable < now;
            let own = self.orders.iter().filter(|(_, known)| known.about.caller == *caller);
            let old: Vec<RunKey> =
                own.filter(|(_, known)| past(known)).map(|(key, _)| *key).collect();
            for key in old {
                self.remove(key);
            }
        }
        let Some(load) = self.loads.get_mut(caller) else { return true };
        let full = full(load);
        if full {
            load.refused = Some(load.refused.map_or(issued, |refused| refused.max(issued)));
        }
        !full
    }

    /// Remembers an order that is not answered yet.
    pub(super) fn remember(
        &mut self,
        about: About,
        certificate: bool,
        taken: bool,
        steady: Steady,
    ) {
        let (key, until) = (about.key, steady.of(startable_until(&about)));
        self.remove(key);
        self.loads.entry(about.caller.clone()).or_default().count += 1;
        let startable = until;
        let (receipt, ended, bytes) = (None, None, 0);
        let known = Known { about, receipt, ended, certificate, taken, startable, until, bytes };
        self.orders.insert(key, known);
    }

    /// Keeps the answer; of a change, of which it is said when it ended, for long, since its client
    /// may come back late.
    pub(super) fn answered(
        &mut self,
        key: RunKey,
        receipt: SignedReceipt,
        ended: Option<Timestamp>,
        steady: Steady,
    ) {
        let Some(known) = self.orders.get_mut(&key) else { return };
        known.until = known.startable;
        if let Some(ended) = ended {
            known.until = known.until.max(steady.of(ended + CHANGE_RECEIPT_KEPT));
        }
        let bytes = receipt.weight();
        if let Some(load) = self.loads.get_mut(&known.about.caller) {
            load.bytes = load.bytes + bytes - known.bytes;
        }
        known.bytes = bytes;
        known.ended = ended;
        known.receipt = Some(receipt);
        self.by_end.insert((known.until, key));
    }

    /// The changes that were answered at such times.
    pub(super) fn changes_that_ended(&self, when: impl Fn(Timestamp) -> bool) -> Vec<RunKey> {
        let ended = |(_, known): &(&RunKey, &Known)| known.ended.is_some_and(&when);
        self.orders.iter().filter(ended).map(|(key, _)| *key).collect()
    }

    /// Forgets what is over.
    pub(super) fn forget(&mut self, steady: Steady) {
        let now = steady.now();
        while let Some((until, key)) = self.by_end.first().copied().filter(|(end, _)| *end < now) {
            self.by_end.remove(&(until, key));
            self.remove(key);
        }
        self.loads.retain(|_, load| {
            // The latest refused order can no longer start either, whatever its start-by was,
            // once nothing else is left and the longest window is over.
            load.count > 0
                || load.refused.is_some_and(|at| {
                    at + marcato_core::limits::timing::START_WINDOW_MAX + SKEW + SKEW >= now
                })
        });
    }

    fn remove(&mut self, key: RunKey) {
        let Some(known) = self.orders.remove(&key) else { return };
        self.by_end.remove(&(known.until, key));
        if let Some(load) = self.loads.get_mut(&known.about.caller) {
            load.count -= 1;
            load.bytes -= known.bytes;
        }
    }

    /// How many orders are known.
    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }
}
