//! What to say where there is nothing: no node matches, or none has what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use marcato_client::core::{Coverage, NodeReport, Report, Selection, Task};
use marcato_client::shell::Fleet as Connection;
use marcato_core::ddl::Action;
use marcato_core::facts::is_volatile;
use marcato_core::{FactName, Identity, Reason};
use marcato_filter::Filter;
use marcato_protocol::question::Values;

use super::grammar::subject_of;
use super::which::Which;
use crate::words::fold::fold;
use crate::words::group::escape;
use crate::words::{coverage, node_count, tally};

/// So many facts of a filter are explained.
const FACTS_MAX: usize = 3;
/// So many values of a fact are listed.
const VALUES_MAX: usize = 8;
/// So many nodes are named.
const NAMED_MAX: usize = 10;

/// Why no node is meant, in lines.
pub async fn matched(
    connection: &mut Connection,
    (task, which): (&Task, &Which),
    selection: &Selection,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut list = |nodes: &[Identity], what: &str| lines.extend(listed(nodes, what));
    list(&selection.not_capable, &tally::lack(&task.terms().agents, &task.agent));
    list(&selection.read_only, "read-only, left out");
    list(&selection.gone, "gone, unheard for seven days");
    let coverage = &selection.coverage;
    if lines.is_empty() {
        lines = why(connection, which, coverage).await;
    } else {
        lines.extend(told(coverage));
    }
    lines.push("Nothing was sent.".to_owned());
    lines
}

fn listed(nodes: &[Identity], what: &str) -> Option<String> {
    let names = fold(nodes.iter().take(NAMED_MAX).map(Identity::as_str)).join(" ");
    let more = if nodes.len() > NAMED_MAX { " …" } else { "" };
    (!nodes.is_empty()).then(|| format!("{} {what}: {names}{more}", nodes.len()))
}

/// What may be missing from the hub's list, in lines.
fn told(coverage: &Coverage) -> Vec<String> {
    let vanished = listed(&coverage.vanished, "known here, but not to the hub");
    vanished.into_iter().chain(coverage::lines(coverage, true)).collect()
}

/// Why a filter matches nothing, in lines: what there is instead.
pub async fn why(connection: &mut Connection, which: &Which, coverage: &Coverage) -> Vec<String> {
    if which.is_everything() {
        let nobody = "no node has registered with this fleet's hub".to_owned();
        return std::iter::once(nobody).chain(told(coverage)).collect();
    }
    let mut lines = vec![format!("nothing matched {}", which.in_words())];
    // It was understood before anybody was asked.
    let Ok(filter) = Filter::parse(&which.terms) else { return lines };
    let facts: BTreeSet<FactName> =
        filter.fact_names().filter_map(|fact| fact.parse().ok()).collect();
    for fact in facts.into_iter().take(FACTS_MAX) {
        if is_volatile(fact.as_str()) {
            let name = escape(fact.as_str());
            lines.push(format!("{name} changes all the time: the nodes were asked themselves"));
            continue;
        }
        // Without these words the answer is as true; a hub that has gone meanwhile harms nothing.
        if let Ok(values) = connection.values(fact.clone()).await {
            lines.push(values_in_words(&fact, &values));
        }
    }
    lines.extend(told(coverage));
    if let [first, second] = lines.as_slice() {
        return vec![format!("{first}: {second}")];
    }
    lines
}

/// What to say where every node that answered does not have what was asked for.
pub async fn there(
    connection: &mut Connection,
    (task, action): (&Task, &Action),
    which: &Which,
    report: &Report,
) -> Option<String> {
    let (nobody, count) = nobody(report, which)?;
    let is = |reason| report.nodes.iter().any(|node| node.reason == Some(reason));
    let input = |name: &str| task.inputs.get(name).and_then(|value| value.as_str());
    if is(Reason::NoValue) {
        let fact = input("fact")?;
        let line = format!("{nobody} has a fact {fact:?} ({count})");
        // Without the hub's words the answer is as true.
        let values = connection.values(fact.parse().ok()?).await.unwrap_or_default();
        return Some(match values.nearest.as_slice() {
            [] => line,
            nearest => format!("{line}; nearest: {}", joined(nearest)),
        });
    }
    let subject = subject_of(action).filter(|_| is(Reason::Absent))?;
    let line = format!("{nobody} has a {subject} {:?} ({count})", input(subject)?);
    Some(match nearest(report) {
        Some((name, count)) => format!("{line}. Nearest: {} ({})", escape(name), node_count(count)),
        None => line,
    })
}

/// Who does not have it, and how many they are, where nobody who answered said anything else. Of
/// those that were not asked, or are silent, nothing is claimed.
fn nobody(report: &Report, which: &Which) -> Option<(&'static str, String)> {
    let is_nothing =
        |node: &NodeReport| matches!(node.reason, Some(Reason::Absent | Reason::NoValue));
    let answers = || {
        let all = report.nodes.iter().chain(&report.unexpected);
        all.filter(|node| node.state.is_signed())
    };
    let (asked, silent) = (report.nodes.len(), report.nodes.iter().any(|n| n.state.is_silent()));
    match answers().count() {
        0 => None,
        _ if !answers().all(is_nothing) => None,
        answered if silent => {
            Some(("none of the nodes that answered", format!("{answered} of {asked}")))
        }
        _ if which.is_everything() && report.complete => {
            Some(("no node", format!("{asked} asked")))
        }
        _ => Some(("none of the nodes asked", node_count(asked))),
    }
}

/// What the most nodes say is most likely meant, and how many they are.
fn nearest(report: &Report) -> Option<(&str, usize)> {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &report.nodes {
        let name = node.data.get("nearest").and_then(|value| value.as_str());
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            *names.entry(name).or_default() += 1;
        }
    }
    // The first of equals, so that the same answers give the same words.
    names.into_iter().rev().max_by_key(|(_, nodes)| *nodes)
}

fn values_in_words(fact: &FactName, values: &Values) -> String {
    if values.values.is_empty() {
        let nearest = if values.nearest.is_empty() {
            String::new()
        } else {
            format!("; nearest: {}", joined(&values.nearest))
        };
        return format!("no node has a fact {:?}{nearest}", fact.as_str());
    }
    let mut known: Vec<(&String, &u64)> = values.values.iter().collect();
    known.sort_by_key(|(value, count)| (std::cmp::Reverse(**count), (*value).clone()));
    let more = if known.len() > VALUES_MAX { ", …" } else { "" };
    let known = known.into_iter().take(VALUES_MAX);
    let known: Vec<String> =
        known.map(|(value, count)| format!("{} ({count})", escape(value))).collect();
    format!("{} is {}{more}", escape(fact.as_str()), known.join(", "))
}

fn joined(names: &[FactName]) -> String {
    names.iter().map(|name| escape(name.as_str())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_instead() {
        let check = |values: &[(&str, u64)], nearest: &[&str], want: &str| {
            let values = Values {
                values: values.iter().map(|(value, count)| ((*value).into(), *count)).collect(),
                without: 0,
                nearest: nearest.iter().map(|name| name.parse().unwrap()).collect(),
            };
            assert_eq!(values_in_words(&"hagroup".parse().unwrap(), &values), want);
        };
        check(&[("a", 17), ("b", 17), ("c", 16)], &[], "hagroup is a (17), b (17), c (16)");
        check(&[("a", 1), ("\u{1b}b", 2)], &[], "hagroup is \\u{1b}b (2), a (1)");
        check(&[], &["hagrp"], "no node has a fact \"hagroup\"; nearest: hagrp");
        check(&[], &[], "no node has a fact \"hagroup\"");
    }
}
