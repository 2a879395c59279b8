//! What other programs say, cut to what a person reads in an answer.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use marcato_core::limits::service::{SHOWN_LINE_MAX, SHOWN_LINES_MAX};

/// The lines of an output that matter most: the first and the last, without what could steer a
/// terminal.
pub(super) fn lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let mut all: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if all.len() > SHOWN_LINES_MAX {
        let half = SHOWN_LINES_MAX / 2;
        all.drain(half..all.len() - half);
    }
    all.into_iter().map(line).collect()
}

/// A line without what could steer a terminal, and not longer than what is shown.
pub(super) fn line(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_LINE_MAX)
        .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(SHOWN_LINE_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// How a program ended, with what it said.
pub(super) fn ended(status: ExitStatus, said: &[String]) -> String {
    let end = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "did not end by itself".to_owned(),
    };
    if said.is_empty() { end } else { format!("{end}: {}", said.join(" | ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_lines_are_shown() {
        let check = |output: &str, want: &[&str]| assert_eq!(lines(output.as_bytes()), want);
        check("", &[]);
        check("a\n\n b \r\n", &["a", "b"]);
        check("1\n2\n3\n4\n5\n6\n", &["1", "2", "5", "6"]);
        check("\x1b[31mred", &["\u{fffd}[31mred"]);
        let long = lines("x".repeat(1000).as_bytes());
        assert_eq!(long[0].chars().count(), SHOWN_LINE_MAX + 1);
        assert_eq!(ended(ExitStatus::from_raw(9), &[]), "ended by signal 9");
        assert_eq!(
            ended(ExitStatus::from_raw(256), &["a".into(), "b".into()]),
            "ended with 1: a | b"
        );
    }
}
