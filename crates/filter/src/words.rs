//! A filter in words: what it asks of a host, and what a host has instead.

use crate::compare;
use crate::error::TermKind;
use crate::expression::{self, Leaf};
use crate::filter::{Filter, Host};
use crate::operator::Operator;
use crate::path::look_up;
use crate::pattern::Slashed;
use crate::syntax::{FactWords, Operand, Tree, Word};
use crate::term::split;
use crate::value;

/// So many of a fact's values are told.
const VALUES_MAX: usize = 8;

/// So much of a text is told, in characters.
const TEXT_MAX: usize = 200;

/// One thing that a filter asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep it stands below what joins it with others.
    pub depth: usize,
    /// What is asked, in words; control characters are escaped.
    pub words: String,
    /// Whether it holds for the host, if there is one.
    pub holds: Option<bool>,
    /// What the host has, in words; empty where that says no more.
    pub has: String,
}

impl Filter {
    /// What the filter asks, all of which must hold; nothing where every host is meant.
    #[must_use]
    pub fn in_words(&self) -> Vec<Line> {
        self.lines(None)
    }

    /// The same with what a host has of it.
    #[must_use]
    pub fn verdict(&self, host: &Host<'_>) -> Vec<Line> {
        self.lines(Some(host))
    }

    fn lines(&self, host: Option<&Host<'_>>) -> Vec<Line> {
        let mut lines = Vec::new();
        let terms = self.terms();
        let mut plain = |words: String, holds: Option<bool>, has: String| {
            lines.push(Line { depth: 0, words, holds, has });
        };
        for (term, fact) in terms.facts.iter().zip(self.facts()) {
            // What was compiled can be divided.
            let words = split(term).map(|words| fact_in_words(&words)).unwrap_or_default();
            let has = host.map(|host| fact_of(host, &fact.fact)).unwrap_or_default();
            plain(words, host.map(|host| fact.matches(host.facts)), has);
        }
        for (term, class) in terms.classes.iter().zip(self.classes()) {
            let holds = host.map(|host| host.classes.iter().any(|name| class.matches(name)));
            plain(name_in_words(TermKind::Class, term, false), holds, String::new());
        }
        for (term, agent) in terms.agents.iter().zip(self.agents()) {
            let has = host.map(|host| host.has_agent(agent));
            plain(name_in_words(TermKind::Agent, term, false), has, String::new());
        }
        if !terms.identities.is_empty() {
            let has = host.map(|host| format!("it is called {}", host.identity));
            plain(
                names_in_words(&terms.identities),
                host.map(|host| self.matches_identity(host.identity)),
                has.unwrap_or_default(),
            );
        }
        for (term, tree) in terms.expressions.iter().zip(self.expressions()) {
            if let Ok(read) = expression::read(term) {
                let mut writer =
                    Writer { leaves: tree.leaves().into_iter(), host, lines: &mut lines };
                writer.write(&read, 0);
            }
        }
        lines
    }
}

/// Writes an expression: what was typed beside what was compiled of it.
struct Writer<'a, 'l> {
    leaves: std::vec::IntoIter<&'a Leaf>,
    host: Option<&'a Host<'a>>,
    lines: &'l mut Vec<Line>,
}

impl Writer<'_, '_> {
    fn write(&mut self, tree: &Tree<Operand<'_>>, depth: usize) -> Option<bool> {
        let at = self.lines.len();
        let mut line = Line { depth, words: String::new(), holds: None, has: String::new() };
        self.lines.push(line.clone());
        let mut part = |part| self.write(part, depth + 1);
        (line.words, line.holds) = match tree {
            Tree::Leaf(operand) => {
                let (words, holds, has) = self.operand(operand);
                line.has = has;
                (words, holds)
            }
            Tree::Not(inner) => ("not:".to_owned(), part(inner).map(|holds| !holds)),
            Tree::All(parts) => {
                let parts: Vec<_> = parts.iter().map(part).collect();
                (
                    "all of:".to_owned(),
                    parts.into_iter().try_fold(true, |all, one| Some(all & one?)),
                )
            }
            Tree::Any(parts) => {
                let parts: Vec<_> = parts.iter().map(part).collect();
                (
                    "any of:".to_owned(),
                    parts.into_iter().try_fold(false, |any, one| Some(any | one?)),
                )
            }
        };
        let holds = line.holds;
        self.lines[at] = line;
        holds
    }

    fn operand(&mut self, operand: &Operand<'_>) -> (String, Option<bool>, String) {
        let holds = self.leaves.next().zip(self.host).map(|(leaf, host)| leaf.holds(host));
        match operand {
            Operand::Class(Word { text, quoted, .. }) => {
                (name_in_words(TermKind::Class, text, *quoted), holds, String::new())
            }
            Operand::Fact(words) => {
                let has = self.host.map(|host| fact_of(host, &words.name.text));
                (fact_in_words(words), holds, has.unwrap_or_default())
            }
        }
    }
}

fn fact_in_words(FactWords { name, operator, value, .. }: &FactWords<'_>) -> String {
    let (fact, given) = (shown(&name.text), &value.text);
    let slashed = Slashed::of(given);
    let compared = |what: &str| {
        let kind = compare::kind(given).in_words();
        format!("its fact {fact} is {what} {}, {kind}", quoted(given))
    };
    let matches = |verb: &str| match slashed {
        Slashed::Pattern { pattern, ignore_case } => {
            format!("its fact {fact} {verb} {}", regex(pattern, ignore_case))
        }
        _ => format!("its fact {fact} {verb} {}", regex(given, false)),
    };
    let is_text = value.quoted || !matches!(slashed, Slashed::Pattern { .. });
    match operator {
        Operator::Same => format!("its fact {fact} is {}", quoted(given)),
        Operator::Equal if is_text => format!("its fact {fact} is {}", quoted(given)),
        Operator::Differs if is_text => {
            format!("it has the fact {fact}, and that is not {}", quoted(given))
        }
        Operator::Equal | Operator::Like => matches("matches"),
        Operator::Differs | Operator::Unlike => matches("is there and does not match"),
        Operator::Less => compared("less than"),
        Operator::Greater => compared("greater than"),
        Operator::AtMost => compared("at most"),
        Operator::AtLeast => compared("at least"),
    }
}

/// Any of several identities.
fn names_in_words(terms: &[String]) -> String {
    let words = |term: &String| name_in_words(TermKind::Identity, term, false);
    let mut parts: Vec<String> = terms.iter().take(VALUES_MAX).map(words).collect();
    if terms.len() > VALUES_MAX {
        parts.push(format!("one of {} names more", terms.len() - VALUES_MAX));
    }
    parts.join(", or ")
}

fn name_in_words(kind: TermKind, term: &str, is_quoted: bool) -> String {
    let slashed = if is_quoted { Slashed::Plain } else { Slashed::of(term) };
    match (kind, slashed) {
        (TermKind::Identity, Slashed::Pattern { pattern, ignore_case }) => {
            format!("its name matches {}", regex(pattern, ignore_case))
        }
        (TermKind::Identity, _) => format!("it is called {}", quoted(term)),
        (kind, Slashed::Pattern { pattern, ignore_case }) => {
            let article = if kind == TermKind::Agent { "an" } else { "a" };
            format!("it has {article} {} that matches {}", kind.word(), regex(pattern, ignore_case))
        }
        (kind, _) => format!("it has the {} {}", kind.word(), quoted(term)),
    }
}

fn regex(pattern: &str, ignore_case: bool) -> String {
    let case = if ignore_case { " in letters of either case" } else { "" };
    format!("the regular expression /{}/{case}", shown(pattern))
}

/// What a host has of a fact.
fn fact_of(host: &Host<'_>, fact: &str) -> String {
    let Some(value) = look_up(host.facts, fact) else {
        return "it has no such fact".to_owned();
    };
    let mut texts = Vec::new();
    let more = value::any(value, |text| {
        texts.push(quoted(text));
        texts.len() > VALUES_MAX
    });
    if more {
        texts[VALUES_MAX] = "…".to_owned();
    }
    if texts.is_empty() {
        let none = if value::are_there(value) {
            "its values are lists or maps"
        } else {
            "it has no values"
        };
        none.to_owned()
    } else {
        format!("it is {}", texts.join(", "))
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// A text with control characters escaped, cut if it is long.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == TEXT_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
