//! All that a node tells of itself, as a person reads it.

use serde_json::{Map, Value};

use super::group::{escape, plain};

/// The parts that fit on a line each, with their labels.
const HEAD: [(&str, &str); 5] = [
    ("version", "version"),
    ("main_collective", "collective"),
    ("agents", "agents"),
    ("data_plugins", "data plugins"),
    ("classes", "classes"),
];

/// The outputs of `rpcutil inventory` in lines, the facts at the end, each under the dotted name by
/// which a filter reaches it. `truncated`: they are too large for an answer, and left out.
#[must_use]
pub fn lines(node: &str, data: &Map<String, Value>, truncated: bool) -> Vec<String> {
    let head = HEAD.iter().filter_map(|(output, label)| {
        let words = words(data.get(*output)?);
        (!words.is_empty()).then(|| ((*label).to_owned(), words))
    });
    let mut lines = vec![node.to_owned()];
    if truncated {
        lines.push(
            "  outputs left out: too large for an answer; mco facts NAME asks for one fact"
                .to_owned(),
        );
    }
    lines.extend(aligned("  ", head.collect()));
    let health = data.get("health").and_then(Value::as_array).filter(|said| !said.is_empty());
    if let Some(said) = health {
        lines.push("  health".to_owned());
        lines.extend(said.iter().map(|line| format!("    {}", plain(line))));
    }
    let mut facts = Vec::new();
    if let Some(found) = data.get("facts") {
        flatten("", found, &mut facts);
    }
    if !facts.is_empty() {
        lines.push("  facts".to_owned());
        lines.extend(aligned("    ", facts));
    }
    lines
}

/// A list as its words, anything else as itself.
fn words(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => plain(other),
    }
}

fn flatten(path: &str, value: &Value, facts: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, facts);
            }
        }
        value => facts.push((escape(path), plain(value))),
    }
}

fn aligned(indent: &str, rows: Vec<(String, String)>) -> Vec<String> {
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let line = |(label, value): &(String, String)| format!("{indent}{label:width$}  {value}");
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventory() {
        let data = serde_json::json!({
            "version": "1.0.0", "main_collective": "prod", "collectives": ["prod"],
            "agents": ["package", "rpcutil"], "classes": [], "data_plugins": [],
            "health": ["facts.yaml:2: broken; the values read before hold", "and 2\nmore"],
            "facts": {
                "kernel": "Linux\u{1b}[2J",
                "os": {"name": "Debian", "release": {"major": "12"}, "ids": ["a", 1], "none": {}},
            },
        });
        let said = |data: &Value, truncated| lines("web1.x", data.as_object().unwrap(), truncated);
        let left_out =
            "  outputs left out: too large for an answer; mco facts NAME asks for one fact";
        assert_eq!(said(&serde_json::json!({}), true), ["web1.x", left_out]);
        assert_eq!(
            said(&data, false),
            [
                "web1.x",
                "  version     1.0.0",
                "  collective  prod",
                "  agents      package rpcutil",
                "  health",
                "    facts.yaml:2: broken; the values read before hold",
                "    and 2\\nmore",
                "  facts",
                "    kernel            Linux\\u{1b}[2J",
                "    os.ids            [\"a\",1]",
                "    os.name           Debian",
                "    os.none           {}",
                "    os.release.major  12",
            ]
        );
    }
}
