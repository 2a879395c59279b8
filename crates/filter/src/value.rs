//! What of a fact is compared: the texts of its values.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// Visits the text of each value that a fact has until `wanted` says yes, and says whether it did:
/// a plain value is one text, an array the texts of its plain elements, a map its keys.
pub(crate) fn any(fact: &Value, mut wanted: impl FnMut(&str) -> bool) -> bool {
    match fact {
        Value::Array(items) => items.iter().filter_map(text).any(|text| wanted(&text)),
        Value::Object(entries) => entries.keys().any(|key| wanted(key)),
        plain => text(plain).is_some_and(|text| wanted(&text)),
    }
}

/// Whether a fact has values at all, be they lists and maps of which none has a text.
pub(crate) fn are_there(fact: &Value) -> bool {
    match fact {
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    }
}

/// The text of a plain value; arrays and maps have none.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Null => Cow::Borrowed(""),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => Cow::Owned(number_text(number)),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

/// A float as Ruby's `Float#to_s` writes it, since that is the text which existing filters were
/// written against: shortest digits, always a fraction, an exponent outside of 1e-4 to 1e15.
#[must_use]
pub fn float_text(float: f64) -> String {
    let size = float.abs();
    if size == 0.0 || (1e-4..1e15).contains(&size) {
        return format!("{float:?}");
    }
    let shortest = format!("{float:e}");
    let Some((digits, exponent)) = shortest.split_once('e') else {
        return shortest;
    };
    let fraction = if digits.contains('.') { "" } else { ".0" };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}{fraction}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_ruby_writes_them() {
        let check = |float: f64, want: &str| assert_eq!(float_text(float), want);
        check(8.5, "8.5");
        check(8.50, "8.5");
        check(1000.0, "1000.0");
        check(-0.0, "-0.0");
        check(999_999_999_999_999.0, "999999999999999.0");
        check(1e15, "1.0e+15");
        check(9_999_999_999_999_998.0, "9.999999999999998e+15");
        check(1e16, "1.0e+16");
        check(1e20, "1.0e+20");
        check(1.5e100, "1.5e+100");
        check(-2.5e-7, "-2.5e-07");
        check(0.0001, "0.0001");
        check(0.00001, "1.0e-05");
    }

    #[test]
    fn texts_of_each_kind() {
        let check = |json: &str, want: &[&str]| {
            let mut seen = Vec::new();
            any(&serde_json::from_str(json).unwrap(), |text| {
                seen.push(text.to_owned());
                false
            });
            assert_eq!(seen, want, "{json}");
        };
        check("null", &[""]);
        check("true", &["true"]);
        check("42", &["42"]);
        check("-5", &["-5"]);
        check("8.5", &["8.5"]);
        check("\"x\"", &["x"]);
        check(r#"["a", 3, null, ["x"], {"k": 1}]"#, &["a", "3", ""]);
        check(r#"{"lo": "127.0.0.1", "eth0": {}}"#, &["eth0", "lo"]);
        check("[]", &[]);
    }
}
