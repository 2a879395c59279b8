//! A signed end state never changes: not on the wire, and not on an operator's screen.

use std::collections::BTreeMap;

use marcato_client::core::{NodeReport, Report};
use marcato_core::Changed;

use super::{is_over, lasts};
use crate::truth::{JobTruth, Truth};

pub(super) fn check(truth: &Truth) -> Vec<String> {
    let mut wrong = said(truth);
    wrong.extend(truth.jobs.iter().flat_map(shown));
    wrong
}

/// What nodes say: always the same, but for what they may forget.
///
/// Within one life of a daemon nothing may be forgotten. Over lives, reads are; and so are refusals
/// of what did not verify, which carry nothing sealed: anybody can provoke those, and none is worth
/// a write to the disk. What the disk does not take cannot be kept either. A host whose journal was
/// damaged may say that it does not know.
fn said(truth: &Truth) -> Vec<String> {
    let mut ends: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for said in &truth.receipts {
        let Some(signed) = truth.signed(said.outer.order_digest) else { continue };
        let damaged = truth.hosts[said.host].damaged.iter().any(|at| *at <= said.at);
        let forgets = !signed.changes || said.outer.sealed.is_none();
        let over = forgets && is_over(said, signed);
        if over || (damaged && said.outer.changed == Changed::Unknown) {
            continue;
        }
        for life in [Some(said.life), lasts(said, signed).then_some(0)].into_iter().flatten() {
            let place = (said.host, said.birth, life, said.outer.order_digest, said.outer.step);
            let end = (said.outer.state, said.outer.reason, said.outer.changed);
            let known = ends.entry(place).or_default();
            if !known.contains(&end) {
                known.push(end);
            }
        }
    }
    let more = ends.into_iter().filter(|(_, ends)| ends.len() > 1);
    let mut wrong: Vec<String> = more
        .map(|((host, ..), ends)| {
            format!("{} signed different ends of one order: {ends:?}", truth.hosts[host].identity)
        })
        .collect();
    wrong.dedup();
    wrong
}

/// What a command shows: line after line as they come, and its report, until the last word.
fn shown(job: &JobTruth) -> Vec<String> {
    fn nodes(report: Option<&Report>) -> impl Iterator<Item = &NodeReport> {
        report.into_iter().flat_map(|report| &report.nodes)
    }
    let mut wrong = changed(job.lines.iter().chain(nodes(job.late.as_ref())));
    wrong.extend(changed(nodes(job.report.as_ref()).chain(nodes(job.late.as_ref()))));
    wrong
}

/// The lines that were signed and did not stay as they were.
fn changed<'a>(lines: impl Iterator<Item = &'a NodeReport>) -> Vec<String> {
    let mut last: BTreeMap<_, &NodeReport> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in lines {
        if let Some(before) = last.insert(&line.node, line)
            && before.signed
            && before != line
        {
            let (was, is) = ((before.state, before.reason), (line.state, line.reason));
            wrong.push(format!("{} was shown as {was:?}, then as {is:?}", line.node));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use marcato_core::{EndState, Reason};

    use super::*;
    use crate::checkers::bench::truth;

    #[test]
    fn another_end_is_found() {
        let mut truth = truth();
        truth.say(EndState::Ok, None, Changed::True);
        truth.say(EndState::Ok, None, Changed::True);
        let silent = truth.line(EndState::NoResponse, Some(Reason::Silent), Changed::Unknown);
        let ok = truth.line(EndState::Ok, None, Changed::True);
        truth.jobs[0].lines = vec![silent.clone(), ok.clone(), ok];
        assert_eq!(check(&truth), Vec::<String>::new());
        truth.jobs[0].lines.push(silent);
        assert_eq!(check(&truth).len(), 1);
        truth.say(EndState::Rejected, Some(Reason::Expired), Changed::False);
        assert_eq!(check(&truth).len(), 2);
    }
}
