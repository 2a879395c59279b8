//! A Rust file as a flat list of tokens with their lines; what is in a comment or in a string is
//! never mistaken for code.

use std::str::FromStr;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, a keyword or a lifetime's name.
    Word,
    /// One sign, or `::`.
    Sign,
    /// A number, a character, a string. A doc comment is `#[doc = "…"]`.
    Literal,
    /// The opening bracket of a group.
    Open,
    /// The closing bracket of a group.
    Close,
}

/// One token of a file.
#[derive(Debug, Clone)]
pub struct Token {
    /// As it is written.
    pub text: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
    /// For a bracket: where in the list its partner stands.
    pub partner: usize,
    /// Whether it belongs to an item under `#[cfg(test)]`.
    pub in_test: bool,
}

/// Reads a file; the error is one sentence.
///
/// # Errors
/// When the text is not made of Rust tokens.
pub fn read(text: &str) -> Result<Vec<Token>, String> {
    let stream = TokenStream::from_str(text).map_err(|error| {
        format!("line {} cannot be read as Rust: {error}", error.span().start().line)
    })?;
    let mut tokens = Vec::with_capacity(text.len() / 5);
    flatten(stream, &mut tokens);
    mark_tests(&mut tokens);
    Ok(tokens)
}

fn flatten(stream: TokenStream, into: &mut Vec<Token>) {
    let mut colon_open = false;
    for tree in stream {
        let line = tree.span().start().line;
        let token = |text, kind| Token { text, line, kind, partner: 0, in_test: false };
        match tree {
            TokenTree::Ident(word) => into.push(token(word.to_string(), Kind::Word)),
            TokenTree::Literal(literal) => into.push(token(literal.to_string(), Kind::Literal)),
            TokenTree::Punct(sign) => {
                let second = colon_open && sign.as_char() == ':';
                colon_open = !second && sign.as_char() == ':' && sign.spacing() == Spacing::Joint;
                match into.last_mut() {
                    Some(last) if second => last.text.push(':'),
                    _ => into.push(token(sign.as_char().to_string(), Kind::Sign)),
                }
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                into.push(token(open.to_owned(), Kind::Open));
                let opened = into.len() - 1;
                flatten(group.stream(), into);
                let closed = into.len();
                into.push(Token {
                    text: close.to_owned(),
                    line: group.span_close().start().line,
                    kind: Kind::Close,
                    partner: opened,
                    in_test: false,
                });
                into[opened].partner = closed;
            }
        }
    }
}

/// Marks every item that carries `#[cfg(test)]`, from its attribute to its end.
fn mark_tests(tokens: &mut [Token]) {
    let mut at = 0;
    while let Some(start) = find(tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
        let end = end_of_item(tokens, start + 7);
        for token in &mut tokens[start..end] {
            token.in_test = true;
        }
        at = end.max(start + 7);
    }
}

/// The index behind the item that begins at `start`: behind its block or its semicolon.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => return at + 1,
            "{" if token.kind == Kind::Open => return token.partner + 1,
            _ if token.kind == Kind::Open => at = token.partner + 1,
            _ if token.kind == Kind::Close => return at,
            _ => at += 1,
        }
    }
    tokens.len()
}

/// Where the words stand one after the other, at or after `from`.
#[must_use]
pub fn find(tokens: &[Token], from: usize, words: &[&str]) -> Option<usize> {
    let tail = tokens.get(from..)?;
    let found = tail
        .windows(words.len())
        .position(|window| window.iter().zip(words).all(|(t, w)| t.text == *w));
    found.map(|index| from + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, words: &str) {
        let tokens = read(text).unwrap();
        let shown: Vec<_> = tokens.iter().filter(|t| !t.in_test).map(|t| t.text.as_str()).collect();
        assert_eq!(shown.join(" "), words);
    }

    #[test]
    fn comments_and_tests_are_told_from_code() {
        check("std::process::exit(1) // exit(2)", "std :: process :: exit ( 1 )");
        check("a: :b", "a : : b");
        check("/* fn */ \"fn\" fn", "\"fn\" fn");
        check("#[cfg(test)] mod t { x } y", "y");
        check("#[cfg(test)] mod t; y", "y");
        check("#[cfg(test)] #[expect(a, reason = \"{\")] fn t() -> [u8; 2] { x } y", "y");
        check("struct S { #[cfg(test)] a: u8 } y", "struct S { } y");
        check("#[cfg(feature)] mod t { x }", "# [ cfg ( feature ) ] mod t { x }");
    }

    #[test]
    fn lines_and_partners_are_known() {
        let tokens = read("fn a(\n) {\n}").unwrap();
        let open = find(&tokens, 0, &["{"]).unwrap();
        assert_eq!((tokens[open].line, tokens[tokens[open].partner].line), (2, 3));
        assert!(read("fn a( {").unwrap_err().contains("cannot be read"));
    }
}
