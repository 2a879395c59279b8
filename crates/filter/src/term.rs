//! Single terms: `fact OPERATOR value`, and names that may be regular expressions.

use std::borrow::Cow;
use std::ops::Range;

use marcato_core::Facts;
use marcato_core::limits::filter::TERM_BYTES_MAX;
use regex::Regex;

use crate::error::{Fault, FilterError, TermKind};
use crate::operator::{Operator, Test};
use crate::path;
use crate::pattern::{Slashed, compile};
use crate::syntax::{FactWords, Word};

/// A fact term, such as `hagroup=c`.
#[derive(Debug, Clone)]
pub(crate) struct FactTerm {
    pub(crate) fact: String,
    test: Test,
}

impl FactTerm {
    /// Parses the text of a term. Blanks may stand around the operator; behind a value they count.
    pub(crate) fn parse(term: &str) -> Result<Self, FilterError> {
        checked(TermKind::Fact, term, |term| Self::compile(split(term)?))
    }

    /// Divides the text of a term, and compiles nothing.
    pub(crate) fn read(term: &str) -> Result<FactWords<'_>, FilterError> {
        checked(TermKind::Fact, term, split)
    }

    /// Compiles what was typed.
    pub(crate) fn compile(
        FactWords { name, operator, spelling, value }: FactWords<'_>,
    ) -> Result<Self, (Range<usize>, Fault)> {
        if let Some(blank) = stray_blank(&name, operator, &value) {
            return Err((name.locate(blank), Fault::BlankInName));
        }
        let test = operator
            .with(spelling, value.given())
            .map_err(|(span, fault)| (value.locate(span), fault))?;
        Ok(Self { fact: name.text.into_owned(), test })
    }

    /// Whether parsing the term compiles nothing.
    pub(crate) fn is_plain(term: &str) -> bool {
        split(term).map_or(true, |words| !words.is_pattern())
    }

    /// Whether the host has the fact and it passes. A fact that is missing passes nothing, `!=`
    /// included: who asks for it is told who has none by other means.
    pub(crate) fn matches(&self, facts: &Facts) -> bool {
        path::look_up(facts, &self.fact).is_some_and(|fact| self.test.passes(fact))
    }

    pub(crate) const fn is_pattern(&self) -> bool {
        self.test.is_pattern()
    }
}

/// A blank in a fact's name that is rather the end of another word. In quotes it is meant, and before
/// `=/re/` existing filters have it.
fn stray_blank(name: &Word<'_>, operator: Operator, value: &Word<'_>) -> Option<Range<usize>> {
    let slashed = matches!(operator, Operator::Equal | Operator::Differs)
        && !operator.is_plain(value.given());
    let stray = |c: char| (c.is_whitespace() || c.is_control()) && !(c == ' ' && slashed);
    let (at, c) = name.text.char_indices().find(|(_, c)| !name.quoted && stray(*c))?;
    Some(at..at + c.len_utf8())
}

/// Divides a term at its operator. Line ends behind it are those of the text that it came from.
pub(crate) fn split(term: &str) -> Result<FactWords<'_>, (Range<usize>, Fault)> {
    let term = term.trim_end_matches('\n');
    let start = operator_start(term).ok_or((0..term.len(), Fault::NoOperator))?;
    let (operator, spelling) =
        Operator::at_start(&term[start..]).ok_or((start..start, Fault::NoOperator))?;
    let name = term[..start].trim_end_matches(' ');
    if name.is_empty() {
        return Err((0..start, Fault::NoName));
    }
    let value = term[start + spelling.len()..].trim_start_matches(' ');
    let word = |text, at| Word { text: Cow::Borrowed(text), quoted: false, at };
    let (name, value) =
        (word(name, 0..name.len()), word(value, term.len() - value.len()..term.len()));
    Ok(FactWords { name, operator, spelling, value })
}

/// The byte at which the first operator of a term begins.
pub(crate) fn operator_start(term: &str) -> Option<usize> {
    term.char_indices().map(|(at, _)| at).find(|at| Operator::at_start(&term[*at..]).is_some())
}

/// A class, identity or agent: a name in full, case included, or a regular expression.
#[derive(Debug, Clone)]
pub(crate) enum NameTerm {
    Name(String),
    Pattern(Regex),
}

impl NameTerm {
    /// Parses `name`, `/pattern/` or `/pattern/i`.
    pub(crate) fn parse(kind: TermKind, term: &str) -> Result<Self, FilterError> {
        checked(kind, term, Self::of)
    }

    /// The same of a text that is not empty.
    pub(crate) fn of(term: &str) -> Result<Self, (Range<usize>, Fault)> {
        match Slashed::of(term) {
            Slashed::Plain => Ok(Self::Name(term.to_owned())),
            Slashed::Empty => Err((0..term.len(), Fault::EmptyPattern)),
            Slashed::Unclosed => Err((0..1, Fault::Unclosed)),
            Slashed::Pattern { pattern, ignore_case } => compile(pattern, ignore_case)
                .map(Self::Pattern)
                .map_err(|(span, fault)| (span.start + 1..span.end + 1, fault)),
        }
    }

    /// Whether parsing the term compiles nothing.
    pub(crate) fn is_plain(term: &str) -> bool {
        !matches!(Slashed::of(term), Slashed::Pattern { .. })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(want) => name == want,
            Self::Pattern(regex) => regex.is_match(name),
        }
    }

    pub(crate) const fn is_pattern(&self) -> bool {
        matches!(self, Self::Pattern(_))
    }
}

/// Runs a parser on a term that is neither empty nor too long, and names the term in its error.
pub(crate) fn checked<'a, T>(
    kind: TermKind,
    term: &'a str,
    parse: impl FnOnce(&'a str) -> Result<T, (Range<usize>, Fault)>,
) -> Result<T, FilterError> {
    let parsed = if term.trim().is_empty() {
        Err((0..term.len(), Fault::Empty))
    } else if term.len() > TERM_BYTES_MAX {
        Err((0..term.len(), Fault::TooLong))
    } else {
        parse(term)
    };
    parsed.map_err(|(span, fault)| FilterError { kind, term: term.to_owned(), span, fault })
}
