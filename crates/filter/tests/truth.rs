//! What MCollective's own filter code answers, row by row, and what ours must answer instead where
//! it differs on purpose. `filter-truth.jsonl` was made by running MCollective 2.12.5.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use marcato_core::{AgentName, Facts, Identity};
use marcato_filter::{Filter, FilterError, Host, from_flags};
use serde::Deserialize;
use serde_json::Value;

/// Rows that run, and rows that wait for a part of the language or need the facts file's own
/// reader. A part that comes moves its rows, so that none is forgotten.
const RUN: usize = 206;
const WAITING: [(&str, usize); 3] = [("dotted path", 3), ("expression (-S)", 87), ("symbol", 2)];

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

/// Why a row cannot run yet.
fn waits_for(args: &[String], set: &str) -> Option<&'static str> {
    let term = &args[1];
    if args.iter().any(|arg| arg == "-S") {
        return Some("expression (-S)");
    }
    match set {
        "typed" if term.starts_with("hash.") || term.starts_with("os.") => Some("dotted path"),
        "typed" if term.starts_with("sym") => Some("symbol"),
        _ => None,
    }
}

fn parse(args: &[String]) -> Result<Filter, FilterError> {
    let given = |flag: &str| -> Vec<String> {
        args.chunks(2).filter(|pair| pair[0] == flag).map(|pair| pair[1].clone()).collect()
    };
    let terms = from_flags(&given("-W"), &given("-F"), &given("-C"), &given("-I"), &given("-A"))?;
    Filter::parse(&terms)
}

#[test]
fn answers_are_the_wanted_ones() {
    let mut sets = BTreeMap::new();
    let (mut run, mut waiting, mut wrong) = (0, BTreeMap::new(), Vec::new());
    for line in include_str!("filter-truth.jsonl").lines() {
        match serde_json::from_str(line).unwrap() {
            Line::Facts { set, facts_yaml, identity, classes, agents } => {
                let facts = serde_saphyr::from_str(&facts_yaml).unwrap();
                sets.insert(set, Set { facts, identity, classes, agents });
            }
            Line::Row { set, args, want } => {
                if let Some(reason) = waits_for(&args, &set) {
                    *waiting.entry(reason).or_insert(0) += 1;
                    continue;
                }
                run += 1;
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
    assert_eq!(waiting.into_iter().collect::<Vec<_>>(), WAITING);
    assert_eq!(run, RUN);
}
