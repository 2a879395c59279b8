//! Which systems the nodes of a question have: asked of the hub's registry, which is cheap, and of no
//! node.

use std::collections::{BTreeMap, BTreeSet};

use marcato_client::core::Chosen;
use marcato_client::shell::signer::Signer;
use marcato_client::shell::{Fleet as Connection, FleetError};
use marcato_core::limits::client::{SYSTEM_VALUES_MAX, SYSTEMS_COUNTED_MAX};
use marcato_core::{Identity, Terms};

use crate::words::group::escape;

/// The facts that together name a system: `Debian 12`.
const FACTS: [&str; 2] = ["operatingsystem", "operatingsystemmajrelease"];
/// So many systems are named.
const NAMED_MAX: usize = 6;

/// Which nodes have a value, for each value of a fact.
type Holders = Vec<(String, BTreeSet<Identity>)>;

/// How many of the nodes have which system, in words: `Debian 12 430 · Ubuntu 22.04 19`. None where
/// that would cost more than a moment, or where the hub has gone: the question is as true without.
pub async fn in_words(
    connection: &mut Connection,
    signer: &dyn Signer,
    terms: &Terms,
    chosen: &[Chosen],
) -> Option<String> {
    let mut found = Vec::new();
    for fact in FACTS {
        found.push(holders(connection, signer, terms, fact).await.ok()??);
    }
    let names: Vec<&Identity> = chosen.iter().map(|node| &node.identity).collect();
    let counts = counts(&names, &found);
    (!counts.is_empty()).then(|| words(counts))
}

/// Who has which value of a fact; none where there are too many of either.
async fn holders(
    connection: &mut Connection,
    signer: &dyn Signer,
    terms: &Terms,
    fact: &str,
) -> Result<Option<Holders>, FleetError> {
    let values = connection.values(fact.parse()?).await?;
    let nodes = values.values.values().sum::<u64>() + values.without;
    if values.values.len() > SYSTEM_VALUES_MAX || nodes > SYSTEMS_COUNTED_MAX {
        return Ok(None);
    }
    let mut holders = Vec::new();
    // A value is a node's word: as a term it must mean itself.
    for value in values.values.into_keys().filter(|value| is_plain(value)) {
        // Names are not asked for again: they are looked for among the answer.
        let mut terms = Terms { identities: Vec::new(), ..terms.clone() };
        terms.facts.push(format!("{fact}={value}"));
        let found = connection.find(terms, signer).await?;
        holders.push((value, found.nodes.into_iter().map(|(node, _)| node).collect()));
    }
    Ok(Some(holders))
}

fn is_plain(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_alphanumeric() || " ._-".contains(c)) && !value.is_empty()
}

/// How many of the nodes have the same values of all facts, the most frequent first.
fn counts(nodes: &[&Identity], facts: &[Holders]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes {
        let values = facts.iter().filter_map(|holders| {
            holders.iter().find(|(_, nodes)| nodes.contains(*node)).map(|(value, _)| value.as_str())
        });
        let system = values.collect::<Vec<_>>().join(" ");
        if !system.is_empty() {
            *counts.entry(system).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

fn words(counts: Vec<(String, usize)>) -> String {
    let others: usize = counts.iter().skip(NAMED_MAX).map(|(_, count)| count).sum();
    let counts = counts.into_iter().take(NAMED_MAX);
    let mut words: Vec<String> =
        counts.map(|(system, count)| format!("{} {count}", escape(&system))).collect();
    if others > 0 {
        words.push(format!("others {others}"));
    }
    words.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_counted() {
        let names: Vec<Identity> = ["a", "b", "c", "d"].map(|name| name.parse().unwrap()).into();
        let holders = |value: &str, nodes: &[usize]| {
            (value.to_owned(), nodes.iter().map(|at| names[*at].clone()).collect())
        };
        let facts = [
            vec![holders("Debian", &[0, 1]), holders("Ubuntu", &[2])],
            vec![holders("11", &[0]), holders("12", &[1]), holders("22.04", &[2])],
        ];
        let chosen: Vec<&Identity> = names.iter().collect();
        let want = "Debian 11 1 · Debian 12 1 · Ubuntu 22.04 1";
        assert_eq!(words(counts(&chosen, &facts)), want, "the last says nothing of itself");
        assert_eq!(words(counts(&chosen, &facts[..1])), "Debian 2 · Ubuntu 1");
        assert_eq!(words(counts(&chosen[2..3], &facts)), "Ubuntu 22.04 1");
        assert!(counts(&chosen, &[]).is_empty());
        let many = (0..9).map(|number| (format!("s{number}"), 9 - number)).collect();
        assert_eq!(words(many), "s0 9 · s1 8 · s2 7 · s3 6 · s4 5 · s5 4 · others 6");
        let plain = ["22.04", "Debian GNU", "/x/", "", "a=b", "\u{7}"].map(is_plain);
        assert_eq!(plain, [true, true, false, false, false, false]);
    }
}
