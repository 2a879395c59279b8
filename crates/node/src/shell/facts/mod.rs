//! A host's facts and classes: what the node finds by itself, and what a person gives in files,
//! which comes first.

mod file;
mod native;
mod scalar;
mod yaml;

use std::path::PathBuf;
use std::sync::Arc;

use marcato_core::Facts;

pub use file::{FactError, read_classes, read_facts};
pub use native::{Kernel, find as native, fqdn};

/// Where a node's facts and classes come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The facts file, YAML or JSON.
    pub facts: PathBuf,
    /// Whether that file must be there: it must if the configuration names it, and need not where
    /// it only has its usual name.
    pub facts_required: bool,
    /// The classes file, if there is one.
    pub classes: Option<PathBuf>,
    /// Under what folder the host's own files lie: `/` but for tests.
    pub root: PathBuf,
}

/// Facts and classes as they were last read well.
///
/// A file that breaks while the node runs does not change what the node is: its last good values
/// stay, and [`FactSource::health`] says so.
#[derive(Debug)]
pub struct FactSource {
    sources: Sources,
    /// What the facts file last held; `None` before it was ever read.
    given: Option<Facts>,
    facts: Arc<Facts>,
    /// What the classes file last held; `None` before it was ever read.
    listed: Option<Vec<String>>,
    errors: Vec<FactError>,
    health: Vec<String>,
}

impl FactSource {
    /// Reads everything for the first time; see [`FactSource::errors`] for what failed.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let mut source = Self {
            sources,
            given: None,
            facts: Arc::default(),
            listed: None,
            errors: Vec::new(),
            health: Vec::new(),
        };
        source.refresh();
        source
    }

    /// Reads everything again, and says whether facts, classes or health changed. Blocks on disk.
    pub fn refresh(&mut self) -> bool {
        let mut errors = Vec::new();
        let mut health = Vec::new();
        let given = keep(
            read_facts(&self.sources.facts),
            (&self.sources.facts, self.sources.facts_required),
            self.given.clone(),
            (&mut errors, &mut health),
        );
        let listed = self.sources.classes.as_ref().and_then(|path| {
            keep(read_classes(path), (path, true), self.listed.clone(), (&mut errors, &mut health))
        });
        let mut facts = native(&self.sources.root, &Kernel::ask());
        facts.extend(given.clone().unwrap_or_default());

        let is_new = *self.facts != facts || self.listed != listed || self.health != health;
        if *self.facts != facts {
            self.facts = Arc::new(facts);
        }
        (self.given, self.listed, self.errors, self.health) = (given, listed, errors, health);
        is_new
    }

    /// All facts; those of the file come before native ones of the same name.
    #[must_use]
    pub const fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// The classes, sorted.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        self.listed.as_deref().unwrap_or_default()
    }

    /// What is wrong with the files, and what holds instead, in words for the node's health.
    #[must_use]
    pub fn health(&self) -> &[String] {
        &self.health
    }

    /// What was wrong with the files when they were last read.
    #[must_use]
    pub fn errors(&self) -> &[FactError] {
        &self.errors
    }
}

/// What holds after a file was read: its content, or what it held before if it broke or vanished.
fn keep<T>(
    read: Result<Option<T>, FactError>,
    (path, required): (&PathBuf, bool),
    before: Option<T>,
    (errors, health): (&mut Vec<FactError>, &mut Vec<String>),
) -> Option<T> {
    let error = match read {
        Ok(Some(value)) => return Some(value),
        Ok(None) if before.is_none() && !required => return None,
        Ok(None) => {
            FactError { path: path.clone(), line: None, what: "there is no such file".to_owned() }
        }
        Err(error) => error,
    };
    let instead = if before.is_some() { "the values read before hold" } else { "nothing is taken" };
    health.push(format!("{error}; {instead}"));
    errors.push(error);
    before
}

/// Facts as the same bytes wherever they are the same facts: JSON without blanks, keys sorted.
#[must_use]
pub fn canonical(facts: &Facts) -> Vec<u8> {
    // Facts are a sorted map, and so are serde_json's without its feature `preserve_order`. Values
    // of JSON always have a JSON form, so that nothing is ever left out here.
    serde_json::to_vec(facts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use marcato_core::limits::facts::{CLASSES_BYTES_MAX, FACTS_BYTES_MAX, FILE_BYTES_MAX};
    use serde_json::{Value, json};
    use std::fs;
    use std::path::Path;

    fn sources(dir: &Path) -> Sources {
        Sources {
            facts: dir.join("facts.yaml"),
            facts_required: false,
            classes: Some(dir.join("classes.txt")),
            root: dir.to_owned(),
        }
    }

    fn health(source: &FactSource, dir: &Path) -> Vec<String> {
        let dir = format!("{}/", dir.display());
        source.health().iter().map(|line| line.replace(&dir, "")).collect()
    }

    #[test]
    fn a_broken_file_keeps_its_last_good_values_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("facts.yaml");
        fs::write(dir.path().join("classes.txt"), "common\n\nrole::web\ncommon\n").unwrap();
        fs::write(&path, "hagroup: a\nkernel: mine\n").unwrap();
        let mut source = FactSource::new(sources(dir.path()));
        assert_eq!(source.facts()["hagroup"], json!("a"));
        assert_eq!(source.facts()["kernel"], json!("mine"), "a person's word comes first");
        assert!(source.facts().contains_key("kernelrelease"));
        assert_eq!(source.classes(), ["common", "role::web"]);
        assert!(source.health().is_empty());
        assert!(!source.refresh());

        fs::write(&path, "hagroup: b\nhagroup: c\n").unwrap();
        assert!(source.refresh());
        assert_eq!(source.facts()["hagroup"], json!("a"));
        let want = "facts.yaml:2: the key \"hagroup\" stands twice; the values read before hold";
        assert_eq!(health(&source, dir.path()), [want]);
        assert_eq!(source.errors()[0].line, Some(2));
        assert!(!source.refresh());

        fs::remove_file(&path).unwrap();
        assert!(source.refresh());
        assert_eq!(source.facts()["hagroup"], json!("a"));
        let want = "facts.yaml: there is no such file; the values read before hold";
        assert_eq!(health(&source, dir.path()), [want]);

        fs::write(&path, "hagroup: b\n").unwrap();
        assert!(source.refresh());
        assert_eq!(source.facts()["hagroup"], json!("b"));
        assert_eq!(source.facts()["kernel"], json!("Linux"));
        assert!(source.health().is_empty());
    }

    #[test]
    fn files_that_are_missing_from_the_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let source = FactSource::new(Sources { classes: None, ..sources(dir.path()) });
        assert!(source.health().is_empty() && source.errors().is_empty());
        assert!(source.facts().contains_key("hostname"));
        let required = Sources { facts_required: true, ..sources(dir.path()) };
        let source = FactSource::new(required);
        assert_eq!(
            health(&source, dir.path()),
            [
                "facts.yaml: there is no such file; nothing is taken",
                "classes.txt: there is no such file; nothing is taken",
            ]
        );
    }

    #[test]
    fn errors_name_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: &[u8], want: &str| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            let error = match name {
                "classes" => read_classes(&path).unwrap_err(),
                _ => read_facts(&path).unwrap_err(),
            };
            let said = error.to_string();
            let said = said.strip_prefix(&format!("{}/", dir.path().display())).unwrap();
            assert!(said.starts_with(want), "{said}");
        };
        check("f.yaml", b"a: b\nc: \xff\n", "f.yaml:2: not UTF-8");
        check("f.yaml", b"a: b\n  c: d\n", "f.yaml:2: ");
        check("f.yaml", b"'': x\n", "f.yaml: \"\" cannot be a fact's name");
        check(
            "f.yaml",
            b"trusted.role: db\n",
            "f.yaml: the fact \"trusted.role\" is the authority's",
        );
        check("f.yaml", &b"# ".repeat(FILE_BYTES_MAX), "f.yaml: longer than");
        let large = format!("a: '{}'\n", "x".repeat(FACTS_BYTES_MAX));
        check("f.yaml", large.as_bytes(), "f.yaml: 163848 bytes of facts, at most 163840");
        check(
            "f.json",
            b"{\"a\": 1,\n\"a\": 2}",
            "f.json: not acceptable JSON: the key \"a\" stands twice",
        );
        check("f.json", b"[]", "f.json: not a map of facts");
        check("classes", b"a\nb\x07\n", "classes:2: a control character");
        check("classes", &b"a\n".repeat(CLASSES_BYTES_MAX), "classes: 131072 bytes of classes");
        let folder = read_facts(dir.path()).unwrap_err();
        assert!(folder.to_string().ends_with(": not a file"), "{folder}");
    }

    #[test]
    fn json_files_are_taken_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("facts.json");
        fs::write(&path, r#"{"role": "web", "ports": [80, 443], "a": {"b": 1.5}}"#).unwrap();
        let facts = read_facts(&path).unwrap().unwrap();
        assert_eq!(json!(facts), json!({"role": "web", "ports": [80, 443], "a": {"b": 1.5}}));
    }

    #[test]
    fn the_same_facts_are_the_same_bytes() {
        let facts = |text: &str| -> Facts { serde_json::from_str(text).unwrap() };
        let one = facts(r#"{"b": {"y": 1, "x": null}, "a": "ü"}"#);
        let other = facts(r#" {"a":"\u00fc","b":{"x":null,"y":1}}"#);
        assert_eq!(canonical(&one), canonical(&other));
        assert_eq!(canonical(&one), "{\"a\":\"ü\",\"b\":{\"x\":null,\"y\":1}}".as_bytes());
    }

    /// The facts files with which the ancestor's answers were recorded, read as the ancestor read
    /// them: filters are compared with its answers on these.
    #[test]
    fn the_ancestors_files() {
        let truth = include_str!("../../../../filter/tests/filter-truth.jsonl");
        let lines = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let files: Vec<Facts> = lines
            .filter(|line| line["type"] == "facts")
            .map(|line| yaml::parse(line["facts_yaml"].as_str().unwrap()).unwrap())
            .collect();
        let [main, typed] = &files[..] else { panic!("{} files", files.len()) };
        assert_eq!(main["operatingsystemrelease"], json!("8.5"));
        assert_eq!(main["lead0"], json!("007"));
        assert_eq!(main["lines"], json!("one\ntwo"));
        assert_eq!(main["日本"], json!("東京"));
        assert_eq!(main["sp name"], json!("spaced"));
        assert_eq!((&typed["int"], &typed["float2"]), (&json!(42), &json!(8.5)));
        assert_eq!((&typed["sci"], &typed["bigf"]), (&json!(1000.0), &json!("1.0e+20")));
        assert_eq!((&typed["t"], &typed["nil"]), (&json!(true), &Value::Null));
        assert_eq!(typed["arr"], json!(["a", "b", 3, "10"]));
        assert_eq!(typed["arr_nested"], json!([["x", "y"], "z"]));
        assert_eq!(typed["intkey"], json!({"1": "one"}));
        assert_eq!((&typed["7"], &typed["sym"]), (&json!("seven"), &json!("symkey")));
        assert_eq!(typed["symval"], json!("sv"));
    }
}
