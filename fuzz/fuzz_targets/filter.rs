//! Any terms of a filter: nothing panics, an error's place can be cut out of its term, and what is
//! accepted can be asked of a host, whose answer is that of its lines in words. Folded names likewise.
#![no_main]

use libfuzzer_sys::fuzz_target;
use marcato_core::{Facts, Terms};
use marcato_filter::{Filter, Host, unfold};

fuzz_target!(|text: &str| {
    // One term a line; the first letter says of which kind.
    let mut terms = Terms::default();
    for line in text.lines() {
        let mut letters = line.chars();
        let kind = match letters.next() {
            Some('C') => &mut terms.classes,
            Some('I') => &mut terms.identities,
            Some('A') => &mut terms.agents,
            Some('S') => &mut terms.expressions,
            _ => &mut terms.facts,
        };
        kind.push(letters.as_str().to_owned());
        match unfold(line, 1000) {
            Err(error) => assert!(line.get(error.span.clone()).is_some(), "{error}"),
            Ok(names) => assert!(names.len() <= 1000),
        }
    }
    match Filter::parse(&terms) {
        Err(error) => assert!(error.term.get(error.span.clone()).is_some(), "{error}"),
        Ok(filter) => {
            let Ok(identity) = "web1.example.com".parse() else { return };
            let names: Vec<String> = filter.fact_names().map(str::to_owned).collect();
            // The host has each fact that is asked for, with the whole input among its values.
            let value = |name: &String| vec![text, "8.5", name].into();
            let facts: Facts = names.iter().map(|name| (name.clone(), value(name))).collect();
            let host = Host { identity: &identity, facts: &facts, classes: &names, agents: &[] };
            assert!(
                filter.matches(&host) || !filter.terms().is_empty(),
                "no term means every node"
            );
            assert!(!filter.explain().contains('\n'));
            let lines = filter.verdict(&host);
            let all =
                lines.iter().filter(|line| line.depth == 0).all(|line| line.holds == Some(true));
            assert_eq!(all, filter.matches(&host), "the lines say what the whole says");
            assert!(lines.iter().all(|line| !line.words.contains('\n')));
        }
    }
});
