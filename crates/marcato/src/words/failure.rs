//! Every error that ends a command, in people's words: what is wrong, a hint, the exit code. The one
//! place where errors of the rooms below become text.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;

use marcato_client::shell as client;
use marcato_core::Exit;
use marcato_core::ddl::InputError;
use marcato_filter::{Fault, FilterError};
use unicode_width::UnicodeWidthChar;

use super::group::escape;
use crate::config::FleetError;

/// So much of a term is shown around the place of an error, in columns: more would wrap, and the mark
/// would stand under something else.
const SHOWN_MAX: usize = 74;

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

/// A text of an error, and under it what was typed with the place marked: all of it, or the part around
/// the place.
#[must_use]
pub fn marked(text: &str, typed: &str, span: Range<usize>) -> String {
    let part = |part: Option<&str>| escape(part.unwrap_or_default());
    let before = part(typed.get(..span.start));
    let meant = part(typed.get(span.clone()));
    let from = part(typed.get(span.start..));
    // What is meant and what follows has half of the room, more where less stands before it.
    let room = SHOWN_MAX - columns(&from).min(SHOWN_MAX / 2);
    let shown_before = &before[before.len() - fitting(before.chars().rev(), room)..];
    let shown_from = &from[..fitting(from.chars(), SHOWN_MAX - columns(shown_before))];
    let shown_meant = &shown_from[..meant.len().min(shown_from.len())];
    let dots = |is_cut| if is_cut { "…" } else { "" };
    let left = dots(shown_before.len() < before.len());
    let right = dots(shown_from.len() < from.len());
    let indent = columns(left) + columns(shown_before);
    let marks = "^".repeat(columns(shown_meant).max(1));
    format!("{text}\n  {left}{shown_before}{shown_from}{right}\n  {:indent$}{marks}", "")
}

/// How wide a text stands on a terminal, letter by letter as most of them count.
fn columns(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// How many bytes of these characters fit into so many columns.
fn fitting(chars: impl Iterator<Item = char>, most: usize) -> usize {
    let mut columns = 0;
    let fits = |c: &char| {
        columns += c.width().unwrap_or_default();
        columns <= most
    };
    chars.take_while(fits).map(char::len_utf8).sum()
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
            "-F 'ha group=c': has a blank in the fact's name; a name with blanks stands in quotes: \
             -S '\"NAME\"=VALUE'\n  ha group=c\n    ^",
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

    #[test]
    fn the_mark_stands_under_what_is_meant() {
        let check = |typed: &str, meant: &str, want: &str| {
            let start = typed.find(meant).unwrap();
            assert_eq!(marked("wrong", typed, start..start + meant.len()), want);
        };
        check("日本=/東京(/", "(", "wrong\n  日本=/東京(/\n            ^");
        check("日本=x", "本", "wrong\n  日本=x\n    ^^");
        check("u\u{308}=/(/", "(", "wrong\n  u\u{308}=/(/\n     ^");
        check("a\tb=\n(", "(", "wrong\n  a\\tb=\\n(\n         ^");
        check("a\tb", "\t", "wrong\n  a\\tb\n   ^^");
        check("f=\u{202e}(", "(", "wrong\n  f=\\u{202e}(\n            ^");
        assert_eq!(marked("wrong", "f>", 2..2), "wrong\n  f>\n    ^");
        assert_eq!(marked("wrong", "", 0..0), "wrong\n  \n  ^");
    }

    #[test]
    fn the_place_in_a_long_term_is_shown_with_what_is_around_it() {
        let lines = |typed: &str, span: Range<usize>| {
            let text = marked("wrong", typed, span);
            let lines: Vec<_> = text.lines().skip(1).map(str::to_owned).collect();
            <[String; 2]>::try_from(lines).unwrap()
        };
        let (left, right) = ("l".repeat(100), "r".repeat(100));
        let typed = format!("{left}(x{right}");
        let [shown, marks] = lines(&typed, 100..101);
        assert_eq!(shown, format!("  …{}(x{}…", "l".repeat(37), "r".repeat(35)));
        assert_eq!(marks, format!("{}^", " ".repeat(40)));
        let [shown, marks] = lines(&typed[..101], 100..101);
        assert_eq!(shown, format!("  …{}(", "l".repeat(73)));
        assert_eq!(marks, format!("{}^", " ".repeat(76)));
        let [shown, marks] = lines(&typed[100..], 0..1);
        assert_eq!(shown, format!("  (x{}…", "r".repeat(72)));
        assert_eq!(marks, "  ^");
        let [shown, marks] = lines(&typed, 0..typed.len());
        assert_eq!(shown, format!("  {}…", "l".repeat(74)));
        assert_eq!(marks, format!("  {}", "^".repeat(74)));
        let wide = "東".repeat(80);
        let [shown, marks] = lines(&wide, 120..123);
        assert_eq!(shown, format!("  …{}東{}…", "東".repeat(18), "東".repeat(18)));
        assert_eq!(marks, format!("{}^^", " ".repeat(39)));
        for part in ["☺\u{fe0f}", "👩\u{200d}👧", "u\u{308}", "\u{308}", "a東", "\t"] {
            let [before, meant, behind] = [part.repeat(80), part.repeat(50), part.repeat(60)];
            let typed = format!("{before}{meant}{behind}");
            let [shown, marks] = lines(&typed, before.len()..before.len() + meant.len());
            assert!(columns(&shown).max(columns(&marks)) <= SHOWN_MAX + 4, "{shown}\n{marks}");
        }
    }
}
