//! Facts that never leave the host.

use marcato_core::Facts;
use marcato_core::facts::{remove, twins};
use marcato_core::limits::facts::{NAME_BYTES_MAX, PRIVATE_MAX};
use serde::Deserialize;

/// The names of private facts, as `node.toml` has them: each hides the fact of this name and all
/// that lies inside of it, with a `*` at its end every fact whose name begins so; in lower case,
/// for external facts change theirs. What has a flat and a structured name is hidden under both,
/// with any mark where either has one: Facter 2 wrote `eth0_100` for the interface `eth0.100`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Private(Vec<String>);

impl TryFrom<Vec<String>> for Private {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        if names.len() > PRIVATE_MAX {
            return Err(format!("{} private facts, at most {PRIVATE_MAX} are taken", names.len()));
        }
        for name in &names {
            let bare = name.strip_suffix('*').unwrap_or(name);
            let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !bare.contains('*');
            if !fits || name.chars().any(char::is_control) {
                return Err(format!(
                    "{name:?} names no fact: write its name, with a * at the end for all that begin so"
                ));
            }
        }
        Ok(Self(names.iter().map(|name| name.to_lowercase()).collect()))
    }
}

impl Private {
    /// Takes the private ones out.
    pub(super) fn remove_from(&self, facts: &mut Facts) {
        if self.0.is_empty() {
            return;
        }
        remove(facts, &|name| {
            let name = name.join(".").to_lowercase();
            let twins = twins(&name);
            let has_twin = !twins.is_empty();
            self.covers(&name, |a, b| a == b)
                || twins
                    .into_iter()
                    .chain(has_twin.then_some(name))
                    .any(|name| self.covers(&name, |a, b| a == b || is_mark(a) && is_mark(b)))
        });
    }

    fn covers(&self, name: &str, is_same: fn(char, char) -> bool) -> bool {
        self.0.iter().any(|private| {
            let (wanted, is_open) = match private.strip_suffix('*') {
                Some(beginning) => (beginning, true),
                None => (private.as_str(), false),
            };
            let mut rest = name.chars();
            let begins = wanted.chars().all(|a| rest.next().is_some_and(|b| is_same(a, b)));
            begins && (is_open || matches!(rest.next(), None | Some('.')))
        })
    }
}

fn is_mark(c: char) -> bool {
    !c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use marcato_core::facts::{FLAT, Flat};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_name_hides() {
        let check = |names: &[&str], want: serde_json::Value| {
            let private =
                Private::try_from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                    .unwrap();
            let mut facts: Facts = serde_json::from_value(json!({
                "dmi": {"product": {"uuid": "u", "name": "n"}}, "uuid": "u", "productname": "n",
                "role": "web", "role2": "x", "a.b": 1, "ssh": {"rsa": {"key": "k"}}, "sshrsakey": "k",
                "processor0": "A", "processors": {"count": 2, "models": ["A", "B"]}, "Cost": 1,
                "users": [{"name": "a", "pin": 1}, {"name": "b"}],
                "ipaddress_eth0": "i", "networking": {"interfaces": {"eth0": {"ip": "i", "mtu": 1}}},
            }))
            .unwrap();
            private.remove_from(&mut facts);
            let all = json!(facts);
            for (name, value) in want.as_object().unwrap() {
                assert_eq!(all.get(name).cloned().unwrap_or_default(), *value, "{names:?}: {name}");
            }
        };
        check(&["uuid"], json!({"uuid": null, "dmi": {"product": {"name": "n"}}, "role": "web"}));
        check(&["dmi.product"], json!({"dmi": null, "uuid": null, "productname": null}));
        check(&["role"], json!({"role": null, "role2": "x"}));
        check(&["role*"], json!({"role": null, "role2": null}));
        check(&["a"], json!({"a.b": null}));
        check(&["ssh*"], json!({"ssh": null, "sshrsakey": null}));
        let without_ip = json!({"interfaces": {"eth0": {"mtu": 1}}});
        check(&["ipaddress_*"], json!({"ipaddress_eth0": null, "networking": without_ip}));
        let eth0 = "networking.interfaces.eth0.ip";
        check(&[eth0], json!({"ipaddress_eth0": null, "networking": without_ip}));
        check(&["COST"], json!({"Cost": null}));
        check(&["cost"], json!({"Cost": null}));
        check(&["users.0.pin"], json!({"users": [{"name": "a"}, {"name": "b"}]}));
        check(&["users.1"], json!({"users": [{"name": "a", "pin": 1}, null]}));
        let second = json!({"count": 2, "models": [null, "B"]});
        check(&["processor0"], json!({"processor0": null, "processors": second}));
        check(&["processors.models"], json!({"processor0": null, "processors": {"count": 2}}));
        check(&["*"], json!({"role": null, "dmi": null, "a.b": null}));
    }

    /// Under its parts' names lies a secret.
    fn nested(parts: &[&str]) -> serde_json::Value {
        match parts {
            [] => json!("secret"),
            ["0", rest @ ..] => json!([nested(rest)]),
            [part, rest @ ..] => json!({*part: nested(rest)}),
        }
    }

    /// For each family of flat names: whichever name hides it, nobody sees the value under another,
    /// in the spelling of Facter 2 or of later ones.
    #[test]
    fn no_spelling_of_a_name_leaks() {
        for Flat { name: flat, of } in FLAT {
            let stars = match of.contains('*') {
                false => &[""][..],
                true if of.ends_with(".*") => &["0"],
                true => &["eth0", "vb-db1", "eth0.100", "eth0:1", "dm-0", "dü"],
            };
            for star in stars {
                let old: String = star.chars().map(|c| if is_mark(c) { '_' } else { c }).collect();
                let spelt =
                    |pattern: &str| [pattern.replace('*', star), pattern.replace('*', &old)];
                let names = [spelt(flat), spelt(of)].concat();
                let mut facts: Facts =
                    names.iter().map(|name| (name.clone(), json!("secret"))).collect();
                let parts: Vec<&str> =
                    of.split('.').map(|part| if part == "*" { star } else { part }).collect();
                facts.insert(parts[0].to_owned(), nested(&parts[1..]));
                facts.insert("role".to_owned(), json!("web"));
                for name in names {
                    for hidden in [name.to_uppercase(), format!("{name}*")] {
                        let private = Private::try_from(vec![hidden.clone()]).unwrap();
                        let mut left = facts.clone();
                        private.remove_from(&mut left);
                        let left = json!(left).to_string();
                        assert!(
                            !left.contains("secret") && left.contains("web"),
                            "{hidden}: {left}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn names_that_are_none() {
        for name in ["", "a*b", "**", "a\n"] {
            assert!(Private::try_from(vec![name.to_owned()]).is_err(), "{name:?}");
        }
        assert!(Private::try_from(vec!["a".to_owned(); PRIVATE_MAX + 1]).is_err());
    }
}
