//! Nothing is reported that did not happen: each line is either what its node truly signed, or a
//! word of the client's own that the wire bears out.

use marcato_client::core::NodeReport;
use marcato_core::{Changed, EndState, Identity, Reason};

use crate::truth::{JobTruth, Run, Truth};

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let jobs = truth.jobs.iter().enumerate();
    jobs.flat_map(|(index, job)| {
        // What came late is the last word; before it only that may have been said.
        let reports = job.report.iter().chain(&job.late);
        let lines = reports.flat_map(|report| report.nodes.iter().chain(&report.unexpected));
        let shown = job.shown.iter().filter(|(node, said)| !is_said(truth, job, node, said));
        let shown = shown.map(move |(node, said)| {
            format!("command {index} shows that {node} says {said:?}, and no run of its order does")
        });
        let lines = lines.filter_map(move |line| {
            let why =
                if line.signed { signed(truth, job, line) } else { unsigned(truth, job, line) };
            let reason = line.reason.map_or("", Reason::code);
            Some(format!(
                "command {index} shows {} {} {reason}, but {}",
                line.node, line.state, why?
            ))
        });
        lines.chain(shown)
    })
    .collect()
}

/// Whether a run of a command's own order says this of itself on this node.
fn is_said(truth: &Truth, job: &JobTruth, node: &Identity, said: &str) -> bool {
    let run = said.strip_prefix("run ").and_then(|number| number.parse::<usize>().ok());
    run.and_then(|run| truth.runs.get(run)).is_some_and(|run| {
        run.change && Some(run.host) == truth.host(node) && is_of(truth, job, run)
    })
}

fn signed(truth: &Truth, job: &JobTruth, line: &NodeReport) -> Option<&'static str> {
    let Some(host) = truth.host(&line.node) else { return Some("there is no such host") };
    let mut said = truth.receipts.iter().filter(|said| {
        said.host == host
            && job.orders.contains(&said.outer.order)
            && truth.signed(said.outer.order_digest).is_some()
            && (said.outer.state, said.outer.reason, said.outer.changed)
                == (line.state, line.reason, line.changed)
    });
    let Some(said) = said.next() else { return Some("it never said so") };
    let mut runs = truth.runs_of(said);
    // Of what cancels nothing runs.
    let is_cancel = truth.of_id(said.outer.order).any(|signed| signed.cancels().is_some());
    let told = line.state == EndState::Ok && !is_cancel;
    let same = |data| data == &line.data;
    let is_true = runs.any(|run| run.outcome.as_ref().is_some_and(|(_, end)| same(&end.data)));
    (told && !is_true).then_some("its answer was another")
}

/// Whether something ran for one of a command's own orders: others may have the same id.
fn is_of(truth: &Truth, job: &JobTruth, run: &Run) -> bool {
    let mut own = truth.of_id(run.key.0).filter(|signed| job.digests.contains(&signed.digest));
    own.any(|signed| signed.order.step.as_ref().is_some_and(|step| step.inputs == run.inputs))
}

fn unsigned(truth: &Truth, job: &JobTruth, line: &NodeReport) -> Option<&'static str> {
    let sent: u64 =
        job.orders.iter().filter_map(|id| job.sent.get(&(*id, line.node.clone()))).sum();
    let addressed = sent > 0;
    let sent = addressed || job.orders.iter().any(|id| job.broadcast.contains(id));
    let Some(host) = truth.host(&line.node) else {
        // A hub's answer can be altered on its way; such a name is never sent anything.
        return addressed.then_some("there is no such host");
    };
    let changed = truth.runs.iter().any(|run| {
        let own = run.host == host && is_of(truth, job, run);
        let doubtful = truth.doubtful.contains(&(run.key.0, host));
        own && !doubtful && run.deed.as_ref().is_some_and(|(_, deed)| deed.changed)
    });
    if line.changed == Changed::False && changed {
        return Some("the order changed the host");
    }
    let nobody = job.nobody_at_all || job.nobody.contains(&line.node);
    match line.state {
        EndState::Down if !nobody => Some("nobody said that it is not connected"),
        EndState::NoResponse if !sent => Some("it was never sent"),
        EndState::NoResponse if job.changes != line.may_start_until.is_some() => {
            Some("it does not say rightly until when it may start")
        }
        EndState::Lost | EndState::TimedOut if !sent => Some("it was never sent"),
        EndState::Lost | EndState::TimedOut if job.changes && line.changed != Changed::Unknown => {
            Some("nobody knows whether the host was changed")
        }
        EndState::Skipped if sent && line.reason == Some(Reason::NotSent) => Some("it was sent"),
        EndState::Ok
        | EndState::Failed
        | EndState::Denied
        | EndState::Rejected
        | EndState::Interrupted
        | EndState::Cancelled => Some("only a node can say that"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use marcato_core::OrderId;

    use super::*;
    use crate::checkers::bench::{Bench, ORDER, truth};
    use crate::keys::Keys;

    fn wrong(
        bend: impl Fn(&mut Bench),
        state: EndState,
        reason: Reason,
        changed: Changed,
    ) -> usize {
        let mut truth = truth();
        bend(&mut truth);
        let reason = Some(reason).filter(|_| state != EndState::Ok);
        let line = truth.line(state, reason, changed);
        let job = &truth.jobs[0];
        [signed, unsigned][usize::from(!line.signed)](&truth, job, &line).into_iter().count()
    }

    #[test]
    fn words_that_were_not_said_are_found() {
        let shown = |node: usize, said: &str| {
            let mut truth = truth();
            truth.begin(ORDER);
            truth.begin(OrderId::from_bytes([8; 16]));
            let node = Keys::shared().hosts[node].identity.clone();
            truth.jobs[0].shown.insert((node, said.to_owned()));
            check(&truth).len()
        };
        assert_eq!(shown(0, "run 0"), 0);
        assert_eq!(shown(0, "run 1"), 1, "it is another order's");
        assert_eq!(shown(1, "run 0"), 1, "it is another node's");
        assert_eq!(shown(0, "run 2") + shown(0, "else"), 2, "there is no such run");
    }

    #[test]
    fn what_did_not_happen_is_found() {
        let ran = |truth: &mut Bench| {
            truth.begin(ORDER);
            let node = truth.hosts[0].identity.clone();
            truth.jobs[0].sent.insert((ORDER, node), 1);
        };
        let said = |truth: &mut Bench| {
            ran(truth);
            truth.say(EndState::Ok, None, Changed::True);
        };
        let absent = |truth: &mut Bench| {
            let node = truth.hosts[0].identity.clone();
            truth.jobs[0].nobody.insert(node);
        };
        let (any, no, yes) = (Reason::Silent, Changed::False, Changed::True);
        assert_eq!(wrong(said, EndState::Ok, any, yes), 0);
        assert_eq!(wrong(ran, EndState::Ok, any, yes), 1, "it never said so");
        assert_eq!(wrong(said, EndState::Ok, any, no), 1, "it said something else");
        assert_eq!(wrong(absent, EndState::Down, Reason::NotConnected, no), 0);
        assert_eq!(wrong(|_| {}, EndState::Down, Reason::NotConnected, no), 1);
        assert_eq!(wrong(ran, EndState::Skipped, Reason::NotSent, no), 1);
        assert_eq!(wrong(|_| {}, EndState::Skipped, Reason::NotSent, no), 0);
        assert_eq!(wrong(|_| {}, EndState::NoResponse, any, Changed::Unknown), 1);
        assert_eq!(wrong(ran, EndState::Lost, Reason::WentSilent, Changed::Unknown), 0);
        assert_eq!(wrong(ran, EndState::Lost, Reason::WentSilent, no), 1);
        let down = |truth: &mut Bench| {
            ran(truth);
            absent(truth);
        };
        assert_eq!(wrong(down, EndState::Down, Reason::NotConnected, no), 1, "it ran");
        let other = |truth: &mut Bench| {
            down(truth);
            truth.jobs[0].digests.clear();
        };
        assert_eq!(wrong(other, EndState::Down, Reason::NotConnected, no), 0, "another's ran");
    }
}
