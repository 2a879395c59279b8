//! The command line's flags as the terms of an order.

use marcato_core::Terms;

use crate::Filter;
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
        for (start, word) in words(given) {
            let (kind, parsed) = if is_fact(word) {
                (&mut terms.facts, FactTerm::parse(word).map(drop))
            } else {
                (&mut terms.classes, NameTerm::parse(TermKind::Class, word).map(drop))
            };
            parsed.map_err(|error| typed_in(given, start, error))?;
            kind.push(word.to_owned());
        }
    }
    Ok(terms)
}

/// As [`Filter::has_values`], for the same flags.
///
/// # Errors
/// As [`Filter::has_values`], with the flag that was typed.
pub fn flags_have_values(with: &[String], given: &Terms) -> Result<(), FilterError> {
    Filter::has_values(given)?;
    for given in with {
        for (start, word) in words(given).filter(|(_, word)| is_fact(word)) {
            let terms = Terms { facts: vec![word.to_owned()], ..Terms::default() };
            Filter::has_values(&terms).map_err(|error| typed_in(given, start, error))?;
        }
    }
    Ok(())
}

/// The words of a `-W`, and where each begins.
fn words(given: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let words = given.split(is_blank).map(move |word| {
        let start = at;
        at += word.len() + 1;
        (start, word)
    });
    words.filter(|(_, word)| !word.is_empty())
}

fn is_fact(word: &str) -> bool {
    !word.starts_with('/') && operator_start(word).is_some_and(|at| at > 0)
}

/// The error of a word that began there in a `-W`.
fn typed_in(
    given: &str,
    start: usize,
    FilterError { span, fault, .. }: FilterError,
) -> FilterError {
    let span = start + span.start..start + span.end;
    FilterError { kind: TermKind::With, term: given.to_owned(), span, fault }
}

/// A blank on a command line; one byte. Others, such as U+3000, are letters of a value.
const fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}
