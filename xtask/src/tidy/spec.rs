//! A page that specifies code names the code's digest, so that neither changes without the other
//! being looked at.
//!
//! The page carries `<!-- source: crates/protocol/src sha256:… -->`. Comments and tests do not
//! count: only what a machine would do differently makes the page stale.

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::source::read_all;
use super::{Finding, Source};

/// Where pages that specify code stand, and the code that at least one of them must name.
const SPECIFIED: &[(&str, &str)] = &[
    ("docs/protocol/", "crates/protocol/src"),
    ("docs/protocol/", "crates/filter/src"),
    ("docs/protocol/", "crates/core/src/json.rs"),
    ("docs/protocol/", "crates/core/src/names.rs"),
    ("docs/protocol/", "crates/core/src/time.rs"),
    ("docs/protocol/", "crates/core/src/terms.rs"),
    ("docs/protocol/", "crates/core/src/state.rs"),
    ("docs/protocol/", "crates/core/src/limits/crypto.rs"),
    ("docs/protocol/", "crates/core/src/limits/filter.rs"),
    ("docs/protocol/", "crates/core/src/limits/protocol.rs"),
    ("docs/protocol/", "crates/core/src/limits/timing.rs"),
];

const OPENING: &str = "<!-- source: ";
const CLOSING: &str = " -->";
const DIGEST: &str = " sha256:";

/// One such line of a page.
struct Mark<'a> {
    line: usize,
    place: &'a str,
    digest: &'a str,
}

/// Names each page that its code has left behind, and each code that no page specifies.
#[must_use]
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in pages(sources) {
        for mark in marks(&page.text) {
            let digest = digest(sources, mark.place);
            if digest.as_deref() != Some(mark.digest) {
                let what = match digest {
                    Some(_) => {
                        format!("{} has changed since this page was last checked", mark.place)
                    }
                    None => format!("{} is no source of this repository", mark.place),
                };
                let instead = "read the page against the code, mend it, then `cargo xtask tidy --accept-protocol`";
                findings.push(Finding::new(page, mark.line, what, instead));
            }
        }
    }
    findings
        .extend(SPECIFIED.iter().filter_map(|(folder, place)| unspecified(sources, folder, place)));
    findings
}

/// The code is there, and no page names it.
fn unspecified(sources: &[Source], folder: &str, place: &str) -> Option<Finding> {
    digest(sources, place)?;
    let mut pages = pages(sources).filter(|page| page.path.starts_with(folder));
    let named = pages.any(|page| marks(&page.text).iter().any(|mark| mark.place == place));
    (!named).then(|| Finding {
        path: folder.to_owned(),
        line: 1,
        what: format!("no page here is tied to {place}"),
        instead: format!("put `{OPENING}{place}{DIGEST}0{CLOSING}` into the page that specifies it, then `cargo xtask tidy --accept-protocol`"),
    })
}

fn pages(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.path.starts_with("docs/") && source.path.ends_with(".md"))
}

fn marks<'a>(text: &'a str) -> Vec<Mark<'a>> {
    let mark = |(index, line): (usize, &'a str)| {
        let inner = line.trim().strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
        let (place, digest) = inner.split_once(DIGEST)?;
        Some(Mark { line: index + 1, place, digest })
    };
    text.lines().enumerate().filter_map(mark).collect()
}

/// The digest over all product code under a place; `None` where there is none.
fn digest(sources: &[Source], place: &str) -> Option<String> {
    let mut files: Vec<&Source> = sources
        .iter()
        .filter(|source| source.is_rust() && source.is_under(place) && !source.is_test())
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.path.as_bytes());
        for token in code(file) {
            hash.update([0]);
            hash.update(token.as_bytes());
        }
        hash.update([1]);
    }
    let hex = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    (!files.is_empty()).then_some(hex)
}

/// The tokens that are neither a doc comment nor part of a test.
fn code(source: &Source) -> Vec<&str> {
    let tokens = source.tokens();
    let mut words = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let open = at + 1 + usize::from(tokens.get(at + 1).is_some_and(|next| next.text == "!"));
        let is_doc = token.text == "#"
            && tokens.get(open).is_some_and(|next| next.text == "[")
            && tokens.get(open + 1).is_some_and(|next| next.text == "doc");
        if is_doc {
            at = tokens[open].partner + 1;
            continue;
        }
        if !token.in_test {
            words.push(token.text.as_str());
        }
        at += 1;
    }
    words
}

/// Writes the digests of today into all pages; the names of the pages that changed.
///
/// # Errors
/// When a file cannot be read or written; the error is one sentence.
pub fn accept(root: &Path) -> Result<Vec<String>, String> {
    let sources = read_all(root)?;
    let mut changed = Vec::new();
    for page in pages(&sources) {
        let text = accepted(&sources, page);
        if text != page.text {
            std::fs::write(root.join(&page.path), text)
                .map_err(|error| format!("{} cannot be written: {error}", page.path))?;
            changed.push(page.path.clone());
        }
    }
    Ok(changed)
}

/// The page with the digests of today.
fn accepted(sources: &[Source], page: &Source) -> String {
    let mut text = page.text.clone();
    for mark in marks(&page.text) {
        if let Some(digest) = digest(sources, mark.place) {
            let line = |digest: &str| format!("{OPENING}{}{DIGEST}{digest}{CLOSING}", mark.place);
            text = text.replace(&line(mark.digest), &line(&digest));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Orders\n<!-- source: crates/protocol/src sha256:0 -->\n";

    fn tree(code: &str, page: &str) -> Vec<Source> {
        vec![
            Source::new("crates/protocol/src/lib.rs", code),
            Source::new("docs/protocol/orders.md", page),
        ]
    }

    /// Accepts the page for the first code, and counts the findings once the code is the second.
    fn check_change(before: &str, after: &str, expect: usize) {
        let sources = tree(before, PAGE);
        let page = accepted(&sources, &sources[1]);
        assert_eq!(check(&tree(before, &page)), [], "just accepted");
        assert_eq!(check(&tree(after, &page)).len(), expect, "{before} → {after}");
    }

    #[test]
    fn a_change_of_the_code_makes_the_page_stale() {
        check_change("fn a() {}", "fn a() { b() }", 1);
        check_change("fn a() {}", "fn a() {}", 0);
        check_change("fn a() {}", "/// A comment.\nfn a() {} // another", 0);
        check_change(
            "fn a() {}",
            "//! A comment.\nfn a() {}\n#[cfg(test)]\nmod t { fn b() {} }",
            0,
        );
    }

    #[test]
    fn a_single_file_can_be_specified() {
        let limits = "crates/core/src/limits/timing.rs";
        let tied = format!("{PAGE}<!-- source: {limits} sha256:0 -->\n");
        let with = |skew: &str, page: &str| {
            let mut sources = tree("fn a() {}", page);
            sources.push(Source::new(limits, skew));
            sources
        };
        let (before, after) = ("pub const SKEW: u64 = 30;", "pub const SKEW: u64 = 40;");
        let sources = with(before, &tied);
        let page = accepted(&sources, &sources[1]);
        assert_eq!(check(&with(before, &page)), []);
        assert_eq!(check(&with(after, &page)).len(), 1);
        // The page of the protocol has to name it.
        let untied: Vec<_> = check(&with(before, PAGE)).into_iter().map(|f| f.what).collect();
        assert!(untied.iter().any(|what| what.ends_with(limits)), "{untied:?}");
    }

    #[test]
    fn a_page_must_name_its_source() {
        let finding = |page: &str| check(&tree("fn a() {}", page)).pop().map(|f| (f.line, f.what));
        let stale =
            (2, "crates/protocol/src has changed since this page was last checked".to_owned());
        assert_eq!(finding(PAGE), Some(stale));
        let untied = (1, "no page here is tied to crates/protocol/src".to_owned());
        assert_eq!(finding("# Orders\n"), Some(untied));
        let wrong =
            "<!-- source: crates/protocol/src sha256:0 -->\n<!-- source: crates/x sha256:0 -->\n";
        assert_eq!(check(&tree("fn a() {}", wrong)).len(), 2);
    }
}
