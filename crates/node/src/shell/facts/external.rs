//! External facts in Facter's folders: files of data, and executables that print it. Read as Facter
//! reads them, down to its lower-case names.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use marcato_core::Facts;
use marcato_core::limits::facts::FOLDER_FILES_MAX;

use super::file::{FactError, Sifted, read, sift};
use super::json;
use super::yaml::{self, Rules, YamlError};

/// What a file in a folder of external facts is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Yaml,
    Json,
    /// `NAME=VALUE` on each line.
    Text,
    Executable,
    /// A link to nothing or to itself, whatever it was before.
    Nowhere,
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

/// What a file is by its name, else by its mode; `None` for what gives no facts. What has a name for data
/// and is no file is broken, which reading it says.
fn kind(path: &Path) -> Option<Kind> {
    if path.file_name()?.as_encoded_bytes().starts_with(b".") {
        return None;
    }
    let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    match extension.as_deref().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") => Some(Kind::Yaml),
        Some("json") => Some(Kind::Json),
        Some("txt") => Some(Kind::Text),
        // Programs of another system, by Facter's list.
        Some("bat" | "cmd" | "com" | "exe" | "ps1") => None,
        _ => match path.metadata() {
            Ok(metadata) => {
                let is_program = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
                is_program.then_some(Kind::Executable)
            }
            Err(_) => Some(Kind::Nowhere),
        },
    }
}

/// Reads a file of data; `None` if there is none.
pub(super) fn read_data(path: &Path, kind: Kind) -> Result<Option<Sifted>, FactError> {
    let wrong = |line, what| FactError { path: path.to_owned(), line, what };
    if kind == Kind::Nowhere {
        return Err(wrong(None, "a link that leads nowhere".to_owned()));
    }
    let Some(text) = read(path)? else { return Ok(None) };
    let facts = match kind {
        Kind::Yaml => map(&text).map_err(|error| wrong(Some(error.line), error.what))?,
        Kind::Json => json::parse(&text, Rules::Facter).map_err(|what| wrong(None, what))?,
        Kind::Text | Kind::Executable | Kind::Nowhere => pairs(&text),
    };
    Ok(Some(accept(facts)))
}

/// Reads what an executable printed: a map in YAML or JSON, else `NAME=VALUE` on each line.
///
/// # Errors
/// Says what is wrong, in words.
pub fn read_output(text: &str) -> Result<Sifted, String> {
    let text = text.trim();
    match map(text) {
        Ok(facts) => Ok(accept(facts)),
        Err(error) => {
            let facts = pairs(text);
            if facts.is_empty() {
                return Err(format!(
                    "it printed neither YAML or JSON ({}) nor NAME=VALUE on a line",
                    error.what
                ));
            }
            Ok(accept(facts))
        }
    }
}

/// Reads what `facter --json` printed.
///
/// # Errors
/// Says what is wrong, in words.
pub fn read_facter(text: &str) -> Result<Sifted, String> {
    if text.trim().is_empty() {
        return Err("it printed nothing".to_owned());
    }
    json::parse(text, Rules::Facter).map(accept)
}

/// Reads a map in YAML. JSON is YAML, but for long keys and a few characters; still YAML comes first, as
/// it does for Facter, for a number such as `1e3` is a text in YAML alone.
fn map(text: &str) -> Result<Facts, YamlError> {
    yaml::parse(text, Rules::Facter)
        .or_else(|error| json::parse(text, Rules::Facter).map_err(|_| error))
}

/// Facter's names are in lower case, each letter by itself as Ruby has it, and a fact without a value is
/// none.
fn accept(facts: Facts) -> Sifted {
    let named = facts.into_iter().filter(|(_, value)| !value.is_null());
    sift(named.map(|(name, value)| (lower(&name), value)).collect())
}

fn lower(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
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
    use marcato_core::limits::facts::{DEPTH_MAX, FACTS_BYTES_MAX, SIFTED_DEPTH_MAX};
    use serde_json::{Value, json};

    use super::*;

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
            assert_eq!(read_output(text).map(|read| json!(read.facts)), Ok(want), "{text:?}");
        };
        check("kv1=1\nkv two=2 \n", json!({"kv1": "1", "kv two": "2"}));
        check("y1x: yes\nsym: :val\noct2: 012\n", json!({"y1x": true, "sym": "val", "oct2": 10}));
        check("{\n\t\"t\": 1, \"t2\": {\"a\": 1}\n}", json!({"t": 1, "t2": {"a": 1}}));
        check("{\"A\": {\"B\": [1, null]}, \"n\": null}", json!({"a": {"B": [1, null]}}));
        check("{\"y\": 1e3, \"big\": 12345678901234567890}", {
            json!({"y": "1e3", "big": "12345678901234567890"})
        });
        check("{\"y\": 1e3, \"t\": \"\u{7f}\"}", json!({"t": "\u{7f}", "y": 1000.0}));
        check("- a\nx=y\n", json!({"x": "y"}));
        check("ΟΔΟΣ: 1\n", json!({"οδοσ": 1}));
        check("", json!({}));
        let said = read_output("- a\n- b\n").unwrap_err();
        assert!(said.starts_with("it printed neither YAML or JSON (not a map of facts"), "{said}");
    }

    #[test]
    fn facters_own_output() {
        let read = read_facter("{\"A\": 1e3, \"b\": null, \"c\": 1e400}").unwrap();
        assert_eq!(json!(read.facts), json!({"a": 1000.0, "c": "Infinity"}));
        assert!(["", " \n", "[]", "nothing"].iter().all(|text| read_facter(text).is_err()));
    }

    #[test]
    fn what_is_no_fact_is_left_out_alone() {
        let check = |odd: &str, want: &str| {
            for read in [read_output, read_facter] {
                let Sifted { facts, left_out } = read(&format!("{{\"good\": 1, {odd}}}")).unwrap();
                assert_eq!(json!(facts), json!({"good": 1}), "{odd}");
                assert!(left_out.len() == 1 && left_out[0].contains(want), "{left_out:?}");
            }
        };
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        check("\"trusted\": {}", "\"trusted\" is the authority's to give");
        check("\"trusted.role\": 1", "\"trusted.role\" is the authority's");
        check("\"\": 1", "\"\" cannot be a fact's name");
        check("\"a\\u0007\": 1", "\"a\\u{7}\" cannot be a fact's name");
        check(
            &format!("\"deep\": {}", deep(DEPTH_MAX + 1)),
            "\"deep\" is nested deeper than 8 levels",
        );
        check(&format!("\"deep\": {}", deep(SIFTED_DEPTH_MAX)), "nested deeper than 8 levels");
        check("\"a\": {\"$serde_json::private::Number\": \"1\"}", "in the fact \"a\" is reserved");
        let long = "x".repeat(FACTS_BYTES_MAX - 16);
        check(&format!("\"long\": \"{long}\""), "\"long\" takes 163834 bytes, of 163840 for all");
        assert!(read_output(&format!("deep: {}", deep(SIFTED_DEPTH_MAX + 1))).is_err());
        assert!(read_facter(&format!("{{\"deep\": {}}}", deep(128))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_output_breaks_anything(text in "([a-c=:{}\\[\\],\"' \n]|.){0,60}") {
            let _ = read_output(&text);
            let _ = read_facter(&text);
        }
    }
}
