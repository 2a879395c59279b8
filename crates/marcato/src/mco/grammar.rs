//! The words of `mco package` and `mco service`: a name and an action in either order. Which actions
//! there are and what they take is said by the agent's declaration alone.

use marcato_core::ddl::{Action, Ddl};
use marcato_core::{ActionName, Exit};

use super::declared;
use crate::words::Failure;
use crate::words::group::escape;

/// The inputs that a word without a flag fills. An action declares one of them at most.
const SUBJECTS: [&str; 4] = ["package", "service", "query", "library"];

/// The agent and the action behind `mco service restart --stale LIBRARY`.
pub const RESTART_STALE: (&str, &str) = ("service", "restart_stale");

/// What was typed.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// One word or two.
    pub words: Vec<String>,
    /// What stands behind `--`: a name in any case.
    pub name: Option<String>,
    /// Inputs that have flags, with their values.
    pub flags: Vec<(&'static str, String)>,
}

/// An action with its inputs, as typed.
pub type Call = (ActionName, Vec<(String, String)>);

impl Typed {
    /// Finds the action and its inputs.
    ///
    /// # Errors
    /// With exit 64: there is no such action, or it takes something else.
    pub fn read(self, ddl: &Ddl) -> Result<Call, Failure> {
        let (name, subject) = self.divide(ddl)?;
        let action = declared::action(ddl, &name)?;
        let mut inputs = Vec::new();
        match (subject_of(action), subject) {
            (Some(input), Some(word)) => inputs.push((input.to_owned(), word)),
            (None, Some(word)) => {
                let text = format!("{name} is not about one {}", ddl.metadata.name);
                let hint = format!("leave {} out", escape(&word));
                return Err(Failure::new(Exit::Usage, text).hint(hint));
            }
            (Some(input), None) if is_needed(action, input) => {
                let text = format!("{name} of which {input}?");
                let hint = format!("mco {} {name} {}", ddl.metadata.name, input.to_uppercase());
                return Err(Failure::new(Exit::Usage, text).hint(hint));
            }
            _ => {}
        }
        for (input, value) in self.flags {
            if !action.input.contains_key(input) {
                return Err(no_flag(action, &name, input));
            }
            inputs.push((input.to_owned(), value));
        }
        Ok((name, inputs))
    }

    /// The action, and what it is about. Of two actions the second is one, and the first a name;
    /// unless the second is about nothing.
    fn divide(&self, ddl: &Ddl) -> Result<(ActionName, Option<String>), Failure> {
        let action = |word: &str| {
            let name: ActionName = word.parse().ok()?;
            ddl.actions.get(&name).map(|action| (name, action))
        };
        let takes = |word: &str| action(word).filter(|(_, action)| subject_of(action).is_some());
        match (self.words.as_slice(), &self.name) {
            ([word], name) => match action(word) {
                Some((action, _)) => Ok((action, name.clone())),
                None => Err(unknown(ddl, &[word], name.is_none())),
            },
            ([first, second], None) => {
                let behind = takes(second).map(|(action, _)| (action, first));
                let before = || takes(first).map(|(action, _)| (action, second));
                // About nothing, and so one word too many: which says the declaration's reader.
                let either = || match (action(second), action(first)) {
                    (Some((action, _)), _) => Some((action, first)),
                    (None, Some((action, _))) => Some((action, second)),
                    (None, None) => None,
                };
                let found = behind.or_else(before).or_else(either);
                let found = found.map(|(action, name)| (action, Some(name.clone())));
                found.ok_or_else(|| unknown(ddl, &[second, first], false))
            }
            (words, name) => {
                let last = name.as_ref().or(words.last()).map_or("", String::as_str);
                let text = format!("{} is one name too many", escape(last));
                Err(Failure::new(Exit::Usage, text))
            }
        }
    }
}

/// The input that says what an action is about.
#[must_use]
pub fn subject_of(action: &Action) -> Option<&'static str> {
    SUBJECTS.into_iter().find(|name| action.input.contains_key(*name))
}

fn is_needed(action: &Action, input: &str) -> bool {
    action.input.get(input).is_some_and(|input| !input.optional && input.default.is_none())
}

/// None of these words is an action.
fn unknown(ddl: &Ddl, words: &[&String], alone: bool) -> Failure {
    let agent = &ddl.metadata.name;
    let known = || ddl.actions.keys().map(ActionName::as_str);
    let near = |word: &&String| {
        marcato_core::nearest::nearest(word, known()).map(|near| (word.to_string(), near))
    };
    let all = || known().collect::<Vec<_>>().join(", ");
    let text = match (words.iter().find_map(near), words) {
        (Some((word, near)), _) => format!("agent {agent} has no action {word:?}; nearest: {near}"),
        (None, [word]) if alone => {
            format!("what about the {agent} {}? There are {}", escape(word), all())
        }
        (None, [word, ..]) => format!("agent {agent} has no action {word:?}; there are {}", all()),
        (None, []) => all(),
    };
    Failure::new(Exit::Usage, text)
}

fn no_flag(action: &Action, name: &ActionName, input: &str) -> Failure {
    let flags = action.input.keys().filter(|input| !SUBJECTS.contains(&input.as_str()));
    let flags: Vec<String> = flags.map(|input| flag(input)).collect();
    let known = if flags.is_empty() { "it has no flags".to_owned() } else { flags.join(", ") };
    let text = format!("{name} takes no {}; {known}", flag(input));
    Failure::new(Exit::Usage, text)
}

fn flag(input: &str) -> String {
    format!("--{}", input.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A declaration with the actions `status NAME`, `update NAME [--only]`, `count`, `search QUERY`
    /// and `stale [LIBRARY]`.
    fn ddl() -> Ddl {
        let input = |optional: bool| {
            serde_json::json!({"prompt": "p", "description": "d", "type": "string",
                "validation": "shellsafe", "optional": optional, "maxlength": 90})
        };
        let action = |name: &str, inputs: &[(&str, bool)]| {
            let inputs = inputs.iter().map(|(name, optional)| (*name, input(*optional)));
            let inputs: std::collections::BTreeMap<_, _> = inputs.collect();
            serde_json::json!({"action": name, "description": "d", "display": "always",
                "effect": "read", "input": inputs, "output": {}})
        };
        let json = serde_json::json!({
            "metadata": {"name": "package", "description": "d", "author": "a", "license": "l",
                "version": "1.0.0", "url": "u", "timeout": 10},
            "actions": [
                action("status", &[("package", false)]),
                action("update", &[("package", false), ("only", true), ("lock_wait", true)]),
                action("count", &[]),
                action("search", &[("query", false)]),
                action("stale", &[("library", true)]),
            ],
        });
        Ddl::parse(&serde_json::to_vec(&json).unwrap()).unwrap()
    }

    fn check(typed: &str, want: &str) {
        let mut words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        let mut typed = Typed::default();
        if let Some(at) = words.iter().position(|word| word == "--") {
            typed.name = words.get(at + 1).cloned();
            words.truncate(at);
        }
        typed.flags = words
            .iter()
            .filter_map(|word| match word.as_str() {
                "--only" => Some(("only", "true".to_owned())),
                _ => None,
            })
            .collect();
        words.retain(|word| !word.starts_with("--"));
        typed.words = words;
        let got = match typed.read(&ddl()) {
            Ok((action, inputs)) => {
                let inputs = inputs.iter().map(|(name, value)| format!(" {name}={value}"));
                format!("{action}{}", inputs.collect::<String>())
            }
            Err(failure) => failure.to_string(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn a_name_and_an_action_in_either_order() {
        check("openssl status", "status package=openssl");
        check("status openssl", "status package=openssl");
        check("openssl update --only", "update package=openssl only=true");
        check("count", "count");
        check("search ssl", "search query=ssl");
        check("stale", "stale");
        check("stale openssl", "stale library=openssl");
    }

    #[test]
    fn a_name_like_an_action() {
        check("update status", "status package=update");
        check("status -- update", "status package=update");
        check("count status", "status package=count");
        check("status count", "status package=count");
    }

    #[test]
    fn what_is_no_call() {
        let all = "count, search, stale, status, update";
        check("openssl", &format!("what about the package openssl? There are {all}"));
        check("cuont", "agent package has no action \"cuont\"; nearest: count");
        check("openssl statsu", "agent package has no action \"statsu\"; nearest: status");
        check("statsu openssl", "agent package has no action \"statsu\"; nearest: status");
        check(
            "openssl freeze",
            &format!("agent package has no action \"freeze\"; there are {all}"),
        );
        check("status", "status of which package?\nNext: mco package status PACKAGE");
        check("count openssl", "count is not about one package\nNext: leave openssl out");
        check("openssl count", "count is not about one package\nNext: leave openssl out");
        check("openssl status -- nginx", "nginx is one name too many");
        check("a b c", "c is one name too many");
        check("count --only", "count takes no --only; it has no flags");
        check("status openssl --only", "status takes no --only; it has no flags");
    }
}
