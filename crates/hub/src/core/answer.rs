//! Answers to clients' questions, in parts of a bounded size.

use std::collections::{BTreeMap, BTreeSet};

use marcato_core::json::is_reserved;
use marcato_core::limits::cut_to;
use marcato_core::limits::hub::{NAMES_MAX, NEAREST_MAX, VALUE_BYTES_MAX, VALUES_MAX};
use marcato_core::limits::protocol::ANSWER_PART_BYTES_MAX;
use marcato_core::nearest::nearest;
use marcato_core::{FactName, Terms, Timestamp};
use marcato_filter::{Filter, FilterError, look_up};
use marcato_protocol::question::{Answer, Ask, Beginning, Found, Listed, Named, Question, Values};
use marcato_protocol::version::Spoken;
use serde_json::{Map, Value};

use super::registry::Registry;

/// What one line of a list weighs beside its name, in bytes, at most: a digest, two versions, a
/// time and their keys.
const LISTED_BYTES: usize = 240;

/// Answers a question, in one part or more.
pub(super) fn answer(registry: &Registry, question: &Question, since: Timestamp) -> Vec<Answer> {
    let found = if Spoken::RELEASE.speaks(question.v) {
        found(registry, &question.ask)
    } else {
        let Spoken { oldest, newest } = Spoken::RELEASE;
        let asked = question.v;
        vec![Found::Refused(format!(
            "the question has version {asked} of the protocol; this hub speaks {oldest} to {newest}"
        ))]
    };
    let parts = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let part = |(part, found)| Answer { v: question.v, id: question.id, part, parts, since, found };
    (0..parts).zip(found).map(part).collect()
}

fn found(registry: &Registry, ask: &Ask) -> Vec<Found> {
    match ask {
        Ask::Find(terms) => match find(registry, terms) {
            Ok(nodes) => {
                let weight = |line: &Listed| line.node.as_str().len() + LISTED_BYTES;
                in_parts(nodes, weight, Found::Nodes)
            }
            Err(error) => vec![Found::Refused(error.to_string())],
        },
        Ask::Certificates(nodes) => {
            let texts =
                nodes.iter().filter_map(|node| Some(registry.get(node)?.certificate.clone()));
            in_parts(texts.collect(), |text: &String| text.len() + 3, Found::Certificates)
        }
        Ask::Values(fact) => vec![Found::Values(values(registry, fact))],
        Ask::Names(beginning) => vec![Found::Names(names(registry, beginning))],
    }
}

/// Splits a list; an empty one is one part too.
fn in_parts<T>(
    items: Vec<T>,
    weight: impl Fn(&T) -> usize,
    found: impl Fn(Vec<T>) -> Found,
) -> Vec<Found> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut bytes = 0;
    for item in items {
        bytes += weight(&item);
        if bytes > ANSWER_PART_BYTES_MAX && !part.is_empty() {
            parts.push(found(std::mem::take(&mut part)));
            bytes = weight(&item);
        }
        part.push(item);
    }
    parts.push(found(part));
    parts
}

/// The nodes that match; those that do but for an agent are marked.
fn find(registry: &Registry, terms: &Terms) -> Result<Vec<Listed>, FilterError> {
    // Parsed whole first, so that its limits count over all terms.
    Filter::parse(terms)?;
    let agents = Terms { agents: terms.agents.clone(), ..Terms::default() };
    let others = Terms { agents: Vec::new(), ..terms.clone() };
    let (agents, others) = (Filter::parse(&agents)?, Filter::parse(&others)?);
    let nodes = registry.iter().filter_map(|(node, entry)| {
        let host = entry.host(node);
        others.matches(&host).then(|| entry.listed(node, !agents.matches(&host)))
    });
    Ok(nodes.collect())
}

/// The first names that begin so, sorted. What is longer than a value may be is no name to type.
fn names(registry: &Registry, Beginning { of, begin }: &Beginning) -> Vec<String> {
    let mut names = BTreeSet::new();
    let mut add = |name: &str| {
        if name.starts_with(begin.as_str())
            && !names.contains(name)
            && name.len() <= VALUE_BYTES_MAX
        {
            names.insert(name.to_owned());
            if names.len() > NAMES_MAX {
                names.pop_last();
            }
        }
    };
    for (node, entry) in registry.iter() {
        match of {
            Named::Nodes => add(node.as_str()),
            Named::Agents => entry.agents.iter().for_each(|agent| add(agent.as_str())),
            Named::Classes => entry.classes.iter().for_each(|class| add(class)),
            Named::Facts => match begin.rsplit_once('.') {
                None => entry.facts.keys().for_each(|fact| add(fact)),
                Some((outer, _)) => {
                    let inner = look_up(&entry.facts, outer).and_then(Value::as_object);
                    inner
                        .into_iter()
                        .flat_map(Map::keys)
                        .for_each(|key| add(&format!("{outer}.{key}")));
                }
            },
        }
    }
    names.into_iter().collect()
}

fn values(registry: &Registry, fact: &FactName) -> Values {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut without = 0;
    for (_, entry) in registry.iter() {
        match look_up(&entry.facts, fact.as_str()) {
            // As a key it would make the whole answer one that no client reads.
            Some(Value::String(text)) if is_reserved(text) => {}
            Some(value) => *counts.entry(text(value)).or_default() += 1,
            None => without += 1,
        }
    }
    let nearest = if counts.is_empty() { near(registry, fact) } else { Vec::new() };
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, more), (b, fewer)| fewer.cmp(more).then_with(|| a.cmp(b)));
    counts.truncate(VALUES_MAX);
    Values { values: counts.into_iter().collect(), without, nearest }
}

/// A value as a person reads it, cut to its limit.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => cut_to(text, VALUE_BYTES_MAX).to_owned(),
        other => cut_to(&other.to_string(), VALUE_BYTES_MAX).to_owned(),
    }
}

/// The names of facts that are near to one which no node has, the nearest first.
fn near(registry: &Registry, fact: &FactName) -> Vec<FactName> {
    let mut names: Vec<&str> = registry
        .iter()
        .flat_map(|(_, entry)| entry.facts.keys().map(String::as_str))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut found = Vec::new();
    while let Some(name) = nearest(fact.as_str(), names.iter().copied()) {
        names.retain(|other| *other != name);
        found.extend(name.parse());
        if found.len() >= NEAREST_MAX {
            break;
        }
    }
    found
}
