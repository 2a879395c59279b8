//! Every error that ends a command, in people's words: what is wrong, a hint, the exit code. The one
//! place where errors of the rooms below become text.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;

use marcato_client::shell as client;
use marcato_core::Exit;
use marcato_core::ddl::InputError;
use marcato_filter::{Fault, FilterError};

use super::group::escape;
use crate::config::FleetError;

/// The longest term under which the place of an error is marked, in characters: a longer one would
/// wrap, and the mark would stand under something else.
const MARKED_TERM_MAX: usize = 76;

/// Why a command ends before, or instead of, its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong, on one or more lines.
    pub text: String,
    /// What to do, a line each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(exit: Exit, text: impl fmt::Display) -> Self {
        Self { exit, text: text.to_string(), hints: Vec::new() }
    }

    /// The same with a hint more.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The failure as it is printed. To decline, to go, or to find nothing is no error.
    #[must_use]
    pub fn line(&self) -> String {
        match self.exit {
            Exit::Nothing | Exit::Interrupted => self.to_string(),
            _ => format!("error: {self}"),
        }
    }
}

/// Says on standard error why a program ends, and with what exit code.
#[must_use]
pub fn tell(failure: &Failure) -> Exit {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(anstream::stderr(), "{}", failure.line());
    failure.exit
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        for hint in &self.hints {
            write!(f, "\nNext: {hint}")?;
        }
        Ok(())
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        let exit = if error.is_usage() { Exit::Usage } else { Exit::Config };
        let failure = Self::new(exit, &error);
        match error {
            FleetError::Several(_) | FleetError::Unknown { .. } => {
                failure.hint("name it: --fleet NAME, or MARCATO_FLEET")
            }
            FleetError::Missing(_) | FleetError::None(_) => failure
                .hint("write it: [fleets.NAME] with broker, authority, caller and key")
                .hint("try it on this machine: mco lab demo"),
            FleetError::Unreadable { .. } | FleetError::File(_) | FleetError::NoHome(..) => failure,
        }
    }
}

impl From<client::FleetError> for Failure {
    fn from(error: client::FleetError) -> Self {
        let exit = error.exit();
        let text = escape(&error.to_string());
        match error {
            client::FleetError::Signer(error) => error.into(),
            _ if exit == Exit::Unavailable => {
                let text = format!("{text} Nodes finish what they began and keep their receipts.");
                Self::new(exit, text)
            }
            _ => Self::new(exit, text),
        }
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        let mut text = error.to_string();
        if !error.term.is_empty() && error.fault != Fault::Empty {
            text = marked(&text, &error.term, error.span);
        }
        Self::new(Exit::Usage, text)
    }
}

/// A text of an error with the place marked under what was typed, where that can be shown.
#[must_use]
pub fn marked(text: &str, typed: &str, span: Range<usize>) -> String {
    let visible = !typed.chars().any(char::is_control);
    if !visible || typed.chars().count() > MARKED_TERM_MAX {
        return text.to_owned();
    }
    let columns = |part: Option<&str>| part.unwrap_or_default().chars().count();
    let before = columns(typed.get(..span.start));
    let marks = "^".repeat(columns(typed.get(span)).max(1));
    format!("{text}\n  {typed}\n  {:before$}{marks}", "")
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::new(Exit::Usage, escape(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(flags: [&str; 2], want: &str) {
        let [kind, term] = flags.map(str::to_owned);
        let terms = match &*kind {
            "-F" => marcato_core::Terms { facts: vec![term], ..Default::default() },
            "-S" => marcato_core::Terms { expressions: vec![term], ..Default::default() },
            _ => marcato_core::Terms { identities: vec![term], ..Default::default() },
        };
        let error = marcato_filter::Filter::parse(&terms).unwrap_err();
        assert_eq!(Failure::from(error).text, want);
    }

    #[test]
    fn the_place_of_a_filters_error_is_marked() {
        check(
            ["-F", "ha group=c"],
            "-F 'ha group=c': has a blank in the fact's name\n  ha group=c\n    ^",
        );
        check(
            ["-I", "/größe(/"],
            "-I '/größe(/': is not a regular expression: unclosed group\n  /größe(/\n        ^",
        );
        check(
            ["-S", "größe=1 and (b"],
            "-S 'größe=1 and (b': opens a parenthesis here and never closes it\n  \
             größe=1 and (b\n              ^",
        );
        check(
            ["-F", " "],
            "-F ' ': is empty; leave the flag out to mean every node (is a shell variable unset?)",
        );
    }
}
