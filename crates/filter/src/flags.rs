//! The command line's flags as the terms of an order.

use marcato_core::Terms;

use crate::error::{Fault, FilterError, TermKind};
use crate::term::{FactTerm, NameTerm, operator_start};

/// Adds what was given with `-W` to the terms of all other flags. Each word of a `-W` becomes a fact
/// term if an operator stands in it behind its first letter, else a class term; a word that begins
/// with `/` is always a class, since no fact's name does.
///
/// # Errors
/// If a `-W` holds no word, or one that is not understood: afterwards nobody knows that it was typed
/// there. The other flags' terms are not looked at: [`crate::Filter::parse`] does that.
pub fn from_flags(with: &[String], given: Terms) -> Result<Terms, FilterError> {
    let mut terms = given;
    for given in with {
        if given.trim().is_empty() {
            let (kind, span, fault) = (TermKind::With, 0..given.len(), Fault::Empty);
            return Err(FilterError { kind, term: given.clone(), span, fault });
        }
        let mut at = 0;
        for word in given.split(is_blank) {
            let start = at;
            at += word.len() + 1;
            if word.is_empty() {
                continue;
            }
            let is_fact = !word.starts_with('/') && operator_start(word).is_some_and(|at| at > 0);
            let (kind, parsed) = if is_fact {
                (&mut terms.facts, FactTerm::parse(word).map(drop))
            } else {
                (&mut terms.classes, NameTerm::parse(TermKind::Class, word).map(drop))
            };
            parsed.map_err(|FilterError { span, fault, .. }| {
                let span = start + span.start..start + span.end;
                FilterError { kind: TermKind::With, term: given.clone(), span, fault }
            })?;
            kind.push(word.to_owned());
        }
    }
    Ok(terms)
}

/// A blank on a command line; one byte. Others, such as U+3000, are letters of a value.
const fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}
