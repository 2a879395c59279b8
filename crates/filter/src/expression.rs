//! An expression that was understood: its operands compiled, ready to be asked of hosts.

use std::ops::Range;

use crate::error::{Fault, FilterError, TermKind};
use crate::filter::Host;
use crate::syntax::{self, Operand, Tree};
use crate::term::{FactTerm, NameTerm, checked};

/// What of a host an operand asks.
#[derive(Debug, Clone)]
pub(crate) enum Leaf {
    Class(NameTerm),
    Fact(FactTerm),
}

impl Leaf {
    /// Whether it holds for the host. Without the fact it does not, and its `not` does.
    pub(crate) fn holds(&self, host: &Host<'_>) -> bool {
        match self {
            Self::Class(term) => host.classes.iter().any(|class| term.matches(class)),
            Self::Fact(term) => term.matches(host.facts),
        }
    }

    fn compile(operand: Operand<'_>) -> Result<Self, (Range<usize>, Fault)> {
        match operand {
            Operand::Class(word) if word.quoted => {
                Ok(Self::Class(NameTerm::Name(word.text.into_owned())))
            }
            Operand::Class(word) => NameTerm::of(&word.text)
                .map(Self::Class)
                .map_err(|(span, fault)| (word.locate(span), fault)),
            Operand::Fact(words) => FactTerm::compile(words).map(Self::Fact),
        }
    }
}

/// Reads an expression, and compiles nothing yet.
pub(crate) fn read(term: &str) -> Result<Tree<Operand<'_>>, FilterError> {
    checked(TermKind::Expression, term, syntax::parse)
}

/// Compiles the operands; `count` is told of each regular expression before it takes memory.
pub(crate) fn compile(
    term: &str,
    tree: Tree<Operand<'_>>,
    mut count: impl FnMut(bool) -> Result<(), FilterError>,
) -> Result<Tree<Leaf>, FilterError> {
    tree.try_map(&mut |operand: Operand<'_>| {
        count(operand.is_pattern())?;
        Leaf::compile(operand).map_err(|(span, fault)| FilterError {
            kind: TermKind::Expression,
            term: term.to_owned(),
            span,
            fault,
        })
    })
}
