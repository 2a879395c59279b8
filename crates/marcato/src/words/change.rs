//! What a change did to a host in a few words: `3.0.20 → 3.0.22  openssl libssl3`.

use marcato_client::core::NodeReport;
use marcato_core::ddl::Action;
use marcato_core::{Changed, EndState, Reason, Span};
use serde_json::Value;

use super::group::{escape, plain};
use super::items;
use super::time::about;

/// The outputs that say what was there before and after.
const BEFORE_AND_AFTER: [&str; 2] = ["before", "after"];
/// The output that says, under their names, what was changed along with it.
const ALSO: &str = "also";
/// The output that names the services that were restarted.
const RESTARTED: &str = "restarted";
/// The output that says how old the lists are by which the node decided, in seconds.
const LISTS_AGE: &str = "lists_age";

/// The output that says how many services still use old files.
const STALE: &str = "stale";
/// The output that names them.
const UNITS: &str = "services";
/// So many of them are named.
const UNITS_NAMED_MAX: usize = 3;
/// The output that says whether the host wants a reboot.
const REBOOT: &str = "reboot_required";

/// Whether an action tells what it changed from and to, so that nodes are grouped by that.
#[must_use]
pub fn is_told(action: &Action) -> bool {
    let is_grouped = |name: &str| action.output.get(name).is_some_and(|output| output.group);
    action.changes() && BEFORE_AND_AFTER.into_iter().all(is_grouped)
}

/// What was changed on a node from what to what, with the names of all that changed along; nothing
/// where it did not say, or where it failed and left all as it was: its message tells of that.
#[must_use]
pub fn outcome(node: &NodeReport, action: &Action, item: Option<&str>) -> Option<String> {
    let [before, after] = BEFORE_AND_AFTER.map(|name| node.data.get(name).map(plain));
    let (before, after) = (before?, after?);
    let also = node.data.get(ALSO).and_then(Value::as_object);
    let also: Vec<String> =
        also.into_iter().flat_map(|all| all.keys()).map(|n| escape(n)).collect();
    if node.state != EndState::Ok && before == after && also.is_empty() {
        return None;
    }
    if node.changed == Changed::False && before == after && also.is_empty() {
        let word = match node.reason {
            Some(Reason::Unchanged) if action.output.contains_key(LISTS_AGE) => "already newest",
            Some(Reason::Unchanged) => "unchanged",
            _ => "",
        };
        return Some(format!("{}  {word}", version(&after)).trim_end().to_owned());
    }
    let change = if before == after {
        version(&after).to_owned()
    } else {
        format!("{} → {}", version(&before), version(&after))
    };
    let names: Vec<String> = if action.output.contains_key(ALSO) {
        item.map(escape).into_iter().chain(also).collect()
    } else {
        items::elements(node, RESTARTED).map(plain).collect()
    };
    let names = names.join(" ");
    Some(format!("{change}  {names}").trim_end().to_owned())
}

/// A version; none is that of what is not there.
fn version(text: &str) -> &str {
    if text.is_empty() { "absent" } else { text }
}

/// How old the lists are by which nodes found that there is nothing newer: the oldest.
#[must_use]
pub fn lists(nodes: &[&NodeReport]) -> Option<String> {
    let unchanged = nodes.iter().filter(|node| node.reason == Some(Reason::Unchanged));
    Some(format!("(lists {} old)", oldest(unchanged.copied())?))
}

/// The same of an action that only looks.
#[must_use]
pub fn lists_of(action: &Action, nodes: &[NodeReport]) -> Option<String> {
    let oldest = if action.changes() { None } else { oldest(nodes.iter()) };
    Some(format!("by lists that are up to {} old", oldest?))
}

fn oldest<'a>(nodes: impl Iterator<Item = &'a NodeReport>) -> Option<String> {
    let ages = nodes.filter_map(|node| node.data.get(LISTS_AGE)?.as_u64());
    Some(about(Span::from_secs(ages.max()?)))
}

/// How many services of a node still use old files.
fn stale(node: &NodeReport) -> u64 {
    match node.data.get(STALE).and_then(Value::as_u64) {
        Some(count) => count,
        None => items::elements(node, UNITS).count() as u64,
    }
}

/// Whether a service of some node still uses old files.
#[must_use]
pub fn still_uses(nodes: &[NodeReport]) -> bool {
    nodes.iter().any(|node| stale(node) > 0)
}

/// What still uses old files, over all nodes; the services by name where the answers name them.
#[must_use]
pub fn still_used(nodes: &[NodeReport]) -> Option<String> {
    let named: Vec<&NodeReport> =
        nodes.iter().filter(|node| node.data.contains_key(UNITS)).collect();
    let stale: Vec<u64> = nodes.iter().map(stale).filter(|count| *count > 0).collect();
    let is_set = |node: &&NodeReport| node.data.get(REBOOT) == Some(&Value::Bool(true));
    let reboots = nodes.iter().filter(is_set).count();
    let mut parts = Vec::new();
    if !stale.is_empty() {
        let services =
            counted(stale.iter().copied().fold(0, u64::saturating_add), "service", "services");
        let nodes = counted(stale.len() as u64, "node", "nodes");
        parts.push(format!("Old library still in use: {services} on {nodes}{}", units(&named)));
    }
    if reboots > 0 {
        let verb = if reboots == 1 { "wants" } else { "want" };
        parts.push(format!("{} {verb} a reboot", counted(reboots as u64, "node", "nodes")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The services that most nodes would have to restart: ` (sshd 489, postfix 430, nginx 212 …)`.
fn units(nodes: &[&NodeReport]) -> String {
    let items = items::items(nodes, UNITS);
    let named = items.iter().take(UNITS_NAMED_MAX);
    let named: Vec<_> = named
        .map(|item| format!("{} {}", item.words.trim_end_matches(".service"), item.nodes.len()))
        .collect();
    match (named.is_empty(), items.len() > named.len()) {
        (true, _) => String::new(),
        (false, more) => format!(" ({}{})", named.join(", "), if more { " …" } else { "" }),
    }
}

/// A number with commas between thousands, and the word for so many.
fn counted(number: u64, one: &str, many: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn action(more: &[&str]) -> Action {
        let output = |name: &&str| {
            let told = BEFORE_AND_AFTER.contains(name);
            let output = json!({"description": "d", "display_as": "d", "group": told});
            ((*name).to_owned(), output)
        };
        let outputs = BEFORE_AND_AFTER.iter().chain(more).map(output);
        let outputs: serde_json::Map<String, Value> = outputs.collect();
        let ddl = json!({
            "metadata": {"name": "package", "description": "d", "author": "a", "license": "l",
                "version": "1.0.0", "url": "u", "timeout": 10},
            "actions": [{"action": "update", "description": "d", "display": "failed",
                "effect": "change", "input": {}, "output": outputs}],
        });
        let ddl = marcato_core::ddl::Ddl::parse(&serde_json::to_vec(&ddl).unwrap()).unwrap();
        ddl.actions[&"update".parse().unwrap()].clone()
    }

    fn node(changed: &str, reason: Option<&str>, data: Value) -> NodeReport {
        serde_json::from_value(json!({
            "node": "web1.x", "state": "ok", "reason": reason, "changed": changed, "signed": true,
            "data": data,
        }))
        .unwrap()
    }

    #[test]
    fn outcomes() {
        let update = action(&[ALSO, LISTS_AGE]);
        assert!(is_told(&update));
        let check = |changed, reason, data: Value, want: Option<&str>| {
            let node = node(changed, reason, data);
            assert_eq!(outcome(&node, &update, Some("openssl")).as_deref(), want);
        };
        check(
            "true",
            None,
            json!({"before": "1", "after": "2", "also": {"libssl3": {"before": "1", "after": "2"}}}),
            Some("1 → 2  openssl libssl3"),
        );
        check("true", None, json!({"before": "", "after": "2"}), Some("absent → 2  openssl"));
        check("true", None, json!({"before": "1", "after": ""}), Some("1 → absent  openssl"));
        // The sibling alone was behind.
        check(
            "true",
            None,
            json!({"before": "2", "after": "2", "also": {"libssl3": {}}}),
            Some("2  openssl libssl3"),
        );
        check(
            "false",
            Some("unchanged"),
            json!({"before": "2", "after": "2", "also": {}}),
            Some("2  already newest"),
        );
        check("false", Some("absent"), json!({"before": "", "after": ""}), Some("absent"));
        check("false", Some("absent"), json!({}), None);
        check("true", None, json!({"before": 7, "after": 8}), Some("7 → 8  openssl"));
        // A service has no packages that go along, and no lists.
        let enable = action(&[]);
        let enabled = node("true", None, json!({"before": "disabled", "after": "enabled"}));
        assert_eq!(outcome(&enabled, &enable, Some("nginx")).unwrap(), "disabled → enabled");
        let cured = node("true", None, json!({"before": 2, "after": 0, "restarted": ["a", "b"]}));
        assert_eq!(outcome(&cured, &enable, Some("openssl")).unwrap(), "2 → 0  a b");
        let before = node("false", Some("unchanged"), json!({"before": 0, "after": 0}));
        assert_eq!(outcome(&before, &enable, None).unwrap(), "0  unchanged");
        check(
            "true",
            None,
            json!({"before": "1\u{1b}", "after": "2"}),
            Some("1\\u{1b} → 2  openssl"),
        );
    }

    #[test]
    fn what_is_left_to_do() {
        let check = |data: &[Value], want: Option<&str>| {
            let named = data.iter().enumerate().map(|(number, data)| {
                let name = format!("web{number}").parse().unwrap();
                NodeReport { node: name, ..node("true", None, data.clone()) }
            });
            let nodes: Vec<_> = named.collect();
            assert_eq!(still_used(&nodes).as_deref(), want);
        };
        check(&[json!({}), json!({"stale": 0, "reboot_required": false})], None);
        check(&[json!({"stale": 1})], Some("Old library still in use: 1 service on 1 node"));
        check(
            &[json!({"stale": 1200}), json!({"stale": 6, "reboot_required": true}), json!({})],
            Some("Old library still in use: 1,206 services on 2 nodes; 1 node wants a reboot"),
        );
        let unit = |name: &str| json!({"unit": name});
        check(
            &[
                json!({"services": [unit("sshd"), unit("nginx"), unit("cron")]}),
                json!({"services": [unit("sshd"), unit("postfix")]}),
                json!({"services": []}),
            ],
            Some("Old library still in use: 5 services on 2 nodes (sshd 2, cron 1, nginx 1 …)"),
        );
        // As a change of packages names them.
        check(
            &[
                json!({"stale": 200, "services": ["sshd.service", "cron.service"]}),
                json!({"stale": 1, "services": ["sshd.service"], "reboot_required": true}),
            ],
            Some(
                "Old library still in use: 201 services on 2 nodes (sshd 2, cron 1); 1 node wants a reboot",
            ),
        );
        check(&[json!({"reboot_required": true})], Some("1 node wants a reboot"));
        assert_eq!(counted(1_234_567, "a", "b"), "1,234,567 b");
        assert_eq!(counted(100, "a", "b"), "100 b");
    }

    #[test]
    fn the_age_of_lists() {
        let told = node("false", Some("unchanged"), json!({"lists_age": 240}));
        let old = node("false", Some("unchanged"), json!({"lists_age": 7200}));
        let changed = node("true", None, json!({"lists_age": 9_000_000}));
        assert_eq!(lists(&[&told, &old, &changed]).as_deref(), Some("(lists 2 h old)"));
        assert_eq!(lists(&[&changed]), None);
        let looks = Action { effect: marcato_core::ddl::Effect::Read, ..action(&[]) };
        let said = lists_of(&looks, &[told, old.clone()]);
        assert_eq!(said.as_deref(), Some("by lists that are up to 2 h old"));
        assert_eq!(lists_of(&action(&[]), &[old]), None);
    }
}
