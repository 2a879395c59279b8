//! Every expected node has exactly one end state in every report, and every command ends.

use std::collections::BTreeSet;

use marcato_client::core::{Outcome as Inquired, Report};
use marcato_core::{EndState, Exit, Identity};
use marcato_protocol::question::{Answer, Found, Listed};

use crate::truth::{JobTruth, Truth};

/// How long after its start every command must have ended, in milliseconds: questions, signing
/// twice, both waits, and a change that waits behind others for as long as they may run. An order that
/// goes from node to node may take as long again as it is valid.
const ENDS_WITHIN: u64 = 100_000;

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let jobs = truth.jobs.iter().enumerate().filter(|(_, job)| job.started > 0);
    jobs.flat_map(|(index, job)| {
        let wrong = match &job.report {
            Some(report) => job_of(job, report),
            None if job.died => Vec::new(),
            None if job.gave_up.is_some() => {
                let why = "it gave up, and nothing that came to it says why".to_owned();
                if gave_up_rightly(truth, job) { Vec::new() } else { vec![why] }
            }
            None if job.started + ENDS_WITHIN + valid(truth, job) > truth.until => Vec::new(),
            None => vec!["it never ended".to_owned()],
        };
        wrong.into_iter().map(move |why| format!("command {index}: {why}"))
    })
    .collect()
}

/// For how long a command's orders are valid.
fn valid(truth: &Truth, job: &JobTruth) -> u64 {
    let orders = job.orders.iter().flat_map(|id| truth.of_id(*id));
    orders.map(|signed| signed.valid().as_ms()).max().unwrap_or_default()
}

/// Whether what came to a command made it end before there was an order.
fn gave_up_rightly(truth: &Truth, job: &JobTruth) -> bool {
    match &job.gave_up {
        Some(Inquired::Interrupted) => job.interrupted,
        Some(Inquired::Refused(why)) => {
            job.answers.iter().any(|answer| answer.found == Found::Refused(why.clone()))
        }
        // A hub may leave when some of the questions are answered and others are not.
        Some(Inquired::NoAnswer) => {
            let came = |message| job.heard.contains(message);
            let is_last = |id| Some(id) == job.asked;
            let mut answers = truth.whole_answers.iter();
            job.nobody_at_all || !answers.any(|(id, message)| is_last(*id) && came(message))
        }
        Some(Inquired::Found | Inquired::Values(_) | Inquired::Names(_) | Inquired::NoHub)
        | None => false,
    }
}

fn job_of(job: &JobTruth, report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    let names: Vec<&Identity> = report.nodes.iter().map(|line| &line.node).collect();
    if !names.is_sorted() || names.windows(2).any(|pair| pair[0] == pair[1]) {
        wrong.push("a node has two lines, or they are not sorted".to_owned());
    }
    if report.ended.is_none() {
        wrong.push("it is done and has not ended".to_owned());
    }
    if let Some(expected) = report.expected {
        if expected != names.len() {
            wrong.push(format!("{expected} nodes are expected, {} have a line", names.len()));
        }
        let fits = |answer: &Answer| match &answer.found {
            Found::Nodes(listed) => fits(job, report, listed),
            Found::Certificates(_) | Found::Values(_) | Found::Names(_) | Found::Refused(_) => {
                false
            }
        };
        if !job.answers.iter().any(fits) {
            wrong.push("its nodes are not those of any answer of the hub".to_owned());
        }
    }
    let all_ok = report.nodes.iter().all(|line| line.state == EndState::Ok);
    if report.exit() == Exit::Ok && (!all_ok || names.is_empty()) {
        wrong.push("its exit code says that all is well, and it is not".to_owned());
    }
    if let Some(late) = &job.late
        && report.expected.is_some()
        && !late.nodes.iter().map(|line| &line.node).eq(names)
    {
        wrong.push("what came late changed which nodes there are".to_owned());
    }
    wrong
}

/// Whether the report accounts for what this answer listed, each node once.
fn fits(job: &JobTruth, report: &Report, listed: &[Listed]) -> bool {
    let every = |node: &Identity, is: fn(&Listed) -> bool| {
        listed.iter().filter(|line| line.node == *node).all(is)
    };
    let lines = report.nodes.iter().map(|line| &line.node);
    let aside = report.not_capable.iter().chain(&report.read_only).chain(&report.gone);
    let all: Vec<&Identity> = lines.chain(aside).collect();
    let distinct: BTreeSet<&Identity> = all.iter().copied().collect();
    let names: BTreeSet<&Identity> = listed.iter().map(|line| &line.node).collect();
    distinct.len() == all.len()
        && distinct == names
        && report.not_capable.iter().all(|node| every(node, |line| line.not_capable))
        && report.read_only.iter().all(|node| job.changes && every(node, |line| line.read_only))
        && report.gone.iter().all(|node| every(node, |line| line.down.is_some()))
}

#[cfg(test)]
mod tests {
    use marcato_core::{Changed, OrderId, Timestamp};
    use marcato_protocol::digest::Digest;
    use marcato_protocol::version::Spoken;

    use super::*;
    use crate::checkers::bench::{Bench, ORDER, truth};

    fn done() -> Bench {
        let mut truth = truth();
        let line = truth.line(EndState::Ok, None, Changed::True);
        let order = &truth.orders[0].order;
        let report = Report {
            collective: order.collective.clone(),
            caller: order.caller.clone(),
            agent: crate::keys::name("service"),
            action: crate::keys::name("restart"),
            orders: vec![ORDER],
            issued: order.issued,
            ended: Some(order.issued),
            expected: Some(1),
            complete: true,
            hub_since: None,
            nodes: vec![line.clone()],
            unexpected: Vec::new(),
            agents: Vec::new(),
            not_capable: Vec::new(),
            read_only: Vec::new(),
            gone: Vec::new(),
            vanished: Vec::new(),
            unknown_names: Vec::new(),
            refused: Vec::new(),
            interrupted: false,
            stopped: None,
            not_signed: None,
        };
        let listed = Listed {
            node: line.node,
            key: Digest::of(b""),
            spoken: Spoken::RELEASE,
            down: None,
            read_only: false,
            not_capable: false,
        };
        let since = Timestamp::default();
        let found = Found::Nodes(vec![listed]);
        let answer = Answer { v: 1, id: ORDER, part: 0, parts: 1, since, found };
        let job = &mut truth.jobs[0];
        (job.started, job.answers, job.report) = (1, vec![answer], Some(report));
        // The order is valid for ten seconds.
        truth.until = ENDS_WITHIN + 10_000 + 2;
        truth
    }

    #[test]
    fn a_command_that_gives_up_over_a_whole_answer_is_found() {
        let mut truth = truth();
        let message = Digest::of(b"answer");
        truth.whole_answers.insert((ORDER, message));
        let job = &mut truth.jobs[0];
        (job.started, job.gave_up, job.asked) = (1, Some(Inquired::NoAnswer), Some(ORDER));
        assert_eq!(check(&truth), Vec::<String>::new());
        truth.jobs[0].heard.push(message);
        assert_eq!(check(&truth).len(), 1);
        // The answer to an earlier question is none to the last one.
        truth.jobs[0].asked = Some(OrderId::from_bytes([9; 16]));
        assert_eq!(check(&truth), Vec::<String>::new());
        truth.jobs[0].asked = Some(ORDER);
        truth.jobs[0].nobody_at_all = true;
        assert_eq!(check(&truth), Vec::<String>::new());
    }

    #[test]
    fn an_account_that_does_not_add_up_is_found() {
        let check_after = |bend: fn(&mut JobTruth), want: usize| {
            let mut truth = done();
            bend(&mut truth.jobs[0]);
            assert_eq!(check(&truth).len(), want, "{:?}", check(&truth));
        };
        check_after(|_| {}, 0);
        check_after(|job| job.report = None, 1);
        check_after(|job| (job.report, job.gave_up) = (None, Some(Inquired::Interrupted)), 1);
        check_after(
            |job| (job.report, job.gave_up) = (None, Some(Inquired::Refused("no".to_owned()))),
            1,
        );
        check_after(|job| job.answers.clear(), 1);
        check_after(|job| job.report.as_mut().unwrap().expected = Some(2), 1);
        check_after(|job| job.report.as_mut().unwrap().ended = None, 1);
        check_after(
            |job| {
                let report = job.report.as_mut().unwrap();
                report.nodes.push(report.nodes[0].clone());
            },
            3,
        );
        check_after(
            |job| {
                let report = job.report.as_mut().unwrap();
                report.not_capable = vec![report.nodes.remove(0).node];
                report.expected = Some(0);
            },
            1,
        );
        check_after(
            |job| {
                let mut late = job.report.clone().unwrap();
                late.nodes.clear();
                job.late = Some(late);
            },
            1,
        );
    }
}
