//! The command line's flags as the terms of an order.

use marcato_core::Terms;

use crate::error::{Fault, FilterError, TermKind};
use crate::term::operator_start;

/// Adds what was given with `-W` to the terms of all other flags. Each word of a `-W` becomes a fact
/// term if an operator stands in it behind its first letter, else a class term; a word that begins
/// with `/` is always a class, since no fact's name does.
///
/// The terms themselves are not looked at: [`crate::Filter::parse`] does that.
///
/// # Errors
/// If a `-W` holds no word.
pub fn from_flags(with: &[String], given: Terms) -> Result<Terms, FilterError> {
    let mut terms = given;
    for given in with {
        if given.trim().is_empty() {
            let (kind, span, fault) = (TermKind::With, 0..given.len(), Fault::Empty);
            return Err(FilterError { kind, term: given.clone(), span, fault });
        }
        for word in given.split_whitespace() {
            let is_fact = !word.starts_with('/') && operator_start(word).is_some_and(|at| at > 0);
            let kind = if is_fact { &mut terms.facts } else { &mut terms.classes };
            kind.push(word.to_owned());
        }
    }
    Ok(terms)
}
