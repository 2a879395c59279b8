//! The repository speaks of the project alone, and leaves no note of unfinished work.

use std::sync::LazyLock;

use regex::Regex;

use super::{Finding, Source};

/// Words that no committed file holds: pattern, what is wrong, what to do instead.
const BANNED: &[(&str, &str, &str)] = &[
    (
        r"\b(TODO|FIXME|XXX)\b",
        "a note of unfinished work",
        "finish it, or say in the documentation what is not there yet",
    ),
    (
        r"(?i)\b(session|issue|ticket)s? #?[0-9]+\b|\(#[0-9]+\)",
        "the number of a piece of work, which means nothing to a reader",
        "say the reason itself",
    ),
    (
        r#"(^|[\s"'`(=:])/(work|farm|tmp/(brief|spec))(/|\b)"#,
        "a path of one machine",
        "name the path from the root of the repository, or a path that every host has",
    ),
];

/// Files that hold such words for a reason.
const KNOWN: &[(&str, &str)] = &[
    ("xtask/src/tidy/words.rs", "the list itself"),
    ("Cargo.lock", "written by cargo"),
    ("fuzz/Cargo.lock", "written by cargo"),
    ("LICENSE", "not our words"),
];

static PATTERNS: LazyLock<Vec<(Regex, &str, &str)>> = LazyLock::new(|| {
    let compile = |(pattern, what, instead): &(&str, _, _)| {
        Regex::new(pattern).ok().map(|regex| (regex, *what, *instead))
    };
    BANNED.iter().filter_map(compile).collect()
});

/// Names each line that holds a banned word.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let strangers =
        sources.iter().filter(|source| KNOWN.iter().all(|(path, _)| *path != source.path));
    strangers.flat_map(check_file).collect()
}

fn check_file(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (pattern, what, instead) in PATTERNS.iter() {
        // One search through the whole text; most files have no such word.
        for found in pattern.find_iter(&source.text) {
            let line = source.text[..found.start()].matches('\n').count() + 1;
            let word = found.as_str().trim();
            findings.push(Finding::new(source, line, format!("{word:?}: {what}"), *instead));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::test::found;

    #[test]
    fn every_pattern_is_used() {
        assert_eq!(PATTERNS.len(), BANNED.len());
    }

    #[test]
    fn the_project_speaks_of_itself_alone() {
        let table = [
            ("// TODO: later", 1),
            ("# FIXME", 1),
            ("mktemp /tmp/XXXXXX", 0),
            ("as asked in issue 12", 1),
            ("see Issue #12", 1),
            ("mended (#12)", 1),
            ("the session of a client", 0),
            ("two issues", 0),
            ("path = \"/work/main\"", 1),
            ("/home/alice/.ssh", 0),
            ("$HOME/.ssh, hostN/work/", 0),
            ("one\ntwo\nTODO", 1),
        ];
        for (text, expect) in table {
            assert_eq!(found(check, "a.md", text).len(), expect, "{text}");
        }
        assert_eq!(found(check, "a.md", "one\ntwo\nTODO")[0].line, 3);
        assert!(found(check, "LICENSE", "TODO").is_empty());
    }
}
