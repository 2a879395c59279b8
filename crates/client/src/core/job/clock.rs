//! What happens because time passes: questions, second copies, accounts closed by the client.

use marcato_core::limits::client::QUIET_AFTER;
use marcato_core::limits::timing::PROBE_AFTER;
use marcato_core::{Identity, Span, Timestamp};

use super::Job;
use super::account::{Account, Stage};
use super::round::{Out, Round};
use crate::core::Effect;

impl Job {
    /// Does what it is time for.
    pub(super) fn look(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.resigns_at().is_some_and(|at| now >= at) {
            self.sign_anew(now, effects);
        }
        for index in 0..self.rounds.len() {
            self.look_at_round(index, now, effects);
        }
        while let Some((at, node)) = self.due.first().cloned() {
            if at > now {
                break;
            }
            self.due.pop_first();
            self.look_at_node(&node, now, effects);
        }
        if self.is_adaptive() && self.is_quiet(now) {
            self.finished = true;
        }
    }

    /// When the read is signed anew: one order after another, since a key is asked for one at a time.
    fn resigns_at(&self) -> Option<Timestamp> {
        let is_signing = self.rounds.last().is_some_and(Round::is_signing);
        self.resign_at.filter(|_| !is_signing)
    }

    fn look_at_round(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let probe_at = self.probe_at(index);
        let wait = self.task.wait;
        let round = &mut self.rounds[index];
        // Where a pace is kept, a round has no time of its own: each of its nodes has.
        let Some(sent) = round.sent.filter(|_| !round.closed) else { return };
        if now >= sent + wait {
            round.closed = true;
            return self.close_round(index, now, effects);
        }
        if probe_at.is_some_and(|at| now >= at) {
            round.probed = true;
            // Whom the registry calls down was asked when the order was sent.
            let silent = self.accounts.iter().filter(|(_, account)| {
                account.round == index && account.is_waiting() && account.down.is_none()
            });
            let probes: Vec<_> = silent.map(|(node, _)| Out::Probe(index, node.clone())).collect();
            self.outbox.extend(probes);
        }
        if self.resend_at(index).is_some_and(|at| now >= at) {
            self.rounds[index].resent = true;
            self.send_again(index, |stage| matches!(stage, Stage::Waiting));
        }
    }

    /// When the silent nodes of a read are asked whether they are connected.
    fn probe_at(&self, index: usize) -> Option<Timestamp> {
        let round = self.rounds.get(index)?;
        let sent = round.sent.filter(|_| round.is_matching() && !round.probed)?;
        Some(sent.max(self.last_reply) + PROBE_AFTER)
    }

    /// When silent nodes are sent the same bytes once more: at half of the wait. While others still
    /// answer the rest may only be busy, and more to do would not help them; a quarter of the wait
    /// is left in any case.
    fn resend_at(&self, index: usize) -> Option<Timestamp> {
        let round = self.rounds.get(index)?;
        let sent = round.sent.filter(|_| !round.closed && !round.resent)?;
        let part = |quarters| sent + Span::from_ms(self.task.wait.as_ms() * quarters / 4);
        Some((self.last_reply + PROBE_AFTER).clamp(part(2), part(3)))
    }

    /// The wait is over: reads end, and changes that have not begun.
    fn close_round(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let open = self.accounts.iter().filter(|(_, account)| {
            let ends = account.is_waiting() || (account.is_open() && !self.task.changes);
            account.round == index && ends
        });
        let reports: Vec<_> = open
            .map(|(node, account)| self.words(account).end_of_wait(node, account, now))
            .collect();
        for report in reports {
            self.end(report, effects);
        }
    }

    /// Plans when to look at a node again that has a time of its own.
    pub(super) fn plan(&mut self, node: &Identity, now: Timestamp) {
        self.unplan(node);
        let Some(account) = self.accounts.get(node) else { return };
        let due = self.due_at(account, now);
        let Some(account) = self.accounts.get_mut(node) else { return };
        account.due = due;
        self.due.extend(due.map(|due| (due, node.clone())));
    }

    /// A running change: when its silence is too long, or its time up. Where a pace is kept, any other
    /// node too: at half of its wait, and at the end of it.
    fn due_at(&self, account: &Account, now: Timestamp) -> Option<Timestamp> {
        match &account.stage {
            Stage::Running(running) if self.task.changes => {
                let limit = running.limit(self.words(account).start_by, self.task.run_limit);
                let silent_at = running.silent_at();
                Some(if silent_at > now { silent_at.min(limit) } else { limit })
            }
            Stage::Waiting | Stage::Running(_) if self.is_paced() => {
                let since = account.since?;
                let half = since + Span::from_ms(self.task.wait.as_ms() / 2);
                Some(if half > now { half } else { since + self.task.wait })
            }
            Stage::Waiting | Stage::Running(_) | Stage::Ended(_) => None,
        }
    }

    /// Looks at the node no more.
    pub(super) fn unplan(&mut self, node: &Identity) {
        if let Some(account) = self.accounts.get_mut(node)
            && let Some(due) = account.due.take()
        {
            self.due.remove(&(due, node.clone()));
        }
    }

    fn look_at_node(&mut self, node: &Identity, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(account) = self.accounts.get(node) else { return };
        let words = self.words(account);
        let end = match &account.stage {
            Stage::Running(running) if self.task.changes => {
                let over = now >= running.limit(words.start_by, self.task.run_limit);
                over.then(|| words.end_of_run(node, running, now))
            }
            _ => {
                let over = account.since.is_some_and(|since| now >= since + self.task.wait);
                over.then(|| words.end_of_wait(node, account, now))
            }
        };
        if let Some(end) = end {
            return self.end(end, effects);
        }
        self.send_once_more(node, now);
        self.plan(node, now);
    }

    /// Sends a silent node the same bytes again, once: the order, or a receipt, may have been lost on
    /// the way. Not when the node would refuse them for their age.
    fn send_once_more(&mut self, node: &Identity, now: Timestamp) {
        let Some(account) = self.accounts.get_mut(node) else { return };
        let silent = match &account.stage {
            Stage::Waiting => true,
            Stage::Running(running) => self.task.changes && now >= running.silent_at(),
            Stage::Ended(_) => false,
        };
        let start_by = self.rounds.get(account.round).map(|round| round.order.start_by);
        if silent && !account.resent && start_by.is_some_and(|start_by| now <= start_by) {
            // A node that was never sent a first copy gets it now, and may get a second.
            account.resent = account.copies > 0;
            self.outbox.push_back(Out::Order(account.round, node.clone()));
        }
    }

    /// Where nobody knows whom to expect: whether all who answered are done and no other comes.
    fn is_quiet(&self, now: Timestamp) -> bool {
        let settled = self.open == 0 && self.resign_at.is_none() && self.outbox.is_empty();
        let over = self.rounds.iter().all(|round| round.closed);
        let quiet = self.answered && now >= self.last_reply + QUIET_AFTER;
        settled && (over || (quiet && self.unproved.is_empty()))
    }

    /// Notes the end when every account is closed, and else when to look again.
    pub(super) fn settle(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.ended.is_some() {
            return;
        }
        let signing = self.rounds.last().is_some_and(Round::is_signing);
        let all_known = !self.is_adaptive() || self.rounds.is_empty();
        let settled = all_known && self.open == 0 && !signing && self.resign_at.is_none();
        if self.finished || settled {
            self.finished = true;
            self.outbox.clear();
            self.refuse_unproved(effects);
            self.ended = Some(now);
            effects.push(Effect::Done);
        } else if let Some(at) = self.wake_at(now) {
            effects.push(Effect::WakeAt(at));
        }
    }

    fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.outbox.is_empty() {
            return Some(now);
        }
        let wait = self.task.wait;
        let rounds = self.rounds.iter().enumerate().flat_map(|(index, round)| {
            let open = round.sent.filter(|_| !round.closed);
            let probe = self.probe_at(index).filter(|_| open.is_some());
            [probe, self.resend_at(index), open.map(|sent| sent + wait)]
        });
        let quiet = self.is_adaptive() && self.answered && self.open == 0;
        let others = [
            self.resigns_at(),
            self.due.first().map(|(at, _)| *at),
            quiet.then(|| self.last_reply + QUIET_AFTER).filter(|at| *at > now),
        ];
        rounds.chain(others).flatten().min()
    }
}
