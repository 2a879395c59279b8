//! The files that tidy looks at, read once.

use std::path::Path;
use std::process::Command;

use super::tokens::{self, Token};

/// A file that is larger is data, not text that somebody reads.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// One text file of the repository.
#[derive(Debug)]
pub struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Its tokens, for a Rust file; the error is one sentence.
    pub tokens: Result<Vec<Token>, String>,
}

impl Source {
    /// A file from its path and text.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let tokens = if is_rust(&path) { tokens::read(&text) } else { Ok(Vec::new()) };
        Self { path, text, tokens }
    }

    /// Whether it is Rust.
    #[must_use]
    pub fn is_rust(&self) -> bool {
        is_rust(&self.path)
    }

    /// Whether the whole file is a test: an integration test, a bench, an example, or a module of
    /// tests.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let in_folder =
            self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "examples"));
        in_folder || self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }

    /// The tokens; none where the file cannot be read as Rust, which is a finding of its own.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        self.tokens.as_deref().unwrap_or_default()
    }

    /// Whether the file lies in this folder, or is this file.
    #[must_use]
    pub fn is_under(&self, place: &str) -> bool {
        self.path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

/// Reads every text file that git tracks or would track.
///
/// # Errors
/// When git cannot list the files; the error is one sentence.
pub fn read_all(root: &Path) -> Result<Vec<Source>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = names.len().div_ceil(workers).max(1);
    let mut sources: Vec<Source> = std::thread::scope(|scope| {
        let read = |names| scope.spawn(move || read_some(root, names));
        let readers: Vec<_> = names.chunks(share).map(read).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap_or_default()).collect()
    });
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources.dedup_by(|a, b| a.path == b.path);
    Ok(sources)
}

/// Reads what is text; a file that git lists and nobody finds any more is left out.
fn read_some(root: &Path, names: &[&str]) -> Vec<Source> {
    let text_of = |name: &str| {
        let path = root.join(name);
        let meta = path.symlink_metadata().ok()?;
        if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
            return None;
        }
        let text = String::from_utf8(std::fs::read(path).ok()?).ok()?;
        (!text.contains('\0')).then_some(text)
    };
    names.iter().filter_map(|name| Some(Source::new(*name, text_of(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_products() {
        let table = [
            ("crates/a/tests/x.rs", true),
            ("crates/a/src/x/tests.rs", true),
            ("crates/a/src/wire_tests.rs", true),
            ("crates/a/src/latest.rs", false),
            ("crates/a/src/x.rs", false),
        ];
        for (path, expect) in table {
            assert_eq!(Source::new(path, "").is_test(), expect, "{path}");
        }
    }

    #[test]
    fn a_place_is_a_folder_or_a_file() {
        let source = Source::new("crates/node/src/core/step.rs", "");
        assert!(source.is_under("crates/node") && source.is_under("crates/node/src/core/step.rs"));
        assert!(!source.is_under("crates/no"));
    }
}
