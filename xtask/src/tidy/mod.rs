//! `cargo xtask tidy`: the house rules that no compiler checks, each with what to do instead.
//!
//! Every check is a pure function over the files' contents, in a file of its own, with a table of
//! cases that shows that it can fail.

mod attributes;
mod header;
mod layers;
mod links;
mod orphans;
mod places;
mod size;
pub mod source;
pub mod spec;
pub mod tokens;
mod words;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use crate::generate;

pub use source::Source;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do instead.
    pub instead: String,
}

impl Finding {
    /// A finding in this file.
    #[must_use]
    pub fn new(
        source: &Source,
        line: usize,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self { path: source.path.clone(), line, what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    instead: {}", self.path, self.line, self.what, self.instead)
    }
}

/// A check: from the contents of all files to what breaks its rule.
type Check = fn(&[Source]) -> Vec<Finding>;

/// The checks, in the order in which they are run.
const CHECKS: &[Check] = &[
    header::check,
    size::files,
    size::functions,
    layers::check,
    places::check,
    attributes::check,
    words::check,
    links::check,
    orphans::check,
    spec::check,
    generate::check,
];

/// Runs every check on the repository and prints what it finds.
///
/// # Errors
/// When the files cannot be listed or read; the error is one sentence.
pub fn run(root: &Path) -> Result<ExitCode, String> {
    let sources = source::read_all(root)?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&sources)).collect();
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files, {} checks, nothing found", sources.len(), CHECKS.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} findings in {} files", findings.len(), sources.len());
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
pub mod test {
    //! What the tables of the checks share.

    use super::{Finding, Source};

    /// What a check finds in one file.
    pub fn found(check: super::Check, path: &str, text: &str) -> Vec<Finding> {
        check(&[Source::new(path, text)])
    }
}
