//! Every receipt is true: what it says of the host is what the host did.

use std::collections::BTreeSet;

use marcato_agent::ActionResult;
use marcato_core::{Changed, EndState, Reason};

use super::{is_over, lasts};
use crate::truth::{HostTruth, Run, Said, Signed, Truth};

pub(super) fn check(truth: &Truth) -> Vec<String> {
    // What is said again was true when it was said first, or never.
    let mut known = BTreeSet::new();
    let first = truth.receipts.iter().filter(|said| known.insert((said.host, said.digest)));
    let wrong = first.filter_map(|said| {
        // A receipt for bytes that nobody signed binds nobody.
        let signed = truth.signed(said.outer.order_digest)?;
        if signed.cancels().is_some() {
            // Nothing runs for it; what it says of another order is looked at elsewhere.
            return None;
        }
        let runs: Vec<&Run> = truth.runs_of(said).collect();
        let why = judge(said, signed, &runs, &truth.hosts[said.host])?;
        let reason = said.outer.reason.map_or("", Reason::code);
        let (host, state) = (&truth.hosts[said.host].identity, said.outer.state);
        Some(format!(
            "{host} says {state} {reason} of {} at {} ms, but {why}",
            said.outer.order, said.at
        ))
    });
    wrong.collect()
}

fn judge(said: &Said, signed: &Signed, runs: &[&Run], host: &HostTruth) -> Option<&'static str> {
    let before = |run: &&&Run| run.outcome.as_ref().is_some_and(|(at, _)| *at <= said.at);
    let ended: Vec<&&Run> = runs.iter().filter(before).collect();
    let did = runs.iter().filter_map(|run| run.deed.as_ref());
    let changed = did.filter(|(at, _)| *at <= said.at).any(|(_, deed)| deed.changed);
    let outer = &said.outer;
    if outer.changed == Changed::False && changed && runs.iter().any(|run| run.change) {
        return Some("the order changed the host");
    }
    if outer.changed == Changed::True && !changed {
        return Some("the order did not change the host");
    }
    let as_said = |run: &&&&Run, result: ActionResult| {
        run.outcome.as_ref().is_some_and(|(_, outcome)| {
            let same = outcome.result == result && outcome.changed == outer.changed;
            same && (outcome.reason == outer.reason || result == ActionResult::TimedOut)
        })
    };
    let one = |result| ended.iter().filter(|run| as_said(run, result)).count();
    match outer.state {
        EndState::Ok if one(ActionResult::Ok) == 0 => Some("nothing was done and went well"),
        EndState::Ok if signed.changes && runs.len() != 1 => Some("it was not done exactly once"),
        EndState::Failed if one(ActionResult::Failed) == 0 => Some("nothing failed"),
        EndState::TimedOut => {
            // A read over its limit is answered for, though it goes on; a clock that is set while
            // it runs makes it seem so.
            let limit = signed.order.run_limit_ms.as_ms();
            let late = runs.iter().any(|run| {
                let ended = run.outcome.as_ref().map_or(said.at, |(at, _)| *at);
                let set = host.clock_set.iter().any(|at| run.at <= *at && *at <= said.at);
                ended >= run.at + limit || set
            });
            let none = one(ActionResult::TimedOut) == 0 && !late;
            none.then_some("nothing took too long")
        }
        EndState::Interrupted if outer.changed != Changed::Unknown => {
            Some("nobody knows whether it changed the host")
        }
        EndState::Interrupted if runs.iter().any(|run| run.at > said.at) => {
            Some("it began after that")
        }
        // What an action leaves when it ends survives its daemon and the loss of power; where the
        // journal was damaged nobody knows any more that it is there.
        EndState::Interrupted
            if !ended.is_empty() && !host.damaged.iter().any(|at| *at <= said.at) =>
        {
            Some("it had ended, and how lay on the disk")
        }
        EndState::Rejected | EndState::Denied | EndState::Cancelled => {
            // After a restart a read is refused that may have been done before; a damaged journal
            // says that it does not know.
            let unsure = outer.changed == Changed::Unknown;
            let lasts = lasts(said, signed) && !unsure;
            let over = !signed.changes && is_over(said, signed);
            let ran = runs.iter().any(|run| lasts || (run.life == said.life && !over && !unsure));
            ran.then_some("it ran")
        }
        EndState::NoResponse | EndState::Lost | EndState::Down | EndState::Skipped => {
            Some("no node can say that")
        }
        EndState::Ok | EndState::Failed | EndState::Interrupted => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::bench::{Bench, ORDER, truth};

    /// How many receipts are wrong that say this after `runs` starts.
    fn wrong(runs: usize, state: EndState, reason: Option<Reason>, changed: Changed) -> usize {
        let mut truth = truth();
        (0..runs).for_each(|_| truth.begin(ORDER));
        truth.say(state, reason, changed);
        check(&truth).len()
    }

    #[test]
    fn a_receipt_that_does_not_fit_is_found() {
        assert_eq!(wrong(1, EndState::Ok, None, Changed::True), 0);
        assert_eq!(wrong(0, EndState::Rejected, Some(Reason::Expired), Changed::False), 0);
        let gone = Some(Reason::RunnerGone);
        assert_eq!(wrong(1, EndState::Interrupted, gone, Changed::Unknown), 1);
        assert_eq!(wrong(0, EndState::Ok, None, Changed::False), 1);
        assert_eq!(wrong(1, EndState::Ok, None, Changed::False), 1);
        assert_eq!(wrong(1, EndState::Ok, Some(Reason::Absent), Changed::True), 1);
        assert_eq!(wrong(2, EndState::Ok, None, Changed::True), 1);
        assert_eq!(wrong(1, EndState::Failed, Some(Reason::Action), Changed::True), 1);
        assert_eq!(wrong(1, EndState::TimedOut, Some(Reason::RunLimit), Changed::Unknown), 1);
        assert_eq!(wrong(1, EndState::Rejected, Some(Reason::Journal), Changed::Unknown), 0);
        assert_eq!(wrong(1, EndState::Denied, Some(Reason::Policy), Changed::False), 1);
        assert_eq!(wrong(1, EndState::Cancelled, Some(Reason::Operator), Changed::False), 1);
        assert_eq!(wrong(1, EndState::Lost, Some(Reason::WentSilent), Changed::Unknown), 1);
    }

    #[test]
    fn an_interruption_is_true_where_no_outcome_was_left_or_nobody_can_know() {
        let check_after = |bend: fn(&mut Bench), want: usize| {
            let mut truth = truth();
            truth.begin(ORDER);
            bend(&mut truth);
            truth.say(EndState::Interrupted, Some(Reason::RunnerGone), Changed::Unknown);
            assert_eq!(check(&truth).len(), want, "{:?}", check(&truth));
        };
        check_after(|_| {}, 1);
        check_after(|truth| truth.runs[0].outcome = None, 0);
        check_after(|truth| truth.hosts[0].damaged.push(500), 0);
        check_after(|truth| truth.runs[0].at = 2_000, 1);
    }
}
