//! Facts and classes that a person or another program gives in files.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use marcato_core::Facts;
use marcato_core::json::is_reserved;
use marcato_core::limits::facts::{
    CLASSES_BYTES_MAX, DEPTH_MAX, FACTS_BYTES_MAX, FILE_BYTES_MAX, NAME_BYTES_MAX,
};
use serde_json::{Value, json};

use super::canonical;
use super::yaml::{self, Rules, levels};

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
        super::json::parse(&text, Rules::Strict).map_err(|what| wrong(None, what))?
    } else {
        yaml::parse(&text, Rules::Strict).map_err(|error| wrong(Some(error.line), error.what))?
    };
    check(&facts).map_err(|what| wrong(None, what))?;
    Ok(Some(facts))
}

/// What parsed facts may still have wrong.
fn check(facts: &Facts) -> Result<(), String> {
    if let Some(what) = facts.iter().find_map(|(name, value)| unfit(name, value)) {
        return Err(what);
    }
    let size = canonical(facts).len();
    if size > FACTS_BYTES_MAX {
        return Err(format!("{size} bytes of facts, at most {FACTS_BYTES_MAX} are taken"));
    }
    Ok(())
}

/// Facts that a program prints or that lie in Facter's folders: nobody wrote all of them on purpose, and
/// so each is taken or left out by itself.
#[derive(Debug, Default, PartialEq)]
pub struct Sifted {
    /// Those that are taken.
    pub facts: Facts,
    /// What is wrong with each of the others, in words.
    pub left_out: Vec<String>,
}

/// Leaves out what cannot be a fact, and the largest while all together are too large.
pub(super) fn sift(mut facts: Facts) -> Sifted {
    let mut left_out = Vec::new();
    facts.retain(|name, value| {
        let what = unfit(name, value);
        let is_fit = what.is_none();
        left_out.extend(what);
        is_fit
    });
    let mut size = canonical(&facts).len();
    if size > FACTS_BYTES_MAX {
        // Its braces weigh more than a comma.
        let weigh = |(name, value): (&String, &Value)| {
            (json!({ name: value }).to_string().len() - 1, name.clone())
        };
        let mut by_weight: Vec<(usize, String)> = facts.iter().map(weigh).collect();
        by_weight.sort_unstable();
        while size > FACTS_BYTES_MAX
            && let Some((weight, name)) = by_weight.pop()
        {
            size -= weight;
            facts.remove(&name);
            let name = shown(&name);
            left_out.push(format!(
                "the fact {name} takes {weight} bytes, of {FACTS_BYTES_MAX} for all together"
            ));
        }
    }
    Sifted { facts, left_out }
}

/// Why this cannot be a fact.
fn unfit(name: &str, value: &Value) -> Option<String> {
    let written = shown(name);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Some(format!(
            "{written} cannot be a fact's name: 1 to {NAME_BYTES_MAX} bytes, no control characters"
        ));
    }
    if name == "trusted" || name.starts_with("trusted.") {
        return Some(format!(
            "the fact {written} is the authority's to give; take it out or rename it"
        ));
    }
    if levels(value) > DEPTH_MAX {
        return Some(format!("the fact {written} is nested deeper than {DEPTH_MAX} levels"));
    }
    let key = if is_reserved(name) { Some(name) } else { reserved_in(value) }?;
    Some(format!("the key {key:?} in the fact {written} is reserved; rename it"))
}

fn reserved_in(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => items.iter().find_map(reserved_in),
        Value::Object(entries) => entries.iter().find_map(|(key, value)| {
            if is_reserved(key) { Some(key.as_str()) } else { reserved_in(value) }
        }),
        _ => None,
    }
}

/// A name, whatever it is made of.
fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(80).collect::<String>())
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
    for (line, class) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
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
