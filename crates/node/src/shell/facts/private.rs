//! Facts that never leave the host.

use marcato_core::Facts;
use marcato_core::facts::{remove, twins};
use marcato_core::limits::facts::{NAME_BYTES_MAX, PRIVATE_MAX};
use serde::Deserialize;

/// The names of private facts, as `node.toml` has them: each hides the fact of this name and all
/// that lies inside of it, with a `*` at its end every fact whose name begins so; in lower case,
/// for external facts change theirs. What has a flat and a structured name is hidden under both.
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
            self.covers(&name.join(".")) || twins(name).iter().any(|twin| self.covers(twin))
        });
    }

    fn covers(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.iter().any(|private| match private.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => {
                let rest = name.strip_prefix(private.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_name_hides() {
        let check = |names: &[&str], want: serde_json::Value| {
            let private =
                Private::try_from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                    .unwrap();
            let mut facts: Facts = serde_json::from_value(json!({
                "dmi": {"product": {"uuid": "u", "name": "n"}}, "uuid": "u", "productname": "n",
                "role": "web", "role2": "x", "a.b": 1, "ssh": {"rsa": {"key": "k"}}, "sshrsakey": "k",
                "processor0": "A", "processors": {"models": ["A", "B"]}, "Cost": 1,
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
        let models = |models| json!({"processor0": null, "processors": models});
        check(&["processor0"], models(json!({"models": [null, "B"]})));
        check(&["processors.models"], models(json!(null)));
        check(&["*"], json!({"role": null, "dmi": null, "a.b": null}));
    }

    #[test]
    fn names_that_are_none() {
        for name in ["", "a*b", "**", "a\n"] {
            assert!(Private::try_from(vec![name.to_owned()]).is_err(), "{name:?}");
        }
        assert!(Private::try_from(vec!["a".to_owned(); PRIVATE_MAX + 1]).is_err());
    }
}
