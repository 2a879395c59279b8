//! An order that goes from node to node is with no more of them at a time than was asked for, goes to
//! nobody once it went wrong on one or its operator went, and passes nobody over.

use std::collections::{BTreeMap, BTreeSet};

use marcato_client::core::{Report, Stopped};
use marcato_core::{EndState, Identity, Reason, Span};
use marcato_protocol::digest::Digest;

use crate::truth::{Course, JobTruth, Paced, Said, Truth};

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let jobs = truth.jobs.iter().enumerate();
    let paced = jobs.filter_map(|(index, job)| Some((index, job, job.pace?)));
    paced
        .flat_map(|(index, job, pace)| {
            let mut way = Way::new(truth, job, pace);
            way.follow();
            if let Some(report) = &job.report {
                way.wrong.extend(passed_over(truth, job, report, &way.sent));
            }
            way.wrong.into_iter().map(move |why| format!("command {index}: {why}"))
        })
        .collect()
}

/// The way of one order.
struct Way<'a> {
    truth: &'a Truth,
    job: &'a JobTruth,
    pace: Paced,
    /// Who was sent it, and when first.
    sent: BTreeMap<&'a Identity, u64>,
    /// Who the command knows has ended.
    ended: BTreeSet<&'a Identity>,
    /// Who of them answered: only a first answer counts.
    answered: BTreeSet<&'a Identity>,
    /// Why it must go to nobody else.
    stopped: Option<String>,
    wrong: Vec<String>,
}

impl<'a> Way<'a> {
    fn new(truth: &'a Truth, job: &'a JobTruth, pace: Paced) -> Self {
        let (sent, ended, answered) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { truth, job, pace, sent, ended, answered, stopped: None, wrong: Vec::new() }
    }

    fn follow(&mut self) {
        for (at, what) in &self.job.course {
            match what {
                Course::Sent(node) => self.sent(node, *at),
                Course::Heard(message) => self.heard(*message),
                Course::Nobody(node) => {
                    self.ended.insert(node);
                }
                Course::Interrupted => self.stopped = Some("its operator went".to_owned()),
            }
        }
    }

    fn sent(&mut self, node: &'a Identity, at: u64) {
        if self.sent.contains_key(node) {
            return;
        }
        if let Some(why) = &self.stopped {
            self.wrong.push(format!("{node} was sent it at {at} ms though {why}"));
        }
        self.sent.insert(node, at);
        // A node that is silent for its whole wait keeps nobody else waiting.
        let is_waited_for = |(node, since): &(&&Identity, &u64)| {
            !self.ended.contains(*node) && at < **since + self.pace.wait
        };
        let waited_for = self.sent.iter().filter(is_waited_for).count();
        if waited_for > self.pace.width {
            let width = self.pace.width;
            self.wrong.push(format!("{waited_for} nodes have it at {at} ms, of {width} at most"));
        }
    }

    /// Whether a node is one that the order is for, as far as that is known.
    fn is_for(&self, node: &Identity) -> bool {
        let lines = self.job.report.iter().flat_map(|report| &report.nodes);
        self.sent.contains_key(node) || lines.into_iter().any(|line| line.node == *node)
    }

    fn heard(&mut self, message: Digest) {
        let is_it = |said: &&Said| {
            said.message == message && self.job.digests.contains(&said.outer.order_digest)
        };
        let Some(said) = self.truth.receipts.iter().find(is_it) else { return };
        let host = &self.truth.hosts[said.host];
        self.ended.insert(&host.identity);
        let first = self.answered.insert(&host.identity);
        // Whose key the client knows of a host that was built anew is not said here; and a node that
        // it is not for may refuse it too.
        let counts = first && self.is_for(&host.identity) && host.rebuilt.is_none();
        if self.pace.stops && said.outer.state != EndState::Ok && counts {
            let (node, state) = (&host.identity, said.outer.state);
            self.stopped.get_or_insert(format!("{node} had answered {state}"));
        }
    }
}

/// The nodes that were left out without a reason, and reasons that are none.
fn passed_over(
    truth: &Truth,
    job: &JobTruth,
    report: &Report,
    sent: &BTreeMap<&Identity, u64>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let went_on = !report.interrupted && report.stopped.is_none() && report.not_signed.is_none();
    for line in report.nodes.iter().filter(|line| line.reason == Some(Reason::NotSent)) {
        let node = &line.node;
        if went_on && !sent.contains_key(node) {
            wrong.push(format!("{node} was passed over"));
        }
        let copies = job.sent.iter().filter(|((_, to), _)| to == node).map(|(_, copies)| copies);
        if copies.sum::<u64>() > 0 {
            wrong.push(format!("{node} is called not sent, and was sent it"));
        }
    }
    let unfounded = match &report.stopped {
        Some(Stopped::Node { node }) => {
            !job.lines.iter().any(|line| line.node == *node && line.state != EndState::Ok)
        }
        Some(Stopped::Time) => {
            let mut orders = job.orders.iter().flat_map(|id| truth.of_id(*id));
            let wait = job.pace.map_or_else(Span::default, |pace| Span::from_ms(pace.wait));
            !orders.any(|signed| report.ended.is_some_and(|at| at + wait > signed.order.start_by))
        }
        None => false,
    };
    if unfounded {
        wrong.push(format!("it stopped for no reason: {:?}", report.stopped));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use marcato_core::Changed;

    use super::*;
    use crate::checkers::bench::{Bench, truth};
    use crate::keys::name;

    const WAIT: u64 = 10_000;

    /// An order for this host and another, which goes to one at a time.
    fn paced(course: &[(u64, Course)], state: EndState) -> Bench {
        let mut truth = truth();
        truth.say(state, None, Changed::Unknown);
        let job = &mut truth.jobs[0];
        job.pace = Some(Paced { width: 1, wait: WAIT, stops: true });
        job.course = course.to_vec();
        truth
    }

    fn check_course(state: EndState, course: &[(u64, Course)], want: usize) {
        let found = check(&paced(course, state));
        assert_eq!(found.len(), want, "{found:?}");
    }

    #[test]
    fn what_goes_out_of_turn_is_found() {
        let bench = truth();
        let one = Course::Sent(bench.hosts[0].identity.clone());
        let (other, nobody) = (Course::Sent(name("other")), Course::Nobody(name("other")));
        let heard = Course::Heard(bench.orders[0].digest);
        let ok = EndState::Ok;
        check_course(ok, &[(1, one.clone()), (2, heard.clone()), (3, other.clone())], 0);
        check_course(ok, &[(1, one.clone()), (2, other.clone())], 1);
        check_course(ok, &[(1, one.clone()), (2, one.clone())], 0);
        check_course(ok, &[(1, one.clone()), (1 + WAIT, other.clone())], 0);
        check_course(ok, &[(1, one.clone()), (WAIT, other.clone())], 1);
        check_course(ok, &[(1, other.clone()), (2, nobody), (3, one.clone())], 0);
        check_course(ok, &[(1, Course::Interrupted), (2, one.clone())], 1);
        let failed = [(1, one), (2, heard), (3, other)];
        check_course(EndState::Failed, &failed, 1);
        let mut going_on = paced(&failed, EndState::Failed);
        going_on.jobs[0].pace = Some(Paced { width: 1, wait: WAIT, stops: false });
        assert_eq!(check(&going_on), Vec::<String>::new());
        going_on.jobs[0].pace = None;
        going_on.jobs[0].course.push((4, Course::Interrupted));
        assert_eq!(check(&going_on), Vec::<String>::new());
    }
}
