//! What MCollective's own filter code answers, row by row, and what ours must answer instead where
//! it differs on purpose. `filter-truth.jsonl` was made by running MCollective 2.12.5.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use marcato_core::{AgentName, Facts, Identity, Terms};
use marcato_filter::{Filter, FilterError, Host, from_flags};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Facts {
        set: String,
        facts_yaml: String,
        identity: Identity,
        classes: Vec<String>,
        agents: Vec<AgentName>,
    },
    Row {
        set: String,
        args: Vec<String>,
        want: Value,
    },
}

struct Set {
    facts: Facts,
    identity: Identity,
    classes: Vec<String>,
    agents: Vec<AgentName>,
}

/// Ruby's symbols: without quotes, `:name` in YAML means the name.
fn without_symbols(value: Value) -> Value {
    let name = |text: String| text.strip_prefix(':').map_or(text.clone(), str::to_owned);
    match value {
        Value::String(text) => name(text).into(),
        Value::Array(items) => items.into_iter().map(without_symbols).collect(),
        Value::Object(entries) => {
            entries.into_iter().map(|(key, value)| (name(key), without_symbols(value))).collect()
        }
        plain => plain,
    }
}

fn parse(args: &[String]) -> Result<Filter, FilterError> {
    let given = |flag: &str| -> Vec<String> {
        args.chunks(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].clone()).collect()
    };
    let terms = Terms {
        facts: given("-F"),
        classes: given("-C"),
        identities: given("-I"),
        agents: given("-A"),
        expressions: given("-S"),
    };
    let terms = from_flags(&given("-W"), terms)?;
    Filter::parse(&terms)
}

#[test]
fn answers_are_the_wanted_ones() {
    let mut sets = BTreeMap::new();
    let (mut rows, mut wrong) = (0, Vec::new());
    for line in include_str!("filter-truth.jsonl").lines() {
        match serde_json::from_str(line).unwrap() {
            Line::Facts { set, facts_yaml, identity, classes, agents } => {
                let facts: Value = serde_saphyr::from_str(&facts_yaml).unwrap();
                let facts = serde_json::from_value(without_symbols(facts)).unwrap();
                sets.insert(set, Set { facts, identity, classes, agents });
            }
            Line::Row { set, args, want } => {
                rows += 1;
                let Set { facts, identity, classes, agents } = &sets[&set];
                let got = match parse(&args) {
                    Ok(filter) => filter.matches(&Host { identity, facts, classes, agents }).into(),
                    Err(_) => Value::from("error"),
                };
                if got != want {
                    wrong.push(format!("{set} {args:?}: got {got}, want {want}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(rows, 298);
}
