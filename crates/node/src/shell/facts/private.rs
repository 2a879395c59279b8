//! Facts that never leave the host.

use std::collections::BTreeSet;

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
pub struct Private {
    exact: Names,
    /// The same with one mark for all.
    loose: Names,
}

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
        let names: Vec<String> = names.iter().map(|name| folded(name)).collect();
        Ok(Self { exact: Names::new(&names, exact), loose: Names::new(&names, loose) })
    }
}

impl Private {
    /// Takes the private ones out.
    pub(super) fn remove_from(&self, facts: &mut Facts) {
        if *self == Self::default() {
            return;
        }
        remove(facts, &|name| {
            let parts: Vec<String> = name.iter().map(|part| folded(part)).collect();
            let name = parts.join(".");
            let twins = twins(&name);
            let itself = (!twins.is_empty()).then_some(&name);
            self.exact.covers(&name, exact)
                || twins.iter().chain(itself).any(|name| self.loose.covers(name, loose))
        });
    }
}

/// Private names in one spelling, found in a time that hardly depends on how many there are: each of
/// thousands of facts is looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    whole: BTreeSet<String>,
    /// Those that end with a `*`; none begins another, so that what stands last before a name is the
    /// only one that can begin it.
    beginnings: BTreeSet<String>,
}

impl Names {
    fn new(names: &[String], spelt: fn(char) -> char) -> Self {
        let mut all = Self::default();
        for name in names {
            let (name, into) = match name.strip_suffix('*') {
                Some(beginning) => (beginning, &mut all.beginnings),
                None => (name.as_str(), &mut all.whole),
            };
            into.insert(name.chars().map(spelt).collect());
        }
        let mut kept: Option<String> = None;
        all.beginnings.retain(|name| {
            let is_begun = kept.as_ref().is_some_and(|kept| name.starts_with(kept));
            if !is_begun {
                kept = Some(name.clone());
            }
            !is_begun
        });
        all
    }

    fn covers(&self, name: &str, spelt: fn(char) -> char) -> bool {
        let mut begun = String::new();
        for c in name.chars().take(LOOKED_AT) {
            if c == '.' && self.whole.contains(&begun) {
                return true;
            }
            begun.push(spelt(c));
        }
        let last = self.beginnings.range::<String, _>(..=&begun).next_back();
        self.whole.contains(&begun) || last.is_some_and(|beginning| begun.starts_with(beginning))
    }
}

/// So many characters tell a name from all private ones.
const LOOKED_AT: usize = NAME_BYTES_MAX + 1;

/// A name, or a part of one as far as it matters, in lower case. Each letter by itself: by the rules of
/// whole words a sigma is another at the end of one, and a name would not begin what begins with it.
fn folded(name: &str) -> String {
    let beginning = name.get(..LOOKED_AT).unwrap_or(name);
    if beginning.is_ascii() {
        return beginning.to_ascii_lowercase();
    }
    let lower = name.chars().take(LOOKED_AT).flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

fn exact(c: char) -> char {
    c
}

fn loose(c: char) -> char {
    if is_mark(c) { '_' } else { c }
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
        check(
            &["role*", "rol*", "ro*", "roles"],
            json!({"role": null, "role2": null, "uuid": "u"}),
        );
        check(&["users", "users-x", "a*"], json!({"users": null, "a.b": null, "role": "web"}));
        check(&["*", "role"], json!({"role": null, "uuid": null}));
        check(&["*"], json!({"role": null, "dmi": null, "a.b": null}));
    }

    #[test]
    fn capital_letters_wherever_they_stand() {
        for hidden in ["ΟΔΟΣ*", "οδος*", "οδοσ*"] {
            let private = Private::try_from(vec![hidden.to_owned()]).unwrap();
            for name in ["ΟΔΟΣ", "ΟΔΟΣΑ", "ΟΔΟΣ.x", "οδος", "οδοσα", "Οδος.x"]
            {
                let mut facts: Facts = [(name.to_owned(), json!(1))].into();
                private.remove_from(&mut facts);
                assert!(facts.is_empty(), "{hidden}: {name}");
            }
        }
        let private = Private::try_from(vec!["ΟΔΟΣ".to_owned()]).unwrap();
        let mut facts: Facts =
            serde_json::from_value(json!({"ΟΔΟΣΑ": 1, "ΟΔΟΣ": {"x": 1}})).unwrap();
        private.remove_from(&mut facts);
        assert_eq!(json!(facts), json!({"ΟΔΟΣΑ": 1}));
    }

    /// As many and as long as they may be, and facts that begin like all of them: it must simply end.
    #[test]
    fn many_names_that_are_nearly_the_facts() {
        let long = "é".repeat(NAME_BYTES_MAX / 2 - 4);
        let names: Vec<String> = (0..PRIVATE_MAX).map(|at| format!("{long}.{at}a")).collect();
        let private = Private::try_from(names).unwrap();
        let inner: serde_json::Map<_, _> =
            (0..10_000).map(|at| (format!("{at}A"), json!(1))).collect();
        let mut facts: Facts = [(long.clone(), inner.into())].into();
        facts.insert("a".to_owned(), json!({"É".repeat(40_000): vec![1; 10_000]}));
        private.remove_from(&mut facts);
        assert_eq!(facts[&long].as_object().unwrap().len(), 10_000 - PRIVATE_MAX);
        assert_eq!(facts["a"].as_object().unwrap().len(), 1);
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
