//! Every Rust file says in its first lines what it is for.

use super::{Finding, Source};

/// How far down the first `//!` may stand: below a shebang or a licence line.
const WITHIN_LINES: usize = 3;

/// Names each file that does not say what it is for.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let silent = |source: &&Source| {
        let says =
            |line: &str| line.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
        source.is_rust() && !source.text.lines().take(WITHIN_LINES).any(says)
    };
    let finding = |source: &Source| {
        Finding::new(
            source,
            1,
            format!("no `//!` in the first {WITHIN_LINES} lines"),
            "begin the file with one sentence that says what it is for",
        )
    };
    sources.iter().filter(silent).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::test::found;

    #[test]
    fn a_file_says_what_it_is_for() {
        let table = [
            ("a.rs", "//! What it is for.\nfn a() {}\n", 0),
            ("a.rs", "\n\n//! On the third line.\n", 0),
            ("a.rs", "\n\n\n//! Too late.\n", 1),
            ("a.rs", "//!\nfn a() {}\n", 1),
            ("a.rs", "// What it is for.\n", 1),
            ("a.rs", "", 1),
            ("a.md", "No Rust.\n", 0),
        ];
        for (path, text, expect) in table {
            assert_eq!(found(check, path, text).len(), expect, "{text:?}");
        }
    }
}
