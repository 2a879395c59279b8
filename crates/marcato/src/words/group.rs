//! Puts together what is alike, so that the odd one shows.

use std::collections::BTreeMap;

use marcato_client::core::NodeReport;
use marcato_core::ddl::Action;
use marcato_core::{EndState, Reason};
use serde_json::Value;

/// Nodes whose answers are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<'a> {
    /// How they ended.
    pub state: EndState,
    /// Why.
    pub reason: Option<Reason>,
    /// The outputs by which they were grouped, in words.
    pub outputs: String,
    /// The nodes, sorted by name.
    pub nodes: Vec<&'a NodeReport>,
}

impl Group<'_> {
    /// Whether its nodes are ok, and what they tell of is as it should be.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.nodes.iter().all(|node| node.is_well())
    }
}

/// Groups by state, reason and what the nodes say in `values`, which is never free text. The biggest
/// ok group comes first, then the other ok ones, then what is ok and not well, then what failed, then
/// what is silent.
#[must_use]
pub fn group<'a>(
    nodes: &[&'a NodeReport],
    values: impl Fn(&NodeReport) -> String,
) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(EndState, Option<Reason>, String), Vec<&NodeReport>> =
        BTreeMap::new();
    for &node in nodes {
        let outputs = values(node);
        groups.entry((node.state, node.reason, outputs)).or_default().push(node);
    }
    let make = |((state, reason, outputs), nodes)| Group { state, reason, outputs, nodes };
    let mut groups: Vec<Group<'a>> = groups.into_iter().map(make).collect();
    groups.sort_by_key(|group| (rank(group), std::cmp::Reverse(group.nodes.len())));
    groups
}

fn rank(group: &Group<'_>) -> u8 {
    match group.state {
        EndState::Ok if group.is_well() => 0,
        EndState::Ok => 1,
        state if state.is_signed() => 2,
        _ => 3,
    }
}

/// The outputs that the declaration marks `group`, in its order. Of several those are left out that
/// say the same everywhere: 50 times `installed` beside 50 versions tells nothing.
#[must_use]
pub fn marked<'a>(nodes: &[&NodeReport], action: Option<&'a Action>) -> Vec<&'a str> {
    let all: Vec<&str> = action.into_iter().flat_map(Action::grouped).collect();
    let tells = |name: &&&str| {
        let mut seen =
            nodes.iter().filter(|node| !is_nothing(node)).map(|node| node.data.get(**name));
        let first = seen.next();
        seen.any(|value| Some(value) != first)
    };
    match all.as_slice() {
        [] | [_] => all,
        [first, rest @ ..] => {
            let telling = rest.iter().filter(tells).copied();
            std::iter::once(*first).chain(telling).collect()
        }
    }
}

/// Whether a node had nothing to tell: what was asked for is not there.
#[must_use]
pub fn is_nothing(node: &NodeReport) -> bool {
    matches!(node.reason, Some(Reason::Absent | Reason::NoValue)) || node.data.is_empty()
}

/// The values of these outputs of a node, in words; none where the reason says it all.
#[must_use]
pub fn values(node: &NodeReport, marked: &[&str]) -> String {
    if is_nothing(node) {
        return String::new();
    }
    let values = marked.iter().filter_map(|name| node.data.get(*name)).map(in_words);
    values.filter(|value| !value.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A map as its names with their values, anything else as [`plain`] has it.
fn in_words(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs =
                map.iter().map(|(name, value)| format!("{} {}", escape(name), plain(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => plain(other),
    }
}

/// A value as a person reads it: texts bare, everything else as JSON; control characters escaped,
/// because a node may be hostile to the terminal that shows its words.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        Value::Null => "no value".to_owned(),
        other => escape(&other.to_string()),
    }
}

/// Text from elsewhere, safe to print on one line: neither control characters nor those that change
/// the direction of writing.
#[must_use]
pub fn escape(text: &str) -> String {
    let unsafe_char = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{2028}' | '\u{2029}' | '\u{200e}'..='\u{200f}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if unsafe_char(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_a_node_reaches_the_terminal_as_a_command() {
        assert_eq!(escape("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escape("a\u{9b}2Jb"), "a\\u{9b}2Jb");
        assert_eq!(escape("one\ntwo"), "one\\ntwo");
        assert_eq!(escape("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(escape("größe 3.0~1"), "größe 3.0~1");
        let siblings = serde_json::json!({"libssl3": "3.0\u{7}", "libssl-dev": "3.1"});
        assert_eq!(in_words(&siblings), "libssl-dev 3.1, libssl3 3.0\\u{7}");
        assert_eq!(in_words(&serde_json::json!({})), "");
        assert_eq!(plain(&serde_json::json!({"a": ["\u{1b}"]})), r#"{"a":["\u001b"]}"#);
    }
}
