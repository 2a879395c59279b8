//! What the sources gave when they were last read well, in a file of the node's own folder: one that is
//! broken when the node starts still gives it.

use std::collections::BTreeMap;
use std::fs::remove_file;
use std::path::{Path, PathBuf};

use marcato_core::Facts;
use marcato_core::limits::node::CONFIG_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::shell::files::{FileError, read_secret, unfit, write_cache};

/// Its name in the node's folder.
pub(in crate::shell) const KEPT: &str = "facts.json";

/// The last good values of each source. Private facts are among them.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::shell) struct Kept {
    pub(super) facts: BTreeMap<PathBuf, Facts>,
    /// The file of classes, and what it held.
    pub(super) classes: Option<(PathBuf, Vec<String>)>,
}

impl Kept {
    /// These values, but for those of paths that JSON cannot name.
    pub(super) fn new(
        facts: impl Iterator<Item = (PathBuf, Facts)>,
        classes: Option<(PathBuf, Vec<String>)>,
    ) -> Self {
        Self {
            facts: facts.filter(|(path, _)| path.to_str().is_some()).collect(),
            classes: classes.filter(|(path, _)| path.to_str().is_some()),
        }
    }

    /// What the file holds; nothing where there is none.
    ///
    /// # Errors
    /// It is damaged, too long, or others may read it.
    pub(in crate::shell) fn read(path: &Path) -> Result<Self, FileError> {
        let Some(text) = read_secret(path)? else { return Ok(Self::default()) };
        // The parser's own words may quote what is private.
        let damaged = |error: serde_json::Error| {
            unfit(path, format!("damaged in line {}, column {}", error.line(), error.column()))
        };
        serde_json::from_str(&text).map_err(damaged)
    }

    /// The same values are the same text.
    pub(in crate::shell) fn to_text(&self) -> String {
        // Paths that JSON cannot name are left out, and so there is always a text.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Writes the file, of which a crash of the host costs no more than this.
///
/// # Errors
/// The disk takes it not, or it is too long; then there is none.
pub(in crate::shell) fn keep(path: &Path, text: &str) -> Result<(), FileError> {
    if text.len() as u64 > CONFIG_BYTES_MAX {
        // Older values must not pass for the last ones.
        let _ = remove_file(path);
        let what = format!("{} bytes, at most {CONFIG_BYTES_MAX} are kept", text.len());
        return Err(unfit(path, what));
    }
    write_cache(path, text)
}
