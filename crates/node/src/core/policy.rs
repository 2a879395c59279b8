//! Who may do what on this host: the rules of `policy.d/*.policy`.
//!
//! One rule a line, the first that matches decides, and what no rule mentions is denied:
//!
//! ```text
//! # The people on call may restart services; nobody else changes anything.
//! allow callers=ops@example.com,alice agents=service actions=restart
//! allow callers=* agents=* actions=* effect=read
//! ```
//!
//! A policy with any error in it is no policy: a rule that is misread could allow what it was
//! written to deny.

use std::fmt;
use std::str::FromStr;

use marcato_core::ddl::Effect;
use marcato_core::limits::policy::{ERRORS_MAX, FILE_BYTES_MAX, RULES_MAX};
use marcato_core::nearest::nearest;
use marcato_core::{ActionName, AgentName, CallerId, NameError};

/// The rules of all files, in the order in which they are tried. Without rules all is denied.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The files' names, to which rules point.
    files: Vec<String>,
    rules: Vec<Rule>,
}

/// What a policy says to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// A rule allows it.
    Allow(Place<'a>),
    /// A rule denies it.
    Deny(Place<'a>),
    /// No rule mentions it, which denies it.
    NoRule,
}

impl Decision<'_> {
    /// Whether the request may go on.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// `FILE:LINE` of the rule that decided, or `no rule`.
impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(place) | Self::Deny(place) => place.fmt(f),
            Self::NoRule => f.write_str("no rule"),
        }
    }
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file's name as it was given.
    pub file: &'a str,
    /// The line, the first being 1.
    pub line: usize,
    /// The how-manyth rule of the file it is.
    pub number: usize,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A line of a policy file that is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {fault}")]
pub struct PolicyError {
    /// The file's name as it was given.
    pub file: String,
    /// The line, the first being 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither `allow` nor `deny` in front.
    #[error("a rule begins with allow or deny, not with {0:?}")]
    Verb(String),
    /// A word that is not `KEY=VALUE`.
    #[error("{0:?} is not KEY=VALUE; lists have commas and no blanks")]
    NoPair(String),
    /// A key that no rule has; and the one that was probably meant.
    #[error("unknown key {key:?}{}", hint(.nearest))]
    Key {
        /// The key as written.
        key: String,
        /// The nearest right key.
        nearest: Option<&'static str>,
    },
    /// A key that stands twice.
    #[error("{0} stands twice; join the lists with a comma")]
    Twice(&'static str),
    /// Keys that every rule must have.
    #[error("a rule needs callers=, agents= and actions= (* for any); missing: {0}")]
    Missing(String),
    /// A list with nothing in it or between two commas.
    #[error("{0} has an empty entry; write * for any")]
    EmptyEntry(&'static str),
    /// A `*` beside names, where it would make them meaningless.
    #[error("{0} has * beside other names; write * alone for any")]
    AnyAndMore(&'static str),
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An effect that does not exist.
    #[error("effect is read or change, not {0:?}; leave it out for both")]
    Effect(String),
    /// A file beyond its limit.
    #[error("the file is longer than {FILE_BYTES_MAX} bytes")]
    TooLong,
    /// More rules than a policy may hold.
    #[error("more than {RULES_MAX} rules in all files; join some with lists")]
    TooMany,
}

fn hint(nearest: &Option<&str>) -> String {
    nearest.map_or_else(
        || format!("; the keys are {}", KEYS.join(", ")),
        |key| format!("; nearest: {key}"),
    )
}

/// The keys of a rule, those first that it must have.
const KEYS: [&str; 4] = ["callers", "agents", "actions", "effect"];

#[derive(Debug, Clone)]
struct Rule {
    allow: bool,
    callers: Names<CallerId>,
    agents: Names<AgentName>,
    actions: Names<ActionName>,
    effect: Option<Effect>,
    file: usize,
    line: usize,
    /// The how-manyth of the file.
    number: usize,
}

/// A list of a rule; `*` is any.
#[derive(Debug, Clone)]
enum Names<T> {
    Any,
    Of(Vec<T>),
}

impl<T: PartialEq + FromStr<Err = NameError>> Names<T> {
    fn parse(key: &'static str, list: &str) -> Result<Self, Fault> {
        if list == "*" {
            return Ok(Self::Any);
        }
        let name = |entry: &str| match entry {
            "" => Err(Fault::EmptyEntry(key)),
            "*" => Err(Fault::AnyAndMore(key)),
            entry => entry.parse().map_err(Fault::Name),
        };
        list.split(',').map(name).collect::<Result<_, _>>().map(Self::Of)
    }

    fn has(&self, name: &T) -> bool {
        match self {
            Self::Any => true,
            Self::Of(names) => names.contains(name),
        }
    }
}

impl Policy {
    /// Parses files, given as name and text; they are taken in the order of their names.
    ///
    /// # Errors
    /// All lines that are wrong, of all files, up to [`ERRORS_MAX`].
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<PolicyError>> {
        let mut files: Vec<_> = files.iter().map(|(name, text)| (name, text)).collect();
        files.sort();
        let mut policy = Self::default();
        let mut errors = Vec::new();
        for (index, (name, text)) in files.into_iter().enumerate() {
            let mut wrong = |line, fault| {
                if errors.len() < ERRORS_MAX {
                    errors.push(PolicyError { file: name.clone(), line, fault });
                }
            };
            policy.files.push(name.clone());
            if text.len() > FILE_BYTES_MAX {
                wrong(1, Fault::TooLong);
                continue;
            }
            let before = policy.rules.len();
            for (line, text) in (1..).zip(text.lines()) {
                let number = policy.rules.len() - before + 1;
                match Rule::parse(text, index, (line, number)) {
                    Ok(Some(_)) if policy.rules.len() == RULES_MAX => {
                        wrong(line, Fault::TooMany);
                        break;
                    }
                    Ok(rule) => policy.rules.extend(rule),
                    Err(fault) => wrong(line, fault),
                }
            }
        }
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    /// What the first rule that mentions the request says.
    #[must_use]
    pub fn decide(
        &self,
        caller: &CallerId,
        agent: &AgentName,
        action: &ActionName,
        effect: Effect,
    ) -> Decision<'_> {
        let applies = |rule: &&Rule| {
            rule.callers.has(caller)
                && rule.agents.has(agent)
                && rule.actions.has(action)
                && rule.effect.is_none_or(|only| only == effect)
        };
        let Some(rule) = self.rules.iter().find(applies) else {
            return Decision::NoRule;
        };
        let (line, number) = (rule.line, rule.number);
        let place = Place { file: &self.files[rule.file], line, number };
        if rule.allow { Decision::Allow(place) } else { Decision::Deny(place) }
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule, so that every request is denied.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// The rule that would allow a request, for whoever was denied to show to whoever decides.
#[must_use]
pub fn rule_that_allows(caller: &CallerId, agent: &AgentName, action: &ActionName) -> String {
    format!("allow callers={caller} agents={agent} actions={action}")
}

impl Rule {
    /// Parses a line; one without a rule is `None`.
    fn parse(
        text: &str,
        file: usize,
        (line, number): (usize, usize),
    ) -> Result<Option<Self>, Fault> {
        // No name has a # in it, so that it always begins a comment.
        let text = text.split('#').next().unwrap_or_default();
        let mut words = text.split_ascii_whitespace();
        let allow = match words.next() {
            None => return Ok(None),
            Some("allow") => true,
            Some("deny") => false,
            Some(other) => return Err(Fault::Verb(short(other))),
        };
        let mut given: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| Fault::NoPair(short(word)))?;
            let at = KEYS.iter().position(|known| *known == key).ok_or_else(|| Fault::Key {
                key: short(key),
                nearest: nearest(key, KEYS).and_then(|near| KEYS.into_iter().find(|k| *k == near)),
            })?;
            if given[at].replace(value).is_some() {
                return Err(Fault::Twice(KEYS[at]));
            }
        }
        let [Some(callers), Some(agents), Some(actions), effect] = given else {
            let missing = KEYS.iter().zip(given).take(3).filter(|(_, value)| value.is_none());
            let missing: Vec<_> = missing.map(|(key, _)| *key).collect();
            return Err(Fault::Missing(missing.join(", ")));
        };
        let effect = match effect {
            None => None,
            Some("read") => Some(Effect::Read),
            Some("change") => Some(Effect::Change),
            Some(other) => return Err(Fault::Effect(short(other))),
        };
        let callers = Names::parse(KEYS[0], callers)?;
        let agents = Names::parse(KEYS[1], agents)?;
        let actions = Names::parse(KEYS[2], actions)?;
        Ok(Some(Self { allow, callers, agents, actions, effect, file, line, number }))
    }
}

/// A word as errors show it.
fn short(word: &str) -> String {
    word.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(files: &[(&str, &str)]) -> Result<Policy, Vec<PolicyError>> {
        let files: Vec<_> =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Policy::parse(&files)
    }

    /// The decision on a request written as `caller agent action effect`.
    fn check(policy: &Policy, request: &str, want: &str) {
        let words: Vec<&str> = request.split(' ').collect();
        let effect = if words[3] == "read" { Effect::Read } else { Effect::Change };
        let decision = policy.decide(
            &words[0].parse().unwrap(),
            &words[1].parse().unwrap(),
            &words[2].parse().unwrap(),
            effect,
        );
        let verb = match decision {
            Decision::Allow(_) => "allow ",
            Decision::Deny(_) => "deny ",
            Decision::NoRule => "",
        };
        assert_eq!(format!("{verb}{decision}"), want, "{request}");
        assert_eq!(decision.is_allowed(), want.starts_with("allow"));
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy = parse(&[
            // Out of order on purpose.
            ("20-read.policy", "allow callers=* agents=* actions=* effect=read\r\n"),
            (
                "10-ops.policy",
                "# People on call.\n\n\
                 deny callers=mallory agents=* actions=*\n\
                 \tallow  callers=ops@example.com,alice agents=service actions=restart,stop # now\n\
                 allow callers=bob agents=package,service actions=* effect=change\n",
            ),
        ])
        .unwrap();
        assert_eq!(policy.len(), 4);
        check(&policy, "alice service restart change", "allow 10-ops.policy:4");
        check(&policy, "ops@example.com service stop change", "allow 10-ops.policy:4");
        check(&policy, "alice service start change", "no rule");
        check(&policy, "alice package update change", "no rule");
        check(&policy, "bob package update change", "allow 10-ops.policy:5");
        check(&policy, "bob package status read", "allow 20-read.policy:1");
        check(&policy, "bob shell run change", "no rule");
        check(&policy, "mallory rpcutil ping read", "deny 10-ops.policy:3");
        check(&policy, "anyone rpcutil ping read", "allow 20-read.policy:1");
        check(&policy, "Alice service restart change", "no rule");
    }

    #[test]
    fn without_rules_all_is_denied() {
        let policy = parse(&[("a.policy", "# nothing\n\n   \n")]).unwrap();
        assert!(policy.is_empty());
        check(&policy, "root rpcutil ping read", "no rule");
        check(&Policy::default(), "root rpcutil ping read", "no rule");
    }

    #[test]
    fn errors_name_the_place_and_what_to_do() {
        let check = |line: &str, want: &str| {
            let errors = parse(&[("x.policy", &format!("# one\n{line}\n"))]).unwrap_err();
            let said: Vec<_> = errors.iter().map(PolicyError::to_string).collect();
            assert_eq!(said, [format!("x.policy:2: {want}")]);
        };
        check("alow callers=*", r#"a rule begins with allow or deny, not with "alow""#);
        check("Allow callers=*", r#"a rule begins with allow or deny, not with "Allow""#);
        check("allow caller=* agents=* actions=*", r#"unknown key "caller"; nearest: callers"#);
        check(
            "allow nodes=* agents=* actions=*",
            r#"unknown key "nodes"; the keys are callers, agents, actions, effect"#,
        );
        check(
            "allow callers=alice, bob agents=* actions=*",
            r#""bob" is not KEY=VALUE; lists have commas and no blanks"#,
        );
        check(
            "allow callers=alice, agents=* actions=*",
            "callers has an empty entry; write * for any",
        );
        check("allow callers= agents=* actions=*", "callers has an empty entry; write * for any");
        check(
            "allow callers=alice,* agents=* actions=*",
            "callers has * beside other names; write * alone for any",
        );
        check(
            "allow callers=a callers=b agents=* actions=*",
            "callers stands twice; join the lists with a comma",
        );
        check(
            "deny agents=*",
            "a rule needs callers=, agents= and actions= (* for any); missing: callers, actions",
        );
        check(
            "allow callers=* agents=* actions=* effect=write",
            r#"effect is read or change, not "write"; leave it out for both"#,
        );
        check(
            "allow callers=* agents=Package actions=*",
            r#"agent "Package" is not valid: 1 to 64 of a-z 0-9 _, a letter first"#,
        );
        check(
            "allow callers=al*ce agents=* actions=*",
            r#"caller "al*ce" is not valid: 1 to 128 of A-Z a-z 0-9 . _ - + @ ="#,
        );
    }

    #[test]
    fn all_errors_are_told_at_once_but_not_without_end() {
        let errors = parse(&[("b", "x\nallow\n"), ("a", "y\n")]).unwrap_err();
        let places: Vec<_> = errors.iter().map(|e| (e.file.as_str(), e.line)).collect();
        assert_eq!(places, [("a", 1), ("b", 1), ("b", 2)]);
        assert_eq!(parse(&[("a", &"x\n".repeat(1000))]).unwrap_err().len(), ERRORS_MAX);
    }

    #[test]
    fn limits_hold() {
        let rule = "deny callers=a agents=a actions=a\n";
        let errors = parse(&[("a", &rule.repeat(RULES_MAX + 1))]).unwrap_err();
        assert_eq!((errors[0].line, &errors[0].fault), (RULES_MAX + 1, &Fault::TooMany));
        let errors = parse(&[("a", &"#".repeat(FILE_BYTES_MAX + 1))]).unwrap_err();
        assert_eq!(errors[0].fault, Fault::TooLong);
    }

    #[test]
    fn the_rule_that_is_proposed_allows() {
        let (caller, agent, action) =
            ("alice".parse().unwrap(), "service".parse().unwrap(), "stop".parse().unwrap());
        let rule = rule_that_allows(&caller, &agent, &action);
        let policy = parse(&[("x.policy", &rule)]).unwrap();
        assert!(policy.decide(&caller, &agent, &action, Effect::Change).is_allowed());
    }
}
