//! The operators of fact terms and what each asks of a fact's values.

use std::cmp::Ordering;
use std::ops::Range;

use regex::Regex;
use serde_json::Value;

use crate::compare::compare;
use crate::error::Fault;
use crate::pattern::{Slashed, compile};
use crate::value;

/// What a person types between a fact and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `=`: text, or a regular expression if the value stands between slashes.
    Equal,
    /// `==`: text, whatever the value looks like.
    Same,
    /// `!=`: the opposite of `=`.
    Differs,
    /// `=~`: a regular expression, with or without slashes.
    Like,
    /// `!~`: the opposite of `=~`.
    Unlike,
    /// `<`
    Less,
    /// `>`
    Greater,
    /// `<=` and `=<`
    AtMost,
    /// `>=` and `=>`
    AtLeast,
}

/// A value as it was typed behind an operator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) text: &'a str,
    /// Whether it stood in quotes: then slashes around it are part of a text.
    pub(crate) quoted: bool,
}

impl<'a> Given<'a> {
    fn slashed(self) -> Slashed<'a> {
        Slashed::of(self.text)
    }
}

/// Every spelling; the two-letter ones first, so that the longest is taken.
const SPELLINGS: [(&str, Operator); 11] = [
    ("=>", Operator::AtLeast),
    (">=", Operator::AtLeast),
    ("=<", Operator::AtMost),
    ("<=", Operator::AtMost),
    ("!=", Operator::Differs),
    ("!~", Operator::Unlike),
    ("==", Operator::Same),
    ("=~", Operator::Like),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Equal),
];

impl Operator {
    /// The operator with which `text` begins, and its spelling.
    pub(crate) fn at_start(text: &str) -> Option<(Self, &'static str)> {
        let (spelling, operator) = SPELLINGS.iter().find(|(s, _)| text.starts_with(s))?;
        Some((*operator, spelling))
    }

    /// Whether slashes around a value mean something to the operator.
    pub(crate) const fn takes_pattern(self) -> bool {
        matches!(self, Self::Equal | Self::Differs | Self::Like | Self::Unlike)
    }

    /// Whether the operator makes no regular expression of this value.
    pub(crate) fn is_plain(self, value: Given<'_>) -> bool {
        match self {
            Self::Like | Self::Unlike => false,
            Self::Equal | Self::Differs => {
                value.quoted || !matches!(value.slashed(), Slashed::Pattern { .. })
            }
            Self::Same | Self::Less | Self::Greater | Self::AtMost | Self::AtLeast => true,
        }
    }

    /// Binds the operator to a value, as typed behind it and without leading blanks.
    ///
    /// # Errors
    /// With the bytes of the value that are wrong.
    pub(crate) fn with(
        self,
        spelling: &'static str,
        given: Given<'_>,
    ) -> Result<Test, (Range<usize>, Fault)> {
        let value = given.text;
        let text = || value.to_owned();
        let order = |holds: fn(Ordering) -> bool| match value {
            "" => Err((0..0, Fault::NoValue(spelling))),
            value => Ok(Test { ask: Ask::Order(holds, value.to_owned()), negated: false }),
        };
        match self {
            Self::Same => Ok(Test { ask: Ask::Text(text()), negated: false }),
            Self::Equal | Self::Differs => {
                let ask = match given.slashed() {
                    _ if given.quoted => Ask::Text(text()),
                    // An open slash is text here: file names are common values.
                    Slashed::Plain | Slashed::Unclosed => Ask::Text(text()),
                    slashed => Ask::pattern(slashed, value)?,
                };
                Ok(Test { ask, negated: self == Self::Differs })
            }
            Self::Like | Self::Unlike if value.is_empty() => Err((0..0, Fault::NoValue(spelling))),
            Self::Like | Self::Unlike => {
                let ask = Ask::pattern(given.slashed(), value)?;
                Ok(Test { ask, negated: self == Self::Unlike })
            }
            Self::Less => order(Ordering::is_lt),
            Self::Greater => order(Ordering::is_gt),
            Self::AtMost => order(Ordering::is_le),
            Self::AtLeast => order(Ordering::is_ge),
        }
    }
}

/// An operator with its value.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    ask: Ask,
    /// Whether the answer is turned round, where the fact has values at all.
    negated: bool,
}

#[derive(Debug, Clone)]
enum Ask {
    Text(String),
    Pattern(Regex),
    Order(fn(Ordering) -> bool, String),
}

impl Ask {
    /// A regular expression of a value; without slashes the value is the pattern itself.
    fn pattern(slashed: Slashed<'_>, value: &str) -> Result<Self, (Range<usize>, Fault)> {
        let (offset, pattern, ignore_case) = match slashed {
            Slashed::Pattern { pattern, ignore_case } => (1, pattern, ignore_case),
            Slashed::Empty => return Err((0..value.len(), Fault::EmptyPattern)),
            Slashed::Plain | Slashed::Unclosed => (0, value, false),
        };
        compile(pattern, ignore_case)
            .map(Self::Pattern)
            .map_err(|(span, fault)| (span.start + offset..span.end + offset, fault))
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Text(want) => text == want,
            Self::Pattern(regex) => regex.is_match(text),
            Self::Order(holds, bound) => holds(compare(text, bound)),
        }
    }
}

impl Test {
    /// Whether a fact passes: any of its values is enough, and a fact without values never does.
    pub(crate) fn passes(&self, fact: &Value) -> bool {
        let holds = value::any(fact, |text| self.ask.holds(text));
        if self.negated { value::are_there(fact) && !holds } else { holds }
    }

    /// Whether this holds a regular expression, of which a filter may have only so many.
    pub(crate) const fn is_pattern(&self) -> bool {
        matches!(self.ask, Ask::Pattern(_))
    }
}
