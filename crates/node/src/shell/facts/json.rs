//! JSON as facts have it: numbers of any size, which the protocol's JSON lacks; and what Facter's Ruby
//! takes besides.

use marcato_core::limits::facts::DEPTH_MAX;
use marcato_core::{Facts, json};
use serde_json::Value;

use super::scalar::{EXACT, of_float};
use super::yaml::Rules;

/// Reads a map of facts; by Facter's rules an empty text has none, and of a key that stands twice the
/// last value holds.
///
/// # Errors
/// Says what is wrong and where, in words.
pub(super) fn parse(text: &str, rules: Rules) -> Result<Facts, String> {
    let text = plain(text.trim_start_matches('\u{feff}'), rules);
    let value = match rules {
        // The outermost map is no level of a fact.
        Rules::Strict => json::parse(text.as_bytes(), DEPTH_MAX + 1).map_err(|e| e.to_string())?,
        Rules::Facter if text.trim().is_empty() => return Ok(Facts::new()),
        Rules::Facter => serde_json::from_str(&text).map_err(|e| format!("not JSON: {e}"))?,
    };
    match value {
        Value::Object(facts) => Ok(facts.into_iter().collect()),
        Value::Null if rules == Rules::Facter => Ok(Facts::new()),
        _ => Err("not a map of facts; write {\"NAME\": VALUE}".to_owned()),
    }
}

/// The same text with blanks for the comments that Ruby passes over, and with texts for the numbers that
/// not every implementation keeps. Lines and columns stay, but for those behind such a number.
fn plain(text: &str, rules: Rules) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '-' | '0'..='9' => rest.find(|c| !is_of_number(c)).unwrap_or(rest.len()),
            '/' if rules == Rules::Facter => match comment_length(rest) {
                Some(length) => length,
                // The parser goes no further than this slash.
                None => break,
            },
            other => other.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        match first {
            '/' if length > 1 => {
                plain.extend(token.chars().map(|c| if c == '\n' { c } else { ' ' }));
            }
            '-' | '0'..='9' if let Some(value) = unlike(token) => {
                plain.push_str(&value.to_string());
            }
            _ => plain.push_str(token),
        }
    }
    plain + rest
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')
}

/// How long the string is that a text begins with; all of the text where it does not end.
fn string_length(text: &str) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at + 1,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    text.len()
}

/// How long the comment is that a text begins with; `None` where the slash begins none that ends.
fn comment_length(text: &str) -> Option<usize> {
    let end = |open: &str, close: &str| {
        let inner = text.strip_prefix(open)?;
        Some(open.len() + inner.find(close)? + close.len())
    };
    end("/*", "*/").or_else(|| end("//", "\n"))
}

/// What stands for a number that the parser or another implementation would not keep: its text if it is
/// too large, and for `-0` the whole number that Ruby has, which has no sign.
fn unlike(token: &str) -> Option<Value> {
    if token == "-0" {
        return Some(0.into());
    }
    let (number, exponent) = match token.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (token, None),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_number = is_digits(digits)
        && (digits == "0" || !digits.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(|e| is_digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    if !is_number {
        // The parser will say so.
        return None;
    }
    if number == token && fraction.is_none() {
        let is_exact = digits.parse::<u64>().is_ok_and(|size| size <= EXACT);
        return (!is_exact).then(|| token.into());
    }
    token.parse().ok().map(of_float).filter(Value::is_string)
}

#[cfg(test)]
mod tests {
    use marcato_core::limits::facts::FILE_BYTES_MAX;
    use serde_json::json;

    use super::*;

    fn read(text: &str, rules: Rules) -> Result<Value, String> {
        parse(text, rules).map(|facts| json!(facts))
    }

    #[test]
    fn numbers_of_any_size() {
        let check = |number: &str, want: Value| {
            let text = format!("{{\"a\": [{number}], \"{number}\": \"{number}\\\"\"}}");
            let want = json!({"a": [want], number: format!("{number}\"")});
            for rules in [Rules::Strict, Rules::Facter] {
                assert_eq!(read(&text, rules), Ok(want.clone()), "{number}");
            }
        };
        check("9007199254740992", json!(9_007_199_254_740_992_u64));
        check("9007199254740993", json!("9007199254740993"));
        check("-9007199254740992", json!(-9_007_199_254_740_992_i64));
        check("-9007199254740993", json!("-9007199254740993"));
        check("12345678901234567890", json!("12345678901234567890"));
        check("-0", json!(0));
        check("-0.0", json!(-0.0));
        check("1e3", json!(1000.0));
        check("1.5e-7", json!(1.5e-7));
        check("1e20", json!("1.0e+20"));
        check("-123456789012345678901.5", json!("-1.2345678901234568e+20"));
        check("1e400", json!("Infinity"));
        check("-1E+400", json!("-Infinity"));
        check("1e-400", json!(0.0));
        for wrong in ["09999999999999999999", "1.e20", "1e", "--1", "-", "1e2e20", "1-2e20"] {
            for rules in [Rules::Strict, Rules::Facter] {
                assert!(read(&format!("{{\"a\": {wrong}}}"), rules).is_err(), "{wrong}");
            }
        }
    }

    /// What Ruby 3.1 reads.
    #[test]
    fn as_facter_reads_it() {
        let check =
            |text: &str, want: Value| assert_eq!(read(text, Rules::Facter), Ok(want), "{text}");
        check("{/* c */ \"k\": 1}", json!({"k": 1}));
        check("{\"k\": 1 /* a * b / c **/ }", json!({"k": 1}));
        check("{// c \" /*\n\"k\": \"/* // */\"}\n// c\n", json!({"k": "/* // */"}));
        check("{\"k\": 1e3, \"k\": {\"l\": 1, \"l\": 2}}", json!({"k": {"l": 2}}));
        check("\u{feff}{\"k\": \"\\ud83d\\ude00\"}", json!({"k": "😀"}));
        check("", json!({}));
        check("null", json!({}));
        let refused = |text: &str, rules: Rules, want: &str| {
            let said = read(text, rules).unwrap_err();
            assert!(said.contains(want), "{text}: {said}");
        };
        refused("{\"a\": 1,\n/* c \"k\": 1}", Rules::Facter, "at line 2 column 1");
        refused("{/* c\n*/ \"k\": }", Rules::Facter, "at line 2 column 9");
        refused("{\n/* c */ \"k\": 1}", Rules::Strict, "at line 2 column 1");
        refused("{\"k\": 1,\n\"k\": 2}", Rules::Strict, "the key \"k\" stands twice");
        refused("[1]", Rules::Facter, "not a map of facts");
        refused("", Rules::Strict, "EOF");
    }

    /// Nothing is looked for twice: these must simply end.
    #[test]
    fn comments_that_never_end() {
        for open in ["/* ", "// ", "/"] {
            let text = format!("{{\"a\": \"x\", {}", open.repeat(FILE_BYTES_MAX / open.len()));
            assert!(plain(&text, Rules::Facter) == text, "{open}");
            let said = read(&text, Rules::Facter).unwrap_err();
            assert!(said.contains("at line 1 column 12"), "{open}: {said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_the_protocol_takes_is_the_same(text in "([\\[\\]{},:\"\\\\/*e.+\n 019ü-]|\"a\":|12|-3.5e2|// |\"\\\\\"\"){0,30}") {
            if !text.contains("-0") && let Ok(value) = json::parse(text.as_bytes(), DEPTH_MAX + 1) {
                proptest::prop_assert_eq!(plain(&text, Rules::Strict), text.clone());
                proptest::prop_assert_eq!(serde_json::from_str(&plain(&text, Rules::Facter)).ok(), Some(value));
            }
        }
    }
}
