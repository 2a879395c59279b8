//! Refusals of orders that did not verify: rate-limited, and kept to, because whoever carries
//! messages could damage a copy, show its refusal, and let the true one run.

use std::collections::{BTreeMap, BTreeSet};

use marcato_core::Timestamp;
use marcato_core::limits::node::{REFUSALS_COUNTED_EVERY, REFUSALS_KEPT_MAX, REFUSALS_PER_SECOND};
use marcato_core::limits::timing::SKEW;
use marcato_protocol::digest::Digest;
use marcato_protocol::head::Head;
use marcato_protocol::receipt::SignedReceipt;

use super::bucket::Bucket;
use super::steady::Steady;

/// The bytes of an order and of its step, and the step's place: two steps may have the same bytes.
type Bytes = (Digest, Digest, u64);

const fn bytes(order: &Head) -> Bytes {
    (order.order_digest, order.step_digest, order.step_index)
}

/// What was refused, and how often.
#[derive(Debug)]
pub(super) struct Refusals {
    bucket: Bucket,
    kept: BTreeMap<Bytes, SignedReceipt>,
    by_end: BTreeSet<(Timestamp, Bytes)>,
    uncounted: u64,
    /// When the count is told next.
    tell_at: Option<Timestamp>,
}

impl Refusals {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            bucket: Bucket::new(REFUSALS_PER_SECOND, now),
            kept: BTreeMap::new(),
            by_end: BTreeSet::new(),
            uncounted: 0,
            tell_at: None,
        }
    }

    /// Whether one more may be answered and logged; counts it if not.
    pub(super) fn may(&mut self, now: Timestamp, steady: Steady) -> bool {
        self.forget(steady);
        if self.kept.len() < REFUSALS_KEPT_MAX && self.bucket.take(now) {
            return true;
        }
        self.uncounted += 1;
        self.tell_at.get_or_insert(now + REFUSALS_COUNTED_EVERY);
        false
    }

    /// The refusal of these very bytes.
    pub(super) fn get(&self, order: &Head) -> Option<&SignedReceipt> {
        self.kept.get(&bytes(order))
    }

    /// Keeps a refusal for as long as the order might otherwise start.
    pub(super) fn keep(&mut self, order: &Head, receipt: SignedReceipt, steady: Steady) {
        let until = steady.of(order.start_by + SKEW + SKEW);
        let bytes = bytes(order);
        if self.kept.insert(bytes, receipt).is_none() {
            self.by_end.insert((until, bytes));
        }
    }

    pub(super) fn forget(&mut self, steady: Steady) {
        let now = steady.now();
        while let Some((until, bytes)) = self.by_end.first().copied().filter(|(end, _)| *end < now)
        {
            self.by_end.remove(&(until, bytes));
            self.kept.remove(&bytes);
        }
    }

    /// When [`Refusals::count`] has something to tell.
    pub(super) const fn tell_at(&self) -> Option<Timestamp> {
        self.tell_at
    }

    /// How many were neither answered nor logged since the last time, once a minute.
    pub(super) fn count(&mut self, now: Timestamp) -> Option<u64> {
        self.tell_at.filter(|at| *at <= now)?;
        self.tell_at = None;
        Some(std::mem::take(&mut self.uncounted))
    }

    /// How many refusals are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}
