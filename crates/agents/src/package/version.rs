//! Which of two versions is the newer: deb-version(7), "Sorting algorithm".

use std::cmp::Ordering;

/// Compares as `dpkg --compare-versions` does.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, rest_a), (epoch_b, rest_b)) = (epoch(a), epoch(b));
    let ((upstream_a, revision_a), (upstream_b, revision_b)) = (revision(rest_a), revision(rest_b));
    number(epoch_a)
        .cmp(&number(epoch_b))
        .then_with(|| part(upstream_a.as_bytes(), upstream_b.as_bytes()))
        .then_with(|| part(revision_a.as_bytes(), revision_b.as_bytes()))
}

fn epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("0", version))
}

fn revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Digits as a number that is compared: without leading zeros, the longer one is the greater.
fn number(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

/// Compares by turns what is no number and what is one.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (words_a, words_b) = (take(&mut a, false), take(&mut b, false));
        let (digits_a, digits_b) = (take(&mut a, true), take(&mut b, true));
        let digits = |bytes| number(std::str::from_utf8(bytes).unwrap_or_default());
        let order = words(words_a, words_b).then_with(|| digits(digits_a).cmp(&digits(digits_b)));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes what is at the front, digits or all else.
fn take<'a>(from: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = from.iter().position(|byte| byte.is_ascii_digit() != digits);
    let (front, rest) = from.split_at(end.unwrap_or(from.len()));
    *from = rest;
    front
}

/// A tilde comes before the end, the end before letters, letters before all else.
fn words(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    (0..a.len().max(b.len()))
        .map(|at| weight(a.get(at)).cmp(&weight(b.get(at))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn check(older: &str, newer: &str) {
        assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
        assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
    }

    #[test]
    fn versions_in_order() {
        check("3.0.20-1~deb12u2", "3.0.22-1~deb12u2");
        check("1.0.1t-1+deb8u5", "1.0.1t-1+deb8u8");
        check("1.0~rc1", "1.0");
        check("1.0~~", "1.0~");
        check("9", "10");
        check("1.0-1", "1.0-1+b1");
        check("99", "1:1");
        check("1.a", "1.+");
        assert_eq!(compare("1.0", "1.0-0"), Ordering::Equal);
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
        assert_eq!(compare("0:1", "1"), Ordering::Equal);
    }

    #[test]
    fn dpkg_says_the_same() {
        if Command::new("dpkg").arg("--version").output().is_err() {
            return eprintln!("skipped: this machine has no dpkg");
        }
        let versions =
            ["1", "1.0", "1.0-1", "1~a", "1a", "1+b", "1.0-1~x", "1:0", "01", "1.10", "1.9z", "0"];
        for a in versions {
            for b in versions {
                let says = |how: &str| {
                    Command::new("dpkg").args(["--compare-versions", a, how, b]).status().unwrap()
                };
                let want = match (says("lt").success(), says("gt").success()) {
                    (true, _) => Ordering::Less,
                    (_, true) => Ordering::Greater,
                    _ => Ordering::Equal,
                };
                assert_eq!(compare(a, b), want, "{a} {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "[0-9a-z.+~:-]{0,12}", b in "[0-9a-z.+~:-]{0,12}", c in "[0-9a-z.+~:-]{0,12}") {
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
