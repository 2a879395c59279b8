//! `docs/reference/facts.md`: every native fact with its meaning, beside what Debian's facter printed on
//! the same host, as `cargo xtask hosts facts` wrote it down.

use marcato_core::facts::{FLAT, LEFT_OUT, NATIVE, Native, row};
use serde_json::Value;

use super::{HEADER, cell};
use crate::hosts::facts::RECORD;
use crate::tidy::source::Source;

/// The longest value that is shown, in characters.
const SHOWN_MAX: usize = 60;

const ABOUT: &str = include_str!("facts.txt");

/// The page.
#[must_use]
pub fn page(sources: &[Source]) -> String {
    let record = sources.iter().find(|source| source.path == RECORD);
    let record = record.and_then(|source| Record::read(&source.text)).unwrap_or_default();
    let mut text = format!("{HEADER}{ABOUT}\n");
    text.push_str(&format!(
        "## The facts\n\nWritten down on {} on a Debian host in a container: by `mcod facts` without \
         Facter's help, and by Debian's facter {}. Where the right columns have one value, both \
         printed it; `–` is nothing. Facts marked ∿ are volatile: two looks differ. The names after the \
         first are Facter's flat ones of the same value.\n\n\
         | fact | meaning | read from | mcod | facter, and where it may differ |\n| --- | --- | --- | --- | --- |\n",
        record.date, record.version
    ));
    for fact in NATIVE {
        text.push_str(&line(fact, &record));
    }
    text.push_str("\n## What is left out\n\n| Facter's | why |\n| --- | --- |\n");
    for (name, why) in LEFT_OUT {
        text.push_str(&format!("| `{name}` | {} |\n", cell(why)));
    }
    text
}

fn line(fact: &Native, record: &Record) -> String {
    let flat = FLAT.iter().filter(|flat| flat.of.trim_end_matches(".*") == fact.name);
    let names: Vec<String> =
        std::iter::once(fact.name).chain(flat.map(|flat| flat.name)).map(code).collect();
    let mark = if fact.volatile { " ∿" } else { "" };
    let (ours, facters) = record.values(fact);
    format!(
        "| {}{mark} | {} | {} | {} | {} |\n",
        names.join(" "),
        cell(fact.meaning),
        cell(fact.source),
        cell(&ours),
        cell(format!("{facters} {}", fact.differs).trim())
    )
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

/// A fact's name by its parts, and its value.
type Leaf = (Vec<String>, Value);

/// What both said.
#[derive(Debug, Default)]
struct Record {
    date: String,
    version: String,
    facter: Vec<Leaf>,
    mcod: Vec<Leaf>,
}

impl Record {
    fn read(text: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(text).ok()?;
        let said = |name: &str| Some(record[name].as_str()?.to_owned());
        let leaves = |name: &str| {
            let mut all = Vec::new();
            leaves(&[], &record[name], &mut all);
            all
        };
        Some(Self {
            date: said("date")?,
            version: said("version")?,
            facter: leaves("facter"),
            mcod: leaves("mcod"),
        })
    }

    /// What both said of a fact: of the first place where they differ, else of the first.
    fn values(&self, fact: &Native) -> (String, String) {
        let of = |leaves: &[Leaf]| -> Vec<Leaf> {
            let is_of = |(name, _): &&Leaf| falls_under(name, fact);
            leaves.iter().filter(is_of).cloned().collect()
        };
        let (ours, facters) = (of(&self.mcod), of(&self.facter));
        let differs = ours
            .iter()
            .find(|leaf| !facters.contains(leaf))
            .or_else(|| facters.iter().find(|leaf| !ours.contains(leaf)));
        let Some((name, _)) = differs else {
            let value = ours.first().map(|(_, value)| shown(value));
            return (value.unwrap_or_else(|| "–".to_owned()), String::new());
        };
        let value = |leaves: &[Leaf]| {
            let own = leaves.iter().find(|(other, _)| other == name);
            own.map_or_else(|| "–".to_owned(), |(_, value)| shown(value))
        };
        (value(&ours), value(&facters))
    }
}

fn falls_under(name: &[String], fact: &Native) -> bool {
    let parts: Vec<&str> = name.iter().map(String::as_str).collect();
    row(&parts).is_some_and(|row| row.name == fact.name)
}

fn leaves(name: &[String], value: &Value, into: &mut Vec<Leaf>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                leaves(&[name, std::slice::from_ref(key)].concat(), value, into);
            }
        }
        _ => into.push((name.to_vec(), value.clone())),
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", cut.replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(RECORD);
        Record::read(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Whether Facter's fact is one that is left out, or lies inside of one.
    fn is_left_out(name: &[String]) -> bool {
        LEFT_OUT.iter().any(|(pattern, _)| {
            let parts: Vec<&str> = pattern.split('.').collect();
            let fits = |(part, wanted): (&String, &&str)| *wanted == "*" || part == wanted;
            parts.len() <= name.len() && name.iter().zip(&parts).all(fits)
        })
    }

    #[test]
    fn every_difference_is_explained() {
        let record = record();
        assert!(record.facter.len() > 200 && record.mcod.len() > 200);
        for fact in NATIVE.iter().filter(|fact| fact.differs.is_empty() && !fact.volatile) {
            let (ours, facters) = record.values(fact);
            assert_eq!(facters, "", "{}: mcod says {ours}", fact.name);
        }
        for (name, value) in &record.facter {
            let parts: Vec<&str> = name.iter().map(String::as_str).collect();
            let known = row(&parts).is_some() || is_left_out(name) || value.is_null();
            assert!(known, "facter prints {}, and no table has it", name.join("."));
        }
        for (name, _) in &record.mcod {
            let parts: Vec<&str> = name.iter().map(String::as_str).collect();
            assert!(row(&parts).is_some(), "mcod prints {}, and no table has it", name.join("."));
        }
    }

    #[test]
    fn values_side_by_side() {
        let leaf = |name: &str, value: Value| (vec!["os".to_owned(), name.to_owned()], value);
        let fact = NATIVE.iter().find(|fact| fact.name == "os.name").unwrap();
        let check = |ours: Option<&str>, facters: Option<&str>, want: (&str, &str)| {
            let said = |value: Option<&str>| value.map(|v| leaf("name", v.into())).into_iter();
            let (mcod, facter) = (said(ours).collect(), said(facters).collect());
            let (ours, facters) = Record { mcod, facter, ..Record::default() }.values(fact);
            assert_eq!((ours.as_str(), facters.as_str()), want);
        };
        check(Some("Debian"), Some("Debian"), ("`Debian`", ""));
        check(Some("Debian"), None, ("`Debian`", "–"));
        check(Some("a"), Some("b"), ("`a`", "`b`"));
        check(None, None, ("–", ""));
    }
}
