//! `docs/reference/limits.md`: every limit with its value and its reason, from the doc comments of
//! `marcato_core::limits`.

use super::{HEADER, cell};
use crate::tidy::source::Source;

const FOLDER: &str = "crates/core/src/limits/";

/// The page.
#[must_use]
pub fn page(sources: &[Source]) -> String {
    let mut text = format!("{HEADER}# Limits\n\n");
    text.push_str("Every queue, buffer, cache and message has one. None can be switched off.\n");
    let is_room = |source: &&Source| {
        source.path.starts_with(FOLDER)
            && source.path.ends_with(".rs")
            && !source.path.ends_with("/mod.rs")
    };
    for room in sources.iter().filter(is_room) {
        text.push_str(&section(room));
    }
    text
}

fn section(room: &Source) -> String {
    let name = room.path.trim_start_matches(FOLDER).trim_end_matches(".rs").replace('/', " ");
    let about: Vec<&str> =
        room.text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let mut text = format!("\n## {name}\n\n{}\n\n", about.join(" ").trim());
    text.push_str("| limit | value | what and why |\n| --- | --- | --- |\n");
    for limit in limits(&room.text) {
        let value = value(&limit.name, &limit.expression);
        text.push_str(&format!("| `{}` | {} | {} |\n", limit.name, cell(&value), cell(&limit.why)));
    }
    text
}

#[derive(Debug, PartialEq, Eq)]
struct Limit {
    name: String,
    expression: String,
    why: String,
}

/// The public constants of a file, as rustfmt writes them.
fn limits(text: &str) -> Vec<Limit> {
    let mut found = Vec::new();
    let mut why: Vec<&str> = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("///") {
            why.push(comment.trim());
            continue;
        }
        if let Some(rest) = line.strip_prefix("pub const ") {
            let mut whole = rest.to_owned();
            while !whole.ends_with(';') {
                let Some(next) = lines.next() else { break };
                whole.push(' ');
                whole.push_str(next);
            }
            let (name, rest) = whole.split_once(':').unwrap_or((&whole, ""));
            let expression = rest.split_once('=').map_or("", |(_, value)| value);
            let expression = expression.trim().trim_end_matches(';').to_owned();
            found.push(Limit { name: name.to_owned(), expression, why: why.join(" ") });
        }
        why.clear();
    }
    found
}

/// The value with its unit where it can be told, else the expression as it stands.
fn value(name: &str, expression: &str) -> String {
    for (constructor, in_ms) in
        [("from_secs(", 1000), ("from_ms(", 1), ("from_millis(", 1), ("from_mins(", 60_000)]
    {
        let inner = expression.split_once(constructor).and_then(|(_, rest)| rest.strip_suffix(')'));
        if let Some(count) = inner.and_then(product) {
            return time(count.saturating_mul(in_ms));
        }
    }
    match product(expression) {
        Some(count) if name.contains("BYTES") => size(count),
        Some(count) => grouped(count),
        None => format!("`{expression}`"),
    }
}

/// The value of a product of whole numbers.
fn product(expression: &str) -> Option<u64> {
    let factor = |part: &str| part.trim().replace('_', "").parse::<u64>().ok();
    expression.split('*').map(factor).try_fold(1_u64, |all, part| all.checked_mul(part?))
}

fn time(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let unit = units.iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(
        || format!("{} bytes", grouped(bytes)),
        |(unit, name)| format!("{} {name}", bytes / unit),
    )
}

/// The number with its thousands set apart.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        let table = [
            ("BODY_BYTES_MAX", "256 * 1024", "256 KiB"),
            ("LINE_BYTES_MAX", "1000", "1,000 bytes"),
            ("SET_NODES_MAX", "1_000_000", "1,000,000"),
            ("WAIT", "Span::from_secs(5)", "5 s"),
            ("WAIT", "Span::from_ms(100)", "100 ms"),
            ("WAIT", "Span::from_secs(7 * 24 * 3600)", "7 d"),
            ("OTHER", "WAIT + 1", "`WAIT + 1`"),
        ];
        for (name, expression, expect) in table {
            assert_eq!(value(name, expression), expect, "{name} {expression}");
        }
    }

    #[test]
    fn a_constant_is_read_with_its_comment() {
        let text = "//! About.\n\n/// One,\n/// two.\npub const A: usize =\n    2 * 3;\n\nconst B: u8 = 1;\n";
        let limit = Limit { name: "A".into(), expression: "2 * 3".into(), why: "One, two.".into() };
        assert_eq!(limits(text), [limit]);
        let page = page(&[Source::new("crates/core/src/limits/room.rs", text)]);
        assert!(page.contains("## room\n\nAbout.\n") && page.contains("| `A` | 6 | One, two. |"));
    }
}
