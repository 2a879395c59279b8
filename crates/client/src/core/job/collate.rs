//! What comes in: receipts, progress, a broker's word that nobody is there, and what is none of it.

use marcato_core::limits::client::{
    READ_SIGNED_MAX, REFUSED_MAX, REFUSED_TEXT_MAX, RESIGN_AFTER, UNEXPECTED_MAX,
};
use marcato_core::{EndState, Identity, Reason, Timestamp};
use marcato_protocol::Verified;
use marcato_protocol::progress::Heard;
use marcato_protocol::subject::Subjects;

use super::Job;
use super::account::{self, Account, Running, Stage};
use crate::core::check::{Checked, Proved, What};
use crate::core::{Effect, NodeReport, RefusedWhy};

impl Job {
    /// Takes a checked message.
    pub(super) fn take(&mut self, checked: Checked, now: Timestamp, effects: &mut Vec<Effect>) {
        let Checked { node, what } = checked;
        match (what, node) {
            (What::Receipt(proved), _) => self.take_receipt(*proved, now, effects),
            (What::Progress(heard), Some(node)) => self.take_progress(&node, heard, now, effects),
            (What::Unproved, Some(node)) if self.is_adaptive() => self.take_unproved(node, now),
            (What::Unproved, node) => {
                let text = "no certificate of the authority's is known for it";
                self.take_refused(node, RefusedWhy::NoCertificate, text.into(), effects);
            }
            (What::Refused(why, text), node) => self.take_refused(node, why, text, effects),
            (What::Other | What::Progress(_), _) => {}
        }
    }

    fn take_receipt(&mut self, proved: Proved, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(node) = &proved.learned
            && self.learned.insert(node.identity().clone(), node.clone()).is_none()
        {
            effects.push(Effect::Learned(node.clone()));
        }
        let round = self.rounds.iter().position(|round| round.order.id == proved.outer.order);
        let node = proved.outer.node.clone();
        self.unproved.remove(&node);
        if !self.accounts.contains_key(&node) {
            return self.take_unexpected(&node, proved, now, effects);
        }
        let Some(account) = self.accounts.get_mut(&node) else { return };
        if account.is_signed() {
            return;
        }
        self.last_reply = now;
        self.answered = true;
        let report = account::signed(proved, account.sent, now);
        let restarted =
            report.state == EndState::Rejected && report.reason == Some(Reason::Restarted);
        if restarted && round < Some(account.round) {
            // The word for which the read was signed anew, once more.
            return;
        }
        let once = account.round == 0 && self.rounds.len() < READ_SIGNED_MAX;
        if restarted && once && !self.task.changes && !self.finished {
            return self.await_anew(report, now, effects);
        }
        self.end(report, effects);
    }

    /// A node that was not expected: it is told of, or taken up where nobody knows whom to expect.
    fn take_unexpected(
        &mut self,
        node: &Identity,
        proved: Proved,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_adaptive() {
            if self.take_up(node) {
                self.take_receipt(proved, now, effects);
            }
        } else if self.has_room() && !self.unexpected.contains_key(node) {
            let report = account::signed(proved, None, now);
            self.unexpected.insert(node.clone(), report);
            effects.push(Effect::Moved(node.clone()));
        }
    }

    fn has_room(&self) -> bool {
        let most = UNEXPECTED_MAX + self.selection.expected();
        self.accounts.len() + self.unexpected.len() < most
    }

    /// Opens an account where nobody knows whom to expect, for a node that proved that it has the
    /// order. Says whether there was room.
    fn take_up(&mut self, node: &Identity) -> bool {
        let room = self.has_room();
        if room {
            let sent = self.rounds.first().and_then(|round| round.sent);
            self.accounts.insert(node.clone(), Account { copies: 1, sent, ..Account::new(None) });
            self.open += 1;
        }
        room
    }

    /// The node has just started and refused the read: it gets one that is signed after its start.
    fn await_anew(&mut self, report: NodeReport, now: Timestamp, effects: &mut Vec<Effect>) {
        self.unplan(&report.node);
        let Some(account) = self.accounts.get_mut(&report.node) else { return };
        self.open += usize::from(!account.is_open());
        // That of the next order, whatever else is being signed meanwhile.
        let round = self.rounds.len();
        let Account { last, read_only, down, .. } = *account;
        *account = Account { round, last, read_only, ..Account::new(down) };
        self.resign_at.get_or_insert(now + RESIGN_AFTER);
        effects.push(Effect::Moved(report.node.clone()));
        self.restarted.insert(report.node.clone(), report);
    }

    fn take_progress(
        &mut self,
        node: &Identity,
        heard: Box<Verified<Heard>>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let waits = !self.finished && self.rounds.first().is_some_and(|round| !round.closed);
        if self.is_adaptive() && waits && !self.accounts.contains_key(node) {
            self.answered |= self.take_up(node);
        }
        let Some(account) = self.accounts.get_mut(node) else { return };
        // A word of a node whose account the client closed opens it again, while there is somebody
        // to wait. It cannot open a signed end, nor one for which the node's time is up.
        let opens = match &account.stage {
            Stage::Ended(end) => {
                let up = end.signed || end.state == EndState::TimedOut;
                self.task.changes && !self.finished && !up
            }
            Stage::Waiting | Stage::Running(_) => true,
        };
        if !opens {
            return;
        }
        let Some(running) = Running::heard(account.last, &heard.outer, now) else { return };
        self.last_reply = now;
        self.open += usize::from(!account.is_open());
        account.last = Some(running);
        account.said = heard.is_sealed().then_some(heard);
        // Whoever has it without a turn waits no longer than the others.
        account.since.get_or_insert(now);
        account.stage = Stage::Running(running);
        self.plan(node, now);
        effects.push(Effect::Moved(node.clone()));
    }

    /// Where nobody knows whom to expect, a node that is not known yet says that it runs the order.
    /// Its receipt will prove who it is; until then its word only makes the client wait.
    fn take_unproved(&mut self, node: Identity, now: Timestamp) {
        let full = self.unproved.len() >= UNEXPECTED_MAX;
        if !self.accounts.contains_key(&node) && !full {
            self.last_reply = now;
            self.unproved.insert(node);
        }
    }

    /// The end has come for those whose certificate has not: they are told of as what they are.
    pub(super) fn refuse_unproved(&mut self, effects: &mut Vec<Effect>) {
        for node in std::mem::take(&mut self.unproved) {
            let text = "it says that it runs the order, and has not proved who it is".to_owned();
            self.take_refused(Some(node), RefusedWhy::NoCertificate, text, effects);
        }
    }

    fn take_refused(
        &mut self,
        node: Option<Identity>,
        why: RefusedWhy,
        text: String,
        effects: &mut Vec<Effect>,
    ) {
        if why == RefusedWhy::KeyChanged
            && self.is_adaptive()
            && let Some(node) = &node
            && !self.accounts.contains_key(node)
            && self.accounts.len() < UNEXPECTED_MAX
        {
            let account = Account { copies: 1, ..Account::new(None) };
            let mut report = self.words(&account).say(node, EndState::Skipped, Reason::KeyChanged);
            report.message = text.chars().take(REFUSED_TEXT_MAX).collect();
            self.accounts.insert(node.clone(), account);
            self.open += 1;
            self.end(report, effects);
        }
        // Parts of it may be the sender's own words.
        let text = text.chars().filter(|c| !c.is_control()).take(REFUSED_TEXT_MAX).collect();
        let known = self.refused.contains_key(&(node.clone(), why));
        let node = node.filter(|_| known || self.refused.len() < REFUSED_MAX);
        self.refused.entry((node, why)).or_insert((text, 0)).1 += 1;
    }

    /// A broker says that nobody listened to the message with this reply subject.
    pub(super) fn nobody(&mut self, subject: &str, effects: &mut Vec<Effect>) {
        let round = self.rounds.iter().position(|round| {
            let all = self.subjects.answer(&self.caller, round.order.id);
            !round.is_signing() && round.is_matching() && all == subject
        });
        if let Some(index) = round {
            return self.nobody_at_all(index, effects);
        }
        let Some(node) = Subjects::last_identity(subject) else { return };
        let Some(account) = self.accounts.get(&node) else { return };
        let order = self.rounds.get(account.round).map(|round| round.order.id);
        let own = order.map(|id| self.subjects.reply(&self.caller, id, &node));
        if !account.is_waiting() || account.is_held() || own.as_deref() != Some(subject) {
            return;
        }
        if self.task.changes && account.copies > 1 {
            // The first copy found somebody, and the node left after it: it may have begun.
            return;
        }
        let report = self.words(account).say(&node, EndState::Down, Reason::NotConnected);
        self.end(report, effects);
    }

    fn nobody_at_all(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let waiting = self
            .accounts
            .iter()
            .filter(|(_, account)| account.round == index && account.is_waiting());
        let reports: Vec<_> = waiting
            .map(|(node, account)| {
                self.words(account).say(node, EndState::Down, Reason::NotConnected)
            })
            .collect();
        for report in reports {
            self.end(report, effects);
        }
        if self.is_adaptive() && !self.answered {
            self.finished = true;
        }
    }
}
