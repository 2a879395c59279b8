//! Who uses old code and is left alone all the same, with the reason: what a restart cures is not all
//! that there is.

use std::collections::{BTreeMap, BTreeSet};

use marcato_client::core::NodeReport;
use marcato_core::ddl::{Action, Type};
use serde_json::Value;

use super::group::plain;
use super::items;

/// The output that names them, each with its reason.
const LEFT: &str = "left";
/// The output that counts the processes behind those that are named.
const MORE: &str = "more";
/// The output that counts the processes that could not be looked at.
const UNSEEN: &str = "unseen";

/// So many of them are named in a line.
const NAMED_MAX: usize = 3;
/// So many reasons have a line each.
const REASONS_MAX: usize = 3;

/// Something that nodes have in common.
pub type Shared<'a> = (String, Vec<&'a NodeReport>);

/// Whether an action tells of it.
#[must_use]
pub fn is_told(action: &Action) -> bool {
    action.output.get(LEFT).is_some_and(|output| output.kind == Some(Type::Array))
}

/// Whether a node has left something alone, or unseen.
#[must_use]
pub fn is_any(node: &NodeReport) -> bool {
    of(node).next().is_some() || [MORE, UNSEEN].iter().any(|output| count(node, output) > 0)
}

/// All of a node for its own line: `left alone: dbus.service (…), session-3.scope (a user's session)`.
#[must_use]
pub fn words(node: &NodeReport) -> String {
    let named = of(node).map(|(name, reason)| format!("{name} ({reason})")).collect();
    let named = first(&named);
    let mut parts = Vec::new();
    if !named.is_empty() {
        parts.push(format!("left alone: {named}"));
    }
    parts.extend(counted([node].into_iter()).map(|(what, _)| what));
    parts.join("; ")
}

/// What is left alone on several nodes, by reason; what most nodes have first.
#[must_use]
pub fn shared<'a>(nodes: &[&'a NodeReport]) -> Vec<Shared<'a>> {
    let mut reasons: BTreeMap<String, (BTreeSet<String>, Vec<&NodeReport>)> = BTreeMap::new();
    for &node in nodes {
        for (name, reason) in of(node) {
            let (names, nodes) = reasons.entry(reason).or_default();
            names.insert(name);
            if nodes.last().is_none_or(|last| last.node != node.node) {
                nodes.push(node);
            }
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, (_, nodes))| std::cmp::Reverse(nodes.len()));
    let others = reasons.split_off(reasons.len().min(REASONS_MAX));
    let named = reasons.into_iter().map(|(reason, (names, nodes))| {
        (format!("left alone: {} ({reason})", first(&names)), nodes)
    });
    let mut all: Vec<Shared<'a>> = named.collect();
    if !others.is_empty() {
        let is_other = |node: &&&NodeReport| {
            of(node).any(|(_, reason)| others.iter().any(|(other, _)| *other == reason))
        };
        let nodes = nodes.iter().filter(is_other).copied().collect();
        all.push((format!("left alone for {} other reasons", others.len()), nodes));
    }
    all.extend(counted(nodes.iter().copied()));
    all
}

/// The names and reasons of a node.
fn of(node: &NodeReport) -> impl Iterator<Item = (String, String)> {
    let text = |element: &Value, name| element.get(name).map(plain);
    items::elements(node, LEFT).filter_map(move |element| {
        // What has lost its name is at least counted with the others of its reason.
        let name = text(element, "name").filter(|name| !name.is_empty());
        Some((name.unwrap_or_else(|| "a process".to_owned()), text(element, "reason")?))
    })
}

/// What is only counted.
fn counted<'a>(
    nodes: impl Iterator<Item = &'a NodeReport> + Clone,
) -> impl Iterator<Item = Shared<'a>> {
    let kinds = [(MORE, "not named"), (UNSEEN, "not looked at for want of rights")];
    kinds.into_iter().filter_map(move |(output, what)| {
        let nodes: Vec<_> = nodes.clone().filter(|node| count(node, output) > 0).collect();
        let each = nodes.iter().map(|node| count(node, output));
        // A node may say any number.
        let processes = each.fold(0, u64::saturating_add);
        let word = if processes == 1 { "process" } else { "processes" };
        (processes > 0).then(|| (format!("{processes} {word} {what}"), nodes))
    })
}

fn count(node: &NodeReport, output: &str) -> u64 {
    node.data.get(output).and_then(Value::as_u64).unwrap_or(0)
}

/// The first names.
fn first(names: &BTreeSet<String>) -> String {
    let more = if names.len() > NAMED_MAX { " …" } else { "" };
    let named: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    format!("{}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, left: &[(&str, &str)], more: u64, unseen: u64) -> NodeReport {
        let left = left.iter().map(|(name, reason)| json!({"name": name, "reason": reason}));
        let data = json!({"left": left.collect::<Vec<_>>(), "more": more, "unseen": unseen});
        serde_json::from_value(json!({
            "node": name, "state": "ok", "changed": "false", "signed": true, "data": data,
        }))
        .unwrap()
    }

    #[test]
    fn of_one_node() {
        let check = |left: &[(&str, &str)], more, unseen, want: &str| {
            let node = node("a", left, more, unseen);
            assert_eq!((words(&node).as_str(), is_any(&node)), (want, !want.is_empty()));
        };
        check(&[], 0, 0, "");
        check(&[("dbus", "a bus")], 0, 0, "left alone: dbus (a bus)");
        check(&[("d\u{1b}", "x\u{7}")], 0, 0, "left alone: d\\u{1b} (x\\u{7})");
        let four = [("a", "r"), ("b", "r"), ("c", "r"), ("d", "r")];
        check(&four, 0, 0, "left alone: a (r), b (r), c (r) …");
        check(&[("", "r")], 0, 0, "left alone: a process (r)");
        check(&[], 1, 0, "1 process not named");
        let both = "left alone: a (r); 2 processes not named; 3 processes not looked at for want of \
                    rights";
        check(&[("a", "r")], 2, 3, both);
    }

    #[test]
    fn of_several_nodes() {
        let check = |nodes: &[NodeReport], want: &[(&str, usize)]| {
            let nodes: Vec<&NodeReport> = nodes.iter().collect();
            let got = shared(&nodes);
            let got: Vec<_> = got.iter().map(|(what, of)| (what.as_str(), of.len())).collect();
            assert_eq!(got, want);
        };
        check(&[node("a", &[], 0, 0)], &[]);
        let liars = [node("a", &[], u64::MAX, 0), node("b", &[], 1, 0)];
        check(&liars, &[("18446744073709551615 processes not named", 2)]);
        let nodes = [
            node("a", &[("1.scope", "session"), ("dbus", "bus"), ("2.scope", "session")], 0, 0),
            node("b", &[("dbus", "bus")], 0, 0),
            node("c", &[("dbus", "bus"), ("x", "pids"), ("y", "other"), ("z", "rest")], 3, 0),
            node("d", &[("z", "rest")], 1, 2),
        ];
        check(
            &nodes,
            &[
                ("left alone: dbus (bus)", 3),
                ("left alone: z (rest)", 2),
                ("left alone: y (other)", 1),
                ("left alone for 2 other reasons", 2),
                ("4 processes not named", 2),
                ("2 processes not looked at for want of rights", 1),
            ],
        );
    }
}
