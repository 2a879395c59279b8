//! What may stand as a subject, as a pattern, and which pattern covers which subject.
//!
//! Stricter than nats-server on purpose: subjects are printable ASCII. The official clients split
//! what they receive at Unicode's blanks and give the connection up when a line is not UTF-8, so
//! one publisher could otherwise disconnect every subscriber.

/// The token that stands for exactly one token of a subject.
pub const ANY_ONE: &str = "*";
/// The token that stands for one or more tokens at the end of a subject.
pub const ANY_REST: &str = ">";

/// Takes bytes off the wire as text when every byte is printable ASCII, blanks excluded.
pub fn printable(bytes: &[u8]) -> Option<&str> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// Whether a message may be published to `subject`: no empty token, no wildcard, at most
/// `tokens_max` tokens.
pub fn is_literal(subject: &str, tokens_max: usize) -> bool {
    shape(subject, tokens_max) == Some(Shape::Literal)
}

/// Whether one may subscribe to `pattern`: no empty token, `>` only at the end, at most
/// `tokens_max` tokens. A `*` or `>` inside a longer token is a plain letter.
pub fn is_pattern(pattern: &str, tokens_max: usize) -> bool {
    shape(pattern, tokens_max).is_some()
}

#[derive(PartialEq)]
enum Shape {
    Literal,
    Wild,
}

fn shape(subject: &str, tokens_max: usize) -> Option<Shape> {
    let mut shape = Shape::Literal;
    let mut ended = false;
    for (index, token) in subject.split('.').enumerate() {
        if token.is_empty() || ended || index >= tokens_max {
            return None;
        }
        if token == ANY_ONE || token == ANY_REST {
            shape = Shape::Wild;
            ended = token == ANY_REST;
        }
    }
    Some(shape)
}

/// Whether `pattern` covers `subject`, token by token: the plain statement of the rule, which the
/// router's tree is tested against and which rules about single subjects may use.
pub fn covers(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for want in pattern.split('.') {
        match (want, tokens.next()) {
            (_, None) => return false,
            (ANY_REST, Some(_)) => return true,
            (ANY_ONE, Some(_)) => {}
            (want, Some(token)) if want == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_patterns() {
        let check = |text: &str, literal: bool, pattern: bool| {
            assert_eq!(is_literal(text, 4), literal, "literal {text}");
            assert_eq!(is_pattern(text, 4), pattern, "pattern {text}");
        };
        check("a", true, true);
        check("a.b.c.d", true, true);
        check("a.b.c.d.e", false, false);
        check("", false, false);
        check(".a", false, false);
        check("a.", false, false);
        check("a..b", false, false);
        check("*", false, true);
        check("a.*.b", false, true);
        check("a.>", false, true);
        check(">", false, true);
        check("a.>.b", false, false);
        check("a*b.>c", true, true);
    }

    #[test]
    fn coverage() {
        let check = |pattern: &str, subject: &str, want: bool| {
            assert_eq!(covers(pattern, subject), want, "{pattern} over {subject}");
        };
        check("a.b", "a.b", true);
        check("a.b", "a.b.c", false);
        check("a.b.c", "a.b", false);
        check("a.*", "a.b", true);
        check("a.*", "a", false);
        check("*.*", "a.b", true);
        check("a.>", "a.b.c", true);
        check("a.>", "a", false);
        check(">", "a", true);
        check("a.*.>", "a.b", false);
    }

    #[test]
    fn what_is_printable() {
        assert_eq!(printable(b"foo.bar"), Some("foo.bar"));
        for bad in [&b""[..], b"a b", b"a\x00b", b"\xff", "é".as_bytes(), b"a\x7f"] {
            assert_eq!(printable(bad), None, "{bad:?}");
        }
    }
}
