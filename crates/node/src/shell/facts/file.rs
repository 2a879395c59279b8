//! Facts and classes that a person or another program gives in files.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use marcato_core::limits::facts::{
    CLASSES_BYTES_MAX, DEPTH_MAX, FACTS_BYTES_MAX, FILE_BYTES_MAX, NAME_BYTES_MAX,
};
use marcato_core::{Facts, json};

use super::canonical;
use super::yaml::{self, Rules};

/// What is wrong with a facts or classes file: `FILE:LINE: what, and what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", .path.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct FactError {
    /// The file.
    pub path: PathBuf,
    /// The line, the first being 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub what: String,
}

/// Reads a facts file: JSON if its name ends in `.json`, else YAML. `None` if there is no file.
///
/// # Errors
/// If the file cannot be read, is too large or is not a map of facts.
pub fn read_facts(path: &Path) -> Result<Option<Facts>, FactError> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let wrong = |line, what| FactError { path: path.to_owned(), line, what };
    let facts = if path.extension().is_some_and(|extension| extension == "json") {
        // The outermost map is no level of a fact.
        let facts = json::parse(text.as_bytes(), DEPTH_MAX + 1);
        match facts.map_err(|error| wrong(None, error.to_string()))? {
            serde_json::Value::Object(facts) => facts.into_iter().collect(),
            _ => return Err(wrong(None, "not a map of facts; write {\"NAME\": VALUE}".to_owned())),
        }
    } else {
        yaml::parse(&text, Rules::Strict).map_err(|error| wrong(Some(error.line), error.what))?
    };
    check(&facts).map_err(|what| wrong(None, what))?;
    Ok(Some(facts))
}

/// What parsed facts may still have wrong.
pub(super) fn check(facts: &Facts) -> Result<(), String> {
    for name in facts.keys() {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let name: String = name.chars().take(80).collect();
            return Err(format!(
                "{name:?} cannot be a fact's name: 1 to {NAME_BYTES_MAX} bytes, no control \
                 characters"
            ));
        }
        if name == "trusted" || name.starts_with("trusted.") {
            return Err(format!(
                "the fact {name:?} is the authority's to give; take it out or rename it"
            ));
        }
    }
    let size = canonical(facts).len();
    if size > FACTS_BYTES_MAX {
        return Err(format!("{size} bytes of facts, at most {FACTS_BYTES_MAX} are taken"));
    }
    Ok(())
}

/// Reads a classes file: one class a line, blank lines ignored; sorted, each once. `None` if there
/// is no file.
///
/// # Errors
/// If the file cannot be read or is too large, or if a line has control characters.
pub fn read_classes(path: &Path) -> Result<Option<Vec<String>>, FactError> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let wrong = |line, what| FactError { path: path.to_owned(), line, what };
    if text.len() > CLASSES_BYTES_MAX {
        let what =
            format!("{} bytes of classes, at most {CLASSES_BYTES_MAX} are taken", text.len());
        return Err(wrong(None, what));
    }
    let mut classes = Vec::new();
    for (line, class) in (1..).zip(text.lines()) {
        let class = class.trim();
        if class.chars().any(char::is_control) {
            return Err(wrong(
                Some(line),
                "a control character; write one class a line".to_owned(),
            ));
        }
        if !class.is_empty() {
            classes.push(class.to_owned());
        }
    }
    classes.sort();
    classes.dedup();
    Ok(Some(classes))
}

/// The text of a file within its limit; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, FactError> {
    let wrong = |line, what| FactError { path: path.to_owned(), line, what };
    let io = |error: std::io::Error| wrong(None, format!("cannot be read: {error}"));
    // Asked before opening: to open a pipe is to wait for its writer.
    match path.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
        Ok(metadata) if !metadata.is_file() => return Err(wrong(None, "not a file".to_owned())),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    File::open(path).map_err(io)?.take(limit).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(wrong(None, format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    text(path, bytes).map(Some)
}

/// Bytes that must be text.
pub(super) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, FactError> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let what = "not UTF-8; save the file as UTF-8".to_owned();
        FactError { path: path.to_owned(), line: Some(line), what }
    })
}
