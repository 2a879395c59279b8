//! What a plain YAML scalar means: by YAML 1.1 as Ruby reads it, since existing facts files and
//! filters were written against that.
//!
//! Different on purpose in the node's own files: times such as `12:30:45` and lists such as `80,443`
//! stay the text that a person wrote, where Ruby makes 45045 and 80443 of them.

use marcato_filter::float_text;
use serde_json::Value;

/// The largest whole number that JSON keeps exactly everywhere; a larger one becomes text, which
/// filters compare as a number all the same.
pub(super) const EXACT: u64 = 1 << 53;

/// The value of a scalar that stands without quotes and without a tag.
pub(super) fn plain(text: &str) -> Value {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if text.is_empty() || text == "~" || is(&["null"]) {
        return Value::Null;
    }
    if is(&["yes", "true", "on"]) {
        return true.into();
    }
    if is(&["no", "false", "off"]) {
        return false.into();
    }
    if is(&[".inf", "+.inf"]) {
        return of_float(f64::INFINITY);
    }
    if is(&["-.inf"]) {
        return of_float(f64::NEG_INFINITY);
    }
    if is(&[".nan"]) {
        return of_float(f64::NAN);
    }
    if let Some(name) = symbol(text) {
        return name.into();
    }
    whole(text).or_else(|| float(text)).unwrap_or_else(|| text.into())
}

/// The value that Facter takes such a scalar for.
pub(super) fn of_facter(text: &str) -> Value {
    sixties(text).or_else(|| with_commas(text)).unwrap_or_else(|| plain(text))
}

/// A number with the base 60 of clocks. Ruby takes the first of two parts for hours, too.
fn sixties(text: &str) -> Option<Value> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let (sign, digits) = sign(whole);
    let is_part = |part: &str| match part.as_bytes() {
        [b'0'..=b'5', b'0'..=b'9'] => true,
        [one] => one.is_ascii_digit(),
        _ => false,
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (first, rest) = digits.split_once(':')?;
    let rest: Vec<&str> = rest.split(':').collect();
    let fits = first.starts_with(|c: char| c.is_ascii_digit())
        && is_digits(first)
        && rest.len() <= 2
        && rest.iter().all(|part| is_part(part))
        && fraction.is_none_or(is_digits);
    if !fits {
        return None;
    }
    let number = |text: &str| text.replace('_', "").parse::<i64>().ok();
    let hours = number(first)?.checked_mul(3600)?;
    let mut sum = if sign == "-" { -hours } else { hours };
    for (part, weight) in rest.iter().zip([60, 1]) {
        sum = sum.checked_add(number(part)? * weight)?;
    }
    let Some(fraction) = fraction else { return Some(sum.into()) };
    // It belongs to the last part, whatever that counts for.
    let weight = if rest.len() == 2 { 1.0 } else { 60.0 };
    let fraction: f64 = format!("0.{}0", fraction.replace('_', "")).parse().ok()?;
    Some((sum as f64 + fraction * weight).into())
}

/// A number whose digits commas divide, which they do wherever `_` may.
fn with_commas(text: &str) -> Option<Value> {
    let divided = text.contains(',').then(|| text.replace(',', "_"))?;
    whole(&divided).or_else(|| float(&divided))
}

/// The name of a Ruby symbol, `:name` or `:"name"`.
fn symbol(text: &str) -> Option<&str> {
    let name = text.strip_prefix(':').filter(|name| !name.is_empty())?;
    let quoted = |quote: char| name.strip_prefix(quote)?.strip_suffix(quote);
    Some(quoted('"').or_else(|| quoted('\'')).unwrap_or(name))
}

/// A whole number: decimal, `0b1`, octal with a leading zero alone, `0x1f`; `_` may divide digits, and
/// stand anywhere among those that are not decimal.
fn whole(text: &str) -> Option<Value> {
    let (sign, digits) = sign(text);
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, digits),
        [b'0'..=b'9', ..] if !digits.ends_with('_') && !digits.contains("__") => (10, digits),
        _ => return None,
    };
    let bare: String = digits.chars().filter(|c| *c != '_').collect();
    if bare.is_empty() || !bare.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    match u128::from_str_radix(&bare, radix) {
        Ok(size) if size <= u128::from(EXACT) => {
            let size = i64::try_from(size).ok()?;
            Some(if sign == "-" { -size } else { size }.into())
        }
        Ok(size) => Some(format!("{sign}{size}").into()),
        // Larger still: only decimal digits are the number's own text.
        Err(_) if radix == 10 => Some(format!("{sign}{bare}").into()),
        Err(_) => None,
    }
}

/// A float: digits with a point, and an exponent only with its sign (`1e3` is text).
fn float(text: &str) -> Option<Value> {
    let (_, rest) = sign(text);
    let (digits, exponent) = match rest.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, Some(exponent)),
        None => (rest, None),
    };
    let (integer, fraction) = digits.split_once('.')?;
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let integer_fits = integer.is_empty()
        || integer.starts_with(|c: char| c.is_ascii_digit())
            && integer.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let exponent_fits = exponent.is_none_or(|exponent| {
        exponent.strip_prefix(['+', '-']).is_some_and(|e| !e.is_empty() && is_digits(e))
    });
    if !integer_fits || !is_digits(fraction) || !exponent_fits {
        return None;
    }
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let bare: String = text.chars().filter(|c| *c != '_').collect();
    bare.parse().ok().map(of_float)
}

/// A float as JSON has it, else the text that Ruby writes for it.
pub(super) fn of_float(value: f64) -> Value {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else if value.abs() > EXACT as f64 {
        float_text(value).into()
    } else {
        value.into()
    }
}

/// The sign as it is written down again, and what follows it.
fn sign(text: &str) -> (&'static str, &str) {
    match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// One row for each kind of scalar on which readers of YAML differ; `want` is what Ruby 3.1
    /// (Psych 4.0.4) reads, but for the rows marked as different on purpose.
    #[test]
    fn golden() {
        let check = |text: &str, want: Value| assert_eq!(plain(text), want, "{text}");
        for yes in ["yes", "Yes", "true", "ON"] {
            check(yes, json!(true));
        }
        for no in ["no", "NO", "off", "False"] {
            check(no, json!(false));
        }
        check("y", json!("y"));
        check("n", json!("n"));
        check("012", json!(10));
        check("007", json!(7));
        check("08", json!("08"));
        check("0", json!(0));
        check("-5", json!(-5));
        check("+5", json!(5));
        check("1_000", json!(1000));
        check("12_", json!("12_"));
        check("1_000_", json!("1_000_"));
        check("1__0", json!("1__0"));
        check("-0_", json!(0));
        check("0_7_", json!(7));
        check("0x1F", json!(31));
        check("0x_1_", json!(1));
        check("0x_", json!("0x_"));
        check("0b101", json!(5));
        check("0o17", json!("0o17"));
        check("1e3", json!("1e3"));
        check("1.0e+3", json!(1000.0));
        check("1.5e3", json!("1.5e3"));
        check("8.5", json!(8.5));
        check("8.50", json!(8.5));
        check(".5", json!(0.5));
        check("5.", json!(5.0));
        check(".", json!("."));
        check("-1_0.25", json!(-10.25));
        check("1_.5", json!(1.5));
        check("1._5", json!("1._5"));
        check("1.10.2", json!("1.10.2"));
        check("10.0.0.1", json!("10.0.0.1"));
        check("2026-01-01", json!("2026-01-01"));
        check("2026-01-01 12:00:00 Z", json!("2026-01-01 12:00:00 Z"));
        check("~", Value::Null);
        check("", Value::Null);
        check("NULL", Value::Null);
        check(".inf", json!("Infinity"));
        check("-.INF", json!("-Infinity"));
        check(".NaN", json!("NaN"));
        check("1.0e+999", json!("Infinity"));
        check("1.0e+20", json!("1.0e+20"));
        check("-123456789012345678901.5", json!("-1.2345678901234568e+20"));
        check(":sv", json!("sv"));
        check(":\"a b\"", json!("a b"));
        check(":", json!(":"));
        check("::1", json!(":1"));
        check("-", json!("-"));
        check("a b", json!("a b"));
        check("9007199254740992", json!(9_007_199_254_740_992_i64));
        check("18446744073709551616", json!("18446744073709551616"));
        check("-18446744073709551616", json!("-18446744073709551616"));
        let long = "9".repeat(60);
        check(&long, json!(long));
        // Different on purpose.
        check("12:30:45", json!("12:30:45"));
        check("1,000", json!("1,000"));
        check("80,443", json!("80,443"));
    }

    /// What Ruby 3.1 (Psych 4.0.4) reads, and so Facter 4.3 of Debian 12 in its folders.
    #[test]
    fn golden_of_facter() {
        let check = |text: &str, want: Value| assert_eq!(of_facter(text), want, "{text}");
        for yes in ["yes", "on"] {
            check(yes, json!(true));
        }
        for no in ["off", "NO"] {
            check(no, json!(false));
        }
        check("y", json!("y"));
        check("012", json!(10));
        check("007", json!(7));
        check("08", json!("08"));
        check("1_000", json!(1000));
        check("0x1F", json!(31));
        check("0o17", json!("0o17"));
        check("1e3", json!("1e3"));
        check("2026-01-01", json!("2026-01-01"));
        check("2026-01-01 12:00:00 Z", json!("2026-01-01 12:00:00 Z"));
        check("12:30:45", json!(45045));
        check("12:30", json!(45000));
        check("-1:30", json!(-1800));
        check("-0:30", json!(1800));
        check("1_0:30", json!(37800));
        check("08:30", json!(30600));
        check("190:20:30", json!(685_230));
        check("60:61", json!("60:61"));
        check("1:2:3:4", json!("1:2:3:4"));
        check("1:30:45.5", json!(5445.5));
        check("12:30:45.25", json!(45045.25));
        check("1:30.5", json!(5430.0));
        check("1,000", json!(1000));
        check("-80,443", json!(-80443));
        check("1,000.5", json!(1000.5));
        check("1,0.5", json!(10.5));
        check("1,,0.5", json!(10.5));
        check("0,9.5", json!(9.5));
        check("1,000.", json!(1000.0));
        check("1,000.5e+3", json!(1_000_500.0));
        check("1,000.5 GB", json!("1,000.5 GB"));
        check("1,2.3.4", json!("1,2.3.4"));
        check("10,20.example.com", json!("10,20.example.com"));
        check("1,0.5_0", json!("1,0.5_0"));
        check("1.5,0", json!("1.5,0"));
        check(".5,5", json!(".5,5"));
        check("1,2_3", json!(123));
        check("0,", json!(0));
        check("0,9", json!("0,9"));
        check("0x1,F.5", json!("0x1,F.5"));
        check("0,7", json!(7));
        check("0x1,F", json!(31));
        check("1,,0", json!("1,,0"));
        check("1_,0", json!("1_,0"));
        check("1,_0", json!("1,_0"));
        check("80,443 ", json!("80,443 "));
        check("10.0.0.1", json!("10.0.0.1"));
        check("aa:bb:cc:00:11:22", json!("aa:bb:cc:00:11:22"));
        check("", Value::Null);
    }
}
