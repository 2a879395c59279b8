//! Reads all files of a node without changing anything, and says what is wrong with them.

use super::config::Places;
use super::rules::{read_config, read_policy, read_signers, resume};
use super::state;

/// Everything that is wrong with a node's files, as `FILE:LINE: what` or `FILE: what`. Agents are
/// their host's to check.
#[must_use]
pub fn check(places: &Places) -> Vec<String> {
    let mut findings = Vec::new();
    let config = match places.config.as_deref().map(read_config).transpose() {
        Ok(config) => config,
        Err(error) => {
            findings.push(error);
            None
        }
    };
    findings.extend(read_signers(&places.signers).err().into_iter().flatten());
    match read_policy(&places.policy) {
        Ok(policy) if policy.is_empty() => {
            findings.push(format!("{}: no rule: everything is denied", places.policy.display()));
        }
        Ok(_) => {}
        Err(errors) => findings.extend(errors),
    }
    if let Some(config) = &config {
        let facts = resume(Some(config), places);
        findings.extend(facts.errors().map(ToString::to_string));
    }
    findings.extend(state::check(config.as_ref(), places));
    findings
}
