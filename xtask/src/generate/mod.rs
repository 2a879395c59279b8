//! `cargo xtask generate`: the pages that are made from the code, so that they cannot lie.

pub mod facts;
mod limits;
mod outcomes;

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::tidy::Finding;
use crate::tidy::source::{Source, read_all};

/// A page that is made from the sources.
struct Page {
    /// Where it stands, from the root of the repository.
    path: &'static str,
    /// Makes its text.
    text: fn(&[Source]) -> String,
}

/// All generated pages; a new one is a line here and a file beside this one.
const PAGES: &[Page] = &[
    Page { path: "docs/reference/facts.md", text: facts::page },
    Page { path: "docs/reference/limits.md", text: limits::page },
    Page { path: "docs/reference/outcomes.md", text: outcomes::page },
];

/// The first line of every generated page.
const HEADER: &str = "<!-- Written by `cargo xtask generate`. Change the source instead. -->\n";

/// Names each page that is not what the sources say today.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    PAGES.iter().filter_map(|page| stale(page, sources)).collect()
}

fn stale(page: &Page, sources: &[Source]) -> Option<Finding> {
    let text = (page.text)(sources);
    let today = sources.iter().find(|source| source.path == page.path);
    let today = today.map(|source| source.text.as_str()).unwrap_or_default();
    if text == today {
        return None;
    }
    let same = text.lines().zip(today.lines()).take_while(|(a, b)| a == b).count();
    Some(Finding {
        path: page.path.to_owned(),
        line: same + 1,
        what: "this page is not what the sources say".to_owned(),
        instead: "run `cargo xtask generate`, and commit what it writes".to_owned(),
    })
}

/// Writes every page that is stale; the names of the pages that changed.
///
/// # Errors
/// When a file cannot be read or written; the error is one sentence.
pub fn write(root: &Path) -> Result<Vec<String>, String> {
    let sources = read_all(root)?;
    let mut changed = Vec::new();
    for page in PAGES.iter().filter(|page| stale(page, &sources).is_some()) {
        let path = root.join(page.path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, (page.text)(&sources)))
            .map_err(|error| format!("{} cannot be written: {error}", page.path))?;
        changed.push(page.path.to_owned());
    }
    Ok(changed)
}

/// A link of rustdoc, in either of its two forms; it leads nowhere outside of rustdoc.
static LINK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\[([^\[\]]+)\]\([^()]*\)|\[(`[^`]+`)\]").ok());

/// A doc comment as a cell of a table: no bar ends it early, no line break, no link.
fn cell(text: &str) -> String {
    let text = LINK.as_ref().map_or_else(|| text.into(), |link| link.replace_all(text, "$1$2"));
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one() {
        assert_eq!(cell("a | b\nc"), "a \\| b c");
        assert_eq!(cell("[`A`](super::A), [`B`], `[a-z]+`"), "`A`, `B`, `[a-z]+`");
    }

    #[test]
    fn a_page_that_differs_is_stale() {
        let page = Page { path: "docs/a.md", text: |_| "one\ntwo\n".to_owned() };
        let with = |text: &str| stale(&page, &[Source::new("docs/a.md", text)]).map(|f| f.line);
        assert_eq!(with("one\ntwo\n"), None);
        assert_eq!(with("one\n2\n"), Some(2));
        assert_eq!(with(""), Some(1));
        assert_eq!(stale(&page, &[]).map(|f| f.line), Some(1));
    }
}
