//! What can be wrong with a term: which one, where in it, and what to do.

use std::fmt;
use std::ops::Range;

use marcato_core::limits::filter::{EXPRESSION_NEST_MAX, REGEXES_MAX, TERM_BYTES_MAX};
use marcato_core::limits::protocol::FILTER_TERMS_MAX;

/// Where a term was given; shown as the flag that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermKind {
    /// `-F`: a fact.
    Fact,
    /// `-C`: a class.
    Class,
    /// `-I`: an identity.
    Identity,
    /// `-A`: an agent.
    Agent,
    /// `-W`: facts and classes, divided by blanks.
    With,
    /// `-S`: an expression.
    Expression,
}

impl TermKind {
    /// The flag that takes such terms.
    #[must_use]
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Fact => "-F",
            Self::Class => "-C",
            Self::Identity => "-I",
            Self::Agent => "-A",
            Self::With => "-W",
            Self::Expression => "-S",
        }
    }

    /// The kind in words.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Class => "class",
            Self::Identity => "identity",
            Self::Agent => "agent",
            Self::With => "fact or class",
            Self::Expression => "expression",
        }
    }
}

/// A term that is not understood. Nothing is sent with it, and a node that is given it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// What the term was given as.
    pub kind: TermKind,
    /// The term as typed; empty if the fault lies in no single term.
    pub term: String,
    /// The bytes of `term` that are meant, on character boundaries; may be empty, at a place.
    pub span: Range<usize>,
    /// What is wrong there.
    pub fault: Fault,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Fault::TooManyTerms(_) | Fault::TooManyPatterns = self.fault {
            return self.fault.fmt(f);
        }
        // A term that is too long is named by its beginning; escaping keeps a message on its line.
        let shown: String = self.term.chars().take(200).collect();
        write!(f, "{} {}: {}", self.kind.flag(), Quoted(&shown), self.fault)
    }
}

impl std::error::Error for FilterError {}

/// A text between quotes, with control characters escaped and nothing else.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'")?;
        for c in self.0.chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        f.write_str("'")
    }
}

/// What is wrong with a term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing, or only blanks: an unset shell variable must not select the whole fleet.
    #[error("is empty; leave the flag out to mean every node (is a shell variable unset?)")]
    Empty,
    /// No operator in a fact term.
    #[error("has no operator; write FACT=VALUE, or one of != < > <= >= =~ !~")]
    NoOperator,
    /// An operator, but no fact before it.
    #[error("has no fact before the operator; write FACT=VALUE")]
    NoName,
    /// A blank or control character in a fact's name.
    #[error(
        "has a blank in the fact's name; a name with blanks stands in quotes: -S '\"NAME\"=VALUE'"
    )]
    BlankInName,
    /// An operator that needs a value has none.
    #[error("has no value after {0}; only =, == and != compare with the empty text")]
    NoValue(&'static str),
    /// A comparison with an empty text that does not stand in quotes.
    #[error("has no value (is a shell variable unset?); -S 'FACT=\"\"' means the empty text")]
    Unset,
    /// A `/` that opens a regular expression which no `/` closes.
    #[error("opens a regular expression with / that no / closes")]
    Unclosed,
    /// A regular expression with nothing in it.
    #[error("has nothing in its regular expression; that would match everything")]
    EmptyPattern,
    /// A regular expression that does not parse, in the parser's words.
    #[error("is not a regular expression: {0}")]
    Pattern(String),
    /// A regular expression that would take too much memory.
    #[error("is too large a regular expression; use smaller repetition counts")]
    PatternTooLarge,
    /// In an expression, nothing stands where an operand belongs.
    #[error("lacks a class or a FACT=VALUE here")]
    NoOperand,
    /// In an expression, two operands without a joining word.
    #[error("lacks `and` or `or` here; a text with blanks or parentheses stands in quotes")]
    NoJoint,
    /// A parenthesis or quote that nothing closes.
    #[error("opens {0} here and never closes it")]
    NotClosed(Opened),
    /// A parenthesis that nothing opened.
    #[error("closes a parenthesis that was not opened")]
    NotOpened,
    /// A value that begins with a parenthesis.
    #[error(
        "has a value with parentheses; it stands in quotes, or a regular expression in slashes"
    )]
    Parenthesis,
    /// Too many parentheses in each other.
    #[error("has more than {EXPRESSION_NEST_MAX} parentheses in each other")]
    TooDeep,
    /// A term beyond its limit.
    #[error("is longer than {TERM_BYTES_MAX} bytes")]
    TooLong,
    /// More terms than a filter may hold.
    #[error(
        "{0} terms in the filter, at most {FILTER_TERMS_MAX} are taken; give the nodes as a list"
    )]
    TooManyTerms(usize),
    /// More regular expressions than a filter may hold.
    #[error("more than {REGEXES_MAX} regular expressions in the filter; join some with |")]
    TooManyPatterns,
}

/// What waits to be closed in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// `(`
    Parenthesis,
    /// `"` or `'`
    Quote,
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parenthesis => "a parenthesis",
            Self::Quote => "a quote",
        })
    }
}
