//! Answers that are lists, turned round: each thing once, with the nodes that have it. Fifty lists of
//! stale services would hide that nginx is stale on all of them.

use std::collections::BTreeMap;

use marcato_client::core::NodeReport;
use marcato_core::ddl::{Action, Type};
use marcato_core::limits::service::SHOWN_LINES_MAX;
use serde_json::Value;

use super::group::plain;

/// The outputs that are such lists; an action declares one of them at most.
const LISTS: [&str; 4] = ["services", "failed", "available_packages", "outdated_packages"];
/// What an element of such a list is called.
const NAMES: [&str; 2] = ["unit", "package"];

/// One thing of the lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<'a> {
    /// What it is, in words.
    pub words: String,
    /// The nodes that have it, sorted by name.
    pub nodes: Vec<&'a NodeReport>,
    /// The last lines that the first of them says of it.
    pub log: Vec<String>,
}

/// The list in the answers of an action that only looks, where it has one.
#[must_use]
pub fn list_of(action: &Action) -> Option<&'static str> {
    let is_list = |name: &&str| {
        action.output.get(*name).is_some_and(|output| output.kind == Some(Type::Array))
    };
    LISTS.into_iter().find(is_list).filter(|_| !action.changes())
}

/// The things of all lists, those that most nodes have first.
#[must_use]
pub fn items<'a>(nodes: &[&'a NodeReport], list: &str) -> Vec<Item<'a>> {
    let mut found: BTreeMap<String, Item<'a>> = BTreeMap::new();
    for &node in nodes {
        for element in elements(node, list) {
            let words = words(element);
            let item = found.entry(words.clone()).or_insert_with(|| Item {
                words,
                nodes: Vec::new(),
                log: log(element),
            });
            // A list may have the same thing twice.
            if item.nodes.last().is_none_or(|last| last.node != node.node) {
                item.nodes.push(node);
            }
        }
    }
    let mut items: Vec<Item<'a>> = found.into_values().collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.nodes.len()));
    items
}

/// The elements of a node's list.
pub fn elements<'a>(node: &'a NodeReport, list: &str) -> impl Iterator<Item = &'a Value> {
    node.data.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// An element in words: its name, and its versions or what it is for.
#[must_use]
pub fn words(element: &Value) -> String {
    let text = |name: &str| element.get(name).map(plain).filter(|text| !text.is_empty());
    let Some(name) = NAMES.into_iter().find_map(text) else { return plain(element) };
    match (text("version"), text("candidate"), text("description")) {
        (Some(version), Some(candidate), _) => format!("{name}  {version} → {candidate}"),
        // systemd's own for a unit without one is its name.
        (_, _, Some(description)) if description != name => format!("{name}  {description}"),
        _ => name,
    }
}

fn log(element: &Value) -> Vec<String> {
    let lines: Vec<String> = match element.get("log") {
        Some(Value::Array(lines)) => lines.iter().map(plain).collect(),
        Some(Value::String(text)) => text.lines().map(super::group::escape).collect(),
        _ => Vec::new(),
    };
    let last = lines.len().saturating_sub(SHOWN_LINES_MAX);
    lines.into_iter().skip(last).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, data: Value) -> NodeReport {
        serde_json::from_value(json!({
            "node": name, "state": "ok", "changed": "false", "signed": true, "data": data,
        }))
        .unwrap()
    }

    #[test]
    fn lists_are_turned_round() {
        let unit = |name: &str| json!({"unit": name, "pids": [7], "files": ["/lib/x"]});
        let nodes = [
            node("a", json!({"services": [unit("nginx"), unit("sshd")]})),
            node("b", json!({"services": [unit("sshd"), unit("sshd")]})),
            node("c", json!({"services": []})),
            node("d", json!({})),
        ];
        let nodes: Vec<&NodeReport> = nodes.iter().collect();
        let items = items(&nodes, "services");
        let seen: Vec<(&str, usize)> =
            items.iter().map(|item| (item.words.as_str(), item.nodes.len())).collect();
        assert_eq!(seen, [("sshd", 2), ("nginx", 1)]);
    }

    #[test]
    fn elements_in_words() {
        let check = |element: Value, want: &str| assert_eq!(words(&element), want);
        check(json!("a\u{1b}"), "a\\u{1b}");
        check(
            json!({"unit": "nginx.service", "description": "A server", "log": "x"}),
            "nginx.service  A server",
        );
        check(json!({"unit": "x.service", "description": "x.service"}), "x.service");
        check(json!({"package": "openssl", "version": "1", "candidate": "2"}), "openssl  1 → 2");
        check(json!({"name": "x"}), "{\"name\":\"x\"}");
        let log = |value: Value| log(&json!({"unit": "x", "log": value}));
        assert_eq!(log(json!("1\n2\n3\n4\n5")), ["2", "3", "4", "5"]);
        assert_eq!(log(json!(["1", "2"])), ["1", "2"]);
        assert!(log(json!(null)).is_empty());
    }
}
