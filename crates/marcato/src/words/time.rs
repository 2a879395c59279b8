//! Lengths of time and times of the day as a person reads them.

use std::fmt::Write as _;

use marcato_core::{Span, Timestamp};

/// How long something took: `38 ms`, `41.2 s`.
#[must_use]
pub fn took(span: Span) -> String {
    match span.as_ms() {
        ms @ 0..=999 => format!("{ms} ms"),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

/// About how long ago something was: `12 s`, `3 h`, `9 d`.
#[must_use]
pub fn about(span: Span) -> String {
    match span.as_ms() / 1000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// The spread of some of them: `since 3 h … 9 d`.
#[must_use]
pub fn since(spans: impl Iterator<Item = Span> + Clone) -> Option<String> {
    let (shortest, longest) = (spans.clone().min()?, spans.max()?);
    let mut text = format!("since {}", about(shortest));
    if about(shortest) != about(longest) {
        let _ = write!(text, " … {}", about(longest));
    }
    Some(text)
}

/// The time of the day, in UTC: `12:00:40Z`.
#[must_use]
pub fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    let clock = text.get(11..19);
    clock.map_or_else(|| text.clone(), |clock| format!("{clock}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let check = |ms, want_took: &str, want_about: &str| {
            let span = Span::from_ms(ms);
            assert_eq!((took(span), about(span)), (want_took.to_owned(), want_about.to_owned()));
        };
        check(0, "0 ms", "0 s");
        check(999, "999 ms", "0 s");
        check(5_020, "5.0 s", "5 s");
        check(41_250, "41.2 s", "41 s");
        check(120_000, "120.0 s", "2 min");
        check(3 * 3_600_000, "10800.0 s", "3 h");
        check(9 * 86_400_000, "777600.0 s", "9 d");
    }

    #[test]
    fn a_spread_and_a_time_of_the_day() {
        let check = |seconds: &[u64], want: Option<&str>| {
            assert_eq!(since(seconds.iter().copied().map(Span::from_secs)).as_deref(), want);
        };
        check(&[], None);
        check(&[5], Some("since 5 s"));
        check(&[10_800, 10_801], Some("since 3 h"));
        check(&[777_600, 10_800], Some("since 3 h … 9 d"));
        assert_eq!(clock("2026-11-23T12:00:40.123Z".parse().unwrap()), "12:00:40Z");
    }
}
