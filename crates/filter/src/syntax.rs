//! How an expression is written: `not`, `and`, `or`, parentheses, and between them classes and facts
//! with an operator. Nothing is compiled here; the text is read once, from left to right.

use std::borrow::Cow;
use std::ops::Range;

use marcato_core::limits::filter::EXPRESSION_NEST_MAX;

use crate::error::{Fault, Opened};
use crate::operator::{Given, Operator};
use crate::pattern::Slashed;

/// Operands joined by `not`, `and`, `or`. `not` binds closest, `or` least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree<T> {
    Leaf(T),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl<T> Tree<T> {
    /// Whether the whole holds, by what `ask` says of its operands: each is asked once at most.
    pub(crate) fn holds(&self, ask: &mut impl FnMut(&T) -> bool) -> bool {
        match self {
            Self::Leaf(leaf) => ask(leaf),
            Self::Not(inner) => !inner.holds(ask),
            Self::All(parts) => parts.iter().all(|part| part.holds(ask)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(ask)),
        }
    }

    /// The same tree of other operands; the first error ends it.
    pub(crate) fn try_map<U, E>(
        self,
        map: &mut impl FnMut(T) -> Result<U, E>,
    ) -> Result<Tree<U>, E> {
        Ok(match self {
            Self::Leaf(leaf) => Tree::Leaf(map(leaf)?),
            Self::Not(inner) => Tree::Not(Box::new(inner.try_map(map)?)),
            Self::All(parts) => Tree::All(
                parts.into_iter().map(|part| part.try_map(map)).collect::<Result<_, _>>()?,
            ),
            Self::Any(parts) => Tree::Any(
                parts.into_iter().map(|part| part.try_map(map)).collect::<Result<_, _>>()?,
            ),
        })
    }

    /// The operands, from left to right.
    pub(crate) fn leaves(&self) -> Vec<&T> {
        fn gather<'a, T>(tree: &'a Tree<T>, into: &mut Vec<&'a T>) {
            match tree {
                Tree::Leaf(leaf) => into.push(leaf),
                Tree::Not(inner) => gather(inner, into),
                Tree::All(parts) | Tree::Any(parts) => {
                    parts.iter().for_each(|part| gather(part, into));
                }
            }
        }
        let mut leaves = Vec::new();
        gather(self, &mut leaves);
        leaves
    }
}

/// A text of an expression and the bytes at which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Whether it stood in quotes, which take all other meaning from it.
    pub(crate) quoted: bool,
    pub(crate) at: Range<usize>,
}

impl Word<'_> {
    /// As an operator takes it.
    pub(crate) fn given(&self) -> Given<'_> {
        Given { text: &self.text, quoted: self.quoted }
    }

    /// Where bytes of the text stand in the expression.
    pub(crate) fn locate(&self, span: Range<usize>) -> Range<usize> {
        if self.quoted {
            return self.at.clone();
        }
        self.at.start + span.start..self.at.start + span.end
    }
}

/// What was typed of a fact: its name, an operator as it was spelled, a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FactWords<'a> {
    pub(crate) name: Word<'a>,
    pub(crate) operator: Operator,
    pub(crate) spelling: &'static str,
    pub(crate) value: Word<'a>,
}

impl FactWords<'_> {
    /// Whether the value is a regular expression.
    pub(crate) fn is_pattern(&self) -> bool {
        !self.operator.is_plain(self.value.given())
    }
}

/// What `not`, `and` and `or` join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand<'a> {
    Class(Word<'a>),
    Fact(FactWords<'a>),
}

impl Operand<'_> {
    /// Whether it is a regular expression.
    pub(crate) fn is_pattern(&self) -> bool {
        match self {
            Self::Class(word) => {
                !word.quoted && matches!(Slashed::of(&word.text), Slashed::Pattern { .. })
            }
            Self::Fact(words) => words.is_pattern(),
        }
    }
}

type Parsed<T> = Result<T, (Range<usize>, Fault)>;

/// Reads an expression.
///
/// # Errors
/// With the bytes that are wrong.
pub(crate) fn parse(text: &str) -> Parsed<Tree<Operand<'_>>> {
    let mut parser = Parser::new(text);
    parser.whole()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many parentheses are open.
    depth: usize,
    /// How many characters were looked at, for the proof that each is only a few times.
    #[cfg(test)]
    looked: usize,
}

/// Whether a word ends before `rest`, whatever kind of word it is.
fn ends(rest: &str) -> bool {
    rest.chars().next().is_none_or(|c| c.is_whitespace() || c == '(' || c == ')')
        || rest.starts_with("&&")
        || rest.starts_with("||")
}

fn is_operator(rest: &str) -> bool {
    Operator::at_start(rest).is_some()
}

impl<'a> Parser<'a> {
    const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            #[cfg(test)]
            looked: 0,
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// How many bytes from here on `stop` says no to, given what follows them.
    fn until(&mut self, stop: impl Fn(&str) -> bool) -> usize {
        let rest = self.rest();
        let found = rest.char_indices().map(|(at, _)| at).find(|at| stop(&rest[*at..]));
        let length = found.unwrap_or(rest.len());
        #[cfg(test)]
        {
            self.looked += length + 1;
        }
        length
    }

    fn skip_blanks(&mut self) {
        self.at += self.until(|rest| !rest.starts_with(char::is_whitespace));
    }

    /// The character here, to be marked.
    fn here(&self) -> Range<usize> {
        self.at..self.at + self.rest().chars().next().map_or(0, char::len_utf8)
    }

    /// Whether a word of the language itself stands here: `not=x` and `nothing` are none.
    fn sees(&self, keyword: &str) -> bool {
        self.rest()
            .strip_prefix(keyword)
            .is_some_and(|behind| ends(behind) || (behind.starts_with('!') && !is_operator(behind)))
    }

    /// The spelling of a joining word that stands here.
    fn joint(&self, spellings: [&'static str; 2]) -> Option<&'static str> {
        let [word, sign] = spellings;
        let sees = |spelling: &str| spelling == sign && self.rest().starts_with(sign);
        spellings
            .into_iter()
            .find(|spelling| sees(spelling) || (*spelling == word && self.sees(word)))
    }

    fn whole(&mut self) -> Parsed<Tree<Operand<'a>>> {
        let tree = self.any()?;
        match self.rest().chars().next() {
            None => Ok(tree),
            Some(')') => Err((self.here(), Fault::NotOpened)),
            Some(_) => Err((self.at..self.at + self.until(ends).max(1), Fault::NoJoint)),
        }
    }

    fn any(&mut self) -> Parsed<Tree<Operand<'a>>> {
        self.joined(OR, Self::all, Tree::Any)
    }

    fn all(&mut self) -> Parsed<Tree<Operand<'a>>> {
        self.joined(AND, Self::negated, Tree::All)
    }

    /// One part, or several with joining words between them.
    fn joined(
        &mut self,
        spellings: [&'static str; 2],
        part: fn(&mut Self) -> Parsed<Tree<Operand<'a>>>,
        join: fn(Vec<Tree<Operand<'a>>>) -> Tree<Operand<'a>>,
    ) -> Parsed<Tree<Operand<'a>>> {
        let first = part(self)?;
        let mut parts = Vec::new();
        loop {
            self.skip_blanks();
            let Some(spelling) = self.joint(spellings) else { break };
            self.at += spelling.len();
            parts.push(part(self)?);
        }
        if parts.is_empty() {
            return Ok(first);
        }
        parts.insert(0, first);
        Ok(join(parts))
    }

    /// A part with any number of `not` before it: only their parity counts.
    fn negated(&mut self) -> Parsed<Tree<Operand<'a>>> {
        let mut negated = false;
        loop {
            self.skip_blanks();
            if self.rest().starts_with('!') && !is_operator(self.rest()) {
                self.at += 1;
            } else if self.sees("not") {
                self.at += "not".len();
            } else {
                break;
            }
            negated = !negated;
        }
        let part = self.part()?;
        Ok(if negated { Tree::Not(Box::new(part)) } else { part })
    }

    fn part(&mut self) -> Parsed<Tree<Operand<'a>>> {
        if self.rest().starts_with('(') {
            return self.parenthesis();
        }
        if ends(self.rest()) || self.sees("and") || self.sees("or") {
            let width = if ends(self.rest()) { self.here().len() } else { self.until(ends) };
            return Err((self.at..self.at + width, Fault::NoOperand));
        }
        self.operand().map(Tree::Leaf)
    }

    fn parenthesis(&mut self) -> Parsed<Tree<Operand<'a>>> {
        let opening = self.here();
        if self.depth == EXPRESSION_NEST_MAX {
            return Err((opening, Fault::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        let inner = self.any()?;
        self.depth -= 1;
        match self.rest().chars().next() {
            Some(')') => {
                self.at += 1;
                Ok(inner)
            }
            Some(_) => Err((self.at..self.at + self.until(ends).max(1), Fault::NoJoint)),
            None => Err((opening, Fault::NotClosed(Opened::Parenthesis))),
        }
    }

    fn operand(&mut self) -> Parsed<Operand<'a>> {
        if self.rest().starts_with('/') {
            return self.slashed().map(Operand::Class);
        }
        let name = match self.quoted()? {
            Some(name) if name.text.trim().is_empty() => return Err((name.at, Fault::NoOperand)),
            Some(name) => name,
            None => self.word(|rest| ends(rest) || is_operator(rest)),
        };
        let behind = self.at;
        self.skip_blanks();
        let Some((operator, spelling)) = Operator::at_start(self.rest()) else {
            self.at = behind;
            return Ok(Operand::Class(name));
        };
        if name.text.is_empty() {
            return Err((self.at..self.at + spelling.len(), Fault::NoName));
        }
        self.at += spelling.len();
        let value = self.value(operator)?;
        Ok(Operand::Fact(FactWords { name, operator, spelling, value }))
    }

    /// What an operator compares with. `empty= and common` compares with the empty text, since a
    /// joining word behind blanks is one; `f=and` has that text.
    fn value(&mut self, operator: Operator) -> Parsed<Word<'a>> {
        let behind = self.at;
        self.skip_blanks();
        let joins = self.at > behind && (self.sees("and") || self.sees("or"));
        if joins || self.rest().is_empty() {
            self.at = behind;
            return Ok(self.word(|_| true));
        }
        if self.rest().starts_with('(') {
            return Err((self.here(), Fault::Parenthesis));
        }
        if operator.takes_pattern() && self.rest().starts_with('/') {
            return self.slashed();
        }
        Ok(match self.quoted()? {
            Some(value) => value,
            None => self.word(ends),
        })
    }

    fn word(&mut self, stop: impl Fn(&str) -> bool) -> Word<'a> {
        let at = self.at..self.at + self.until(stop);
        self.at = at.end;
        Word { text: Cow::Borrowed(&self.text[at.clone()]), quoted: false, at }
    }

    /// A regular expression if the next slash that no `\` precedes ends it, blanks and parentheses
    /// included; else a word as it stands, such as the name of a file.
    fn slashed(&mut self) -> Parsed<Word<'a>> {
        let start = self.at;
        let mut escaped = false;
        let close = self.text[start + 1..].bytes().position(|byte| {
            let closes = byte == b'/' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        #[cfg(test)]
        {
            self.looked += close.unwrap_or(self.text.len() - start) + 1;
        }
        if let Some(close) = close {
            let behind = start + close + 2;
            let flagged = behind + usize::from(self.text[behind..].starts_with('i'));
            if let Some(end) = [behind, flagged].into_iter().find(|end| ends(&self.text[*end..])) {
                self.at = end;
                let text = Cow::Borrowed(&self.text[start..end]);
                return Ok(Word { text, quoted: false, at: start..end });
            }
        }
        Ok(self.word(ends))
    }

    /// A text in quotes of either kind; `\` before a quote or another `\` takes its meaning away.
    fn quoted(&mut self) -> Parsed<Option<Word<'a>>> {
        let start = self.at;
        let Some(quote) = self.rest().chars().next().filter(|c| *c == '"' || *c == '\'') else {
            return Ok(None);
        };
        let inner = &self.text[start + 1..];
        let mut text = Cow::Borrowed("");
        let mut from = 0;
        let mut letters = inner.char_indices();
        while let Some((at, c)) = letters.next() {
            #[cfg(test)]
            {
                self.looked += c.len_utf8();
            }
            if c == quote {
                text += &inner[from..at];
                self.at = start + 1 + at + 1;
                return Ok(Some(Word { text, quoted: true, at: start..self.at }));
            }
            if c == '\\' && inner[at + 1..].starts_with([quote, '\\']) {
                text += &inner[from..at];
                from = at + 1;
                letters.next();
            }
        }
        Err((start..start + 1, Fault::NotClosed(Opened::Quote)))
    }
}

const AND: [&str; 2] = ["and", "&&"];
const OR: [&str; 2] = ["or", "||"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A class, or a fact with operator and value.
    type Plain = (String, Option<(&'static str, String)>);

    fn plain(operand: &Operand<'_>) -> Plain {
        match operand {
            Operand::Class(word) => (word.text.to_string(), None),
            Operand::Fact(FactWords { name, spelling, value, .. }) => {
                (name.text.to_string(), Some((*spelling, value.text.to_string())))
            }
        }
    }

    fn read(text: &str) -> Tree<Plain> {
        parse(text).unwrap().try_map(&mut |leaf| Ok::<_, ()>(plain(&leaf))).unwrap()
    }

    fn quote(text: &str) -> String {
        let mut quoted = String::from("'");
        for c in text.chars() {
            if c == '\'' || c == '\\' {
                quoted.push('\\');
            }
            quoted.push(c);
        }
        quoted + "'"
    }

    fn print(tree: &Tree<Plain>) -> String {
        let inner = |part: &Tree<Plain>| match part {
            Tree::Leaf(_) => print(part),
            _ => format!("({})", print(part)),
        };
        let join = |parts: &[Tree<Plain>], with: &str| {
            parts.iter().map(inner).collect::<Vec<_>>().join(with)
        };
        match tree {
            Tree::Leaf((name, None)) => quote(name),
            Tree::Leaf((name, Some((spelling, value)))) => {
                format!("{name} {spelling} {}", quote(value))
            }
            Tree::Not(part) => format!("not {}", inner(part)),
            Tree::All(parts) => join(parts, " and "),
            Tree::Any(parts) => join(parts, " or "),
        }
    }

    fn any_tree() -> impl Strategy<Value = Tree<Plain>> {
        let spelling = prop::sample::select(vec!["=", "==", "!=", "=~", "<", "=>", ">="]);
        let leaf = prop_oneof![
            ".{1,6}".prop_filter("a class", |text| !text.trim().is_empty()).prop_map(|c| (c, None)),
            ("[a-z][a-z.]{3,6}", spelling, ".{0,6}").prop_map(|(f, s, v)| (f, Some((s, v)))),
        ];
        leaf.prop_map(Tree::Leaf).prop_recursive(4, 24, 4, |inner| {
            let parts = prop::collection::vec(inner.clone(), 2..4);
            prop_oneof![
                inner.prop_map(|part| match part {
                    Tree::Not(inside) => *inside,
                    part => Tree::Not(Box::new(part)),
                }),
                parts.clone().prop_map(Tree::All),
                parts.prop_map(Tree::Any),
            ]
        })
    }

    #[test]
    fn what_binds_closer() {
        let check = |text: &str, want: &str| assert_eq!(print(&read(text)), want, "{text}");
        check("a or b and c", "'a' or ('b' and 'c')");
        check("a and b or c", "('a' and 'b') or 'c'");
        check("not a and b", "(not 'a') and 'b'");
        check("not (a and b)", "not ('a' and 'b')");
        check("!a&&!b||c", "((not 'a') and (not 'b')) or 'c'");
        check("! ! not a", "not 'a'");
        check("!!a", "'a'");
        check("a and b and c", "'a' and 'b' and 'c'");
        check("((a))", "'a'");
    }

    #[test]
    fn where_words_begin_and_end() {
        let check = |text: &str, want: &str| assert_eq!(print(&read(text)), want, "{text}");
        check("notcommon", "'notcommon'");
        check("and=x or or=y", "and = 'x' or or = 'y'");
        check("not not=x", "not not = 'x'");
        check("f=and", "f = 'and'");
        check("f= and g=", "f = '' and g = ''");
        check("(f=)", "f = ''");
        check("f = a=b&c|d", "f = 'a=b&c|d'");
        check("f=a&&b", "f = 'a' and 'b'");
        check("f\t>=\n4", "f >= '4'");
        check("'f'=x", "f = 'x'");
        check(r#"f="it's \"\\x\d\"""#, r#"f = 'it\'s "\\x\\d"'"#);
        check("f=it's", r"f = 'it\'s'");
        check("f=/a b)/i and c", "f = '/a b)/i' and 'c'");
        check(r"f=/a\/ b/", r"f = '/a\\/ b/'");
        check("f=/etc/passwd and c", "f = '/etc/passwd' and 'c'");
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read_again(tree in any_tree()) {
            let text = print(&tree);
            prop_assert_eq!(read(&text), tree, "{}", text);
        }

        #[test]
        fn nothing_is_read_often(pieces in prop::collection::vec(prop::sample::select(vec![
            "f=/", "a", "/", "/i", "\\", "\\/", "'", "\"", "(", ")", " ", "not ", "!", "and ", "&&",
            " or", "||", "=", "=~", "ü", "f='", "f=/x ",
        ]), 0..400)) {
            let text = pieces.concat();
            let mut parser = Parser::new(&text);
            let _ = parser.whole();
            prop_assert!(parser.looked <= 6 * text.len() + 6, "{} {}", text.len(), parser.looked);
        }

        #[test]
        fn operands_are_asked_once(tree in any_tree(), answers: u64) {
            let mut asked = 0;
            tree.holds(&mut |_| { asked += 1; answers >> (asked % 64) & 1 == 1 });
            prop_assert!(asked <= tree.leaves().len());
        }
    }
}
