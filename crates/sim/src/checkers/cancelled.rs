//! What is said to be cancelled was, by somebody who may, and never begins; and whoever cancels is told
//! the truth.

use marcato_core::{Changed, EndState, OrderId, Reason};

use crate::host::Files;
use crate::truth::{Run, Said, Signed, Truth};

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let wrong = truth.receipts.iter().filter_map(|said| {
        let signed = truth.signed(said.outer.order_digest)?;
        let why = match signed.cancels() {
            Some(target) => answer(truth, said, signed, target),
            None if said.outer.state == EndState::Cancelled => end(truth, said, signed),
            None => None,
        }?;
        let (host, state) = (&truth.hosts[said.host].identity, said.outer.state);
        let reason = said.outer.reason.map_or("", Reason::code);
        let order = said.outer.order;
        Some(format!("{host} says {state} {reason} of {order} at {} ms, but {why}", said.at))
    });
    wrong.collect()
}

/// What is wrong with the end of an order that was cancelled.
fn end(truth: &Truth, said: &Said, signed: &Signed) -> Option<&'static str> {
    let by = truth.orders.iter().filter(|other| other.cancels() == Some(signed.order.id));
    let mut by = by.filter(|other| other.addressed.contains(&said.host) && other.proper);
    let files = || truth.hosts[said.host].files.iter().map(|(_, files)| files);
    if !by.any(|cancel| is_own(cancel, signed) || files().any(|files| may(cancel, files))) {
        return Some("nobody cancelled it who may");
    }
    (said.outer.reason != Some(Reason::Operator)).then_some("its reason is another")
}

/// Whether a caller cancels what he signed himself.
fn is_own(cancel: &Signed, target: &Signed) -> bool {
    cancel.operator.is_some() && cancel.operator == target.operator
}

/// Whether a host lets him cancel what others signed.
fn may(cancel: &Signed, files: &Files) -> bool {
    cancel.operator.is_some_and(|operator| files.permit(operator, "job", "cancel", true))
}

/// What is wrong with the answer to whoever cancels.
fn answer(truth: &Truth, said: &Said, cancel: &Signed, target: OrderId) -> Option<&'static str> {
    let host = &truth.hosts[said.host];
    let any = host.files.iter().all(|(_, files)| may(cancel, files));
    // Others may have signed another order of this id.
    let meant = |order: &Signed| any || is_own(cancel, order);
    let is_meant = |run: &Run| {
        let inputs =
            |order: &&Signed| order.order.step.as_ref().map(|s| &s.inputs) == Some(&run.inputs);
        truth.of_id(target).filter(inputs).all(meant)
    };
    let runs = truth.runs.iter().filter(|run| {
        run.host == said.host && run.birth == said.birth && run.key.0 == target && run.change
    });
    let runs: Vec<&Run> = runs.filter(|run| is_meant(run)).collect();
    let ended = |run: &Run| {
        let ended = run.outcome.as_ref().map(|(at, _)| *at).or(run.killed);
        ended.is_some_and(|ended| ended <= said.at)
    };
    let begun = |run: &Run| run.at <= said.at;
    match (said.outer.state, said.outer.reason) {
        // Also when it says so again, or could not keep it over the life of its daemon.
        (EndState::Ok, reason) => {
            let kept = said.outer.changed == Changed::False;
            if runs.iter().any(|run| !begun(run) && kept) {
                return Some("it began after that");
            }
            if runs.iter().any(|run| begun(run) && !ended(run)) {
                return Some("it runs");
            }
            let damaged = host.damaged.iter().any(|at| *at <= said.at);
            (reason.is_none() && !runs.is_empty() && kept && !damaged).then_some("it had begun")
        }
        // Its process may begin a moment later, or die before it does.
        (EndState::Failed, Some(Reason::StillRunning)) => {
            let mut ends = truth.receipts.iter().filter(|end| {
                let same = (end.host, end.birth) == (said.host, said.birth);
                same && truth.signed(end.outer.order_digest).is_some_and(|signed| {
                    signed.order.id == target && meant(signed) && end.outer.sealed.is_some()
                })
            });
            let over = ends.any(|end| end.outer.finished < said.outer.received);
            (over && host.clock_set.is_empty()).then_some("it had ended")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use marcato_protocol::digest::Digest;
    use serde_json::json;

    use super::*;
    use crate::checkers::bench::{Bench, ORDER, truth};
    use crate::host::Allowed;
    use crate::keys::name;

    /// The second order cancels the first.
    fn cancelled(operator: usize) -> Bench {
        let mut truth = truth();
        let mut order = truth.orders[0].order.clone();
        order.id = OrderId::from_bytes([9; 16]);
        let step = order.step.as_mut().unwrap();
        (step.agent, step.action) = (name("job"), name("cancel"));
        step.inputs = [("order".to_owned(), json!(ORDER))].into_iter().collect();
        let digest = Digest::of(&order.to_bytes());
        truth.orders.push(Signed {
            order,
            digest,
            operator: Some(operator),
            proper: true,
            changes: true,
            addressed: [0].into(),
        });
        truth
    }

    /// How many receipts are wrong after this one of the order that cancels.
    fn wrong(
        truth: &mut Bench,
        state: EndState,
        reason: Option<Reason>,
        changed: Changed,
    ) -> usize {
        truth.say(state, reason, changed);
        let (id, digest) = (truth.orders[1].order.id, truth.orders[1].digest);
        let said = truth.receipts.last_mut().unwrap();
        (said.outer.order, said.outer.order_digest) = (id, digest);
        check(truth).len()
    }

    #[test]
    fn an_answer_that_is_not_true_is_found() {
        let no = Changed::False;
        let unchanged = Some(Reason::Unchanged);
        let runs = Some(Reason::StillRunning);
        assert_eq!(wrong(&mut cancelled(0), EndState::Ok, None, no), 0);
        let mut ended = cancelled(0);
        ended.say(EndState::Ok, None, Changed::True);
        assert_eq!(wrong(&mut ended, EndState::Failed, runs, no), 1);
        let begun = |bend: fn(&mut Run)| {
            let mut truth = cancelled(0);
            truth.begin(ORDER);
            bend(&mut truth.runs[0]);
            truth
        };
        assert_eq!(wrong(&mut begun(|_| {}), EndState::Ok, unchanged, no), 0);
        assert_eq!(wrong(&mut begun(|_| {}), EndState::Ok, None, no), 1);
        assert_eq!(wrong(&mut begun(|run| run.outcome = None), EndState::Ok, unchanged, no), 1);
        assert_eq!(wrong(&mut begun(|run| run.outcome = None), EndState::Failed, runs, no), 0);
        let later = || begun(|run| run.at = 5_000);
        assert_eq!(wrong(&mut later(), EndState::Ok, unchanged, no), 1);
        assert_eq!(wrong(&mut later(), EndState::Ok, None, no), 1);
        assert_eq!(wrong(&mut later(), EndState::Failed, runs, no), 0);
        let unsure = Some(Reason::Journal);
        assert_eq!(wrong(&mut later(), EndState::Failed, unsure, Changed::Unknown), 0);
    }

    #[test]
    fn an_end_that_nobody_may_have_wanted_is_found() {
        let check_after = |operator: usize, bend: fn(&mut Bench), want: usize| {
            let mut truth = cancelled(operator);
            bend(&mut truth);
            truth.say(EndState::Cancelled, Some(Reason::Operator), Changed::False);
            assert_eq!(check(&truth).len(), want);
        };
        check_after(0, |_| {}, 0);
        check_after(1, |_| {}, 0);
        check_after(1, |truth| truth.hosts[0].files[0].1.allowed = Allowed::FirstChanges, 1);
        check_after(0, |truth| truth.hosts[0].files[0].1.allowed = Allowed::Nothing, 0);
        check_after(0, |truth| truth.orders[1].addressed.clear(), 1);
        check_after(0, |truth| drop(truth.orders.pop()), 1);
    }
}
