//! A host's facts: names to values, as registrations carry them and filters ask them; and the table
//! of those that a node finds by itself.

mod native;

use std::collections::BTreeMap;

use serde_json::Value;

pub use native::{FLAT, Flat, LEFT_OUT, NATIVE, Native};

/// A host's facts. Sorted, so that the same facts are always the same bytes.
pub type Facts = BTreeMap<String, Value>;

/// Whether a filter or a question with this name asks for a volatile fact, for what lies inside of
/// one, or for something that holds one. Registrations carry none of them: only the node knows.
#[must_use]
pub fn is_volatile(name: &str) -> bool {
    // Most names begin like none of them.
    let first = name.split('.').next().unwrap_or_default();
    volatile()
        .filter(|pattern| fits(first, pattern.split('.').next().unwrap_or_default()))
        .any(|pattern| overlaps(name, pattern))
}

/// The names of all volatile facts, flat ones too.
fn volatile() -> impl Iterator<Item = &'static str> {
    let own = NATIVE.iter().filter(|fact| fact.volatile).map(|fact| fact.name);
    own.chain(FLAT.iter().filter(|flat| flat.is_volatile()).map(|flat| flat.name))
}

/// Whether one name is the other's beginning, part by part, or both are the same.
fn overlaps(name: &str, pattern: &str) -> bool {
    let (mut name, mut pattern) = (name.split('.'), pattern.split('.'));
    loop {
        match (name.next(), pattern.next()) {
            (Some(part), Some(wanted)) if fits(part, wanted) => {}
            (Some(_), Some(_)) => return false,
            _ => return true,
        }
    }
}

/// Whether a part of a name is what the pattern's part says, in which `*` stands for any text.
fn fits(part: &str, pattern: &str) -> bool {
    inner(part, pattern).is_some()
}

/// What the `*` of a pattern stands for in a text; empty where the pattern has none.
fn inner<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    match pattern.split_once('*') {
        None => (text == pattern).then_some(""),
        Some((before, after)) => {
            text.strip_prefix(before)?.strip_suffix(after).filter(|inner| !inner.is_empty())
        }
    }
}

/// Takes the volatile facts out, those inside of structured ones too.
pub fn remove_volatile(facts: &mut Facts) {
    remove(facts, &|name| volatile().any(|pattern| fits_all(name, pattern)));
}

fn fits_all(name: &[&str], pattern: &str) -> bool {
    let parts = pattern.split('.');
    parts.clone().count() == name.len() && name.iter().zip(parts).all(|(part, p)| fits(part, p))
}

/// Takes out each fact, and whatever lies inside of one, of which `is_out` says so by the parts of
/// its name. A map that is left empty goes too; in a list nothing stays in the place, so that the
/// others keep theirs.
pub fn remove(facts: &mut Facts, is_out: &impl Fn(&[&str]) -> bool) {
    facts.retain(|name, value| is_kept(&[name], value, is_out));
}

fn is_kept(name: &[&str], value: &mut Value, is_out: &impl Fn(&[&str]) -> bool) -> bool {
    if is_out(name) {
        return false;
    }
    let entries = match value {
        Value::Object(entries) => entries,
        Value::Array(items) => {
            for (place, item) in items.iter_mut().enumerate() {
                let place = place.to_string();
                let inner: Vec<&str> = name.iter().copied().chain([place.as_str()]).collect();
                if !is_kept(&inner, item, is_out) {
                    *item = Value::Null;
                }
            }
            return true;
        }
        _ => return true,
    };
    let was_empty = entries.is_empty();
    let keys: Vec<String> = entries.keys().cloned().collect();
    for key in keys {
        let inner: Vec<&str> = name.iter().copied().chain([key.as_str()]).collect();
        if !entries.get_mut(&key).is_some_and(|value| is_kept(&inner, value, is_out)) {
            entries.remove(&key);
        }
    }
    was_empty || !entries.is_empty()
}

/// Puts facts into others, structured ones into those of the same name; what is new holds.
pub fn merge(facts: &mut Facts, new: Facts) {
    for (name, value) in new {
        match facts.get_mut(&name) {
            Some(old) => merge_value(old, value),
            None => drop(facts.insert(name, value)),
        }
    }
}

fn merge_value(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                match old.get_mut(&key) {
                    Some(inner) => merge_value(inner, value),
                    None => drop(old.insert(key, value)),
                }
            }
        }
        (old, new) => *old = new,
    }
}

/// Adds Facter's flat names for what the structured facts among `facts` say.
pub fn add_flat_names(facts: &mut Facts) {
    let mut flat = Facts::new();
    for Flat { name, of } in FLAT {
        let parts: Vec<&str> = of.split('.').collect();
        let Some((first, rest)) = parts.split_first() else { continue };
        let Some(value) = facts.get(*first) else { continue };
        visit(value, rest, "", &mut |inner, value| {
            flat.insert(name.replace('*', inner), value.clone());
        });
    }
    facts.append(&mut flat);
}

/// Calls `found` with what lies on a way, and with what `*` stood for on it.
fn visit(value: &Value, way: &[&str], star: &str, found: &mut impl FnMut(&str, &Value)) {
    match (way.split_first(), value) {
        (None, value) => found(star, value),
        (Some((&"*", rest)), Value::Object(entries)) => {
            entries.iter().for_each(|(key, value)| visit(value, rest, key, found));
        }
        (Some((&"*", rest)), Value::Array(items)) => {
            let numbered = items.iter().enumerate();
            numbered.for_each(|(at, value)| visit(value, rest, &at.to_string(), found));
        }
        (Some((key, rest)), Value::Object(entries)) => {
            entries.get(*key).into_iter().for_each(|value| visit(value, rest, star, found));
        }
        _ => {}
    }
}

/// The other names under which the same value stands: the flat one of a structured fact, the
/// structured one of a flat one.
#[must_use]
pub fn twins(name: &str) -> Vec<String> {
    let mut twins = Vec::new();
    for Flat { name: flat, of } in FLAT {
        for (own, others) in [(flat, of), (of, flat)] {
            // A place in a list is a number: `processorcount` is no processor's model.
            let is_place = |star: &str| !of.ends_with(".*") || star.parse::<usize>().is_ok();
            let star = inner(name, own).filter(|star| is_place(star));
            twins.extend(star.map(|star| others.replace('*', star)));
        }
    }
    twins
}

/// The row of the table that a fact's name falls under, by its parts.
#[must_use]
pub fn row(name: &[&str]) -> Option<&'static Native> {
    let of = match name {
        [alone] => FLAT.iter().find(|flat| fits(alone, flat.name)).map(|flat| flat.of),
        _ => None,
    };
    match of {
        Some(of) => NATIVE.iter().find(|fact| is_of(of, fact)),
        None => NATIVE.iter().find(|fact| fits_all(name, fact.name)),
    }
}

/// Whether that is the fact, or one place in it, which is a list.
fn is_of(of: &str, fact: &Native) -> bool {
    of == fact.name || of.strip_suffix(".*") == Some(fact.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(value: Value) -> Facts {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn volatile_names() {
        let check = |name: &str, want: bool| assert_eq!(is_volatile(name), want, "{name}");
        check("memory.system.available_bytes", true);
        check("memory.system", true);
        check("memory", true);
        check("memory.system.total_bytes", false);
        check("memoryfree_mb", true);
        check("memorysize", false);
        check("uptime_days", true);
        check("load_averages.1m", true);
        check("load_averages.1m.x", true);
        check("mountpoints./var.used", true);
        check("mountpoints./var.device", false);
        check("os.release.major", false);
        check("role", false);
        check("", false);
    }

    #[test]
    fn volatile_facts_are_taken_out_and_put_in() {
        let all = json!({
            "memory": {"system": {"total_bytes": 8, "used_bytes": 3}, "swap": {"used": "1 KiB"}},
            "uptime": "3 days", "role": "web", "empty": {},
            "mountpoints": {"/a.b": {"device": "x", "used": "1"}},
        });
        let mut kept = facts(all.clone());
        remove_volatile(&mut kept);
        let want = json!({
            "memory": {"system": {"total_bytes": 8}}, "role": "web", "empty": {},
            "mountpoints": {"/a.b": {"device": "x"}},
        });
        assert_eq!(json!(kept), want);
        merge(
            &mut kept,
            facts(json!({"uptime": "3 days", "memory": {"system": {"used_bytes": 3}}})),
        );
        merge(&mut kept, facts(json!({"memory": {"swap": {"used": "1 KiB"}}})));
        merge(&mut kept, facts(json!({"mountpoints": {"/a.b": {"used": "1"}}})));
        assert_eq!(json!(kept), all);
        merge(&mut kept, facts(json!({"memory": 1})));
        assert_eq!(kept["memory"], json!(1));
    }

    #[test]
    fn flat_names_and_their_twins() {
        let mut all = facts(json!({
            "os": {"name": "Debian"},
            "networking": {"ip": "10.0.0.1", "interfaces": {"eth0.7": {"ip": "10.0.0.1"}}},
            "processors": {"models": ["A", "B"]},
        }));
        add_flat_names(&mut all);
        assert_eq!(all["operatingsystem"], json!("Debian"));
        assert_eq!(all["ipaddress"], json!("10.0.0.1"));
        assert_eq!(all["ipaddress_eth0.7"], json!("10.0.0.1"));
        assert_eq!(all["processor1"], json!("B"));
        assert!(!all.contains_key("osfamily"));
        let check = |name: &str, want: &[&str]| assert_eq!(twins(name), want, "{name}");
        check("operatingsystem", &["os.name"]);
        check("os.name", &["operatingsystem"]);
        check("ipaddress_eth0", &["networking.interfaces.eth0.ip"]);
        check("networking.interfaces.eth0.7.ip", &["ipaddress_eth0.7"]);
        check("processor1", &["processors.models.1"]);
        check("processorcount", &["processors.count"]);
        check("processors", &[]);
        check("role", &[]);
    }

    #[test]
    fn the_table_is_whole() {
        for flat in FLAT {
            let of = NATIVE.iter().find(|fact| is_of(flat.of, fact));
            assert!(of.is_some(), "{} is the flat name of nothing: {}", flat.name, flat.of);
        }
        let names = NATIVE.iter().map(|fact| fact.name).chain(FLAT.iter().map(|flat| flat.name));
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name stands twice");
        assert!(row(&["ipaddress_eth0"]).is_some() && row(&["mountpoints", "/", "used"]).is_some());
        assert!(row(&["nothing"]).is_none());
    }
}
