//! Which value a fact's name means: a flat name's own, or one inside of a structured fact.

use marcato_core::Facts;
use marcato_core::limits::filter::PATH_PARTS_MAX;
use serde_json::Value;

/// The value that a name means: that of the fact of this very name, else what lies on the way that
/// the parts between its dots lead, into maps by their keys and into arrays by places from 0. Where
/// several keys of a map begin the way, the longest holds: keys have dots too.
#[must_use]
pub fn look_up<'a>(facts: &'a Facts, name: &str) -> Option<&'a Value> {
    if let Some(value) = facts.get(name) {
        return Some(value);
    }
    if name.split('.').count() > PATH_PARTS_MAX {
        return None;
    }
    let (mut value, mut way) = enter(name, |key| facts.get(key))?;
    while let Some(rest) = way {
        (value, way) = match value {
            Value::Object(entries) => enter(rest, |key| entries.get(key))?,
            Value::Array(items) => {
                let (place, behind) = match rest.split_once('.') {
                    Some((place, behind)) => (place, Some(behind)),
                    None => (rest, None),
                };
                (items.get(index(place)?)?, behind)
            }
            _ => return None,
        };
    }
    Some(value)
}

/// The value of the longest key that begins the way, and what of the way is left behind it.
fn enter<'a, 'w>(
    way: &'w str,
    get: impl Fn(&str) -> Option<&'a Value>,
) -> Option<(&'a Value, Option<&'w str>)> {
    let mut key = way;
    loop {
        if let Some(value) = get(key) {
            return Some((value, way[key.len()..].strip_prefix('.')));
        }
        key = &key[..key.rfind('.')?];
    }
}

/// A place in an array, written in one way only.
fn index(text: &str) -> Option<usize> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_that_lead_somewhere() {
        let facts: Facts = serde_json::from_value(json!({
            "flat": 1,
            "os.name": "flat",
            "os": {"name": "inner", "release": {"major": "8"}},
            "arr": ["a", ["b", {"k": "c"}]],
            "net": {"eth0.100": {"ip": "10.0.0.1"}, "eth0": {"ip": "10.0.0.2"}},
            "dot.ted": {"x": 2},
            "": {"": 3},
        }))
        .unwrap();
        let check = |name: &str, want: Option<Value>| {
            assert_eq!(look_up(&facts, name).cloned(), want, "{name}");
        };
        check("flat", Some(json!(1)));
        check("os.name", Some(json!("flat")));
        check("os.release.major", Some(json!("8")));
        check("os.release", Some(json!({"major": "8"})));
        check("os.release.minor", None);
        check("arr.0", Some(json!("a")));
        check("arr.1.1.k", Some(json!("c")));
        check("arr.2", None);
        check("arr.00", None);
        check("arr.+0", None);
        check("arr.-1", None);
        check("arr.", None);
        check("net.eth0.100.ip", Some(json!("10.0.0.1")));
        check("net.eth0.ip", Some(json!("10.0.0.2")));
        check("dot.ted.x", Some(json!(2)));
        check(".", Some(json!(3)));
        check("flat.x", None);
        check("missing.x", None);
        check(&"a.".repeat(5000), None);
    }
}
