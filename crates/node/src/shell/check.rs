//! Reads all files of a node without changing anything, and says what is wrong with them.

use std::fmt::Display;
use std::path::Path;

use marcato_protocol::certificate::SignedText;

use super::config::{NodeConfig, Places};
use super::facts::FactSource;
use super::files::{read, read_secret};
use super::rules::{read_config, read_policy, read_signers, sources};

/// Everything that is wrong with a node's files, as `FILE:LINE: what` or `FILE: what`. Agents are
/// their host's to check.
#[must_use]
pub fn check(places: &Places) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(read_signers(&places.signers).err().into_iter().flatten());
    match read_policy(&places.policy) {
        Ok(policy) if policy.is_empty() => {
            findings.push(format!("{}: no rule: everything is denied", places.policy.display()));
        }
        Ok(_) => {}
        Err(errors) => findings.extend(errors),
    }
    for name in ["sign.key", "open.key"] {
        findings.extend(read_secret(&places.state.join(name)).err().map(|error| error.to_string()));
    }
    match read(&places.machine_id) {
        Ok(Some(_)) => {}
        Ok(None) => {
            findings.push(format!("{}: there is no such file", places.machine_id.display()));
        }
        Err(error) => findings.push(error.to_string()),
    }
    let Some(path) = &places.config else { return findings };
    match read_config(path) {
        Err(error) => findings.insert(0, error),
        Ok(config) => {
            let facts = FactSource::new(sources(&config, places));
            findings.extend(facts.errors().iter().map(ToString::to_string));
            findings.extend(certificate(&places.state.join("certificate"), &config));
        }
    }
    findings
}

/// What is wrong with the node's certificate.
fn certificate(path: &Path, config: &NodeConfig) -> Option<String> {
    let wrong = |what: &dyn Display| Some(format!("{}: {what}", path.display()));
    match read(path) {
        Err(error) => Some(error.to_string()),
        Ok(None) => wrong(&"there is none; see mcod node --print-request"),
        Ok(Some(text)) => {
            let signed = SignedText::parse(&text);
            let checked = signed.and_then(|signed| signed.verify(&config.authority));
            checked.err().and_then(|error| wrong(&error))
        }
    }
}
