//! Nobody who answered is called silent, and no node is silent that had to answer.

use std::collections::BTreeSet;

use marcato_client::core::NodeReport;
use marcato_core::limits::node::REFUSALS_PER_SECOND;
use marcato_core::{EndState, Reason};
use marcato_protocol::digest::Digest;
use marcato_protocol::order::Audience;

use super::matches;
use crate::host::Files;
use crate::truth::{JobTruth, Said, Signed, Taken, Truth};

/// Within what time a daemon that lives on answers whatever it was sent, in milliseconds, beside the
/// time for which the order is valid: a change waits for its turn at most until the last moment of its
/// start, and runs longer than its limit.
const ANSWERS_WITHIN: u64 = 65_000;

/// Over what time a node's refusals are counted, in milliseconds.
const REFUSALS_WITHIN: u64 = 1_000;

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    for (index, job) in truth.jobs.iter().enumerate() {
        let reports = [(&job.report, job.heard_by_report), (&job.late, job.heard.len())];
        for (report, heard) in reports {
            let Some(report) = report else { continue };
            let lines: Vec<_> = report.nodes.iter().chain(&report.unexpected).collect();
            let to_all = job.orders.iter().any(|id| job.broadcast.contains(id));
            let adaptive = report.expected.is_none() && to_all;
            let unheard = unheard(truth, job, &job.heard[..heard], (&lines, adaptive));
            wrong.extend(unheard.into_iter().map(|why| format!("command {index}: {why}")));
        }
    }
    wrong.extend(unanswered(truth));
    wrong
}

/// The nodes whose receipts came to a command as they were sent, and whose lines say that none did.
/// `adaptive` where whoever answers has a line.
fn unheard(
    truth: &Truth,
    job: &JobTruth,
    heard: &[Digest],
    (lines, adaptive): (&[&NodeReport], bool),
) -> Vec<String> {
    let came: BTreeSet<&Digest> = heard.iter().collect();
    let said = truth.receipts.iter().filter(|said| came.contains(&said.message));
    let wrong = said.filter(|said| counts(truth, job, said)).filter_map(|said| {
        let node = &said.outer.node;
        let why = match lines.iter().find(|line| line.node == *node) {
            Some(line) if line.signed || line.reason == Some(Reason::NoCertificate) => return None,
            Some(line) => format!("is shown as {}", line.state),
            None if adaptive => "is not shown".to_owned(),
            None => return None,
        };
        Some(format!("{node} {why}, and its answer {} had come", said.outer.state))
    });
    wrong.collect()
}

/// Whether a receipt ends its node's account.
fn counts(truth: &Truth, job: &JobTruth, said: &Said) -> bool {
    // A read that came before its node's start is signed anew, and that one may be lost.
    let anew = !job.changes
        && said.outer.state == EndState::Rejected
        && said.outer.reason == Some(Reason::Restarted);
    // Whose key the client knows of a host that was built anew is not said here.
    let known = truth.hosts[said.host].rebuilt.is_none();
    !anew && known && job.digests.contains(&said.outer.order_digest)
}

/// The nodes that did not answer for what they did, or what they were sent while they lived on.
fn unanswered(truth: &Truth) -> Vec<String> {
    let answered: BTreeSet<(usize, Digest)> =
        truth.receipts.iter().map(|said| (said.host, said.outer.order_digest)).collect();
    let lives_since = |host: usize, at: u64, signed: Option<&Signed>| {
        let host = &truth.hosts[host];
        let from = host.last_life()?.max(at);
        let within = ANSWERS_WITHIN + signed.map_or(0, |signed| signed.valid().as_ms());
        (host.rebuilt.is_none_or(|rebuilt| rebuilt <= at) && from + within <= truth.until)
            .then_some(from)
    };
    let taken = truth.taken.iter().filter(|taken| {
        let signed = truth.signed(taken.order);
        let on = lives_since(taken.host, taken.at, signed) == Some(taken.at);
        on && !is_flooded(truth, taken)
            && must_answer(truth, taken.host, taken.order, taken.at)
            && !answered.contains(&(taken.host, taken.order))
    });
    let mut wrong: Vec<String> = taken
        .map(|taken| {
            let host = &truth.hosts[taken.host].identity;
            format!("{host} never answered an order of {} ms", taken.at)
        })
        .collect();
    let begun = truth.runs.iter().filter(|run| {
        let whole = truth.hosts[run.host].damaged.is_empty();
        let mut orders = truth.of_id(run.key.0);
        run.change
            && whole
            && lives_since(run.host, run.at, truth.of_id(run.key.0).next()).is_some()
            && !orders.any(|signed| answered.contains(&(run.host, signed.digest)))
    });
    wrong.extend(begun.map(|run| {
        let host = &truth.hosts[run.host].identity;
        format!("{host} began {} at {} ms and never said how it ended", run.key.0, run.at)
    }));
    wrong
}

/// Whether so many orders came to a node at the time that it need not refuse each.
fn is_flooded(truth: &Truth, taken: &Taken) -> bool {
    let near = truth
        .taken
        .iter()
        .filter(|other| other.host == taken.host && other.at.abs_diff(taken.at) <= REFUSALS_WITHIN);
    near.count() >= REFUSALS_PER_SECOND as usize
}

/// Whether a node owes an answer to an order that came in then: to any but one for whoever matches
/// that does not match it.
fn must_answer(truth: &Truth, host: usize, order: Digest, at: u64) -> bool {
    let Some(signed) = truth.signed(order) else { return false };
    let Some(step) = &signed.order.step else { return false };
    let meant = |files: &Files| {
        let mut agents = step.filter.agents.iter();
        matches(&step.filter.facts, files) && agents.all(|agent| files.has(agent))
    };
    step.audience != Audience::Matching || truth.hosts[host].files_at(at).all(meant)
}

#[cfg(test)]
mod tests {
    use marcato_core::Changed;

    use super::*;
    use crate::checkers::bench::{Bench, ORDER, truth};

    /// A receipt that came to the command which sent the order.
    fn heard() -> Bench {
        let mut truth = truth();
        truth.until = 10 * ANSWERS_WITHIN;
        truth.say(EndState::Ok, None, Changed::True);
        truth.jobs[0].heard = vec![truth.receipts[0].message];
        truth
    }

    #[test]
    fn an_answer_that_came_is_shown() {
        let check_after = |bend: fn(&mut Bench), state: EndState, want: [usize; 2]| {
            let mut truth = heard();
            bend(&mut truth);
            let mut line = truth.line(state, None, Changed::Unknown);
            line.signed = state == EndState::Ok;
            let job = &truth.jobs[0];
            for (adaptive, want) in [false, true].into_iter().zip(want) {
                assert_eq!(unheard(&truth, job, &job.heard, (&[], adaptive)).len(), want);
            }
            unheard(&truth, job, &job.heard, (&[&line], false)).len()
        };
        assert_eq!(check_after(|_| {}, EndState::Ok, [0, 1]), 0);
        for state in [EndState::NoResponse, EndState::Lost, EndState::TimedOut, EndState::Down] {
            assert_eq!(check_after(|_| {}, state, [0, 1]), 1, "{state}");
        }
        let silent = EndState::NoResponse;
        let never = |truth: &mut Bench| truth.jobs[0].heard.clear();
        assert_eq!(check_after(never, silent, [0, 0]), 0);
        let altered = |truth: &mut Bench| truth.jobs[0].heard = vec![Digest::of(b"altered")];
        assert_eq!(check_after(altered, silent, [0, 0]), 0);
        let of_another = |truth: &mut Bench| truth.jobs[0].digests.clear();
        assert_eq!(check_after(of_another, silent, [0, 0]), 0);
        let rebuilt = |truth: &mut Bench| truth.hosts[0].rebuilt = Some(1);
        assert_eq!(check_after(rebuilt, silent, [0, 0]), 0);
    }

    #[test]
    fn a_node_that_says_nothing_is_found() {
        let check_after = |bend: fn(&mut Bench), want: usize| {
            let mut truth = heard();
            let order = truth.orders[0].digest;
            truth.taken.push(Taken { host: 0, order, at: 900 });
            truth.begin(ORDER);
            bend(&mut truth);
            assert_eq!(check(&truth).len(), want, "{:?}", check(&truth));
        };
        check_after(|_| {}, 0);
        check_after(|truth| truth.receipts.clear(), 2);
        check_after(
            |truth| {
                truth.receipts.clear();
                truth.runs.clear();
                truth.hosts[0].lives = vec![(0, Some(1_000)), (2_000, None)];
            },
            0,
        );
        check_after(
            |truth| {
                truth.receipts.clear();
                truth.hosts[0].lives = vec![(0, Some(1_000)), (2_000, None)];
            },
            1,
        );
        check_after(
            |truth| {
                truth.receipts.clear();
                truth.runs.clear();
                let step = truth.orders[0].order.step.as_mut().unwrap();
                step.audience = Audience::Matching;
                step.filter.facts.push("hagroup=b".to_owned());
            },
            0,
        );
        check_after(
            |truth| {
                truth.receipts.clear();
                truth.hosts[0].damaged.push(950);
            },
            1,
        );
    }
}
