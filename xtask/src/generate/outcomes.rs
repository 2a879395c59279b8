//! `docs/reference/outcomes.md`: end states, reason codes and exit codes, from the tables of
//! `marcato_core`.

use std::fmt::Write as _;

use marcato_core::{EndState, Exit, Reason};

use super::{HEADER, cell};
use crate::tidy::source::Source;

const STATES: &str = "crates/core/src/state.rs";

/// The page.
#[must_use]
pub fn page(sources: &[Source]) -> String {
    let states = sources.iter().find(|source| source.path == STATES);
    let states =
        variants(states.map(|source| source.text.as_str()).unwrap_or_default(), "EndState");
    let mut text = format!("{HEADER}# Outcomes\n\n## End states\n\n");
    text.push_str("Every expected node has exactly one. In JSON `_` stands for the blank.\n\n");
    text.push_str("| state | signed by | meaning |\n| --- | --- | --- |\n");
    for state in EndState::ALL {
        let name = format!("{state:?}");
        let meaning = states.iter().find(|(variant, _)| *variant == name);
        let meaning = meaning.map(|(_, meaning)| cell(meaning)).unwrap_or_default();
        let by = if state.is_signed() { "the node" } else { "nobody: the client's word" };
        let _ = writeln!(text, "| `{}` | {by} | {meaning} |", state.words());
    }
    text.push_str("\n## Reason codes\n\nWhy a state is what it is.\n\n");
    text.push_str("| code | meaning | what to do |\n| --- | --- | --- |\n");
    for reason in Reason::ALL {
        let (meaning, hint) = (cell(reason.meaning()), cell(reason.hint()));
        let _ = writeln!(text, "| `{}` | {meaning} | {hint} |", reason.code());
    }
    text.push_str("\n## Exit codes of `mco`\n\n| code | meaning |\n| --- | --- |\n");
    for exit in Exit::ALL {
        let _ = writeln!(text, "| {} | {} |", exit.code(), cell(exit.meaning()));
    }
    text
}

/// The variants of an enum with their doc comments, as rustfmt writes them.
fn variants(text: &str, name: &str) -> Vec<(String, String)> {
    let opening = format!("pub enum {name} {{");
    let body =
        text.lines().skip_while(|line| *line != opening).skip(1).take_while(|line| *line != "}");
    let mut found = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in body.map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push(words.trim());
        } else if let Some(variant) = line.strip_suffix(',') {
            found.push((variant.to_owned(), comment.join(" ")));
            comment.clear();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_read_with_their_comments() {
        let text =
            "/// E.\npub enum E {\n    /// One,\n    /// two.\n    A,\n    /// B.\n    B,\n}\n";
        let expect = [("A", "One, two."), ("B", "B.")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(variants(text, "E"), expect);
        assert!(variants(text, "F").is_empty());
    }

    #[test]
    fn every_state_has_its_meaning() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
        let text = std::fs::read_to_string(format!("{root}{STATES}")).unwrap();
        let page = page(&[Source::new(STATES, text)]);
        assert!(!page.contains("|  |"), "{page}");
    }
}
