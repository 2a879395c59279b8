//! What is less than what: numbers as numbers, versions as versions, everything else bytewise.

use std::cmp::Ordering;

/// Compares a fact's text with a filter's. Two numbers compare by value, exactly and of any size;
/// two dotted numbers of which one has two dots or more compare part by part; else the bytes.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    if let (Some(left), Some(right)) = (Decimal::parse(left), Decimal::parse(right)) {
        return left.cmp(&right);
    }
    if is_dotted(left) && is_dotted(right) {
        return compare_versions(left, right);
    }
    left.cmp(right)
}

/// As what a filter's text compares with a fact of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With a sign or an exponent.
    Number,
    /// Digits with one dot or none: a number beside numbers, a version beside versions.
    Either,
    Version,
    Text,
}

/// What kind of text this is.
pub(crate) fn kind(text: &str) -> Kind {
    match (Decimal::parse(text).is_some(), is_dotted(text)) {
        (true, false) => Kind::Number,
        (true, true) => Kind::Either,
        (false, true) => Kind::Version,
        (false, false) => Kind::Text,
    }
}

impl Kind {
    /// How it is compared, in words.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Number => "as a number where the fact is one",
            Self::Either => "as a number or a version where the fact is one",
            Self::Version => "as a version where the fact is digits and dots",
            Self::Text => "byte by byte",
        }
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether these are digits between dots. (Two with at most one dot each were numbers already.)
fn is_dotted(text: &str) -> bool {
    text.split('.').all(all_digits)
}

/// Part by part; parts that are left out count as zero, as 4 equals 4.0.
fn compare_versions(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let (l, r) = (left.next(), right.next());
        if l.is_none() && r.is_none() {
            return Ordering::Equal;
        }
        let (l, r) = (whole(l.unwrap_or("0")), whole(r.unwrap_or("0")));
        let order = l.len().cmp(&r.len()).then_with(|| l.cmp(r));
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits that count, so that longer means larger.
fn whole(digits: &str) -> &str {
    digits.trim_start_matches('0')
}

/// A decimal number as its text gives it; never rounded, never expanded.
#[derive(Debug, Clone, Copy)]
struct Decimal<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Decimal<'a> {
    /// Takes `-12`, `+1.50`, `007` and, as floats are written, `1.0e+20`; nothing looser.
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
            // Nine digits keep the arithmetic of places far from overflow.
            Some((digits, e)) if e.len() <= 9 => (digits, e.parse().ok()?),
            Some(_) => return None,
            None => (unsigned, 0),
        };
        let (integer, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (digits, ""),
        };
        if !all_digits(integer) || !(fraction.is_empty() || all_digits(fraction)) {
            return None;
        }
        Some(Self { negative, integer, fraction, exponent })
    }

    /// The digits that count, without leading zeros: none means zero.
    fn digits(&self) -> impl Iterator<Item = u8> + 'a {
        self.integer.bytes().chain(self.fraction.bytes()).skip_while(|b| *b == b'0')
    }

    /// How many digits stand before the point; negative if zeros follow it first.
    fn places(&self) -> i64 {
        let all = self.integer.len() + self.fraction.len();
        let leading = all - self.digits().count();
        self.integer.len() as i64 - leading as i64 + i64::from(self.exponent)
    }

    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.digits().next(), self.negative) {
            (None, _) => 0,
            (Some(_), true) => -1,
            (Some(_), false) => 1,
        }
    }

    fn cmp_size(&self, other: &Self) -> Ordering {
        self.places().cmp(&other.places()).then_with(|| {
            let (mut left, mut right) = (self.digits(), other.digits());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ordering::Equal,
                    (l, r) => match l.unwrap_or(b'0').cmp(&r.unwrap_or(b'0')) {
                        Ordering::Equal => {}
                        order => return order,
                    },
                }
            }
        })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.sign().cmp(&other.sign()).then_with(|| match self.sign() {
            0 => Ordering::Equal,
            1 => self.cmp_size(other),
            _ => other.cmp_size(self),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(left: &str, want: Ordering, right: &str) {
        assert_eq!(compare(left, right), want, "{left} ? {right}");
        assert_eq!(compare(right, left), want.reverse(), "{right} ? {left}");
    }

    #[test]
    fn numbers_versions_bytes() {
        use Ordering::{Equal, Greater, Less};
        check("8.5", Less, "10");
        check("4", Equal, "4.0");
        check("007", Equal, "7");
        check("-0", Equal, "+0.00");
        check("-5", Greater, "-6");
        check("-1", Less, "4");
        check("+4", Equal, "4");
        check("0.5", Greater, "0.09");
        check("0.05", Less, "0.1");
        check("18446744073709551616", Greater, "18446744073709551615");
        check("0.10000000000000000000000001", Greater, "0.1");
        check("1.0e+20", Equal, "100000000000000000000");
        check("1.0e-05", Equal, "0.00001");
        check("1e99999999", Greater, "2");
        check("1.10.2", Greater, "1.9.0");
        check("1.10.2", Greater, "1.9");
        check("10.1.2", Greater, "9");
        check("1.9.0", Equal, "1.9");
        check("1.0.0.1", Greater, "1.0.0");
        check("1.02.0", Equal, "1.2.0");
        check("1.99999999999999999999999.0", Greater, "1.99999999999999999999998.0");
        // One side that is neither makes both text.
        check("10", Less, "9x");
        check("r10", Less, "r9");
        check("", Less, "a");
        check(".5", Less, "0.4");
        check("5.", Greater, "10");
        check("1..2", Less, "1.1.1");
        check("Debian", Greater, "Cent");
    }

    proptest! {
        #[test]
        fn agrees_with_whole_numbers(a: i64, b: i64) {
            prop_assert_eq!(compare(&a.to_string(), &b.to_string()), a.cmp(&b));
        }

        #[test]
        fn agrees_with_floats(a: i32, b: i32, scale in 0u32..6) {
            // Quotients of the same power of ten are exact in their shortest text.
            let by = 10f64.powi(scale as i32);
            let (x, y) = (f64::from(a) / by, f64::from(b) / by);
            prop_assert_eq!(compare(&format!("{x:?}"), &format!("{y:?}")), a.cmp(&b));
        }

        #[test]
        fn is_an_opposite(a in "[-+.0-9e]{0,12}|.{0,6}", b in "[-+.0-9e]{0,12}|.{0,6}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
