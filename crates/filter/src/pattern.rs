//! Regular expressions between slashes: compiled under limits, with the place of what is wrong.

use std::ops::Range;

use marcato_core::limits::filter::{
    REGEX_CACHE_BYTES_MAX, REGEX_NEST_MAX, REGEX_PROGRAM_BYTES_MAX,
};
use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::HirKind;

use crate::error::Fault;

/// A text as the slashes around it divide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slashed<'a> {
    /// No slash in front.
    Plain,
    /// `/pattern/` or `/pattern/i`; the pattern begins at byte 1.
    Pattern { pattern: &'a str, ignore_case: bool },
    /// Slashes with nothing between them.
    Empty,
    /// A slash in front that nothing closes.
    Unclosed,
}

impl<'a> Slashed<'a> {
    /// Looks for a slash at the beginning, and for `/` or `/i` at the end.
    pub(crate) fn of(text: &'a str) -> Self {
        let Some(rest) = text.strip_prefix('/') else {
            return Self::Plain;
        };
        let (pattern, ignore_case) = if let Some(pattern) = rest.strip_suffix("/i") {
            (pattern, true)
        } else if let Some(pattern) = rest.strip_suffix('/') {
            (pattern, false)
        } else if rest.is_empty() {
            return Self::Empty;
        } else {
            return Self::Unclosed;
        };
        if pattern.is_empty() { Self::Empty } else { Self::Pattern { pattern, ignore_case } }
    }
}

/// Compiles a pattern: unanchored, `^` and `$` at line ends.
///
/// # Errors
/// With the bytes of the pattern that are wrong.
pub(crate) fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, (Range<usize>, Fault)> {
    let whole = 0..pattern.len();
    let parsed = ParserBuilder::new()
        .multi_line(true)
        .case_insensitive(ignore_case)
        .nest_limit(REGEX_NEST_MAX)
        .build()
        .parse(pattern)
        .map_err(|error| locate(&error, pattern))?;
    // Flags and comments alone, such as `(?i)`, match everything just as nothing does.
    if matches!(parsed.kind(), HirKind::Empty) {
        return Err((whole, Fault::EmptyPattern));
    }
    RegexBuilder::new(pattern)
        .multi_line(true)
        .case_insensitive(ignore_case)
        .nest_limit(REGEX_NEST_MAX)
        .size_limit(REGEX_PROGRAM_BYTES_MAX)
        .dfa_size_limit(REGEX_CACHE_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => (whole, Fault::PatternTooLarge),
            other => (whole, Fault::Pattern(other.to_string())),
        })
}

fn locate(error: &regex_syntax::Error, pattern: &str) -> (Range<usize>, Fault) {
    let (span, words) = match error {
        regex_syntax::Error::Parse(error) => (error.span(), error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span(), error.kind().to_string()),
        other => return (0..pattern.len(), Fault::Pattern(other.to_string())),
    };
    (span.start.offset..span.end.offset, Fault::Pattern(words))
}
