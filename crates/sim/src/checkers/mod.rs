//! What must hold in every run, whatever happened in it. Each checker is a function of the truth
//! alone, and each has a test that shows that it can fail.

mod accounts;
mod at_most_once;
mod bounds;
mod cancelled;
mod invented;
mod pace;
mod permitted;
mod registry;
mod signed_end;
mod silence;
mod true_receipts;
mod within_time;

#[cfg(test)]
mod bench;

use std::fmt;

use marcato_core::limits::timing::SKEW;
use marcato_core::{Changed, EndState};

use crate::host::Files;
use crate::truth::{Said, Signed, Truth};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which checker found it.
    pub checker: &'static str,
    /// What it is.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.checker, self.text)
    }
}

/// A checker: says what is wrong.
type Checker = fn(&Truth) -> Vec<String>;

/// All checkers.
const ALL: &[(&str, Checker)] = &[
    ("at most once", at_most_once::check),
    ("true receipts", true_receipts::check),
    ("cancelled is cancelled", cancelled::check),
    ("accounts", accounts::check),
    ("nothing invented", invented::check),
    ("the registry is true", registry::check),
    ("no false silence", silence::check),
    ("a signed end stays", signed_end::check),
    ("only what is permitted", permitted::check),
    ("within its time", within_time::check),
    ("pace", pace::check),
    ("bounds", bounds::check),
];

/// The names of all checkers.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Whether the only kind of filter that runs have matches a host.
fn matches(facts: &[String], files: &Files) -> bool {
    facts.iter().all(|term| *term == format!("hagroup={}", files.group))
}

/// Whether a read could not begin any more when this was said, by the clock of whoever said it: its
/// node need not remember it.
fn is_over(said: &Said, signed: &Signed) -> bool {
    said.outer.finished > signed.order.start_by + SKEW + SKEW
}

/// Whether what a node said of a change holds over the lives of its daemon. What did not verify is
/// refused for one life, without a sealed part; and of what its disk took no record it says that it
/// does not know.
fn lasts(said: &Said, signed: &Signed) -> bool {
    use EndState::{Cancelled, Denied, Rejected};
    let not_run = matches!(said.outer.state, Rejected | Denied | Cancelled);
    let not_run = not_run || signed.cancels().is_some();
    let unsure = not_run && said.outer.changed == Changed::Unknown;
    signed.changes && said.outer.sealed.is_some() && !unsure
}

/// Asks every checker.
#[must_use]
pub fn check(truth: &Truth) -> Vec<Violation> {
    let found = ALL.iter().flat_map(|(checker, check)| {
        check(truth).into_iter().map(|text| Violation { checker, text })
    });
    found.collect()
}
