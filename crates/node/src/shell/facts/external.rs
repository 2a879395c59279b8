//! External facts in Facter's folders: files of data, and executables that print it. Read as Facter
//! reads them, down to its lower-case names.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use marcato_core::limits::facts::{DEPTH_MAX, FOLDER_FILES_MAX};
use marcato_core::{Facts, json};
use serde_json::Value;

use super::file::{FactError, check, read};
use super::yaml::{self, Rules, YamlError};

/// What a file in a folder of external facts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Yaml,
    Json,
    /// `NAME=VALUE` on each line.
    Text,
    Executable,
}

/// The files of a folder that give facts, in the order of their names; none without the folder.
///
/// # Errors
/// The folder cannot be read, or has too many.
pub(super) fn files(folder: &Path) -> Result<Vec<(PathBuf, Kind)>, FactError> {
    let wrong = |what: String| FactError { path: folder.to_owned(), line: None, what };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| wrong(format!("cannot be read: {error}")))?.path();
        if let Some(kind) = kind(&path) {
            files.push((path, kind));
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    if files.len() > FOLDER_FILES_MAX {
        let what = format!("{} files, at most {FOLDER_FILES_MAX} are taken", files.len());
        return Err(wrong(what));
    }
    Ok(files)
}

/// What a file is by its name, else by its mode; `None` for what gives no facts.
fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.as_encoded_bytes();
    let metadata = path.metadata().ok().filter(Metadata::is_file)?;
    if name.starts_with(b".") {
        return None;
    }
    let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    match extension.as_deref().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => Some(Kind::Yaml),
        Some("json") => Some(Kind::Json),
        Some("txt") => Some(Kind::Text),
        // Programs of another system, by Facter's list.
        Some("bat" | "cmd" | "com" | "exe" | "ps1") => None,
        _ => (metadata.permissions().mode() & 0o111 != 0).then_some(Kind::Executable),
    }
}

/// Reads a file of data; `None` if it has vanished.
pub(super) fn read_data(path: &Path, kind: Kind) -> Result<Option<Facts>, FactError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let wrong = |line, what| FactError { path: path.to_owned(), line, what };
    let facts = match kind {
        Kind::Yaml | Kind::Json => {
            map(&text).map_err(|error| wrong(Some(error.line), error.what))?
        }
        Kind::Text | Kind::Executable => pairs(&text),
    };
    accept(facts).map(Some).map_err(|what| wrong(None, what))
}

/// Reads what an executable printed: a map in YAML or JSON, else `NAME=VALUE` on each line.
///
/// # Errors
/// Says what is wrong, in words.
pub fn read_output(text: &str) -> Result<Facts, String> {
    let text = text.trim();
    match map(text) {
        Ok(facts) => accept(facts),
        Err(error) => {
            let facts = pairs(text);
            if facts.is_empty() {
                return Err(format!(
                    "it printed neither YAML or JSON ({}) nor NAME=VALUE on a line",
                    error.what
                ));
            }
            accept(facts)
        }
    }
}

/// Reads what `facter --json` printed.
///
/// # Errors
/// Says what is wrong, in words.
pub fn read_facter(text: &str) -> Result<Facts, String> {
    // The outermost map is no level of a fact.
    match json::parse(text.as_bytes(), DEPTH_MAX + 1).map_err(|error| error.to_string())? {
        Value::Object(facts) => accept(facts.into_iter().collect()),
        _ => Err("it printed no map of facts".to_owned()),
    }
}

/// Reads a map in JSON or YAML. JSON is YAML, but for tabs that indent; and read as YAML, of a key
/// that stands twice the last value holds.
fn map(text: &str) -> Result<Facts, YamlError> {
    // The outermost map is no level of a fact.
    match json::parse(text.as_bytes(), DEPTH_MAX + 1) {
        Ok(Value::Object(facts)) => Ok(facts.into_iter().collect()),
        _ => yaml::parse(text, Rules::Facter),
    }
}

/// Facter's names are in lower case, and a fact without a value is none.
fn accept(facts: Facts) -> Result<Facts, String> {
    let named = facts.into_iter().filter(|(_, value)| !value.is_null());
    let facts = named.map(|(name, value)| (name.to_lowercase(), value)).collect();
    check(&facts)?;
    Ok(facts)
}

/// The lines of the form `NAME=VALUE`, taken to the letter; others say nothing.
fn pairs(text: &str) -> Facts {
    let pair = |line: &str| {
        let first = line.chars().next()?.len_utf8();
        let at = first + line.get(first..)?.find('=')?;
        let (name, value) = (&line[..at], &line[at + 1..]);
        (!value.is_empty()).then(|| (name.to_owned(), value.into()))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What Facter 4.3 of Debian 12 prints for these.
    #[test]
    fn texts_are_taken_to_the_letter() {
        let check = |text: &str, want: Value| assert_eq!(json!(pairs(text)), want, "{text:?}");
        check("txt1=v1\ntxt 2 = v 2 \n# comment=yes\nempty=\na=b=c\nnoequals\n", {
            json!({"txt1": "v1", "txt 2 ": " v 2 ", "# comment": "yes", "a": "b=c"})
        });
        check("=a=b\n=x\nü=y\r\n", json!({"=a": "b", "ü": "y"}));
    }

    #[test]
    fn outputs_are_yaml_json_or_pairs() {
        let check = |text: &str, want: Value| {
            assert_eq!(read_output(text).map(|facts| json!(facts)), Ok(want), "{text:?}");
        };
        check("kv1=1\nkv two=2 \n", json!({"kv1": "1", "kv two": "2"}));
        check("y1x: yes\nsym: :val\noct2: 012\n", json!({"y1x": true, "sym": "val", "oct2": 10}));
        check("{\n\t\"t\": 1, \"t2\": {\"a\": 1}\n}", json!({"t": 1, "t2": {"a": 1}}));
        check("{\"A\": {\"B\": [1, null]}, \"n\": null}", json!({"a": {"B": [1, null]}}));
        check("- a\nx=y\n", json!({"x": "y"}));
        check("", json!({}));
        let said = read_output("- a\n- b\n").unwrap_err();
        assert!(said.starts_with("it printed neither YAML or JSON (not a map of facts"), "{said}");
        assert!(read_output("trusted: {}").unwrap_err().contains("the authority's to give"));
    }

    #[test]
    fn facters_own_output() {
        assert_eq!(json!(read_facter("{\"A\": 1, \"b\": null}").unwrap()), json!({"a": 1}));
        assert!(read_facter("[]").is_err() && read_facter("nothing").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_output_breaks_anything(text in "([a-c=:{}\\[\\],\"' \n]|.){0,60}") {
            let _ = read_output(&text);
            let _ = read_facter(&text);
        }
    }
}
