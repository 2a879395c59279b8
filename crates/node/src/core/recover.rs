//! Takes up what the journal holds: answers stay answers, and what was accepted gets its end.
//!
//! A change runs at most once: only one of which nothing was ever put on the disk is started, and
//! it goes through all checks again.

use std::collections::BTreeMap;

use marcato_core::Timestamp;
use marcato_core::limits::node::RECEIPT_SENT_AGAIN;
use marcato_protocol::order::Received;

use super::answer::{Answer, End};
use super::effect::{Level, What};
use super::journal::{About, JournalRecord, KeptMessage};
use super::node::Node;
use super::run::RunKey;
use super::runs::{Began, Source};
use super::setup::Recovered;

impl Node {
    /// Takes the journal in; nothing was sent or received yet.
    pub(super) fn recover(
        &mut self,
        journal: Vec<JournalRecord>,
        runs: Vec<(RunKey, Recovered)>,
        now: Timestamp,
    ) {
        let mut open: Vec<(About, KeptMessage)> = Vec::new();
        for record in journal {
            match record {
                JournalRecord::Accepted { about, message } => open.push((about, message)),
                JournalRecord::Damaged { at } => self.damaged = self.damaged.max(Some(at)),
                JournalRecord::Barred { order, by, others, until } => {
                    self.bars.add(order, &by, others, self.steady.of(until));
                }
                JournalRecord::Ended { about, began, at, receipt } => {
                    let key = about.key;
                    open.retain(|(about, _)| about.key != key);
                    if began {
                        self.last_changes.began(&about);
                    }
                    // Whether the order asked for the certificate is not known any more, and it
                    // does no harm.
                    self.seen.remember(about, true, began, self.steady);
                    self.seen.answered(key, receipt, Some(at), self.steady);
                    if now.since(at) <= RECEIPT_SENT_AGAIN {
                        self.publish_receipt(key);
                    }
                }
            }
        }
        let mut runs: BTreeMap<RunKey, Recovered> = runs.into_iter().collect();
        let mut unstarted = Vec::new();
        for (about, message) in open {
            let mut run = runs.remove(&about.key).unwrap_or(Recovered::NeverStarted);
            if run == Recovered::NeverStarted && self.damaged.is_some() {
                // The record of its end may be what was lost, and its files are gone by then.
                run = Recovered::Gone;
            }
            let order = message.restore().and_then(|message| Received::parse(&message).ok());
            let Some(order) = order else {
                let text = format!("the record of {} holds no order", about.key);
                self.log(Level::Error, What::Journal, None, None, text);
                continue;
            };
            let text = match &run {
                Recovered::NeverStarted => "never started",
                Recovered::Running => "still running",
                Recovered::Finished(_) => "finished",
                Recovered::Gone => "its process is gone",
            };
            let named = Some((about.key.order, &about.caller));
            self.log(Level::Info, What::Recovered, named, None, text.to_owned());
            if run == Recovered::NeverStarted {
                unstarted.push((about, order));
            } else {
                self.recover_begun(about, &order, run, now);
            }
        }
        // Behind those that run, whose turn it is.
        for (about, order) in unstarted {
            self.recover_unstarted(about, order, now);
        }
    }

    fn recover_begun(&mut self, about: About, order: &Received, run: Recovered, now: Timestamp) {
        let answer = Answer::to(order, &self.identity, about.received);
        self.last_changes.began(&about);
        self.seen.remember(about.clone(), answer.certificate, true, self.steady);
        let end = match run {
            Recovered::Finished(outcome) => End::of(outcome),
            Recovered::Gone => End::gone(),
            Recovered::Running | Recovered::NeverStarted => {
                return self.readopt(about, answer, now);
            }
        };
        self.finish((about, &answer), end, Some(Began(true)), now);
    }

    fn recover_unstarted(&mut self, about: About, order: Received, now: Timestamp) {
        match self.verify(order, now) {
            Ok(order) => self.on_verified(&order, Source::Journal(&about), now),
            // Its time is over, or its signer may no longer sign.
            Err(refused) => {
                let answer = Answer::to(&refused.received, &self.identity, about.received);
                self.seen.remember(about.clone(), answer.certificate, false, self.steady);
                let end = End::rejected(refused.reason, &refused.text);
                self.finish((about, &answer), end, Some(Began(false)), now);
            }
        }
    }
}
