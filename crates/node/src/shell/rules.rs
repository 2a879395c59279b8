//! Reads what decides over orders: signers, policy, facts, agents. Each is taken whole or not at
//! all; what breaks while the node runs leaves the old one in place and says so.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use marcato_agent::Catalog;
use marcato_core::limits::node::POLICY_FILES_MAX;
use marcato_protocol::allowed_signers::AllowedSigners;

use super::config::{NodeConfig, Places};
use super::facts::{FactSource, Sources};
use super::files::read;
use crate::core::Rules;
use crate::core::policy::Policy;

/// The agents of a node, and what is wrong with those that are missing.
#[derive(Clone, Default)]
pub struct Agents {
    /// The agents.
    pub catalog: Catalog,
    /// What was left out and why, in words.
    pub left_out: Vec<String>,
}

/// Everything that [`Rules`] are made of, as it was last read well.
pub(super) struct Sourced {
    places: Places,
    signers: Arc<AllowedSigners>,
    policy: Arc<Policy>,
    facts: FactSource,
    agents: Agents,
    read_only: bool,
    /// What is broken, and what holds instead.
    broken: Vec<String>,
}

impl Sourced {
    /// Reads everything for the first time. What is broken or missing is empty: nobody is known,
    /// nothing is allowed.
    pub(super) fn read(config: &NodeConfig, places: &Places, agents: Agents) -> Self {
        let facts = FactSource::new(sources(config, places));
        let mut sourced = Self {
            places: places.clone(),
            signers: Arc::default(),
            policy: Arc::default(),
            facts,
            agents,
            read_only: config.read_only,
            broken: Vec::new(),
        };
        sourced.read_files(false);
        sourced
    }

    /// Reads everything again.
    pub(super) fn read_again(&mut self, agents: Option<Agents>) {
        self.agents = agents.unwrap_or_else(|| std::mem::take(&mut self.agents));
        self.facts.refresh();
        self.read_files(true);
    }

    /// Reads the facts again, and says whether anything changed.
    pub(super) fn read_facts_again(&mut self) -> bool {
        self.facts.refresh()
    }

    fn read_files(&mut self, again: bool) {
        let instead = if again { "the old one holds" } else { "nothing is allowed" };
        self.broken.clear();
        match read_signers(&self.places.signers) {
            Ok(signers) => self.signers = Arc::new(signers),
            Err(errors) => self.broken.extend(said(&errors, instead)),
        }
        match read_policy(&self.places.policy) {
            Ok(policy) => self.policy = Arc::new(policy),
            Err(errors) => self.broken.extend(said(&errors, instead)),
        }
        let Some(path) = self.places.config.clone().filter(|_| again) else { return };
        match read_config(&path) {
            Ok(config) => self.read_only = config.read_only,
            Err(error) => self.broken.extend(said(&[error], "the old one holds")),
        }
    }

    /// What is wrong, in words, for the log.
    pub(super) fn broken(&self) -> impl Iterator<Item = &str> {
        self.broken
            .iter()
            .chain(self.facts.health())
            .chain(&self.agents.left_out)
            .map(String::as_str)
    }

    pub(super) const fn catalog(&self) -> &Catalog {
        &self.agents.catalog
    }

    /// What the core is told.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            signers: self.signers.clone(),
            policy: self.policy.clone(),
            agents: self.agents.catalog.ddls(),
            facts: self.facts.facts().clone(),
            registered: self.facts.facts().clone(),
            classes: self.facts.classes().to_vec(),
            health: self.broken().map(str::to_owned).collect(),
            read_only: self.read_only,
        }
    }
}

/// The first error, how many more there are, and what holds instead.
fn said(errors: &[String], instead: &str) -> Option<String> {
    let first = errors.first()?;
    let more = match errors.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("{first}{more}; {instead}"))
}

pub(super) fn sources(config: &NodeConfig, places: &Places) -> Sources {
    Sources {
        facts: config.facts.clone().unwrap_or_else(|| places.facts.clone()),
        facts_required: config.facts.is_some(),
        classes: config.classes.clone(),
        root: places.root.clone(),
    }
}

pub(super) fn read_config(path: &Path) -> Result<NodeConfig, String> {
    let missing = || format!("{}: there is no such file", path.display());
    let text = read(path).map_err(|error| error.to_string())?.ok_or_else(missing)?;
    NodeConfig::parse(&path.display().to_string(), &text).map_err(|error| error.to_string())
}

pub(super) fn read_signers(path: &Path) -> Result<AllowedSigners, Vec<String>> {
    let missing = || format!("{}: there is no such file", path.display());
    let text =
        read(path).map_err(|error| vec![error.to_string()])?.ok_or_else(|| vec![missing()])?;
    AllowedSigners::parse(&text, &path.display().to_string()).map_err(|errors| texts(&errors))
}

pub(super) fn read_policy(dir: &Path) -> Result<Policy, Vec<String>> {
    let wrong = |error: std::io::Error| vec![format!("{}: {error}", dir.display())];
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_none_or(|extension| extension != "policy") {
            continue;
        }
        if files.len() == POLICY_FILES_MAX {
            let what = format!("{}: more than {POLICY_FILES_MAX} files", dir.display());
            return Err(vec![what]);
        }
        match read(&path).map_err(|error| vec![error.to_string()])? {
            Some(text) => files.push((path.display().to_string(), text)),
            // What it was to deny must not be allowed by the rules behind it. (Editors keep such
            // links as their locks, under hidden names.)
            None if path.is_symlink() && !is_hidden(&path) => {
                return Err(vec![format!("{}: a link that leads nowhere", path.display())]);
            }
            // A file that vanished since the folder was read is none.
            None => {}
        }
    }
    Policy::parse(&files).map_err(|errors| texts(&errors))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn texts(errors: &[impl Display]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::write;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_policy_whose_file_is_elsewhere_and_gone_is_no_policy() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(at("50-all.policy"), "allow callers=* agents=* actions=*\n").unwrap();
        symlink("someone@host.1:2", at(".#50-all.policy")).unwrap();
        assert_eq!(read_policy(dir.path()).unwrap().len(), 1, "an editor's lock is no rule");
        write(at("denied"), "deny callers=* agents=* actions=* effect=change\n").unwrap();
        symlink(at("denied"), at("00-deny.policy")).unwrap();
        assert_eq!(read_policy(dir.path()).unwrap().len(), 2);
        std::fs::remove_file(at("denied")).unwrap();
        let errors = read_policy(dir.path()).unwrap_err();
        assert!(errors[0].ends_with("00-deny.policy: a link that leads nowhere"), "{errors:?}");
    }
}
